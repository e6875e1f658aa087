"""CSV, JSON and JSON lines of any table."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.exports import outputs
from veritensor_ray.exports.plain_tables import KINDS, PARQUET, as_json, spreadsheet_safe, write_rows
from veritensor_ray.findings.schema import FINDINGS, LOCATION


def exported(kind: str, table: pa.Table, first: tuple[str, ...] = ()) -> str:
    file = io.BytesIO()
    write_rows(kind, table.to_batches(), table.schema, file, first)
    assert not file.closed
    return file.getvalue().decode()


def test_findings_have_every_column() -> None:
    row = outputs.finding(member="b.pkl", at={"line": 3}, places=[{"line": 5}, {"line": 8, "part": "x"}])
    table = pa.Table.from_pylist([row], FINDINGS)
    (one,) = json.loads(exported("json", table))
    assert [*one] == FINDINGS.names
    assert json.loads(exported("jsonl", table)) == one
    (cells,) = csv.DictReader(io.StringIO(exported("csv", table)))
    assert [*cells] == [name for name in FINDINGS.names if name != "location"] + [f"location_{field.name}" for field in LOCATION]
    assert (cells["artifact"], cells["member"], cells["location_line"]) == ("models/a.pkl", "b.pkl", "3")
    assert json.loads(cells["places"]) == [{"line": 5}, {"line": 8, "part": "x"}]


@pytest.mark.parametrize(("kind", "empty"), [("json", "[]\n"), ("jsonl", ""), ("csv", "a,b\r\n")])
def test_a_table_without_rows(kind: str, empty: str) -> None:
    assert exported(kind, pa.schema([("a", pa.int64()), ("b", pa.string())]).empty_table()) == empty


def test_batches_make_one_list() -> None:
    table = pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})])
    assert json.loads(exported("json", table)) == [{"a": 1}, {"a": 2}]
    assert exported("json", table) == json.dumps([{"a": 1}, {"a": 2}], indent=2) + "\n"


def test_parquet_keeps_types_and_takes_many_batches() -> None:
    row = outputs.finding(member="b.pkl", at={"line": 3}, places=[{"line": 5}])
    table = pa.Table.from_pylist([row] * 3, FINDINGS)
    file = io.BytesIO()
    write_rows(PARQUET, table.to_batches(max_chunksize=1), table.schema, file, ("evidence",))
    read = pq.read_table(file)
    assert read.column_names[0] == "evidence"
    assert read.select(FINDINGS.names).cast(FINDINGS).equals(table)


@pytest.mark.parametrize("kind", KINDS)
def test_some_columns_come_first(kind: str) -> None:
    text = exported(kind, pa.table({"a": [1], "b": [2], "c": [3]}), ("c", "a"))
    assert [text.index(f"{name}") for name in "cab"] == sorted(text.index(f"{name}") for name in "cab")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal(5), "5"),
        (Decimal("5.5"), "5.5"),
        (b"\x00\xff", '"00ff"'),
        (datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01 00:00:00+00:00"'),
        (float("inf"), '"inf"'),
        ([{"a": float("nan")}], '[{"a": "nan"}]'),
        ("\x1b\u202e\ud800", '"\\u001b\\u202e\\ud800"'),
        (None, "null"),
    ],
)
def test_values_that_json_does_not_have(value: Any, written: str) -> None:
    assert as_json(value) == written


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (pa.array([["a", "=b"]]), "a =b"),
        (pa.array([{"x": 1}]), None),
        (pa.array([[{"x": 1, "y": None}]]), '[{"x": 1}]'),
        (pa.array([None], pa.list_(pa.struct([("x", pa.int64())]))), "[]"),
        (pa.array([-1]), "-1"),
        (pa.array(["-1"]), "'-1"),
        (pa.array(["a\nb"]), "a b"),
    ],
)
def test_cells_of_csv(column: pa.Array, cell: str | None) -> None:
    names, cells = csv.reader(io.StringIO(exported("csv", pa.table({"c": column}))))
    assert (names, cells) == ((["c"], [cell]) if cell is not None else (["c_x"], ["1"]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("-2", "'-2"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("|x", "'|x"),
        ("\t=1", "' =1"),
        (" =1", "' =1"),
        ("＝1+1", "'＝1+1"),  # full-width, which some read as the sign
        ("＠x", "'＠x"),
        ("a=1", "a=1"),
        (3, 3),
        (None, None),
        (["@x", "y"], "'@x y"),
    ],
)
def test_cells_are_not_formulas(value: object, expected: object) -> None:
    assert spreadsheet_safe(value) == expected
