"""The bytes of databases and tables: all are accounted for if a library wrote them, and text between them is found."""

from __future__ import annotations

import random
from collections.abc import Callable

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


WRITTEN: dict[str, Callable[[], bytes]] = {
    "a.sqlite": indexed,
    "utf16.sqlite": lambda: indexed("UTF-16le", 512),
    "large-pages.sqlite": lambda: indexed(page=65536),
    "vacuum.sqlite": lambda: database(
        "PRAGMA auto_vacuum=1", "CREATE TABLE t (a)", ("INSERT INTO t VALUES (?)", [(" ".join(WORDS[:200]),)] * 9)
    ),
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
    "SQLite: at the end": ("a.sqlite", lambda: indexed() + PLANTED),
}  # fmt: skip


@pytest.mark.parametrize(("name", "made"), PLACES.values(), ids=PLACES)
def test_text_in_places_that_no_program_shows_is_found(name: str, made: Callable[[], bytes]) -> None:
    assert found(made(), name)
