"""Queries over an output, and outputs that cannot be read."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.findings.outputs import finding, written
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import CannotRunError, IncompleteOutput, SignatureError, StoreError, UsageError, VeritensorError
from veritensor_ray.core.signing import new_key
from veritensor_ray.findings.schema import OF_AUDIT
from veritensor_ray.results.attestation import attest
from veritensor_ray.results.results import Results, find


@pytest.fixture
def results(tmp_path: Path) -> Results:
    rows = [
        finding(1, "hr/a.csv", {"line": 7, "row": 5}, rule_id="pii.email"),
        finding(2, "hr/b.txt", {"line": 2}, rule_id="pii.phone", severity="low"),
        finding(3, "web/a.csv", {"line": 7}, rule_id="secrets.key", severity="critical"),
    ]
    return written(tmp_path, rows)


def ids(results: Results, where: str) -> list[int]:
    return [int(row["finding_id"], 16) for row in results.records(f"FROM {results.matching(where)} ORDER BY finding_id")]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("rule = 'pii.email' and artifact glob 'hr/*'", [1]),
        ("rule_id glob 'pii.*'", [1, 2]),
        ("line = 7", [1, 3]),
        ("row = 5", [1]),
        ("severity_rank(severity) >= 3", [1, 3]),
        ("true -- everything", [1, 2, 3]),
        ("finding_id in (select finding_id from findings where severity = 'low')", [2]),
    ],
)
def test_conditions(where: str, found: list[int], results: Results) -> None:
    assert ids(results, where) == found


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("", "without selection list"),
        ("rul = 'pii.email'", '"rul" not found'),
        ("severity = 'high'; DROP TABLE findings", "syntax error|exactly one|SELECT|statement"),
        ("artifact in (select content from read_text('/etc/hostname'))", "disabled"),
        ("artifact = getenv('HOME')", "getenv"),
        ("1 = 1) OR (artifact", "syntax error"),
        ("line = 1, line = 2", "single expression"),
        ("*", "true or false"),
        ("artifact", "of type VARCHAR, not true or false"),
        ("count(*) > 1", "WHERE clause cannot contain aggregates"),
        ("artifact = '\udcff'", "bytes that are not UTF-8"),
    ],
)
def test_conditions_that_are_refused(where: str, why: str, results: Results) -> None:
    with pytest.raises(UsageError, match=why):
        results.matching(where)


def test_severities_have_a_rank(results: Results) -> None:
    assert [results.records("SELECT severity_rank(?) AS rank", [one]) for one in SEVERITIES] == [[{"rank": n}] for n in range(1, 6)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM nowhere",
        "SELEC 1",
        "SELECT severity::INT FROM findings",
        "COPY findings TO '/tmp/out.csv'",
        "FROM read_csv('/etc/passwd')",
        "INSTALL httpfs",
        "SET memory_limit = '1GB'",
    ],
)
def test_queries_that_are_refused(query: str, results: Results) -> None:
    with pytest.raises(UsageError, match=r"^the query .* is not (valid: .*The tables are findings|a query that returns rows)"):
        results.records(query)


@pytest.mark.slow
def test_ctrl_c_ends_a_query(results: Results) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(5):
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                results.records("SELECT sum(a.range * b.range) AS n FROM range(10000000) a, range(10000000) b")
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_condition_keeps_the_columns(results: Results) -> None:
    [row] = results.records(f"FROM {results.matching('line = 2')}")
    assert list(row) == results.dataset("findings").schema.names


def test_values_are_never_part_of_a_query(results: Results) -> None:
    assert results.records("SELECT count(*) AS n FROM findings WHERE artifact = ?", ["' OR true --"]) == [{"n": 0}]


@pytest.mark.parametrize(
    "value", ["TIMESTAMPTZ '290000-01-01'", "[TIMESTAMP 'infinity']", "{'a': DATE '99999-01-01'}", "MAP {1: DATE '99999-01-01'}"]
)
def test_times_that_python_does_not_have(value: str, results: Results) -> None:
    with pytest.raises(UsageError, match="a time outside the years 1 to 9999; cast it to VARCHAR"):
        results.records(f"SELECT {value} AS value")


def test_text_that_is_not_utf8(results: Results) -> None:
    schema = results.dataset("findings").schema
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\4\0\0\0"), pa.py_buffer(b"a\xff\xfeb"))
    table = pa.Table.from_pylist([finding(1)], schema).set_column(schema.get_field_index("evidence"), "evidence", broken)
    pq.write_table(table, Path(results.store.uri) / "findings" / "part-00000.parquet")
    with pytest.raises(UsageError, match="text that is not UTF-8, which no audit writes; copy the output again"):
        results.records("SELECT * FROM findings")


def test_values_with_bytes_that_are_not_utf8(results: Results) -> None:
    for query, values in (("SELECT '\udcff' AS a", []), ("SELECT ? AS a", ["\udcff"]), ("SELECT unnest(?::VARCHAR[]) AS a", [["\udcff"]])):
        with pytest.raises(UsageError, match="bytes that are not UTF-8"):
            results.records(query, values)


def newer(folder: Path) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": "99", "package_version": "9.9.0"}))


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (
            lambda folder: (folder / "run.json").unlink(),
            IncompleteOutput,
            "no audit or sweep was written there. Correct the path, or write one with submit",
        ),
        (newer, CannotRunError, r"was written by a newer version \(9.9.0\).*schema 99.* Install that version"),
    ],
)
def test_outputs_that_cannot_be_read(spoil: object, error: type[VeritensorError], words: str, results: Results) -> None:
    folder = results.store.local
    assert folder is not None and callable(spoil)
    spoil(folder)
    with pytest.raises(error, match=words):
        find(str(folder), {})


@pytest.mark.parametrize("table", OF_AUDIT)
def test_a_table_without_its_files_is_not_an_empty_table(table: str, results: Results) -> None:
    """Otherwise a copy that lost its findings would look clean."""
    folder = results.store.local
    assert folder is not None
    for part in (folder / table).iterdir():
        part.unlink()
    with pytest.raises(StoreError, match=f"has lost its table {table}; restore the output, or scan again with --fresh"):
        results.dataset(table)


def test_signed_results_that_changed(results: Results, tmp_path: Path) -> None:
    results.check()  # not signed
    new_key(tmp_path / "key")
    attest(results.store, f"file:{tmp_path / 'key'}", results.run)
    results.check()
    (tmp_path / "findings" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(SignatureError, match=r"findings/part-00000.parquet has changed: .* Copy the output again"):
        results.check()
