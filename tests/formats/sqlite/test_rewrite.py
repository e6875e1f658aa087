"""SQLite: cells change, rows go, and nothing of what was removed is left in any page."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from typing import Any

import pytest

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.sqlite.test_read import database
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL, CARD = "jane.doe@example-mail.de", 4929421234567897
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}
PSEUDONYM = {"rules": [{"rule": "pii.*", "action": "pseudonym"}]}


def clean(data: bytes, policy: dict[str, Any] | None = None) -> Rewritten:
    return rewritten(data, "a.sqlite", CleanPolicy.model_validate(policy or MASK), ("secrets", "pii", "structure"))


def opened(data: bytes) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.deserialize(data)
    assert made.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return made


def cleaned(data: bytes, policy: dict[str, Any] | None = None) -> sqlite3.Connection:
    """The clean database. Nothing of the values is left in its bytes, and its schema and settings are as before."""
    found = clean(data, policy)
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        assert "jane.doe".encode(encoding) not in found.data
    assert clean(found.data, policy).cleaned.result == Result.COPIED
    before, after = opened(data), opened(found.data)
    for query in (
        "SELECT type, name, sql FROM sqlite_master",
        "PRAGMA page_size",
        "PRAGMA encoding",
        "PRAGMA user_version",
        "PRAGMA application_id",
    ):
        assert sorted(after.execute(query)) == sorted(before.execute(query))
    return after


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_cells_change_and_everything_else_stays(encoding: str) -> None:
    data = database(
        f"PRAGMA encoding='{encoding}'",
        "PRAGMA user_version=7",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b, c BLOB)",
        "CREATE INDEX i ON t (a)",
        'CREATE TABLE "other ""table""" (x)',
        (
            "INSERT INTO t VALUES (?, ?, ?, ?)",
            [[7, f"Ask {MAIL}", 1.5, b"\x00\x01"], [9, "Grüße", None, f"é {MAIL}".encode()], [10, "", CARD, b""]],
        ),
        ('INSERT INTO "other ""table""" VALUES (?)', [["x"], [MAIL]]),
    )
    made = cleaned(data)
    assert made.execute("SELECT * FROM t").fetchall() == [
        (7, "Ask [EMAIL]", 1.5, b"\x00\x01"),
        (9, "Grüße", None, "é [EMAIL]".encode()),
        (10, "", "[PAYMENT_CARD]", b""),
    ]
    assert made.execute("SELECT id FROM t INDEXED BY i WHERE a = 'Ask [EMAIL]'").fetchall() == [(7,)]
    assert made.execute('SELECT rowid, x FROM "other ""table"""').fetchall() == [(1, "x"), (2, "[EMAIL]")]


def test_the_remains_of_deleted_rows_go() -> None:
    rows = [[number, f"say {MAIL} {number}" if number % 2 else "stays"] for number in range(400)]
    data = database(
        "PRAGMA secure_delete=OFF",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a)",
        ("INSERT INTO t VALUES (?, ?)", rows),
        "DELETE FROM t WHERE a <> 'stays' AND id <> 1",
    )
    assert data.count(MAIL.encode()) > 1
    made = cleaned(data)
    assert made.execute("SELECT * FROM t LIMIT 2").fetchall() == [(0, "stays"), (1, "say [EMAIL] 1")]
    assert made.execute("SELECT count(*) FROM t").fetchone() == (201,)


@pytest.mark.parametrize(
    ("action", "expected"),
    [("drop-row", [(1, "a", "b"), (3, "c", "d")]), ("drop-cell", [(1, "a", "b"), (2, "", "also a"), (3, "c", "d")])],
)
def test_rows_and_cells_are_dropped(action: str, expected: list[Any]) -> None:
    rows = [[1, "a", "b"], [2, MAIL, "also a"], [3, "c", "d"]]
    data = database(
        "CREATE TABLE s (x)",
        "INSERT INTO s VALUES ('p'), ('q'), ('r')",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)",
        ("INSERT INTO t VALUES (?, ?, ?)", rows),
    )
    made = cleaned(data, {"rules": [{"rule": "pii.*", "action": action}]})
    assert made.execute("SELECT * FROM t").fetchall() == expected
    assert made.execute("SELECT x FROM s").fetchall() == [("p",), ("q",), ("r",)]


def test_a_file_in_a_cell_is_rewritten_in_its_own_format() -> None:
    def packed(text: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a.json"), json.dumps({"a": text}))
        return out.getvalue()

    data = database("CREATE TABLE t (a)", ("INSERT INTO t VALUES (?)", [[packed(MAIL)]]))
    assert cleaned(data).execute("SELECT a FROM t").fetchall() == [(packed("[EMAIL]"),)]


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["CREATE TABLE t (a UNIQUE)", ("INSERT INTO t VALUES (?)", [[MAIL], [f"x{MAIL}"]])], "a constraint of it would be broken"),
        (["CREATE TABLE t (a INTEGER PRIMARY KEY)", f"INSERT INTO t VALUES ({CARD})"], "a constraint of it would be broken"),
        (["CREATE TABLE t (a, CHECK (length(a) > 20))", f"INSERT INTO t VALUES ('{MAIL}')"], "a constraint of it would be broken"),
        (
            ["CREATE TABLE t (a)", "CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM t; END", f"INSERT INTO t VALUES ('{MAIL}')"],
            "its table t has triggers",
        ),
        (["CREATE VIRTUAL TABLE f USING fts5(a)", f"INSERT INTO f VALUES ('{MAIL}')"], "it has virtual tables (fts5)"),
        (["CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID", f"INSERT INTO t VALUES ('{MAIL}')"], "1 of 1 findings cannot be changed"),
        (
            ["CREATE TABLE p (a UNIQUE)", "CREATE TABLE c (a REFERENCES p(a))", f"INSERT INTO p VALUES ('{MAIL}')", f"INSERT INTO c VALUES ('{MAIL}')",
             "INSERT INTO c VALUES ('nobody')"],
            None,
        ),
    ],
    ids=["unique", "row numbers", "check", "trigger", "search index", "no row numbers", "references"],
)  # fmt: skip
def test_what_cannot_change_holds_the_file(statements: list[Any], reason: str | None) -> None:
    found = clean(database(*statements), MASK | {"unchecked": "copy"})
    assert found.cleaned.result == (Result.HELD if reason else Result.CLEANED), found.cleaned.reason
    assert (reason or "") in (found.cleaned.reason or "")


def test_pseudonyms_keep_values_apart() -> None:
    data = database("CREATE TABLE t (a UNIQUE)", ("INSERT INTO t VALUES (?)", [[MAIL], [f"x{MAIL}"]]))
    found = [row[0] for row in cleaned(data, PSEUDONYM).execute("SELECT a FROM t ORDER BY rowid")]
    assert len(set(found)) == 2


def test_a_database_with_a_log_beside_it_is_held() -> None:
    data = database("CREATE TABLE t (a)", f"INSERT INTO t VALUES ('{MAIL}')")
    found = clean(data[:18] + b"\x02\x02" + data[20:])
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
    assert "WAL mode" in (found.cleaned.reason or "")


def test_a_text_in_the_schema_holds_the_file() -> None:
    found = clean(database(f"CREATE TABLE t (a DEFAULT '{MAIL}')", f"INSERT INTO t VALUES ('{MAIL}')"))
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
