"""Writes a DuckDB database anew, in the process for DuckDB files: definitions and rows go into a new file, so that free blocks and old values do not.

The original is attached read-only. Conditions, generated columns and keys of indexes are computed, as whenever rows are written; views and
defaults are not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.columnar.decoding_child import Answer
from veritensor_ray.formats.duckdb.duckdb_child import (
    BATCH,
    StoredTable,
    connected,
    definitions,
    literal,
    lock,
    qualified,
    quoted,
    tables_of,
    with_storage,
)

WRITTEN, CHANGES = "written.duckdb", "changes.json"  # in the folder of a request
HELD = b"H"  # the kind of an answer that says why the database cannot be written
KEPT = "kept"  # the column that says which rows stay
_SECONDS = 1  # between two signs of life
_DIFFERENT = "the database that was written differs from the original in more than what was ordered"


class TableChange(NamedTuple):
    """The changed columns of a table, which stand in a file of the folder as an Arrow stream, with a column `kept`."""

    file: str
    columns: list[str]


def written(folder: str) -> Iterator[Answer]:
    """Write the database with the changes in a folder, and yield answers as signs of life. The last one may say why it was not written."""
    import duckdb

    about = json.loads(Path(folder, CHANGES).read_text())
    changes = {int(oid): TableChange(*change) for oid, change in about["tables"].items()}
    with connected(folder) as connection:
        query = "SELECT tags['storage_version'] FROM system.main.duckdb_databases() WHERE database_name = 'd'"
        [(version,)] = connection.execute(query).fetchall()
        path = literal(str(Path(folder, WRITTEN)))
        connection.execute(f"ATTACH {path} AS n (STORAGE_VERSION {literal(version.rstrip('+'))}, BLOCK_SIZE {int(about['block_size'])})")
        lock(connection)
        try:
            yield from _Writing(connection, folder, changes).steps()
        except duckdb.ConstraintException:
            yield HELD, b"with the changes, a constraint of it would be broken; pseudonyms differ where masks do not"
        except Malformed as error:
            yield HELD, str(error).encode()


class _Writing:
    def __init__(self, connection: Any, folder: str, changes: Mapping[int, TableChange]) -> None:
        self._connection, self._folder, self._changes = connection, folder, changes

    def steps(self) -> Iterator[Answer]:
        if self._connection.execute("SELECT 1 FROM system.main.duckdb_triggers() WHERE database_name = 'd' LIMIT 1").fetchall():
            raise Malformed("it has triggers, which DuckDB does not copy")
        yield from self._beating("COPY FROM DATABASE d TO n (SCHEMA)")
        if sorted(definitions(self._connection)) != sorted(definitions(self._connection, "n")):
            raise Malformed("not all of its definitions can be written again")
        for table in self._in_order():
            columns = with_storage(self._connection, table).columns
            if columns:
                listed = ", ".join(map(quoted, columns))
                rows = self._rows(table, columns)
                yield from self._beating(f"INSERT INTO {qualified(table.name, 'n')} ({listed}) {rows}", table)  # quoted
                yield from self._compare(table, columns, rows)
        yield from self._beating("CHECKPOINT n")
        self._connection.execute("DETACH n")

    def _in_order(self) -> list[StoredTable]:
        """Return the tables, those that others refer to first."""
        query = (
            "SELECT DISTINCT table_oid, schema_name, referenced_table FROM system.main.duckdb_constraints() "
            "WHERE database_name = 'd' AND constraint_type = 'FOREIGN KEY'"
        )
        left = {table.oid: table for table in tables_of(self._connection)}
        refers = dict[int, set[int]]()
        for oid, schema, name in self._connection.execute(query).fetchall():
            refers.setdefault(oid, set()).update(one.oid for one in left.values() if one.name[-2:] == [schema, name])
        if any(oid in some for oid, some in refers.items()):
            raise Malformed("it has a table that refers to itself, whose rows DuckDB does not copy")
        ordered = list[StoredTable]()
        while left:
            ready = [oid for oid in left if not refers.get(oid, set()) & left.keys()]
            if not ready:
                raise Malformed("its tables refer to each other in a circle")
            ordered += [left.pop(oid) for oid in ready]
        return ordered

    def _rows(self, table: StoredTable, columns: Sequence[str]) -> str:
        """Return the query for the rows that a table is to have."""
        change = self._changes.get(table.oid)
        if change is None:
            return f"SELECT {', '.join(map(quoted, columns))} FROM {qualified(table.name)}"  # noqa: S608  # quoted
        new = {column: f"y.c{number}" for number, column in enumerate(change.columns)}
        chosen = ", ".join(f"{new[column]} AS {quoted(column)}" if column in new else f"x.{quoted(column)}" for column in columns)
        return f"SELECT {chosen} FROM {qualified(table.name)} AS x POSITIONAL JOIN changed AS y WHERE y.{KEPT}"  # noqa: S608  # quoted

    def _compare(self, table: StoredTable, columns: Sequence[str], rows: str) -> Iterator[Answer]:
        """Raise Malformed unless a table has the rows that it was to have, in their order."""
        theirs, ours = [f"t{number}" for number, _ in enumerate(columns)], [f"o{number}" for number, _ in enumerate(columns)]
        differ = " OR ".join(f"{one} IS DISTINCT FROM {two}" for one, two in zip(theirs, ours, strict=True))
        new = f"SELECT {', '.join(map(quoted, columns))} FROM {qualified(table.name, 'n')}"  # noqa: S608  # quoted
        query = (
            f"SELECT count(*) FILTER (WHERE {differ}), count(a.t), count(b.t) FROM (SELECT *, 1 FROM ({rows})) AS a({', '.join(theirs)}, t) "  # noqa: S608  # quoted
            f"POSITIONAL JOIN (SELECT *, 1 FROM ({new})) AS b({', '.join(ours)}, t)"
        )
        found = list[Any]()
        yield from self._beating(query, table, found.extend)
        if not found or found[0][0] or found[0][1] != found[0][2]:
            raise Malformed(_DIFFERENT)

    def _beating(self, query: str, table: StoredTable | None = None, take: Callable[[list[Any]], Any] | None = None) -> Iterator[Answer]:
        """Run a statement, and yield an answer each second. `changed` are the changed columns of a table then."""
        change = self._changes.get(table.oid) if table else None
        source = pa.memory_map(str(Path(self._folder, change.file))) if change else None
        if source is not None:
            self._connection.register("changed", pa.ipc.open_stream(source))
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(lambda: self._connection.execute(query).fetchall())
            while wait([running], _SECONDS).not_done:
                yield BATCH, b""
            rows = running.result()
        if source is not None:
            self._connection.unregister("changed")
            source.close()
        if take:
            take(rows)
        yield BATCH, b""


__all__ = ["CHANGES", "HELD", "KEPT", "WRITTEN", "TableChange", "written"]
