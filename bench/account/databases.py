"""Places in SQLite databases: every role that a text can have in statements, and what deletions leave behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial

from bench.account.canary import Place, Sample, in_all_forms, number_role, role

_BASE = (
    "CREATE TABLE t (a TEXT, b INTEGER)",
    "INSERT INTO t VALUES ('nothing to see here', 1)",
    "CREATE TABLE u (a TEXT)",
    "INSERT INTO u SELECT 'another line of text' FROM t",
)
# Statements after those above. `$` is the text; in the last ones, it is deleted.
_ROLES: dict[str, Sequence[str]] = {
    "cell": ("INSERT INTO t VALUES ('$', 1)",),
    "cell of an integer column": ("INSERT INTO t VALUES ('a', '$')",),
    "JSON in a cell": ("""INSERT INTO t VALUES ('{"a": ["$"]}', 1)""",),
    "name of a table": ('CREATE TABLE "$" (a)',),
    "name of a column": ('CREATE TABLE v ("$" TEXT)',),
    "type of a column": ('CREATE TABLE v (a "$")',),
    "default of a column": ("CREATE TABLE v (a TEXT DEFAULT '$')",),
    "comment in a table": ("CREATE TABLE v (a TEXT /* $ */)",),
    "comment of a line in a table": ("CREATE TABLE v (a TEXT -- $\n)",),
    "condition of a table": ("CREATE TABLE v (a TEXT CHECK (a <> '$'))",),
    "name of a condition": ('CREATE TABLE v (a TEXT CONSTRAINT "$" CHECK (a <> 1))',),
    "generated column": ("CREATE TABLE v (a TEXT, b TEXT AS (a || '$'))",),
    "view": ("CREATE VIEW v AS SELECT '$' AS a",),
    "name of a column of a view": ('CREATE VIEW v AS SELECT a AS "$" FROM t',),
    "comment in a view": ("CREATE VIEW v AS SELECT a /* $ */ FROM t",),
    "trigger": ("CREATE TRIGGER v AFTER INSERT ON t BEGIN INSERT INTO u VALUES ('$'); END",),
    "name of an index": ('CREATE INDEX "$" ON t (a)',),
    "expression of an index": ("CREATE INDEX v ON t (a || '$')",),
    "condition of an index": ("CREATE INDEX v ON t (a) WHERE a <> '$'",),
    "key of a table without row ids": ("CREATE TABLE v (a TEXT PRIMARY KEY) WITHOUT ROWID", "INSERT INTO v VALUES ('$')"),
    "full-text table": ("CREATE VIRTUAL TABLE v USING fts5 (a)", "INSERT INTO v VALUES ('$')"),
    "argument of a virtual table": ("CREATE VIRTUAL TABLE v USING fts5 (a, tokenize = \"unicode61 separators '$'\")",),
    "sequence": (
        "CREATE TABLE v (a INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO v VALUES (1)",
        "UPDATE sqlite_sequence SET name = '$'",
    ),
    "statistics": ("ANALYZE", "INSERT INTO sqlite_stat1 VALUES ('t', NULL, '$')"),
    "long cell over several pages": ("INSERT INTO t VALUES (printf('%.20000c', 'x') || '$', 1)",),
    "deleted row": ("INSERT INTO t VALUES ('$', 1)", "INSERT INTO t VALUES ('a', 2)", "DELETE FROM t WHERE a = '$'"),
    "deleted last row": ("INSERT INTO t VALUES ('$', 1)", "DELETE FROM t WHERE a = '$'"),
    "changed row": ("INSERT INTO t VALUES ('$', 1)", "UPDATE t SET a = 'short' WHERE a = '$'"),
    "all rows deleted": ("INSERT INTO t VALUES ('$', 1)", "DELETE FROM t"),
    "dropped table": ("CREATE TABLE v (a)", "INSERT INTO v VALUES ('$')", "DROP TABLE v"),
    "name of a dropped table": ('CREATE TABLE "$" (a)', 'DROP TABLE "$"'),
    "dropped column": ("CREATE TABLE v (a, b)", "INSERT INTO v VALUES ('a', '$')", "ALTER TABLE v DROP COLUMN b"),
    "dropped index": ("CREATE TABLE v (a)", "INSERT INTO v VALUES ('$')", "CREATE INDEX w ON v (a)", "DELETE FROM v", "DROP INDEX w"),
    "deleted long cell": ("INSERT INTO t VALUES (printf('%.20000c', 'x') || '$', 1)", "DELETE FROM t WHERE b = 1"),
    "deleted row of a full-text table": ("CREATE VIRTUAL TABLE v USING fts5 (a)", "INSERT INTO v VALUES ('$')", "DELETE FROM v"),
}


def database_samples() -> Iterator[Sample]:
    """Yield databases in two encodings."""
    for encoding in ("UTF-8", "UTF-16le"):
        yield Sample("a.sqlite", _database(encoding, (), ""), partial(_places, encoding))


def _places(encoding: str) -> Iterator[Place]:
    for kind, statements in _ROLES.items():
        yield from role(f"{kind}, {encoding}", partial(_database, encoding, statements))
    yield from number_role(f"number, {encoding}", partial(_with_number, encoding, "INSERT INTO t (b) VALUES ($)"))
    yield from number_role(f"number in a text column, {encoding}", partial(_with_number, encoding, "INSERT INTO t (a) VALUES ($)"))
    yield from number_role(f"number with a fraction, {encoding}", partial(_with_number, encoding, "INSERT INTO t VALUES ('a', $ + 0.5)"))
    yield from in_all_forms(f"binary cell, {encoding}", "", lambda raw: _database(encoding, ("INSERT INTO t VALUES (x'$', 1)",), raw.hex()))


def _with_number(encoding: str, statement: str, number: int) -> bytes:
    return _database(encoding, (statement,), str(number))


def _database(encoding: str, statements: Sequence[str], text: str) -> bytes:
    made = sqlite3.connect(":memory:", isolation_level=None)
    for statement in (f"PRAGMA encoding = '{encoding}'", "PRAGMA secure_delete = OFF", *_BASE, *statements):
        made.execute(statement.replace("$", text))
    return made.serialize()
