"""Avro: every text of every record, in files that fastavro writes; damaged ones by hand."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import random
import zlib
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import zstandard

from tests.cases import each
from tests.formats.images.test_read import PNG
from tests.formats.reading import flat, members, read, reader_source, split, until_error
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.columnar.avro import read as avro
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import sniff

AVRO = Kind("application/vnd.apache.avro")


def record(**fields: Any) -> dict[str, Any]:
    """A schema of a record."""
    return {"type": "record", "name": "Row", "namespace": "a.b", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}


def written(schema: Any, rows: list[Any], codec: str = "null", **options: Any) -> bytes:
    """An Avro file by fastavro."""
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), rows, codec=codec, **options)
    return out.getvalue()


def texts(data: bytes, *names: str) -> list[Any]:
    """What the records hold."""
    return [row[:-1] for row in flat(read(data, AVRO)[0], *(names or ("row", "column")), "view") if row[-1] == "visible"]


INNER = {"type": "record", "name": "Inner", "fields": [{"name": "t", "type": "string"}]}
TREE = {"type": "record", "name": "Tree", "fields": [{"name": "t", "type": "string"}, {"name": "next", "type": ["null", "Tree"]}]}


@each(
    ("kind", "values", "rows"),
    [
        ("string", ["x", "", "é"], [("x", 0, "c"), ("é", 2, "c")]),
        (["null", "string", "long"], [None, "x", 5], [("x", 1, "c")]),
        ({"type": "array", "items": "string"}, [["x", "y"], [], ["z"]], [("x", 0, "c[]"), ("y", 0, "c[]"), ("z", 2, "c[]")]),
        ({"type": "map", "values": "string"}, [{"k": "x"}, {}], [("k", 0, "c[].key"), ("x", 0, "c[].value")]),
        (INNER, [{"t": "x"}], [("x", 0, "c.t")]),
        ({"type": "array", "items": INNER}, [[{"t": "x"}, {"t": "y"}]], [("x", 0, "c[].t"), ("y", 0, "c[].t")]),
        (TREE, [{"t": "x", "next": {"t": "y", "next": None}}], [("x", 0, "c.t"), ("y", 0, "c.t")]),
        ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, ["b"], []),
        ({"type": "fixed", "name": "F", "size": 4}, [b"text"], [("text", 0, "c")]),
        ("bytes", [b"text", b""], [("text", 0, "c")]),
        (
            {"type": "string", "logicalType": "uuid"},
            ["6a4ae3e2-5e5c-4b22-8d0c-3e1a2a1b9f00"],
            [("6a4ae3e2-5e5c-4b22-8d0c-3e1a2a1b9f00", 0, "c")],
        ),
        *((kind, [1, 2], []) for kind in ("int", "long", "float", "double")),
        ("boolean", [True], []),
        ("null", [None, None], []),
    ],
)
def test_every_type(kind: Any, values: list[Any], rows: list[Any]) -> None:
    data = written(record(c=kind, last="string"), [{"c": value, "last": "end"} for value in values])
    assert sniff(data, "") == AVRO
    found = texts(data)
    assert [row for row in found if row[2] != "last"] == rows
    assert [row for row in found if row[2] == "last"] == [("end", i, "last") for i in range(len(values))]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "zstandard"])
def test_codecs_and_many_blocks(codec: str) -> None:
    data = written(record(c="string"), [{"c": f"text {i}"} for i in range(5000)], codec, sync_interval=1000)
    source = reader_source(data, AVRO)
    assert [row for row in flat(split(source)[0], "row") if row[1] is not None] == [(f"text {i}", i) for i in range(5000)]
    assert source.counts.rows == 5000
    assert texts(data) == [(f"text {i}", i, "c") for i in range(5000)]


def test_snappy() -> None:
    """fastavro writes it only with a further library: the block is packed here."""
    plain = written(record(c="string"), [{"c": "look here, look here, look here"}], sync_marker=b"s" * 16)
    head, _, rest = plain.partition(b"s" * 16)
    block = rest[2:-16]
    packed = pa.Codec("snappy").compress(block, asbytes=True) + bytes(4)
    data = head.replace(b"\x08null", b"\x0csnappy") + b"s" * 16 + bytes([2, len(packed) * 2]) + packed + b"s" * 16
    assert texts(data) == [("look here, look here, look here", 0, "c")]
    for at in range(len(data) - len(packed) - 20, len(data) - 16):
        with contextlib.suppress(ReadError):
            read(data[:at] + b"\xff" + data[at + 1 :], AVRO)


def test_the_schema_is_metadata() -> None:
    schema = record(c={"type": "string", "doc": "look here"})
    found = [(column, view) for text, column, view in flat(read(written(schema, [], metadata={"note": "x"}), AVRO)[0], "column", "view")]
    assert sorted(found) == [("avro.schema", "metadata"), ("note", "metadata")]


def test_files_and_unknown_bytes() -> None:
    point = pickle.dumps({"payload": "x"})
    data = written(record(c="bytes"), [{"c": PNG}, {"c": point}, {"c": b"\x80\x81\xff"}])
    assert members(data, AVRO) == {"0/c": PNG, "1/c": point}
    assert [(gap.location, gap.count, gap.coverage) for gap in read(data, AVRO)[1]] == [("column c", 1, "no-reader")]


def test_a_codec_without_reader_is_said() -> None:
    data = written(record(c="string"), [{"c": "x"}]).replace(b"\x08null", b"\x08nope")
    assert [gap.coverage for gap in read(data, AVRO)[1]] == ["no-reader"]


def test_items_and_records_of_no_size_end() -> None:
    schema = record(c={"type": "array", "items": "null"})
    data = written(schema, [{"c": [None]}], sync_marker=b"s" * 16).replace(
        b"s" * 16 + b"\x02\x06\x02\x00", b"s" * 16 + b"\x02\x14" + b"\xfe" * 8 + b"\x01\x00"
    )
    assert texts(data) == []
    empty = written(record(c="null"), [{"c": None}], sync_marker=b"s" * 16)
    at = empty.index(b"s" * 16) + 16
    assert texts(empty[:at] + b"\xfe" * 8 + b"\x01" + empty[at + 1 :]) == []


def test_endless_nesting_costs_a_block() -> None:
    data = written(TREE, [{"t": "x", "next": None}], sync_marker=b"s" * 16)
    at = data.index(b"s" * 16) + 16
    deep = b"\x02x\x02" * 100_000
    size = len(deep) * 2
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    blocks, gaps = read(data[:at] + b"\x02" + bytes([*length, size]) + deep + b"s" * 16 + data[at:], AVRO)
    assert ("x", 1) in flat(blocks, "row")
    assert any("cannot be decoded" in gap.reason for gap in gaps)


def test_bombs_end_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "_LARGEST", 1 << 20)
    for codec in ("deflate", "bzip2", "xz", "zstandard"):
        _, error = until_error(reader_source(written(record(c="string"), [{"c": "x" * (2 << 20)}], codec), AVRO), LimitExceeded)
        assert "1048576" in str(error)


def test_a_damaged_block_costs_its_records() -> None:
    """With fastavro it costs all that follow, which is why that library is not used."""
    data = bytearray(
        written(record(c="string"), [{"c": f"text {i}"} for i in range(300)], "deflate", sync_interval=1000, sync_marker=b"s" * 16)
    )
    marks = [i for i in range(len(data)) if data[i : i + 16] == b"s" * 16]
    assert len(marks) > 3
    data[marks[0] + 20 : marks[0] + 30] = b"\xff" * 10
    with pytest.raises(zlib.error):
        list(fastavro.reader(io.BytesIO(data)))
    blocks, gaps = read(bytes(data), AVRO)
    assert ("text 299", 299) in flat(blocks, "row")
    assert len(gaps) == 1
    data[marks[1]] = 0  # a mark that is none
    blocks, gaps = read(bytes(data), AVRO)
    assert ("text 299", "c") in flat(blocks, "column") and len(gaps) == 2


def test_schemas_that_explode_or_make_no_sense() -> None:
    explosion: Any = "string"
    for i in range(30):
        explosion = {
            "type": "record",
            "name": f"R{i}",
            "fields": [{"name": "a", "type": explosion}, {"name": "b", "type": f"R{i - 1}" if i else "string"}],
        }
    with pytest.raises(ReadError, match="more than"):
        read(b"Obj\x01" + _header(explosion), AVRO)
    schema: Any
    for schema in (1, None, "nothing", {"type": "record"}, {"type": "fixed", "name": "f"}, {"type": "array"}, [[[{}]]]):
        with pytest.raises(ReadError, match="no schema"):
            read(b"Obj\x01" + _header(schema), AVRO)


def _header(schema: Any) -> bytes:
    text = json.dumps(schema).encode()
    size, length = len(text) * 2, bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return b"\x02\x16avro.schema" + bytes([*length, size]) + text + b"\x00" + b"s" * 16


def test_damage_anywhere() -> None:
    schema = record(c={"type": "array", "items": INNER}, d={"type": "map", "values": ["null", "bytes"]}, e=["null", "string"])
    whole = written(schema, [{"c": [{"t": "x"}, {"t": "y"}], "d": {"k": b"\x80\xff"}, "e": "text"}] * 20, sync_interval=50)
    chance = random.Random(7)
    damaged = [whole[:length] for length in range(4, len(whole), 3)]
    for _ in range(600):
        flipped = bytearray(whole)
        flipped[chance.randrange(4, len(whole))] = chance.randrange(256)
        damaged.append(bytes(flipped))
    for data in damaged:
        try:
            read(data, AVRO)
        except ReadError as error:
            assert "\n" not in str(error)


def test_what_follows_the_first_frame_of_a_block_stays_apart() -> None:
    behind = b"x" * (3 << 20)
    assert avro.UNPACK["zstandard"](zstandard.compress(b"some words") + behind) == (b"some words", behind)
