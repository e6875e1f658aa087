"""Rewriting Arrow files and streams: one value changes, and dictionaries forget what no row has any more."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from tests.cases import each
from tests.cleaning.marked import rewritten
from tests.formats.columnar.parquet.test_rewrite import columns_of
from tests.formats.editing.ordering import cleaned, order, texts_of
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import ARROW_FILE, ARROW_STREAM, FEATHER_1
from veritensor_ray.formats.columnar.arrow.rewrite import rewrite_arrow_file, rewrite_arrow_stream
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders, Unit
from veritensor_ray.formats.format_registry import rewrite

DROP_CELL, DROP_ROW = Action.DROP_CELL, Action.DROP_ROW
KINDS = [ARROW_FILE, ARROW_STREAM]
CODECS = [None, "zstd", "lz4"]


def arrow(batches: Sequence[pa.RecordBatch], kind: str, codec: str | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    opener = pa.ipc.new_file if kind == ARROW_FILE else pa.ipc.new_stream
    with opener(out, batches[0].schema, options=pa.ipc.IpcWriteOptions(compression=codec, **options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return out.getvalue()


def batches_of(table: pa.Table, rows: int = 7) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = table.combine_chunks().to_batches(rows)
    return batches


def opened(data: bytes, kind: str) -> Any:
    return (pa.ipc.open_file if kind == ARROW_FILE else pa.ipc.open_stream)(io.BytesIO(data))


def read(data: bytes, kind: str) -> list[pa.RecordBatch]:
    reader = opened(data, kind)
    return [reader.get_batch(i) for i in range(reader.num_record_batches)] if kind == ARROW_FILE else list(reader)


def rows_of(data: bytes, kind: str) -> list[dict[str, Any]]:
    return [row for batch in read(data, kind) for row in batch.to_pylist()]


def clean(data: bytes, kind: str, orders: Sequence[Order], mask: str = "[X]", strip: Sequence[Strippable] = ()) -> tuple[bytes, Orders]:
    rewriter = rewrite_arrow_file if kind == ARROW_FILE else rewrite_arrow_stream
    return cleaned(rewriter, data, Kind(kind), orders, mask, strip)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("codec", CODECS)
def test_each_text_of_the_reader_can_be_changed_alone(kind: str, codec: str | None) -> None:
    data = arrow(batches_of(pa.table(columns_of(23, 1))), kind, codec)
    found = texts_of(data, Kind(kind))
    for text, unit in random.Random(1).sample([one for one in found if one[0] and one[1].column != "numbers"], 25):
        made, orders = clean(data, kind, [order(unit, 0, len(text), text)])
        assert not orders.undone, unit
        now = texts_of(made, Kind(kind))
        assert [one for one in now if one not in found] == [("[X]", unit)] * found.count((text, unit))
        assert len(now) == len(found)
        before, after = read(data, kind), read(made, kind)
        assert [batch.num_rows for batch in before] == [batch.num_rows for batch in after]
        assert opened(made, kind).schema.equals(opened(data, kind).schema, check_metadata=True)
        for one, two in zip(before, after, strict=True):
            two.validate(full=True)
            for name in one.schema.names:
                if name != (unit.column or "").partition("[")[0].removesuffix(".c").removesuffix(".b"):
                    assert one[name].to_pylist() == two[name].to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_left_out(kind: str) -> None:
    data = arrow(batches_of(pa.table(columns_of(23, 2))), kind, "zstd")
    gone = [0, 3, *range(7, 14), 22]
    made, orders = clean(data, kind, [order(Unit(row=row, column="text"), action=DROP_ROW) for row in gone])
    assert not orders.undone
    whole = rows_of(data, kind)
    assert rows_of(made, kind) == [whole[row] for row in range(23) if row not in gone]
    assert [batch.num_rows for batch in read(made, kind)] == [5, 7, 1]


@each("kind", KINDS)
@each(
    ("values", "orders", "mask", "expected", "dictionary"),
    [
        # the only row of a value: the new value takes its place
        (["a", "secret", "b"], [(1, "secret")], "[X]", ["a", "[X]", "b"], ["a", "[X]", "b"]),
        # another row still has the old value
        (["secret", "secret", "b"], [(1, "secret")], "[X]", ["secret", "[X]", "b"], ["secret", "b", "[X]"]),
        (["secret", "secret", "b"], [(0, "secret"), (1, "secret")], "[X]", ["[X]", "[X]", "b"], ["[X]", "b"]),
        # the new value is known already
        (["a", "secret", "b"], [(1, "secret")], "b", ["a", "b", "b"], ["a", "b"]),
        (["x1", "x2", "b"], [(0, "x1"), (1, "x2")], "[X]", ["[X]", "[X]", "b"], ["[X]", "b"]),
    ],
)
def test_dictionaries_forget(
    kind: str, values: list[str], orders: list[tuple[int, str]], mask: str, expected: list[str], dictionary: list[str]
) -> None:
    table = pa.table({"c": pa.array(values).dictionary_encode()})
    data = arrow(batches_of(table, 2), kind)
    made, told = clean(data, kind, [order(Unit(row=row, column="c"), 0, len(text), text) for row, text in orders], mask)
    assert not told.undone
    assert [row["c"] for row in rows_of(made, kind)] == expected
    assert read(made, kind)[0].column(0).dictionary.to_pylist() == dictionary
    assert opened(made, kind).schema.equals(table.schema)


@pytest.mark.parametrize("kind", KINDS)
def test_dictionaries_forget_rows_and_cells(kind: str) -> None:
    table = pa.table({"c": pa.array(["a", "secret", "hidden", "b"]).dictionary_encode()})
    orders = [order(Unit(row=1, column="c"), action=DROP_ROW), order(Unit(row=2, column="c"), 0, 6, "hidden", action=DROP_CELL)]
    made, told = clean(arrow(batches_of(table, 2), kind), kind, orders)
    assert not told.undone
    assert [row["c"] for row in rows_of(made, kind)] == ["a", None, "b"]
    assert b"secret" not in made
    assert b"hidden" not in made


def test_dictionaries_that_grow_or_change_in_a_stream() -> None:
    names = pa.schema({"c": pa.dictionary(pa.int32(), pa.string())})
    batches = [
        pa.record_batch([pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(values))], schema=names)
        for codes, values in (([0, 1], ["a", "secret"]), ([2, 1], ["a", "secret", "b"]), ([0, 1], ["z", "a"]))
    ]
    for deltas in (True, False):
        data = arrow(batches, ARROW_STREAM, emit_dictionary_deltas=deltas)
        made, told = clean(data, ARROW_STREAM, [order(Unit(row=row, column="c"), 0, 6, "secret") for row in (1, 3)])
        assert not told.undone
        assert [row["c"] for row in rows_of(made, ARROW_STREAM)] == ["a", "[X]", "b", "[X]", "z", "a"]
        assert b"secret" not in made


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["secret"], ["b"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        pa.array([["secret"], ["b"]], pa.list_view(pa.string())),
        pa.RunEndEncodedArray.from_arrays([1, 2], ["secret", "b"]),
        pa.array([["secret"], ["b"]], pa.list_(pa.string_view())),
    ],
)
def test_columns_that_would_keep_the_text_are_refused(column: pa.Array) -> None:
    data = arrow([pa.record_batch({"c": column, "d": ["x", "y"]})], ARROW_FILE)
    text, unit = next(one for one in texts_of(data, Kind(ARROW_FILE)) if one[0] == "secret")
    for one in (order(unit, 0, 6, text), order(Unit(row=0, column="d"), action=DROP_ROW)):
        with pytest.raises(CannotRewriteError):
            clean(data, ARROW_FILE, [one])
    made, told = clean(data, ARROW_FILE, [order(Unit(row=0, column="d"), 0, 1, "x")])
    assert not told.undone
    assert read(made, ARROW_FILE)[0].column(0).equals(column)


@pytest.mark.parametrize("kind", KINDS)
def test_views_lose_the_old_text(kind: str) -> None:
    table = pa.table({"c": pa.array(["a secret that is longer than twelve", "other"], pa.string_view())})
    made, told = clean(arrow(batches_of(table), kind), kind, [order(Unit(row=0, column="c"), 2, 8, "secret")])
    assert not told.undone
    assert b"secret" not in made
    assert rows_of(made, kind)[0] == {"c": "a [X] that is longer than twelve"}


def test_metadata_compression_and_feather_stay() -> None:
    frame = pd.DataFrame({"a": ["x@y", "z", "q"], "c": pd.Categorical(["u", "v", "u"], ordered=True, categories=["v", "u"])})
    out = io.BytesIO()
    pa.feather.write_feather(frame, out, compression="zstd")
    orders = [order(Unit(row=0, column="a"), 0, 3, "x@y"), order(Unit(row=1, column="a"), action=DROP_ROW)]
    made, told = clean(out.getvalue(), ARROW_FILE, orders)
    assert not told.undone
    again = pa.feather.read_feather(io.BytesIO(made))
    assert list(again.a) == ["[X]", "q"]
    assert list(again.index) == [0, 1]
    assert list(again.c.cat.categories) == ["u"]  # no row has the other one any more
    assert again.c.cat.ordered
    assert b"\x28\xb5\x2f\xfd" in made  # a frame of Zstandard


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_of_schema_and_batches(kind: str) -> None:
    schema = pa.schema([pa.field("a", pa.string(), metadata={"about": "field"})], metadata={"note": "by x@y", "other": "stays"})
    out = io.BytesIO()
    with (pa.ipc.new_file if kind == ARROW_FILE else pa.ipc.new_stream)(out, schema) as writer:
        writer.write_batch(pa.record_batch([["t"]], schema=schema), custom_metadata={"batch": "1"})
    note = order(Unit(column="note"), 3, 6, "x@y", view="metadata")
    made, told = clean(out.getvalue(), kind, [note])
    assert not told.undone
    assert opened(made, kind).schema.metadata == {b"note": b"by [X]", b"other": b"stays"}
    assert opened(made, kind).schema.field(0).metadata == {b"about": b"field"}
    reader = opened(made, kind)
    _, metadata = reader.get_batch_with_custom_metadata(0) if kind == ARROW_FILE else reader.read_next_batch_with_custom_metadata()
    assert dict(metadata) == {b"batch": b"1"}
    assert not opened(clean(made, kind, [], strip=[Strippable.METADATA])[0], kind).schema.metadata


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_anything_to_do_is_the_same(kind: str) -> None:
    data = arrow(batches_of(pa.table(columns_of(9, 3))), kind)
    assert clean(data, kind, [], strip=[*Strippable])[0] == data


@each("seed", range(20))
def test_damaged_files_are_refused_or_rewritten(seed: int) -> None:
    some = random.Random(seed)
    kind = some.choice(KINDS)
    data = bytearray(arrow(batches_of(pa.table(columns_of(10, 0))), kind, some.choice(CODECS)))
    for _ in range(4):
        data[some.randrange(16, len(data))] = some.randrange(256)
    with contextlib.suppress(ReadError, CannotRewriteError):
        clean(bytes(data), kind, [order(Unit(row=0, column="text"), action=DROP_ROW), order(Unit(row=1, column="text"), 0, 1, "a")])


def test_feather_1_is_not_rewritten() -> None:
    with pytest.raises(CannotRewriteError, match="are not rewritten"):
        cleaned(rewrite, b"FEA1", Kind(FEATHER_1), [])


def test_real_engines() -> None:
    made = rewritten(arrow([pa.record_batch({"a": ["mail ann.smith@gmail.com", "none"]})], ARROW_FILE), "chats.arrow")
    assert made.data is not None
    assert rows_of(made.data, ARROW_FILE) == [{"a": "mail [EMAIL]"}, {"a": "none"}]


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_no_row_ever_had_leave_a_dictionary_that_changes(kind: str) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([2, 0]), pa.array(["kept", "a secret that nobody checked", "secret"]))
    data = arrow([pa.record_batch({"c": column})], kind)
    made, told = clean(data, kind, [order(Unit(row=0, column="c"), 0, 6, "secret")])
    assert not told.undone
    assert b"secret" not in made
