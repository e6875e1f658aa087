"""Avro files: the values with findings change or their records go, and fastavro reads everything else as it was."""

from __future__ import annotations

import datetime
import io
import json
import struct
import zlib
from collections import Counter
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.columnar.avro.test_read import AVRO, record, written
from tests.formats.editing.ordering import cleaned, covering, order, texts_of
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.columnar.avro.rewrite import rewrite_avro
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Unit

MAIL = "jane.doe@example-mail.de"
INNER = {"type": "record", "name": "Inner", "fields": [{"name": "key", "type": "string"}, {"name": "n", "type": "double"}]}
TREE = {"type": "record", "name": "Tree", "fields": [{"name": "t", "type": "string"}, {"name": "next", "type": ["null", "Tree"]}]}
EVERYTHING = record(
    text="string",
    maybe=["null", "string", "long"],
    many={"type": "array", "items": ["null", "string"]},
    named={"type": "map", "values": {"type": "array", "items": "string"}},
    inner={"type": "array", "items": INNER},
    tree=TREE,
    raw="bytes",
    four={"type": "fixed", "name": "Four", "size": 4},
    sort={"type": "enum", "name": "Sort", "symbols": ["A", "B"]},
    day={"type": "int", "logicalType": "date"},
    at={"type": "long", "logicalType": "timestamp-micros"},
    price={"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4},
    number="long",
    ratio="float",
    yes="boolean",
)


def row(number: int, text: str = "x") -> dict[str, Any]:
    return {
        "text": text,
        "maybe": (None, text, number)[number % 3],
        "many": [None, text, "", f"y{number}"],
        "named": {"a": [], "b": [text, "z"]},
        "inner": [{"key": text, "n": 0.1}, {"key": text, "n": -0.0}],
        "tree": {"t": "leaf", "next": {"t": text, "next": None}},
        "raw": f"bytes {text}".encode(),
        "four": b"\x00\x01\x02\xff",
        "sort": "AB"[number % 2],
        "day": datetime.date(1, 1, 1) + datetime.timedelta(number),
        "at": datetime.datetime(1600, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=number),
        "price": Decimal(number) / 10000 - 3,
        "number": -(1 << 62) + number,
        "ratio": 0.5 * number,
        "yes": number % 2 == 0,
    }


def clean(data: bytes, action: str = "mask") -> Rewritten:
    policy = CleanPolicy.model_validate({"rules": [{"rule": "pii.*", "action": action}]})
    return rewritten(data, "a.avro", policy)


def rows_of(data: bytes) -> list[Any]:
    return list(fastavro.reader(io.BytesIO(data)))


def replaced(value: Any, old: str = MAIL, new: str = "[EMAIL]") -> Any:
    if isinstance(value, dict):
        return {replaced(key, old, new): replaced(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [replaced(one, old, new) for one in value]
    if isinstance(value, bytes):
        return value.replace(old.encode(), new.encode())
    return value.replace(old, new) if isinstance(value, str) else value


def about(data: bytes) -> Any:
    """Header and sync marker, as they stand in the file."""
    found = fastavro.reader(io.BytesIO(data))
    return found.metadata, found._header["sync"]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "zstandard"])
def test_values_of_every_type_stay_and_the_others_change(codec: str) -> None:
    rows = [row(number, MAIL if number in (3, 40, 41) else "x") for number in range(60)]
    data = written(EVERYTHING, rows, codec, sync_interval=2000, metadata={"made.by": "somebody"})
    found = clean(data)
    assert found.data is not None, found.cleaned.reason
    assert rows_of(found.data) == replaced(rows_of(data))
    assert about(found.data) == about(data)
    assert clean(found.data).cleaned.result == Result.COPIED


def test_snappy_has_its_checksum() -> None:
    """Made by hand, because fastavro packs with snappy only beside another library."""
    plain = written(record(c="string"), [{"c": MAIL}, {"c": "x"}])
    sync, content = plain[-16:], b"\x30" + MAIL.encode() + b"\x02x"
    head = plain[: plain.index(sync) + 16].replace(b"\x14avro.codec\x08null", b"\x14avro.codec\x0csnappy")
    packed = bytes(pa.compress(content, "snappy", asbytes=True)) + struct.pack(">I", zlib.crc32(content))
    found = clean(head + bytes([4, 2 * len(packed)]) + packed + sync)
    assert found.data is not None, found.cleaned.reason
    new = b"\x0e[EMAIL]\x02x"
    packed = bytes(pa.compress(new, "snappy", asbytes=True)) + struct.pack(">I", zlib.crc32(new))
    assert found.data == head + bytes([4, 2 * len(packed)]) + packed + sync


def test_records_go_and_the_others_stay() -> None:
    rows = [row(number, MAIL if number in (*range(6), 17) else "x") for number in range(20)]
    data = written(EVERYTHING, rows, "deflate", sync_interval=400)
    found = clean(data, "drop-row")
    assert found.data is not None, found.cleaned.reason
    assert rows_of(found.data) == [one for number, one in enumerate(rows_of(data)) if number not in (*range(6), 17)]
    assert (found.cleaned.rows_dropped, about(found.data)) == (7, about(data))


def test_lengths_of_items_follow_their_content() -> None:
    """Blocks of an array within blocks of another one, each with its length in bytes before it, as other programs write them."""
    schema = {"type": "array", "items": {"type": "array", "items": "string"}}

    def block(count: int, data: bytes) -> bytes:
        return bytes([2 * count - 1]) + _zigzag(len(data)) + data

    def nested(texts: list[str]) -> bytes:
        inner = block(len(texts), b"".join(_zigzag(len(one)) + one.encode() for one in texts)) + b"\0"
        return block(1, inner) + block(1, inner) + b"\0"

    plain = written(record(c=schema), [])
    sync, head = plain[-16:], plain
    texts = ["k" * 30, MAIL, MAIL]
    for mask in ("[X]", "[LONGER]" * 10):
        data = head + _zigzag(1) + _zigzag(len(nested(texts))) + nested(texts) + sync
        made, told = cleaned(rewrite_avro, data, AVRO, [covering(MAIL, Unit(row=0, column="c[][]"))], mask)
        expected = nested([texts[0], mask, mask])
        assert made == head + _zigzag(1) + _zigzag(len(expected)) + expected + sync
        assert not told.undone


def _zigzag(number: int) -> bytes:
    value, made = 2 * number, b""
    while value > 127:
        made, value = made + bytes([value & 127 | 128]), value >> 7
    return made + bytes([value])


def test_files_in_bytes_are_rewritten() -> None:
    document = b"<html><body><p>" + MAIL.encode() + b"</p></body></html>"
    data = written(record(c="bytes"), [{"c": document}, {"c": b"\x00" * 40}])
    found = clean(data)
    assert found.data is not None, found.cleaned.reason
    assert rows_of(found.data) == [{"c": document.replace(MAIL.encode(), b"[EMAIL]")}, {"c": b"\x00" * 40}]


def test_metadata_and_descriptions_change() -> None:
    schema = record(c="string") | {"doc": f"Ask {MAIL}"}
    data = written(schema, [{"c": "x"}], metadata={"owner": MAIL, "other": "stays"})
    found = clean(data)
    assert found.data is not None, found.cleaned.reason
    metadata, sync = about(found.data)
    assert (metadata["owner"], metadata["other"], sync) == ("[EMAIL]", "stays", about(data)[1])
    assert json.loads(metadata["avro.schema"]) == replaced(json.loads(about(data)[0]["avro.schema"]))
    assert rows_of(found.data) == rows_of(data)


@pytest.mark.parametrize(
    ("schema", "rows", "why"),
    [
        (record(c={"type": "map", "values": "string"}), [{"c": {MAIL: "a", "[EMAIL]": "b"}}], "two keys of a map"),
        (record(c={"type": "map", "values": "string"}), [{"c": {MAIL: "a", "john.roe@example-mail.de": "b"}}], "two keys of a map"),
        (record(c={"type": "fixed", "name": "F", "size": len(MAIL)}), [{"c": MAIL.encode()}], "have a fixed length"),
        (record(c="long"), [{"c": 4929421234567897}], "cannot be changed in this format"),
        (record(c={"type": "enum", "name": "E", "symbols": ["a"], "aliases": [MAIL]}), [{"c": "a"}], "a name or a type of its schema"),
    ],
    ids=["key-like-a-mask", "two-keys", "fixed", "number", "schema"],
)
def test_what_the_format_cannot_hold_holds_the_file(schema: Any, rows: list[Any], why: str) -> None:
    found = clean(written(schema, rows))
    assert found.marks
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
    assert why in (found.cleaned.reason or "")


def test_equal_columns_of_one_record_change_only_where_the_text_was_seen() -> None:
    data = written(record(c={"type": "array", "items": "string"}), [{"c": ["secret", "public"]}])
    unit = Unit(row=0, column="c[]")
    made, told = cleaned(rewrite_avro, data, AVRO, [order(unit, 0, 6, "secret")])
    assert (rows_of(made), list(told.undone)) == ([{"c": ["[X]", "public"]}], [])
    _, told = cleaned(rewrite_avro, data, AVRO, [order(unit, 0, 3)])  # from a decoded text, so that nobody knows in which of the two
    assert len(told.undone) == 1
    made, told = cleaned(rewrite_avro, data, AVRO, [order(unit, 0, 6, "secret", Action.DROP_CELL)])
    assert (rows_of(made), list(told.undone)) == ([{"c": ["", "public"]}], [])


@pytest.mark.parametrize("damage", ["cut", "marker", "record"])
def test_damage_is_an_error(damage: str) -> None:
    data = bytearray(written(EVERYTHING, [row(number, MAIL) for number in range(40)], sync_interval=500))
    if damage == "cut":
        del data[-40:]
    elif damage == "marker":
        data[-1] ^= 1
    else:
        data[data.index(MAIL.encode()) - 1] = 0xFE
    with pytest.raises((ReadError, CannotRewriteError)):
        cleaned(rewrite_avro, bytes(data), AVRO, [covering(MAIL, Unit(row=0, column="text"))])


_TEXTS = st.text(max_size=12)
_VALUES = {
    "string": _TEXTS,
    "bytes": st.binary(max_size=12),
    "long": st.integers(-(1 << 63), (1 << 63) - 1),
    "double": st.floats(allow_nan=False),
    "null": st.none(),
    "boolean": st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """A schema and rows of it."""

    def kind(depth: int) -> tuple[Any, Any]:
        name = draw(st.sampled_from([*_VALUES, *(("array", "map", "union") if depth < 3 else ())]))
        if name in _VALUES:
            return name, _VALUES[name]
        if name == "union":
            return ["null", "string"], st.none() | _TEXTS
        inner, values = kind(depth + 1)
        if name == "array":
            return {"type": "array", "items": inner}, st.lists(values, max_size=3)
        return {"type": "map", "values": inner}, st.dictionaries(_TEXTS, values, max_size=3)

    columns = {f"c{number}": kind(0) for number in range(draw(st.integers(1, 4)))}
    rows = draw(st.lists(st.fixed_dictionaries({name: values for name, (_, values) in columns.items()}), min_size=1, max_size=8))
    return record(**{name: one for name, (one, _) in columns.items()}), rows


def blank(value: Any) -> Any:
    """A value without its texts."""
    if isinstance(value, dict):
        return {key: blank(one) for key, one in value.items()}
    if isinstance(value, list):
        return [blank(one) for one in value]
    return type(value) if isinstance(value, (str, bytes)) else value


@settings(max_examples=40)
@given(tables(), st.data())
def test_only_what_is_ordered_changes_in_any_table(table: tuple[Any, list[Any]], data: st.DataObject) -> None:
    schema, rows = table
    before = written(schema, rows, data.draw(st.sampled_from(["null", "deflate"])), sync_interval=30)
    texts = [(text, unit) for text, unit in texts_of(before, AVRO) if unit.row is not None]
    times = Counter(unit for _, unit in texts)
    alone = [(text, unit) for text, unit in texts if times[unit] == 1 and not (unit.column or "").endswith(".key")]
    dropped = data.draw(st.sets(st.sampled_from(range(len(rows))), max_size=2))
    chosen = data.draw(st.lists(st.sampled_from(alone), max_size=3)) if alone else []
    drops = [order(Unit(row=number, column="c0"), action=Action.DROP_ROW) for number in sorted(dropped)]
    made, told = cleaned(rewrite_avro, before, AVRO, [*(covering(text, unit) for text, unit in chosen), *drops])
    assert not told.undone
    kept = [number for number in range(len(rows)) if number not in dropped]
    left = [rows_of(before)[number] for number in kept]
    touched = {unit.row for _, unit in chosen}
    for number, old, new in zip(kept, left, rows_of(made), strict=True):
        assert blank(old) == blank(new)
        assert old == new or number in touched
    expected = [
        ("[X]" if (text, unit) in chosen else text, unit._replace(row=kept.index(unit.row)))
        for text, unit in texts
        if unit.row is not None and unit.row not in dropped
    ]
    assert [one for one in texts_of(made, AVRO) if one[1].row is not None] == expected
