"""Readers of tables give each text the values of the key columns of its row."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cases import each
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import ARROW_FILE, CSV, JSONL, PARQUET
from veritensor_ray.core.segments import Block, Identity, one_batch
from veritensor_ray.core.table_view import TableColumn, TableView, packed
from veritensor_ray.formats.columnar.arrow.read import read_arrow_file, read_parquet
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.csv.read import read_csv
from veritensor_ray.formats.json.read import read_jsonl

Reader = Callable[[Source], Iterator[Item]]


def keys(reader: Reader, data: bytes, kind: Kind, key: tuple[str, ...], view: TableView | None = None) -> dict[tuple[Any, str], Any]:
    """The keys by row and text."""
    source = Source(io.BytesIO(data), kind, Limits(), key=key, view=view)
    blocks = [one for one in reader(source) if isinstance(one, Block)]
    rows = one_batch([(block, Identity(0, "a", kind.media_type)) for block in blocks]).to_pylist()
    return {(row["row"], row["text"]): row["key"] and json.loads(row["key"]) for row in rows}


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=2)
    return out.getvalue()


def arrow(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


TABLE = pa.table({"id": pa.array([7, None, 9], pa.int8()), "text": ["a", "b", "c"], "inner": [{"x": "d"}, None, {"x": "f"}]})
TEXT = Kind(CSV, "utf-8"), Kind(JSONL, "utf-8")
LINES = b'{"id": 7, "text": "a"}\n{"text": "b", "id": null}\n{"id": [1], "text": "c"}\n["d"]\n{"text": "e"}\n'


@pytest.mark.parametrize(
    ("reader", "data", "kind", "expected"),
    [
        (read_parquet, parquet(TABLE), Kind(PARQUET), {(0, "a"): "7", (0, "d"): "7", (1, "b"): None, (2, "c"): "9", (2, "f"): "9"}),
        (read_arrow_file, arrow(TABLE), Kind(ARROW_FILE), {(0, "a"): "7", (0, "d"): "7", (1, "b"): None, (2, "c"): "9", (2, "f"): "9"}),
        (read_csv, b"id,text\n7,a\n,b\n9,c\n", TEXT[0], {(0, "7"): "7", (0, "a"): "7", (1, "b"): "", (2, "9"): "9", (2, "c"): "9"}),
        (read_jsonl, LINES, TEXT[1], {(0, "a"): "7", (1, "b"): None, (2, "c"): None}),
    ],
    ids=["parquet", "arrow", "csv", "json lines"],
)
def test_each_text_has_the_key_of_its_row(reader: Reader, data: bytes, kind: Kind, expected: dict[Any, Any]) -> None:
    found = keys(reader, data, kind, ("id", "absent"))
    assert {at: key[0][1] for at, key in found.items() if key} == expected
    assert {key[0][0] for key in found.values() if key} == {"id"}, "a column that is absent is not named"
    assert not any(keys(reader, data, kind, ()).values())


DAY, LONG = datetime.date(2026, 1, 2), "x" * 100
VALUES = [
    (pa.int64(), 17, "17"),
    (pa.bool_(), True, "true"),
    (pa.date32(), DAY, "2026-01-02"),
    (pa.decimal128(9, 2), 3, "3.00"),
    (pa.binary(), b"\x00\xff", "00ff"),
    (pa.binary(2), b"\x00\xff", "00ff"),
    (pa.string(), LONG, "…"),
    (pa.string_view(), "a", "a"),
    (pa.dictionary(pa.int8(), pa.string()), "a", "a"),
    (pa.month_day_nano_interval(), (1, 2, 3), "…"),
    (pa.timestamp("s"), datetime.datetime(2026, 1, 2), "2026-01-02 00:00:00"),
]


@each(("kind", "value", "expected"), VALUES, ids=[str(one[0]) for one in VALUES])
def test_values_of_every_type(kind: pa.DataType, value: Any, expected: str) -> None:
    table = pa.table({"id": pa.array([value], kind), "text": ["t"]})
    assert keys(read_arrow_file, arrow(table), Kind(ARROW_FILE), ("id",))[0, "t"] == [["id", expected]]


def test_a_table_names_its_key_columns() -> None:
    """By its own names, with the values that all rows share, and for living rows."""
    view = TableView((TableColumn("key", "id"), TableColumn("named", "text")), (("team", "red"),), packed([True]))
    found = keys(read_parquet, parquet(TABLE), Kind(PARQUET), ("key", "team", "id"), view)
    assert found == {(1, "b"): [["key", None], ["team", "red"]], (2, "c"): [["key", "9"], ["team", "red"]], (None, "red"): None}


def labelled(names: Any, kind: str = "ClassLabel", dtype: pa.DataType | None = None) -> pa.Table:
    """A table with a column of labels, described as the library `datasets` does it."""
    features = {"label": {"names": names, "_type": kind}, "text": {"dtype": "string", "_type": "Value"}}
    table = pa.table({"label": pa.array([0, 1, 2, -1, None]).cast(dtype or pa.int64()), "text": list("abcde")})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


@each("reader", [(read_parquet, parquet, PARQUET), (read_arrow_file, arrow, ARROW_FILE)], ids=["parquet", "arrow"])
@each(
    ("table", "expected"),
    [
        (labelled(["ham", "Größe"]), ["0 (ham)", "1 (Größe)", "2", "-1", None]),
        (labelled(["ham", LONG, "x"], dtype=pa.int8()), ["0 (ham)", "1 (…)", "2 (x)", "-1", None]),
        (labelled(["ham"], "Value"), ["0", "1", "2", "-1", None]),
        (labelled([["ham"]]), ["0", "1", "2", "-1", None]),
        (labelled({"0": "ham"}), ["0", "1", "2", "-1", None]),
        (labelled(["ham"], dtype=pa.string()), ["0", "1", "2", "-1", None]),
        (labelled([]).replace_schema_metadata({"huggingface": "{"}), ["0", "1", "2", "-1", None]),
        (labelled([]).replace_schema_metadata({"huggingface": "[" * 100_000}), ["0", "1", "2", "-1", None]),
        (labelled([]).replace_schema_metadata({"huggingface": '{"info": {"features": "label"}}'}), ["0", "1", "2", "-1", None]),
        (labelled([]).replace_schema_metadata({"huggingface": '{"info": {"features": {"label": [3]}}}'}), ["0", "1", "2", "-1", None]),
    ],
)
def test_labels_have_their_names(reader: Any, table: pa.Table, expected: list[str | None]) -> None:
    read, write, kind = reader
    found = keys(read, write(table), Kind(kind), ("label",))
    assert [found[row, "abcde"[row]] for row in range(5)] == [[["label", value]] for value in expected]
