"""Rows from anyone: values that no audit writes are refused before a report or an export relies on them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.findings.outputs import checked, finding, written
from veritensor_ray.core.errors import StoreError


@pytest.mark.parametrize(
    ("about", "column"),
    [
        ({"finding_id": None}, "finding_id"),
        ({"finding_id": "x" * 65}, "finding_id"),
        ({"artifact": None}, "artifact"),
        ({"rule_id": None}, "rule_id"),
        ({"engine": None}, "engine"),
        ({"content_fingerprint": None}, "content_fingerprint"),
        ({"severity": None}, "severity"),
        ({"severity": "<b>"}, "severity"),
        ({"state": "gone"}, "state"),
        ({"count": None}, "count"),
        ({"count": -5}, "count"),
        ({"count": 1 << 62}, "count"),
        ({"confidence": float("nan")}, "confidence"),
        ({"confidence": float("inf")}, "confidence"),
        ({"taxonomy": ["CWE-1", None]}, "taxonomy"),
        ({"first_seen": datetime(1, 1, 1, tzinfo=UTC)}, "first_seen"),
        ({"last_seen": datetime(9999, 12, 31, 12, tzinfo=UTC)}, "last_seen"),
        ({"evidence": "x" * 10_001}, "evidence"),
        ({"artifact": "x" * 100_001}, "artifact"),
    ],
)
def test_findings_that_no_audit_writes(about: dict[str, Any], column: str, tmp_path: Path) -> None:
    good = finding(1)
    results = written(tmp_path, [good], [checked("a.txt")])
    results.check()
    rows = pa.Table.from_pylist([good, finding(2) | about], results.dataset("findings").schema)
    pq.write_table(rows, tmp_path / "findings" / "part-00000.parquet")
    with pytest.raises(
        StoreError, match=rf"the table findings of .* has values that no audit writes: {column} \(1\). Copy the output again"
    ):
        results.check()


@pytest.mark.parametrize(
    ("about", "column"),
    [
        ({"artifact": None}, "artifact"),
        ({"status": None}, "status"),
        ({"size": -1}, "size"),
        ({"gaps_total": -1}, "gaps_total"),
        ({"coverage": [None]}, "coverage"),
        ({"coverage": [{"engine": None, "status": "complete"}]}, "coverage"),
        ({"gaps": [None]}, "gaps"),
    ],
)
def test_entries_of_the_ledger_that_no_audit_writes(about: dict[str, Any], column: str, tmp_path: Path) -> None:
    results = written(tmp_path, [], [checked("a.txt")])
    rows = pa.Table.from_pylist([checked("a.txt") | about], results.dataset("ledger").schema)
    pq.write_table(rows, tmp_path / "ledger" / "part-00000.parquet")
    with pytest.raises(StoreError, match=rf"the table ledger of .* has values that no audit writes: {column} \(1\)"):
        results.check()


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"finding_id": pa.array([{"a": 1}])}),  # a type that cannot become text
        pa.table({"severity": pa.array([[1]])}),
    ],
)
def test_a_column_of_another_type(table: pa.Table, tmp_path: Path) -> None:
    results = written(tmp_path, [finding(1)])
    pq.write_table(table, tmp_path / "findings" / "part-00000.parquet")
    with pytest.raises(StoreError, match=r"the table findings of .* is damaged: .* Copy the output again"):
        results.check()


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    results = written(tmp_path, [finding(1)])
    (tmp_path / "findings" / "part-00000.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(StoreError, match=r"the table findings of .* is damaged: (?!.*SELECT).*Copy the output again"):
        results.check()
