"""Places in DuckDB databases: every role that a text can have in statements, and what deletions leave behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import duckdb

from bench.account.canary import RAW, TEXT, Place, Sample, in_all_forms, number_role, role

_BASE = (
    "PRAGMA force_compression = 'Uncompressed'",
    "CREATE TABLE t (a TEXT, b BIGINT, c BLOB)",
    "INSERT INTO t VALUES ('nothing to see here', 1, NULL)",
)
# Statements after those above. `$` is the text.
_ROLES: dict[str, Sequence[str]] = {
    "cell": ("INSERT INTO t VALUES ('$', 1, NULL)",),
    "JSON in a cell": ("""INSERT INTO t VALUES ('{"a": ["$"]}', 1, NULL)""",),
    "item of a list": ("CREATE TABLE v (a TEXT[])", "INSERT INTO v VALUES (['a', '$'])"),
    "field of a struct": ("CREATE TABLE v (a STRUCT(x TEXT))", "INSERT INTO v VALUES ({'x': '$'})"),
    "key of a map": ("CREATE TABLE v (a MAP(TEXT, TEXT))", "INSERT INTO v VALUES (MAP {'$': 'a'})"),
    "value of a map": ("CREATE TABLE v (a MAP(TEXT, TEXT))", "INSERT INTO v VALUES (MAP {'a': '$'})"),
    "member of a union": ("CREATE TABLE v (a UNION(n INTEGER, s TEXT))", "INSERT INTO v VALUES ('$')"),
    "label of an enumeration": ("CREATE TYPE e AS ENUM ('a', '$')",),
    "value of an enumeration": ("CREATE TABLE v (a ENUM ('a', '$'))", "INSERT INTO v VALUES ('$')"),
    "name of a schema": ('CREATE SCHEMA "$"',),
    "name of a table": ('CREATE TABLE "$" (a TEXT)',),
    "name of a column": ('CREATE TABLE v ("$" TEXT)',),
    "name of a field of a struct": ('CREATE TABLE v (a STRUCT("$" TEXT))',),
    "name of a type": ("CREATE TYPE \"$\" AS ENUM ('a')",),
    "default of a column": ("CREATE TABLE v (a TEXT DEFAULT '$')",),
    "condition of a table": ("CREATE TABLE v (a TEXT CHECK (a <> '$'))",),
    "generated column": ("CREATE TABLE v (a TEXT, b TEXT AS (a || '$'))",),
    "view": ("CREATE VIEW v AS SELECT '$' AS a",),
    "name of a column of a view": ('CREATE VIEW v AS SELECT a AS "$" FROM t',),
    "macro": ("CREATE MACRO m(x) AS x || '$'",),
    "name of a macro": ('CREATE MACRO "$"(x) AS x',),
    "default of a macro": ("CREATE MACRO m(x := '$') AS x",),
    "table macro": ("CREATE MACRO m() AS TABLE SELECT '$' AS a",),
    "name of an index": ('CREATE INDEX "$" ON t (a)',),
    "expression of an index": ("CREATE INDEX i ON t ((a || '$'))",),
    "name of a sequence": ('CREATE SEQUENCE "$"',),
    "comment on a table": ("COMMENT ON TABLE t IS '$'",),
    "comment on a column": ("COMMENT ON COLUMN t.a IS '$'",),
    "comment on a view": ("CREATE VIEW v AS SELECT 1 AS a", "COMMENT ON VIEW v IS '$'"),
    "key": ("CREATE TABLE v (a TEXT PRIMARY KEY)", "INSERT INTO v VALUES ('$')"),
    "long cell over several blocks": ("INSERT INTO t VALUES (repeat('x', 20000) || ' $', 1, NULL)",),
    "packed cell": ("PRAGMA force_compression = 'auto'", "CREATE TABLE v AS SELECT '$ ' || i AS a FROM range(5000) r(i)"),
}
# The same for texts that are then deleted, unless the library overwrites them.
_DELETED: dict[str, Sequence[str]] = {
    "deleted row": ("INSERT INTO t VALUES ('$', 1, NULL), ('a', 2, NULL)", "CHECKPOINT", "DELETE FROM t WHERE a = '$'"),
    "changed row": ("INSERT INTO t VALUES ('$', 1, NULL)", "CHECKPOINT", "UPDATE t SET a = 'short' WHERE a = '$'"),
    "all rows deleted": ("INSERT INTO t VALUES ('$', 1, NULL)", "CHECKPOINT", "DELETE FROM t"),
    "dropped table": ("CREATE TABLE v AS SELECT '$' AS a", "CHECKPOINT", "DROP TABLE v"),
    "dropped view": ("CREATE VIEW v AS SELECT '$' AS a", "CHECKPOINT", "DROP VIEW v"),
    "dropped column": ("CREATE TABLE v AS SELECT 1 AS a, '$' AS b", "CHECKPOINT", "ALTER TABLE v DROP COLUMN b"),
}


def duckdb_samples() -> Iterator[Sample]:
    """Yield databases of two versions of the storage format."""
    for version in ("v1.0.0", "v2.0.0"):
        yield Sample("a.duckdb", _database(version, (), ""), partial(_places, version))


def _places(version: str) -> Iterator[Place]:
    for kind, statements in _ROLES.items():
        yield from role(f"{kind}, {version}", partial(_database, version, statements))
    for kind, statements in _DELETED.items():
        if RAW in (data := _database(version, statements, TEXT)):
            yield Place(f"{kind}, {version}", "", partial(bytes, data))
    yield from number_role(f"number, {version}", partial(_with_number, version, "INSERT INTO t (b) VALUES ($)"))
    yield from in_all_forms(
        f"binary cell, {version}", "", lambda raw: _database(version, ("INSERT INTO t (c) VALUES ('$')",), _escaped(raw))
    )


def _escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in raw)


def _with_number(version: str, statement: str, number: int) -> bytes:
    return _database(version, (statement,), str(number))


def _database(version: str, statements: Sequence[str], text: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.duckdb")
        with duckdb.connect() as made:
            made.execute(f"ATTACH '{path}' AS a (STORAGE_VERSION '{version}', BLOCK_SIZE 16384)")
            for statement in ("USE a", *_BASE, *statements, "CHECKPOINT", "USE memory", "DETACH a"):
                made.execute(statement.replace("$", text))
        return path.read_bytes()


__all__ = ["duckdb_samples"]
