"""The bytes of databases and tables: all are accounted for if a library wrote them, and text between them is found."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
    "SQLite: at the end": ("a.sqlite", lambda: indexed() + PLANTED),
}  # fmt: skip


@pytest.mark.parametrize(("name", "made"), PLACES.values(), ids=PLACES)
def test_text_in_places_that_no_program_shows_is_found(name: str, made: Callable[[], bytes]) -> None:
    assert found(made(), name)
