"""Data files of tables: which cells are read, under which names, in every shape that a column can have."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import PARQUET
from veritensor_ray.core.segments import Block, Gap, Identity, one_batch
from veritensor_ray.core.table_view import TableColumn, TableView, packed
from veritensor_ray.formats.columnar.arrow.read import read_parquet
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source


def item(*inner: TableColumn) -> TableColumn:
    return TableColumn("elementType", "elementType", None, inner)


def source(table: pa.Table, view: TableView | None, **options: Any) -> Source:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    out.seek(0)
    return Source(out, Kind(PARQUET), Limits(), view=view)


def cells(read: Source) -> tuple[list[tuple[int | None, str, str]], list[str]]:
    """The texts with row and column, and the gaps."""
    found: list[tuple[int | None, str, str]] = []
    gaps = []
    for one in read_parquet(read):
        if isinstance(one, Gap):
            gaps.append(one.reason)
        elif isinstance(one, Block):
            batch = one_batch([(one, Identity(0, "a.parquet", PARQUET))])
            found += zip(*(batch.column(name).to_pylist() for name in ("row", "column", "text")), strict=True)
    return sorted(found, key=str), gaps


VIEW, LARGE = pa.string_view(), pa.large_string()
INNER = TableColumn("new", "old")
SHAPES: list[tuple[str, pa.DataType, Any, tuple[TableColumn, ...], str]] = [
    ("text", pa.string(), "x", (), "named"),
    ("view", VIEW, "x" * 20, (), "named"),
    ("struct", pa.struct([("old", pa.string()), ("gone", pa.string())]), {"old": "x", "gone": "hidden"}, (INNER,), "named.new"),
    ("struct of views", pa.struct([("old", VIEW), ("gone", VIEW)]), {"old": "x" * 20, "gone": "hidden"}, (INNER,), "named.new"),
    ("list", pa.list_(pa.struct([("old", pa.string())])), [{"old": "x" * 20}], (item(INNER),), "named[0].new"),
    ("large list", pa.large_list(pa.struct([("old", LARGE)])), [{"old": "x"}], (item(INNER),), "named[0].new"),
    ("map", pa.map_(pa.string(), pa.struct([("old", pa.string())])), [("k", {"old": "x"})], (item(), item(INNER)), "named[].value.new"),
    ("list of lists", pa.list_(pa.list_(pa.struct([("old", pa.string())]))), [[{"old": "x"}]], (item(item(INNER)),), "named[0][0].new"),
]


@pytest.mark.parametrize(("kind", "value", "inner", "path"), [one[1:] for one in SHAPES], ids=[one[0] for one in SHAPES])
def test_names_and_rows(kind: pa.DataType, value: Any, inner: tuple[TableColumn, ...], path: str) -> None:
    """Rows 0 and 3 are deleted, row 2 has no value."""
    table = pa.table({"stored": pa.array([value, value, None, value, value], kind), "other": ["hidden"] * 5})
    view = TableView((TableColumn("named", "stored", None, inner),), deleted=packed([True, False, False, True]))
    read = source(table, view)
    found, gaps = cells(read)
    assert [(row, column) for row, column, text in found if text.startswith("x")] == [(1, path), (4, path)]
    assert "hidden" not in [text for _, _, text in found]
    assert gaps[0].startswith("2 deleted rows are still in the file") and gaps[1].endswith(
        ": stored.gone, other" if "gone" in str(kind) else ": other"
    )
    assert read.counts.rows == 3


def test_a_column_is_found_by_its_number() -> None:
    fields = [pa.field(name, pa.string(), metadata={"PARQUET:field_id": number}) for name, number in (("a", "7"), ("b", "9"))]
    table = pa.table([["one"], ["two"]], schema=pa.schema(fields))
    found, _ = cells(source(table, TableView((TableColumn("first", "b", 7), TableColumn("second", "a", 9)))))
    assert [(column, text) for row, column, text in found if row == 0] == [("first", "one"), ("second", "two")]


@pytest.mark.parametrize(("deleted", "seen"), [([], True), ([True, False], True), ([True, True], False)])
def test_shared_values_are_read_once_if_a_row_is_left(deleted: list[bool], seen: bool) -> None:
    view = TableView((TableColumn("a", "a"),), (("team", "red"),), packed(deleted))
    found, _ = cells(source(pa.table({"a": ["x", "y"]}), view))
    assert ((None, "team", "red") in found) == seen


@pytest.mark.parametrize("log_decides", [True, False])
def test_a_file_may_repeat_a_shared_value(log_decides: bool) -> None:
    """The file's column is read in any case, and the log's value too if it counts. The column does not count as dropped."""
    view = TableView((TableColumn("a", "a"), TableColumn("team", "c2")), (("team", "red"),), log_decides=log_decides)
    found, gaps = cells(source(pa.table({"a": ["x", "y"], "c2": ["red", "blue"]}), view))
    assert gaps == []
    assert [(row, text) for row, column, text in found if column == "team"] == [(0, "red"), (1, "blue"), *[(None, "red")] * log_decides]


def test_values_of_deleted_rows_are_in_no_dictionary_or_statistic_that_is_told() -> None:
    table = pa.table({"a": ["a secret of a deleted row", *["plain words"] * 50]})
    view = TableView((TableColumn("a", "a"),), deleted=packed([True]))
    found, _ = cells(source(table, view, use_dictionary=True))
    assert {text for _, _, text in found} == {"plain words"}


def test_row_groups_and_batches_keep_the_numbers_of_rows() -> None:
    table = pa.table({"a": [f"cell {number}" for number in range(5000)]})
    deleted = [number % 3 == 0 for number in range(5000)]
    found, _ = cells(source(table, TableView((TableColumn("a", "a"),), deleted=packed(deleted)), row_group_size=700))
    assert {row: text for row, _, text in found if row is not None} == {n: f"cell {n}" for n in range(5000) if n % 3}
