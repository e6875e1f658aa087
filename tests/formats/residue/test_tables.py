"""The bytes of databases and tables: all are accounted for if a library wrote them, and text between them is found."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.formats.columnar.avro.test_read import record, written
from tests.formats.residue.accounts import PLANTED, both, found
from tests.formats.sqlite.test_read import database
from veritensor_ray.core.segments import Block

RNG = random.Random(5)
WORDS = [" ".join(RNG.choices(("some", "words", "of", "an", "ordinary", "text"), k=RNG.randrange(3, 9))) for _ in range(3000)]


def indexed(encoding: str = "UTF-8", page: int = 4096, reserve: str = "") -> bytes:
    """A database with tables of both kinds, indexes, long values, and no space that was in use before."""
    return database(
        f"PRAGMA encoding='{encoding}'",
        f"PRAGMA page_size={page}",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, number INT, other TEXT COLLATE NOCASE)",
        "CREATE INDEX by_body ON notes (body, number)",
        "CREATE UNIQUE INDEX by_other ON notes (other)",
        "CREATE TABLE keyed (name TEXT PRIMARY KEY, value TEXT UNIQUE) WITHOUT ROWID",
        ("INSERT INTO notes VALUES (?, ?, ?, ?)", [(None, text, number, f"Row {number}") for number, text in enumerate(WORDS)]),
        ("INSERT INTO notes VALUES (?, ?, ?, ?)", [(None, " ".join(WORDS[:at]), at, None) for at in (50, 300, 2000)]),
        ("INSERT INTO keyed VALUES (?, ?)", [(f"key {number}", f"value {number} " * 20) for number in range(300)]),
        "DELETE FROM notes WHERE number % 7 = 3",
        "VACUUM",  # pages that were split have old rows in their free space
    )


def table(rows: int = 3000) -> pa.Table:
    words = [WORDS[i % len(WORDS)] for i in range(rows)]
    return pa.table(
        {
            "text": words,
            "category": pa.array([text[:9] for text in words]).dictionary_encode(),
            "number": list(range(rows)),
            "turns": [[{"role": "user", "text": text}, {"role": "assistant", "text": None}] for text in words],
            "blob": [text.encode() for text in words],
            "fixed": pa.array([text.encode().ljust(12)[:12] for text in words], pa.binary(12)),
            "map": pa.array([[(text[:12], text)] for text in words], pa.map_(pa.string(), pa.string())),
            "long": [f"{text} and " * 40 if i % 9 else None for i, text in enumerate(words)],
            "empty": pa.nulls(rows, pa.string()),
        },
        metadata={"note": "some metadata"},
    )


def parquet(made: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(made, out, **options)
    return out.getvalue()


def unused_category() -> pa.Table:
    return pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["one value", "another one", PLANTED.decode()]))})


def between() -> bytes:
    """A file with bytes between the data and the footer."""
    data = parquet(table(9))
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return data[:end] + PLANTED + data[end:]


def arrow(made: pa.Table, opener: Any = pa.ipc.new_file, codec: str | None = None) -> bytes:
    out = io.BytesIO()
    with opener(out, made.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(made, max_chunksize=700)
    return out.getvalue()


def batch_with_metadata() -> bytes:
    out = io.BytesIO()
    made = pa.record_batch({"a": ["x"]})
    with pa.ipc.new_stream(out, made.schema) as writer:
        writer.write_batch(made, custom_metadata={"by": PLANTED.decode()})
    return out.getvalue()


SCHEMA = record(text="string", kind={"type": "enum", "name": "Kind", "symbols": ["ONE_KIND", "ANOTHER_KIND"]}, number=["null", "long"],
    many={"type": "array", "items": "string"}, mapped={"type": "map", "values": "bytes"}, price={"type": "bytes", "logicalType": "decimal",
    "precision": 9})  # fmt: skip


def avro(codec: str = "null", **options: Any) -> bytes:
    rows = [
        {"text": text, "kind": "ONE_KIND", "number": i, "many": [text] * 3, "mapped": {"a key": text.encode()}, "price": b"\1\2"}
        for i, text in enumerate(WORDS)
    ]
    return written(SCHEMA, rows, codec, **options)


def avro_with(packed: bytes, codec: str = "null") -> bytes:
    """A file with one more block, which claims to have no records."""
    data = avro(codec)
    return data + number(0) + number(len(packed)) + packed + data[-16:]


def number(value: int) -> bytes:
    """A number as Avro writes it."""
    value <<= 1
    return bytes([value & 0x7F | 0x80, value >> 7]) if value > 0x7F else bytes([value])


def orc(made: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pa.orc.write_table(made, out, **options)
    return out.getvalue()


def odd_types() -> pa.Table:
    """Views, unions, lists of fixed length and nulls."""
    texts = [text if i % 5 else None for i, text in enumerate(WORDS)]
    return pa.table(
        {
            "view": pa.array(texts, pa.string_view()),
            "large": pa.array(texts, pa.large_string()),
            "pair": pa.array([[text, text] if text else None for text in texts], pa.list_(pa.string(), 2)),
            "struct": pa.array([{"a": text, "b": i} if text else None for i, text in enumerate(texts)]),
            "union": pa.UnionArray.from_sparse(pa.array([i % 2 for i in range(len(texts))], pa.int8()), [
                pa.array(["in the first" if i % 2 == 0 else "" for i in range(len(texts))]), pa.array(range(len(texts)))]),
            "time": pa.array([i if i % 3 else None for i in range(len(texts))], pa.timestamp("us", "Europe/Berlin")),
        }
    )  # fmt: skip


def in_null(kind: pa.DataType | None = None) -> pa.Table:
    """A column whose second value is null, although its bytes are there."""
    kind = kind or pa.string()
    whole = pa.array(["one value", PLANTED.decode(), "another"], kind)
    buffers = [pa.py_buffer(b"\x05"), *whole.buffers()[1:]]
    return pa.table({"a": pa.Array.from_buffers(kind, 3, buffers)})


def in_null_list() -> pa.Table:
    inner = pa.array(["one value", PLANTED.decode(), "another"])
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], np.int32))
    return pa.table({"a": pa.Array.from_buffers(pa.list_(pa.string()), 3, [pa.py_buffer(b"\x05"), offsets], children=[inner])})


def in_union() -> pa.Table:
    codes = pa.array([0, 1, 0], pa.int8())
    children = [pa.array(["one value", PLANTED.decode(), "another"]), pa.array([1, 2, 3])]
    return pa.table({"a": pa.UnionArray.from_sparse(codes, children)})


def unnamed_batch() -> bytes:
    """A file whose footer names one batch fewer than it has."""
    data = arrow(pa.table({"a": [PLANTED.decode(), *["x"] * 1399]}))
    whole = pa.ipc.open_file(data)
    assert whole.num_record_batches == 2
    start = len(data) - 10 - int.from_bytes(data[-10:-6], "little")
    first = next(
        at for at in range(start, len(data)) if data[at : at + 4] == b"\x02\0\0\0" and data[at + 28 : at + 32] != bytes(4) and at % 4 == 0
    )
    blocks = data[first + 4 : first + 4 + 48]
    return data[: first + 4] + blocks[24:] + blocks[24:] + data[first + 52 :]


def as_last(data: bytes, old: bytes = b"0123456789abcdefghijklm") -> bytes:
    assert data.count(old) > 1
    return PLANTED.join(data.rsplit(old, 1))


def as_long(data: bytes, old: bytes = b"0123456789abcdefghijklm") -> bytes:
    """The file with the address in place of text of the same length, at the first place only."""
    assert data.count(old) > 1
    return data.replace(old, PLANTED, 1)


WRITTEN: dict[str, Callable[[], bytes]] = {
    "a.sqlite": indexed,
    "utf16.sqlite": lambda: indexed("UTF-16le", 512),
    "large-pages.sqlite": lambda: indexed(page=65536),
    "vacuum.sqlite": lambda: database(
        "PRAGMA auto_vacuum=1", "CREATE TABLE t (a)", ("INSERT INTO t VALUES (?)", [(" ".join(WORDS[:200]),)] * 9)
    ),
    **{
        f"{number}.parquet": (lambda options=options: parquet(table(), **options))  # type: ignore[misc]
        for number, options in enumerate(
            (
                {},
                {"compression": "zstd", "row_group_size": 700},
                {"compression": "none", "use_dictionary": False, "write_statistics": False},
                {"compression": "none", "write_page_index": True, "data_page_size": 2000},
                {"data_page_version": "2.0", "compression": "gzip", "store_schema": False},
                {"version": "1.0", "compression": "brotli", "dictionary_pagesize_limit": 2000},
                {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY", "long": "DELTA_LENGTH_BYTE_ARRAY"}},
            )
        )
    },
    **{
        f"{number}{suffix}": (lambda opener=opener, made=made, codec=codec: arrow(made(), opener, codec))  # type: ignore[misc]
        for suffix, opener in ((".arrow", pa.ipc.new_file), (".arrows", pa.ipc.new_stream))
        for number, (made, codec) in enumerate(((table, None), (table, "zstd"), (table, "lz4"), (odd_types, None)))
    },
    **{
        f"{codec}.avro": (lambda codec=codec: avro(codec))  # type: ignore[misc]
        for codec in ("null", "deflate", "bzip2", "xz", "zstandard")
    },
    **{
        f"{number}.orc": (lambda options=options: orc(table().drop_columns(["category", "fixed"]), **options))  # type: ignore[misc]
        for number, options in enumerate(({}, {"compression": "zstd"}, {"dictionary_key_size_threshold": 1.0}, {"stripe_size": 1 << 16}))
    },
    "fts.sqlite": lambda: database("CREATE VIRTUAL TABLE t USING fts5(a)", ("INSERT INTO t VALUES (?)", [(text,) for text in WORDS[:500]])),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_left_of_what_libraries_write(name: str) -> None:
    given, left = both(WRITTEN[name](), name)
    assert given
    assert not [one for one in given if isinstance(one, Block) and one.view == "residue"]
    assert left == []


def in_free_page() -> bytes:
    return database(
        "PRAGMA secure_delete=OFF",
        "CREATE TABLE t (a)",
        ("INSERT INTO t VALUES (?)", [(PLANTED.decode() + text,) for text in WORDS]),
        "DELETE FROM t",
    )


def placed(data: bytes, at: int) -> bytes:
    assert not data[at : at + len(PLANTED)].strip(b"\0")
    return data[:at] + PLANTED + data[at + len(PLANTED) :]


PLACES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "SQLite: a free page": ("a.sqlite", in_free_page),
    "SQLite: the space of a page": ("a.sqlite", lambda: placed(database("CREATE TABLE t (a)", "INSERT INTO t VALUES ('x')"), 4096 + 2000)),
    "SQLite: behind a long value": (
        "a.sqlite",
        lambda: placed(database("CREATE TABLE t (a)", f"INSERT INTO t VALUES ('{'x' * 4200}')"), 3 * 4096 - 100),
    ),
    "SQLite: another value in an index": (
        "a.sqlite",
        lambda: (PLANTED + b"x").join(database(
            "CREATE TABLE t (a)", f"INSERT INTO t VALUES ('{'y' * 24}')", "CREATE INDEX i ON t (a)"
        ).rsplit(b"y" * 24, 1)),
    ),
    "Parquet: a value of a dictionary that no row has": ("a.parquet", lambda: parquet(unused_category())),
    "Parquet: the same, compressed by zstd": ("a.parquet", lambda: parquet(unused_category(), compression="zstd")),
    "Parquet: the statistics": ("a.parquet", lambda: parquet(pa.table({"a": ["0123456789abcdefghijklm", "x"]}), compression="none")[::-1].replace(
        b"0123456789abcdefghijklm"[::-1], PLANTED[::-1], 1)[::-1]),
    "Parquet: the header of a page": ("a.parquet", lambda: as_long(parquet(pa.table({"a": ["0123456789abcdefghijklm", "x"]}), compression="none",
        use_dictionary=False, write_page_index=False, data_page_version="1.0"))),
    "Parquet: between the data and the footer": ("a.parquet", between),
    **{
        f"Arrow{suffix}, {codec}: {place}": (f"a{suffix}", lambda opener=opener, made=made, codec=codec: arrow(made(), opener, codec))  # type: ignore[misc]
        for suffix, opener in ((".arrow", pa.ipc.new_file), (".arrows", pa.ipc.new_stream))
        for codec in (None, "zstd")
        for place, made in {
            "a value of a dictionary that no row has": unused_category,
            "a null": in_null,
            "a null of large strings": lambda: in_null(pa.large_string()),
            "a null of views": lambda: in_null(pa.string_view()),
            "a null of a fixed size": lambda: pa.table({"a": pa.Array.from_buffers(
                pa.binary(23), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(b"x" * 23 + PLANTED)])}),
            "a list that is null": in_null_list,
            "a union that is something else": in_union,
        }.items()
    },
    "Arrow: the metadata of a batch": ("a.arrows", batch_with_metadata),
    "Arrow: a batch that is not named": ("a.arrow", unnamed_batch),
    "Arrow: after the end of a stream": ("a.arrows", lambda: arrow(table(9), pa.ipc.new_stream) + PLANTED),
    "Parquet: the name of the items of a list": (
        "a.parquet",
        lambda: parquet(pa.table({"a": pa.array([["x"]], pa.list_(pa.field(PLANTED.decode(), pa.string())))})),
    ),
    "Arrow: a time zone": ("a.arrow", lambda: arrow(pa.table({"a": pa.array([1], pa.timestamp("s", PLANTED.decode()))}))),
    "Avro: behind the records": ("a.avro", lambda: avro_with(PLANTED)),
    "Avro: behind the compressed data of a block": ("a.avro", lambda: avro_with(zlib.compress(b"")[2:-4] + PLANTED, "deflate")),
    "Avro: behind the first frame of a block": ("a.avro", lambda: avro_with(zstandard.compress(b"") + PLANTED, "zstandard")),
    "Avro: between blocks": ("a.avro", lambda: avro() + bytes(3) + PLANTED),
    "Avro: a key": ("a.avro", lambda: avro(metadata={PLANTED.decode(): "x"})),
    "Avro: a decimal": ("a.avro", lambda: written(SCHEMA, [
        {"text": "", "kind": "ONE_KIND", "number": 1, "many": [], "mapped": {}, "price": PLANTED}])),
    "ORC: the statistics": ("a.orc", lambda: as_last(orc(pa.table({"a": ["0123456789abcdefghijklm", "x"]})))),
    "ORC: a name": ("a.orc", lambda: orc(pa.table({PLANTED.decode(): [1, 2]}))),
    "SQLite: at the end": ("a.sqlite", lambda: indexed() + PLANTED),
}  # fmt: skip


@pytest.mark.parametrize(("name", "made"), PLACES.values(), ids=PLACES)
def test_text_in_places_that_no_program_shows_is_found(name: str, made: Callable[[], bytes]) -> None:
    assert found(made(), name)
