"""Rewriting Parquet: one value changes, and everything else is as it was: values, schema, row groups, metadata and encodings."""

from __future__ import annotations

import base64
import contextlib
import datetime
import decimal
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.marked import rewritten
from tests.formats.editing.ordering import cleaned, order, texts_of
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import PARQUET
from veritensor_ray.formats.columnar.parquet import rewrite as module
from veritensor_ray.formats.columnar.parquet.rewrite import joined_parquet, rewrite_parquet
from veritensor_ray.formats.columnar.parquet.thrift import List, Struct, Thrift, encoded
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders, Unit

KIND = Kind(PARQUET)
MASK, DROP_CELL, DROP_ROW = Action.MASK, Action.DROP_CELL, Action.DROP_ROW
WORDS = ["alpha", "beta gamma", "Zürich", "", None, "x@y and more", "naïve 日本"]
STRUCT = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string())), pa.field("c", pa.string(), nullable=False)])


def parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **{"row_group_size": 7, **options})
    return out.getvalue()


def clean(data: bytes, orders: Sequence[Order], mask: str = "[X]", strip: Sequence[Strippable] = ()) -> tuple[bytes, Orders]:
    return cleaned(rewrite_parquet, data, KIND, orders, mask, strip)


def rows_of(data: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def columns_of(rows: int, seed: int) -> dict[str, pa.Array]:
    """One column of each kind, with nulls and empty values everywhere."""
    some = random.Random(seed)

    def word() -> str | None:
        return some.choice(WORDS)

    def words() -> list[str | None] | None:
        return some.choice([None, [], [word() for _ in range(some.randrange(4))]])

    def struct() -> dict[str, Any] | None:
        return some.choice([None, {"a": some.choice([None, 7]), "b": words(), "c": word() or ""}])

    def made(kind: pa.DataType, value: Any) -> pa.Array:
        return pa.array([value() for _ in range(rows)], kind)

    return {
        "text": made(pa.string(), word),
        "large": made(pa.large_string(), word),
        "view": made(pa.string_view(), word),
        "category": made(pa.string(), word).dictionary_encode(),
        "bytes": made(pa.binary(), lambda: (word() or "").encode()),
        "list": made(pa.list_(pa.string()), words),
        "large list": made(pa.large_list(pa.large_string()), words),
        "pair": made(pa.list_(pa.string(), 2), lambda: some.choice([None, [word(), word()]])),
        "struct": made(STRUCT, struct),
        "structs.deep": made(pa.list_(pa.struct([("k", STRUCT)])), lambda: some.choice([None, [{"k": struct()}, None]])),
        "map": made(pa.map_(pa.string(), pa.string()), lambda: [(f"k{i}", f"{i} {word()}") for i in range(some.randrange(3))]),
        "numbers": made(pa.uint32(), lambda: some.choice([None, 2**32 - 1])),
        "half": pa.array(np.arange(rows, dtype=np.float16)),
        "price": made(pa.decimal128(9, 2), lambda: some.choice([None, decimal.Decimal("-12.34")])),
        "when": made(pa.timestamp("ns", "UTC"), lambda: some.choice([None, 1_600_000_000_000_001_000])),
        "day": made(pa.date32(), lambda: datetime.date(2020, 2, some.randrange(1, 29))),
        "nothing": pa.nulls(rows),
        "key": made(pa.uuid(), lambda: some.randbytes(16)),
        "flag": made(pa.bool_(), lambda: some.choice([None, True, False])),
    }


OPTIONS: list[dict[str, Any]] = [
    {},
    {"compression": "zstd", "data_page_version": "2.0", "write_page_index": True, "write_page_checksum": True},
    {"compression": "gzip", "use_dictionary": False, "version": "1.0"},
    {"compression": "none", "store_schema": False, "write_statistics": False},
    {"compression": "lz4", "row_group_size": 1000, "bloom_filter_options": {"text": True}},
    {
        "use_dictionary": False,
        "column_encoding": {
            "text": "DELTA_BYTE_ARRAY",
            "bytes": "DELTA_LENGTH_BYTE_ARRAY",
            "numbers": "DELTA_BINARY_PACKED",
            "half": "BYTE_STREAM_SPLIT",
        },
    },
    {"store_decimal_as_integer": True, "use_dictionary": ["text"], "data_page_size": 64},
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_each_text_of_the_reader_can_be_changed_alone(number: int) -> None:
    table = pa.table(columns_of(23, number)).replace_schema_metadata({"note": "x@y", "other": "stays"})
    data = parquet(table, **OPTIONS[number])
    found = texts_of(data, KIND)
    before = pq.ParquetFile(io.BytesIO(data))
    for at, (text, unit) in random.Random(number).sample(list(enumerate(found)), 14):
        if not text:
            continue
        made, orders = clean(data, [order(unit, 0, len(text), text)], "[X]")
        if unit.column == "numbers":  # no mask is a number, so the file is held
            assert orders.undone
            continue
        assert not orders.undone, unit
        same = [(text, unit)] * found.count((text, unit))
        now = texts_of(made, KIND)
        assert [one for one in now if one not in found] == [("[X]", unit) for _ in same]
        assert len(now) == len(found), at
        after = pq.ParquetFile(io.BytesIO(made))
        assert after.schema.equals(before.schema)
        assert after.metadata.num_row_groups == before.metadata.num_row_groups
        top = (unit.column or "").partition("[")[0]
        for name in table.column_names:
            if not name.startswith(top.partition(".")[0]) and unit.row is not None:
                assert after.read([name]).equals(before.read([name])), (unit, name)
    assert pq.read_schema(io.BytesIO(made)).equals(pq.read_schema(io.BytesIO(data)), check_metadata=unit.row is not None)


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_rows_are_left_out(number: int) -> None:
    table = pa.table(columns_of(23, number))
    data = parquet(table, **OPTIONS[number])
    gone = [0, 3, *range(7, 14), 22]
    made, orders = clean(data, [order(Unit(row=row, column="text"), action=DROP_ROW) for row in gone])
    assert not orders.undone
    assert [row.row for row in orders.account.rows] == gone
    left = [row for row in range(23) if row not in gone]
    read = pq.read_table(io.BytesIO(made))
    assert read.schema.equals(pq.read_schema(io.BytesIO(data)), check_metadata=True)
    whole = rows_of(data)
    assert read.to_pylist() == [whole[row] for row in left]
    for leaf in range(pq.read_metadata(io.BytesIO(data)).num_columns):
        one, two = (pq.read_metadata(io.BytesIO(some)).row_group(0).column(leaf) for some in (data, made))
        assert (one.physical_type, one.encodings) == (two.physical_type, two.encodings), one.path_in_schema
    if OPTIONS[number].get("row_group_size") is None:
        file = pq.ParquetFile(io.BytesIO(made)).metadata
        assert [file.row_group(i).num_rows for i in range(file.num_row_groups)] == [5, 7, 1]


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_a_file_keeps_how_it_is_stored(number: int) -> None:
    data = parquet(pa.table(columns_of(23, number)), **OPTIONS[number])
    row = next(unit.row for text, unit in texts_of(data, KIND) if unit.column == "text" and text)
    text = next(text for text, unit in texts_of(data, KIND) if unit.column == "text" and unit.row == row and text)
    made, _ = clean(data, [order(Unit(row=row, column="text"), 0, 1, text[0])])
    before, after = (pq.ParquetFile(io.BytesIO(one)).metadata for one in (data, made))
    assert (after.created_by, after.format_version) == (before.created_by, before.format_version)
    for group in range(before.num_row_groups):
        for leaf in range(before.num_columns):
            one, two = before.row_group(group).column(leaf), after.row_group(group).column(leaf)
            for name in ("compression", "encodings", "physical_type", "path_in_schema", "num_values", "is_stats_set", "has_offset_index"):
                assert getattr(one, name) == getattr(two, name), (name, one.path_in_schema)
            if one.path_in_schema != "text":
                assert (one.statistics and one.statistics.to_dict()) == (two.statistics and two.statistics.to_dict())
                assert one.total_compressed_size == two.total_compressed_size


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_another_program_finds_the_new_values(number: int, tmp_path: Path) -> None:
    table = pa.table({"text": [f"value {i:02}" for i in range(40)], "n": range(40)})
    options = {name: value for name, value in OPTIONS[number].items() if name not in ("column_encoding", "store_decimal_as_integer")}
    made, _ = clean(
        parquet(table, **options), [order(Unit(row=30, column="text"), 0, 8, "value 30"), order(Unit(row=2, column="n"), action=DROP_ROW)]
    )
    (path := tmp_path / "made.parquet").write_bytes(made)
    with duckdb.connect() as database:

        def numbers(where: str) -> list[int]:
            return [row[0] for row in database.execute(f"SELECT n FROM '{path}' WHERE {where} ORDER BY n").fetchall()]

        assert numbers("text = '[X]'") == [30]  # statistics and Bloom filters of the old values would hide it
        assert numbers("text = 'value 30'") == []
        assert numbers("n < 5") == [0, 1, 3, 4]


def test_dropping_a_cell_makes_it_null_or_empty() -> None:
    table = pa.table({"a": ["x", "y"], "s": pa.array([{"b": ["q", "r"], "c": "z"}] * 2, pa.struct([*list(STRUCT)[1:]]))})
    units = [Unit(row=0, column="a"), Unit(row=1, column="s.b[1]"), Unit(row=1, column="s.c")]
    made, orders = clean(parquet(table), [order(unit, 0, 1, "x", action=DROP_CELL) for unit in units])
    assert not orders.undone
    assert rows_of(made) == [{"a": None, "s": {"b": ["q", "r"], "c": "z"}}, {"a": "y", "s": {"b": ["q", None], "c": ""}}]


def test_undecodable_bytes_stay() -> None:
    raw = pa.array([b"\xff x@y \xe6\x97", b"ok"]).view(pa.string())
    made, orders = clean(parquet(pa.table({"a": raw})), [order(Unit(row=0, column="a"), 2, 5, "x@y")])
    assert not orders.undone
    assert pq.read_table(io.BytesIO(made))["a"].chunk(0).view(pa.binary()).to_pylist() == [b"\xff [X] \xe6\x97", b"ok"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_binary_text_keeps_its_encoding(codec: str) -> None:
    made, orders = clean(parquet(pa.table({"a": ["to x@y now".encode(codec)]})), [order(Unit(row=0, column="a"), 3, 6, "x@y")])
    assert not orders.undone
    assert rows_of(made) == [{"a": "to [X] now".encode(codec)}]


@pytest.mark.parametrize(
    ("table", "one"),
    [
        ({"a": ["x@y"]}, order(Unit(row=0, column="a"), 0, 3, "q@y")),
        ({"a": ["x@y"]}, order(Unit(row=1, column="a"), 0, 3, "x@y")),
        ({"a": ["x@y"]}, order(Unit(row=0, column="b"), 0, 3, "x@y")),
        ({"a": [b"\x89PNG\r\n\x1a\n" + bytes(40)]}, order(Unit(row=0, column="a"), 0, 3, "x@y")),
        # two values of one name; the order does not say which one it saw
        (
            {"a": pa.array([[("k", "eA=="), ("l", "eA==")]], pa.map_(pa.string(), pa.string()))},
            order(Unit(row=0, column="a[].value"), 0, 4),
        ),
    ],
)
def test_an_order_that_does_not_fit_stays_undone(table: dict[str, Any], one: Order) -> None:
    made, orders = clean(data := parquet(pa.table(table)), [one])
    assert len(orders.undone) == 1
    assert pq.read_table(io.BytesIO(made)).equals(pq.read_table(io.BytesIO(data)))


def test_columns_of_the_same_name_are_distinguished_by_their_text() -> None:
    table = pa.Table.from_arrays([pa.array(["x@y"]), pa.array(["other"]), pa.array(["x@y"])], names=["a", "a", "a.b"])
    made, orders = clean(parquet(table), [order(Unit(row=0, column="a"), 0, 3, "x@y")])
    assert not orders.undone
    assert [column.to_pylist() for column in pq.ParquetFile(io.BytesIO(made)).read().columns] == [["[X]"], ["other"], ["x@y"]]


def test_a_chunk_with_more_than_a_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORTION", 4_000)
    monkeypatch.setattr(module, "_BATCH_ROWS", 100)
    table = pa.table({"a": [f"number {i % 50}" for i in range(2000)], "l": [["q", f"{i}"] for i in range(2000)]})
    data = parquet(table, row_group_size=1500, write_page_index=True)
    made, orders = clean(data, [order(Unit(row=1200, column="a"), 0, 6, "number"), order(Unit(row=3, column="a"), action=DROP_ROW)])
    assert not orders.undone
    expected = table.to_pylist()
    expected[1200]["a"] = "[X] 0"
    del expected[3]
    assert rows_of(made) == expected


def test_pandas_finds_its_index() -> None:
    data = parquet(pa.Table.from_pandas(pd.DataFrame({"a": ["x", "y", "z"], "c": pd.Categorical(["u", "v", "u"])})))
    made, _ = clean(data, [order(Unit(row=0, column="a"), action=DROP_ROW)])
    frame = pd.read_parquet(io.BytesIO(made))
    assert list(frame.index) == [0, 1]
    assert list(frame.a) == ["y", "z"]
    assert isinstance(frame.c.dtype, pd.CategoricalDtype)
    named = parquet(pa.Table.from_pandas(pd.DataFrame({"a": ["x", "y"]}, index=["k", "l"])))
    assert list(pd.read_parquet(io.BytesIO(clean(named, [order(Unit(row=0, column="a"), 0, 1, "x")])[0])).index) == ["k", "l"]


def test_metadata_is_changed_everywhere() -> None:
    table = pa.table({"a": ["x"]}).replace_schema_metadata({"note": "by x@y", "json": '{"by": "x@y"}', "pandas": "{}"})
    note, inside = order(Unit(column="note"), 3, 6, "x@y", view="metadata"), order(Unit(column="json"), 8, 11, "x@y", view="metadata")
    made, orders = clean(parquet(table), [note, inside])
    assert not orders.undone
    assert pq.read_schema(io.BytesIO(made)).metadata == {b"note": b"by [X]", b"json": b'{"by": "[X]"}', b"pandas": b"{}"}
    assert b"x@y" not in made
    assert "x@y" not in str(pq.read_metadata(io.BytesIO(made)).metadata)
    arrow = pq.read_metadata(io.BytesIO(made)).metadata[b"ARROW:schema"]
    assert b"x@y" not in base64.b64decode(arrow)
    stripped, orders = clean(parquet(table), [note], strip=[Strippable.METADATA])
    assert not orders.undone
    assert pq.read_schema(io.BytesIO(stripped)).metadata == {b"pandas": b"{}"}
    broken, _ = clean(parquet(table), [inside], mask='"')
    assert set(pq.read_schema(io.BytesIO(broken)).metadata) == {b"note", b"pandas"}


def test_parts_of_a_file_are_joined() -> None:
    frame = pd.DataFrame({"a": [f"t{i}" for i in range(30)], "n": range(30)})
    data = parquet(pa.Table.from_pandas(frame), write_page_index=True, bloom_filter_options={"a": True})
    orders = [order(Unit(row=9, column="a"), 0, 2, "t9"), order(Unit(row=29, column="a"), action=DROP_ROW)]
    whole, _ = clean(data, orders)
    pieces = []
    for first, last in ((0, 2), (2, 4), (4, 5)):
        mine = [one for one in orders if first * 7 <= (one.mark.row or 0) < last * 7]
        piece, told = io.BytesIO(), Orders(mine, frozenset(), lambda *_: "[X]")
        rewrite_parquet(Source(io.BytesIO(data), KIND, Limits(), row_groups=(first, last), first_part=first == 0), piece, told)
        assert not told.undone
        assert pq.read_metadata(piece).num_row_groups == last - first
        pieces.append(piece)
    out = io.BytesIO()
    joined_parquet(pieces, io.BytesIO(data), out)
    assert pq.read_table(out).equals(pq.read_table(io.BytesIO(whole)))
    assert pq.read_schema(out).equals(pq.read_schema(io.BytesIO(whole)), check_metadata=True)
    assert list(pd.read_parquet(out).index) == [*range(29)]


def test_two_runs_give_the_same_bytes_and_nothing_ordered_the_same_values() -> None:
    data = parquet(pa.table(columns_of(23, 1)))
    assert (
        clean(data, [order(Unit(row=0, column="bytes"), action=DROP_ROW)])[0]
        == clean(data, [order(Unit(row=0, column="bytes"), action=DROP_ROW)])[0]
    )
    assert pq.read_table(io.BytesIO(clean(data, [])[0])).equals(pq.read_table(io.BytesIO(data)))


def test_a_file_without_anything_to_do_is_the_same() -> None:
    data = parquet(pa.table(columns_of(9, 3)))
    assert clean(data, [], strip=[*Strippable])[0] == data


@pytest.mark.parametrize(("year", "is_rewritten"), [(2020, True), (9999, False)])
def test_times_of_96_bits(year: int, is_rewritten: bool) -> None:
    times = pa.array([datetime.datetime(year, 1, 1), None, datetime.datetime(2021, 1, 1)], pa.timestamp("us"))
    data = parquet(pa.table({"a": ["x", "y", "z"], "t": times}), use_deprecated_int96_timestamps=True)
    gone = order(Unit(row=1, column="a"), action=DROP_ROW)
    if is_rewritten:
        made, _ = clean(data, [gone])
        assert pq.read_table(io.BytesIO(made))["t"].to_pylist() == pq.read_table(io.BytesIO(data))["t"].take([0, 2]).to_pylist()
        assert pq.read_metadata(io.BytesIO(made)).row_group(0).column(1).physical_type == "INT96"
    else:
        with pytest.raises(CannotRewriteError, match="96 bits"):
            clean(data, [gone])
    made, told = clean(data, [order(Unit(row=0, column="a"), 0, 1, "x")])  # the times are copied as they are
    assert not told.undone
    assert rows_of(made)[2] == rows_of(data)[2]


def relaid(data: bytes, lay: Callable[[list[Struct]], list[Struct]]) -> bytes:
    """A file with another schema over the same pages."""
    length = int.from_bytes(data[-8:-4], "little")
    made = Thrift(data[-8 - length : -8]).struct()
    made[2] = List.of(lay(made[2]))
    made.pop(5)  # the Arrow schema
    end = encoded(made)
    return data[: -8 - length] + end + len(end).to_bytes(4, "little") + b"PAR1"


def _two_levels(schema: list[Struct]) -> list[Struct]:
    """Lists as old writers lay them out: `optional group l (LIST) { repeated binary array }`."""
    leaf = schema[3].copy()
    leaf.put(3, 5, 2)
    leaf.put(4, 8, b"array")
    return [*schema[:2], leaf]


def _repeated(schema: list[Struct]) -> list[Struct]:
    """The same without saying that they are lists."""
    group = schema[1].copy()
    group.pop(6, None)
    group.pop(10, None)
    return [schema[0], group, *schema[2:]]


@pytest.mark.parametrize("lay", [_two_levels, _repeated])
def test_lists_of_other_writers(lay: Callable[[list[Struct]], list[Struct]]) -> None:
    values = pa.array([["a", "x@y"], [], None, ["b"]], pa.list_(pa.field("element", pa.string(), nullable=False)))
    data = relaid(parquet(pa.table({"l": values})), lay)
    text, unit = next(one for one in texts_of(data, KIND) if one[0] == "x@y")
    made, told = clean(data, [order(unit, 0, 3, text), order(Unit(row=3, column="l"), action=DROP_ROW)])
    assert not told.undone
    assert str(rows_of(made)) == str(rows_of(data)[:3]).replace("x@y", "[X]")
    assert pq.read_metadata(io.BytesIO(made)).schema == pq.read_metadata(io.BytesIO(data)).schema


def test_a_dropped_row_takes_its_files_with_it() -> None:
    table = pa.table({"a": ["x", "y"], "file": [b"PK\x03\x04" + bytes(40), b""]})
    inside = order(Unit(), 0, 1, "x", member="row 0 file")
    made, told = clean(parquet(table), [order(Unit(row=0, column="a"), action=DROP_ROW), inside])
    assert not told.undone
    assert rows_of(made) == [{"a": "y", "file": b""}]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_files_are_refused_or_rewritten(seed: int) -> None:
    data = bytearray(parquet(pa.table(columns_of(10, 0)), write_page_index=True))
    some = random.Random(seed)
    for _ in range(4):
        data[some.randrange(len(data) - 3000, len(data))] = some.randrange(256)
    with contextlib.suppress(ReadError, CannotRewriteError):
        clean(bytes(data), [order(Unit(row=0, column="text"), action=DROP_ROW), order(Unit(row=1, column="text"), 0, 1, "a")])


def test_real_engines() -> None:
    table = pa.table({"id": [1, 2], "chat": [[{"role": "user", "text": "mail ann.smith@gmail.com"}], []]})
    made = rewritten(parquet(table), "chats.parquet")
    assert made.data is not None
    assert rows_of(made.data)[0]["chat"][0]["text"] == "mail [EMAIL]"


def test_a_label_that_is_an_address_is_changed_where_json_has_it_as_escapes() -> None:
    names = ["ham", "Jürgen <jürgen@kaldor-mail.com>", 'für "alle"']
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    table = pa.table({"label": [0, 1]}).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    made = rewritten(parquet(table), "labels.parquet")
    assert made.cleaned.result == "cleaned" and made.data is not None
    said = json.loads(pq.read_schema(io.BytesIO(made.data)).metadata[b"huggingface"])
    assert said["info"]["features"]["label"]["names"] == ["ham", "Jürgen <[EMAIL]>", 'für "alle"']
