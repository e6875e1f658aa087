"""DuckDB: cells change, rows go, everything else is equal, and nothing of what was removed is left in any block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.duckdb.making import database, opened
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL, CARD = "jane.doe@example-mail.de", 4929421234567897
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}
PSEUDONYM = {"rules": [{"rule": "pii.*", "action": "pseudonym"}]}
_DEFINITIONS = (
    "SELECT schema_name, table_name, sql, comment FROM duckdb_tables()",
    "SELECT schema_name, table_name, column_name, comment, data_type FROM duckdb_columns() WHERE NOT internal",
    "SELECT view_name, sql, comment FROM duckdb_views() WHERE NOT internal",
    "SELECT index_name, sql, comment FROM duckdb_indexes()",
    "SELECT sequence_name, sql, comment FROM duckdb_sequences()",
    "SELECT function_name, macro_definition, comment FROM duckdb_functions() WHERE NOT internal",
    "SELECT type_name, labels, comment FROM duckdb_types() WHERE NOT internal",
    "SELECT trigger_name, sql FROM duckdb_triggers()",
    "SELECT tags FROM duckdb_databases() WHERE NOT internal AND database_name NOT IN ('system', 'temp')",
    "SELECT block_size FROM pragma_database_size()",
)


def clean(data: bytes, policy: dict[str, Any] | None = None) -> Rewritten:
    return rewritten(data, "a.duckdb", CleanPolicy.model_validate(policy or MASK), ("secrets", "pii", "structure"))


def cleaned(data: bytes, folder: Path, policy: dict[str, Any] | None = None) -> Any:
    """The clean database. Nothing of the values is left in its bytes, and its definitions and settings are as before."""
    found = clean(data, policy)
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    assert b"jane.doe" not in found.data
    assert clean(found.data, policy).cleaned.result == Result.COPIED
    before, after = opened(data, folder), opened(found.data, folder)
    for query in _DEFINITIONS:
        assert sorted(map(str, after.execute(query).fetchall())) == sorted(map(str, before.execute(query).fetchall())), query
    return after


@pytest.mark.slow
@pytest.mark.parametrize(("version", "block"), [("v1.0.0", 262144), ("v2.0.0", 16384)])
def test_cells_change_and_everything_else_stays(version: str, block: int, tmp_path: Path) -> None:
    data = database(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE SEQUENCE q START 5",
        "SELECT nextval('q')",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT DEFAULT 'nobody' UNIQUE)",
        f"INSERT INTO p VALUES (1, 'x'), (2, '{MAIL}')",
        "CREATE TABLE t (a TEXT CHECK (length(a) < 100), g TEXT AS (upper(a)), p INTEGER REFERENCES p (id), m mood, u UUID, h HUGEINT, "
        "i INTERVAL, b BIT, d DECIMAL(30, 2), z TIME WITH TIME ZONE, w TIMESTAMP_NS, n UNION(n INTEGER, s TEXT), j JSON)",
        "INSERT INTO t (a, p, m, u, h, i, b, d, z, w, n, j) SELECT CASE WHEN r % 3 = 0 THEN 'Ask "
        + MAIL
        + " ' || r WHEN r % 7 = 0 THEN NULL "
        "ELSE 'Grüße' || r END, 1 + r % 2, 'ok', uuid(), r * 1000000000000000000000::HUGEINT, INTERVAL (r) DAY, '101'::BIT, r + 0.25, "
        "'12:00:00+01', '2020-01-01 00:00:00.123456789', r::INTEGER, '{\"a\": 1}' FROM range(5000) s(r)",
        "CREATE INDEX i ON t (a)",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE MACRO f(x, y := 5) AS x + y",
        "CREATE SCHEMA s",
        """CREATE TABLE s."odd ""name" ("a.b" TEXT)""",
        f"""INSERT INTO s."odd ""name" VALUES ('x'), ('{MAIL}')""",
        "COMMENT ON TABLE t IS 'about t'",
        "COMMENT ON COLUMN t.a IS 'about a'",
        "COMMENT ON VIEW v IS 'about v'",
        "CREATE VIEW elsewhere AS SELECT * FROM range(3)",
        version=version,
        block=block,
    )
    made = cleaned(data, tmp_path)
    before = opened(data, tmp_path)
    assert made.execute("SELECT * FROM p").fetchall() == [(1, "x"), (2, "[EMAIL]")]
    assert made.execute("""SELECT * FROM s."odd ""name" """).fetchall() == [("x",), ("[EMAIL]",)]
    query = "SELECT replace(a, '{}', '[EMAIL]'), g IS NULL, p, m, u, h, i, b, d, z, w, n, j FROM t"
    assert made.execute(query.format("[EMAIL]")).fetchall() == before.execute(query.format(MAIL)).fetchall()
    assert made.execute("SELECT a FROM t WHERE a = 'Ask [EMAIL] 3'").fetchall() == [("Ask [EMAIL] 3",)]


NESTED: list[tuple[str, str, Any]] = [
    ("TEXT[]", f"['a', NULL, 'x {MAIL}']", ["a", None, "x [EMAIL]"]),
    ("TEXT[2]", f"['a', '{MAIL}']", ("a", "[EMAIL]")),
    ("STRUCT(x TEXT, y STRUCT(z TEXT))", f"{{'x': 'a', 'y': {{'z': '{MAIL}'}}}}", {"x": "a", "y": {"z": "[EMAIL]"}}),
    ("MAP(TEXT, TEXT)", f"MAP {{'k': '{MAIL}'}}", {"k": "[EMAIL]"}),
    ("JSON", f"""'{{"a": "{MAIL}"}}'""", '{"a": "[EMAIL]"}'),
    ("BLOB", f"'write {MAIL}'", b"write [EMAIL]"),
]


def test_values_at_any_depth(tmp_path: Path) -> None:
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(NESTED))
    values = ", ".join(value for _, value, _ in NESTED)
    data = database(f"CREATE TABLE t ({columns})", f"INSERT INTO t VALUES ({', '.join(['NULL'] * len(NESTED))}), ({values})")
    made = cleaned(data, tmp_path)
    assert made.execute("SELECT * FROM t").fetchall() == [(None,) * len(NESTED), tuple(expected for _, _, expected in NESTED)]


@pytest.mark.parametrize(
    ("action", "expected"),
    [("drop-row", [(1, "a", "b"), (3, "c", "d")]), ("drop-cell", [(1, "a", "b"), (2, None, "also a"), (3, "c", "d")])],
)
def test_rows_and_cells_are_dropped(action: str, expected: list[Any], tmp_path: Path) -> None:
    data = database(
        "CREATE TABLE s AS SELECT * FROM (VALUES ('p'), ('q'), ('r')) v(x)",
        "CREATE TABLE t (id INTEGER, a TEXT, b TEXT)",
        f"INSERT INTO t VALUES (1, 'a', 'b'), (2, '{MAIL}', 'also a'), (3, 'c', 'd')",
    )
    made = cleaned(data, tmp_path, {"rules": [{"rule": "pii.*", "action": action}]})
    assert made.execute("SELECT * FROM t").fetchall() == expected
    assert made.execute("SELECT x FROM s").fetchall() == [("p",), ("q",), ("r",)]


def test_the_remains_of_dropped_tables_go(tmp_path: Path) -> None:
    data = database(
        f"CREATE TABLE gone AS SELECT '{MAIL} ' || i AS a FROM range(50) r(i)",
        "CHECKPOINT",
        "DROP TABLE gone",
        f"CREATE TABLE t AS SELECT '{MAIL}' AS a",
        version="v2.0.0",
    )
    assert data.count(MAIL.encode()) > 1
    assert cleaned(data, tmp_path).execute("SELECT * FROM t").fetchall() == [("[EMAIL]",)]


def test_deleted_rows_go_if_the_policy_copies_what_was_not_checked(tmp_path: Path) -> None:
    data = database(
        f"CREATE TABLE t AS SELECT i, '{MAIL} ' || i AS a FROM range(5000) r(i)",
        "CHECKPOINT",
        "DELETE FROM t WHERE i % 2 = 0",
        version="v2.0.0",
    )
    assert clean(data).cleaned.result == Result.HELD
    made = cleaned(data, tmp_path, MASK | {"unchecked": "copy"})
    assert made.execute("SELECT count(*), min(a) FROM t").fetchone() == (2500, "[EMAIL] 1")


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["CREATE TABLE t (a TEXT UNIQUE)", f"INSERT INTO t VALUES ('{MAIL}'), ('x{MAIL}')"], "a constraint of it would be broken"),
        (["CREATE TABLE t (a TEXT, CHECK (length(a) > 20))", f"INSERT INTO t VALUES ('{MAIL}')"], "a constraint of it would be broken"),
        (["CREATE TABLE t (a BIGINT)", f"INSERT INTO t VALUES ({CARD})"], "1 of 1 findings cannot be changed"),
        (["CREATE TABLE t (a UNION(n INTEGER, s TEXT))", f"INSERT INTO t VALUES ('{MAIL}')"], "it has findings in a column of the type"),
        ([f"CREATE TABLE t (a ENUM('{MAIL}'))", f"INSERT INTO t VALUES ('{MAIL}')"], "it has findings in a column of the type"),
        ([f"CREATE TABLE t (a TEXT DEFAULT '{MAIL}')", f"INSERT INTO t VALUES ('{MAIL}')"], "1 of 2 findings cannot be changed"),
        (
            ["CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t (id), a TEXT)", f"INSERT INTO t VALUES (1, NULL, '{MAIL}')"],
            "it has a table that refers to itself",
        ),
        (
            ["CREATE TABLE p (a TEXT PRIMARY KEY)", "CREATE TABLE c (a TEXT REFERENCES p (a))", f"INSERT INTO p VALUES ('{MAIL}')",
             f"INSERT INTO c VALUES ('{MAIL}')"],
            None,
        ),
        (["CREATE TABLE a (x TEXT)", 'CREATE TABLE "a/b" (x TEXT)', f"INSERT INTO a VALUES ('{MAIL}')"], "cannot be told apart"),
    ],
    ids=["unique", "check", "number", "union", "enumeration", "default", "itself", "references", "names"],
)  # fmt: skip
def test_what_cannot_change_holds_the_file(statements: list[str], reason: str | None) -> None:
    found = clean(database(*statements), MASK)
    assert found.cleaned.result == (Result.HELD if reason else Result.CLEANED), found.cleaned.reason
    assert (reason or "") in (found.cleaned.reason or "")


def test_pseudonyms_keep_values_apart(tmp_path: Path) -> None:
    data = database("CREATE TABLE t (a TEXT UNIQUE)", f"INSERT INTO t VALUES ('{MAIL}'), ('x{MAIL}')")
    found = [row[0] for row in cleaned(data, tmp_path, PSEUDONYM).execute("SELECT a FROM t").fetchall()]
    assert len(set(found)) == 2


def test_triggers_hold_the_file_and_views_are_not_run(tmp_path: Path) -> None:
    statements = (
        "CREATE TABLE t (a TEXT)",
        "CREATE TABLE log (a TEXT)",
        f"INSERT INTO t VALUES ('{MAIL}')",
        "CREATE VIEW v AS SELECT error('the view ran') AS a",
        "CREATE VIEW missing AS SELECT * FROM log",
    )
    assert cleaned(database(*statements, version="v2.0.0"), tmp_path).execute("SELECT a FROM t").fetchall() == [("[EMAIL]",)]
    trigger = "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.a)"
    found = clean(database(*statements, trigger, version="v2.0.0"))
    assert (found.cleaned.result, found.cleaned.reason) == (Result.HELD, "it has triggers, which DuckDB does not copy")
