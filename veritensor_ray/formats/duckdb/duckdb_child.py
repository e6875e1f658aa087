"""The process in which the library decodes DuckDB files. It reads base tables and the definitions of everything else, and runs nothing of a file's.

A file is attached to an empty database in memory, read-only, so that its macros and tables hide no function that is called here. Nothing
outside of the two can be reached then: no other file, no extension, no server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from veritensor_ray.formats.columnar.decoding_child import Answer, main, told_answers

ABOUT, TEXTS, TABLE, BATCH, VERSION, BROKEN = b"A", b"X", b"T", b"B", b"V", b"!"  # the kinds of answers
FILE = "file.duckdb"
_MEMORY = "1GB"
_ROWS = 2048  # of a vector of the library
_PIECE_BYTES = 8 << 20
_TEXTS = 1000
_CONFIG: dict[str, Any] = {
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "allow_unsigned_extensions": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_file_cache": False,
    "memory_limit": _MEMORY,
    "python_enable_replacements": False,
    "temp_directory": "",
    "threads": 1,
}
# Types, also of the items of lists, without text and without numbers that may be about a person.
_NO_TEXT = ("BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "FLOAT", "DATE", "TIME", "INTERVAL", "UUID")
_STRINGS, _ENDING = ("VARCHAR", "BLOB"), ("Uncompressed", "FSST", "Dictionary")  # which tell where they end
_HUGE, _AS_TEXT = ("HUGEINT", "UHUGEINT"), ("VARIANT", "BIT", "BIGNUM")  # which Arrow does not have


class DuckRequest(NamedTuple):
    """What to do with the file in a folder: describe it, decode columns of a table, given by its oid, or write it anew with changes.

    `only_text` leaves out columns without text. The changes are in the folder.
    """

    folder: str
    task: Literal["describe", "rows", "write", "close"] = "describe"
    table: int = 0
    columns: Sequence[str] = ()
    only_text: bool = True


class StoredTable(NamedTuple):
    """A table: its name with those of its schemas, its stored columns, where its values are, and how many rows were deleted.

    A place is a block and where the values begin in it. `strings` are those of places that say themselves where they end.
    """

    oid: int
    name: list[str]
    columns: list[str]
    places: list[list[int]]
    strings: list[list[int]]
    deleted: int


def quoted(name: str) -> str:
    """Return a name as it stands in a statement."""
    return '"' + name.replace('"', '""') + '"'


def qualified(name: Sequence[str], database: str = "d") -> str:
    """Return the full name of something in the attached file."""
    return ".".join(map(quoted, (database, *name)))


def connected(folder: str) -> Any:
    """Return a connection to an empty database with the file attached as `d`. Later statements must end with `lock`."""
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH {literal(str(Path(folder, FILE)))} AS d (TYPE duckdb, READ_ONLY)")
    return connection


def lock(connection: Any) -> None:
    """Take all ways out of a connection."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _OpenedFile:
    """The file that was asked about last."""

    folder: str | None = None
    connection: Any = None

    def open(self, folder: str) -> Any:
        if self.folder != folder:
            self.close()
            self.connection = connected(folder)
            lock(self.connection)
            self.folder = folder
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.folder = self.connection = None


_OPENED = _OpenedFile()


def _answers(request: DuckRequest) -> Iterator[Answer]:
    import duckdb

    if request.task == "close":
        _OPENED.close()
        return
    if request.task == "write":
        from veritensor_ray.formats.duckdb.duckdb_writing import written  # which is rarely needed

        _OPENED.close()
        yield from written(request.folder)
        return
    try:
        connection = _OPENED.open(request.folder)
    except duckdb.Error as error:
        if "version number" in str(error):
            yield VERSION, duckdb.__version__.encode()
            return
        raise
    try:
        if request.task == "describe":
            yield from _described(request.folder)
        else:
            yield from _rows(connection, request)
    except BaseException:
        _OPENED.close()  # after some errors, the library refuses everything else
        raise


def _described(folder: str) -> Iterator[Answer]:
    """Yield the texts of definitions, the tables, and which parts of blocks hold metadata."""
    import duckdb

    connection = _OPENED.open(folder)
    texts = list[tuple[str, str]]()
    for text in definitions(connection):
        texts.append(text)
        if len(texts) == _TEXTS:
            yield TEXTS, json.dumps(texts).encode()
            texts = []
    texts += [(f"schema {path[-1]}", path[-1]) for path in _schemas(connection).values() if path != ["main"]]
    yield TEXTS, json.dumps(texts).encode()
    for table in tables_of(connection):
        try:
            yield TABLE, json.dumps(with_storage(connection, table)).encode()
        except duckdb.Error:
            yield BROKEN, json.dumps(table).encode()
            _OPENED.close()  # the library may refuse everything else now
            connection = _OPENED.open(folder)
    found = connection.execute("SELECT block_id, total_blocks, free_list FROM system.main.pragma_metadata_info('d')").fetchall()
    parts = [[block, sorted({*range(total)} - {*free})] for block, total, free in found]
    yield ABOUT, json.dumps(parts).encode()


def tables_of(connection: Any) -> list[StoredTable]:
    """Return the tables without what is stored of them."""
    schemas = _schemas(connection)
    found = connection.execute(
        "SELECT table_oid, schema_oid, table_name FROM system.main.duckdb_tables() WHERE database_name = 'd' AND NOT internal ORDER BY table_oid"
    ).fetchall()
    return [StoredTable(oid, [*schemas[schema], name], [], [], [], 0) for oid, schema, name in found]


def _schemas(connection: Any) -> dict[int, list[str]]:
    """Return the names of schemas, each with those of the schemas around it, by their oid."""
    found = connection.execute(
        "SELECT oid, schema_name, parent_schema_oid FROM system.main.duckdb_schemas() WHERE database_name = 'd'"
    ).fetchall()
    above = {oid: (name, parent) for oid, name, parent in found}
    names = dict[int, list[str]]()
    for oid in above:
        path, at = list[str](), oid
        while at in above and len(path) <= len(above):
            path.insert(0, above[at][0])
            at = above[at][1]
        names[oid] = path
    return names


def with_storage(connection: Any, table: StoredTable) -> StoredTable:
    """Return a table with its stored columns and places, and count its deleted rows, whose values stay there."""
    columns, places, texts = dict[str, None](), set[tuple[int, int]](), set[tuple[int, int]]()
    counted: int | None = None  # the column in which rows are counted
    stored = 0
    query = "SELECT column_name, column_id, column_path, segment_type, count, compression, block_id, block_offset, additional_block_ids"
    cursor = connection.execute(f"{query} FROM system.main.pragma_storage_info({literal(qualified(table.name))})")
    while some := cursor.fetchmany(_ROWS):
        for column, number, path, kind, count, compression, block, offset, more in some:
            columns[column] = None
            counted = number if counted is None else counted
            stored += count if number == counted and path == f"[{number}]" else 0
            own = [(block, offset)] if block >= 0 else []
            (texts if kind in _STRINGS and compression in _ENDING else places).update(own)
            places.update((one, 0) for one in more)
    [(living,)] = connection.execute(f"SELECT count(*) FROM {qualified(table.name)}").fetchall()  # noqa: S608  # quoted
    listed = [[list(one) for one in sorted(some)] for some in (places, texts)]
    return table._replace(columns=list(columns), places=listed[0], strings=listed[1], deleted=max(0, stored - living))


_DEFINED = (
    ("table", "table_name, sql, comment, tags FROM system.main.duckdb_tables()"),
    ("view", "view_name, sql, comment, tags FROM system.main.duckdb_views()"),
    ("index", "index_name, sql, comment, tags FROM system.main.duckdb_indexes()"),
    ("sequence", "sequence_name, sql, comment, tags FROM system.main.duckdb_sequences()"),
    ("trigger", "trigger_name, sql, comment, tags FROM system.main.duckdb_triggers()"),
    ("type", "type_name, concat_ws(' ', logical_type, labels), comment, tags FROM system.main.duckdb_types()"),
    ("macro", "function_name, concat_ws(' ', parameters, macro_definition), comment, tags FROM system.main.duckdb_functions()"),
)


def definitions(connection: Any, database: str = "d") -> Iterator[tuple[str, str]]:
    """Yield the definitions, the comments and the tags of everything in a file, each with what it belongs to."""
    for kind, query in _DEFINED:
        internal = " AND NOT internal" if kind in ("table", "view", "type", "macro") else ""
        cursor = connection.execute(f"SELECT {query} WHERE database_name = {literal(database)}{internal}")  # constants
        while some := cursor.fetchmany(_TEXTS):
            for name, sql, comment, tags in some:
                yield f"{kind} {name}", f"{sql}" if str(name) in str(sql) else f"{name} {sql}"
                yield from _remarks(f"{kind} {name}", comment, tags)
    [(bound,)] = connection.execute(
        "SELECT coalesce(bool_and(is_bound), true) FROM system.main.duckdb_views() WHERE database_name = ?", [database]
    ).fetchall()
    if not bound:  # asking for columns would plan the query of a view that does not know its own
        return
    query = "SELECT table_name, column_name, comment, tags FROM system.main.duckdb_columns() WHERE database_name = ? AND NOT internal"
    cursor = connection.execute(query, [database])
    while some := cursor.fetchmany(_TEXTS):
        for table, column, comment, tags in some:
            yield from _remarks(f"column {table}.{column}", comment, tags)


def _remarks(column: str, comment: str | None, tags: Mapping[str, str] | None) -> Iterator[tuple[str, str]]:
    yield from ((column, text) for text in (comment, *(f"{key}: {value}" for key, value in (tags or {}).items())) if text)


def _rows(connection: Any, request: DuckRequest) -> Iterator[Answer]:
    """Yield the rows of a table in pieces of a few megabytes."""
    name = next(table.name for table in tables_of(connection) if table.oid == request.table)
    chosen = _with_text(connection, name, request.columns) if request.only_text else [*map(quoted, request.columns)]
    if not chosen:
        return
    for batch in connection.sql(f"SELECT {', '.join(chosen)} FROM {qualified(name)}").to_arrow_reader(_ROWS):  # noqa: S608  # quoted
        step = max(1, _PIECE_BYTES * batch.num_rows // max(1, batch.nbytes))
        for first in range(0, batch.num_rows, step):
            yield BATCH, _streamed(batch.slice(first, step))


def _with_text(connection: Any, name: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return the columns whose values may be text or a long number, as they stand in a query."""
    called = [*map(quoted, columns)]
    kinds = connection.sql(f"SELECT {', '.join(called)} FROM {qualified(name)}").types if called else ()  # noqa: S608  # quoted; not run
    chosen = []
    for column, kind in zip(called, map(str, kinds), strict=True):
        if kind in _HUGE:
            chosen.append(f"TRY_CAST({column} AS DECIMAL(38, 0)) AS {column}")
        elif not kind.rstrip("[]0123456789").startswith(_NO_TEXT):
            chosen.append(f"CAST({column} AS VARCHAR) AS {column}" if kind in _AS_TEXT else column)
    return chosen


def _streamed(batch: pa.RecordBatch) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(out.getvalue())


def told_by(request: Mapping[str, Any]) -> Iterator[Answer]:
    """Yield the answers to a request, the last of which says how it ended."""
    yield from told_answers(lambda given: _answers(DuckRequest(**given)), request, request["folder"])


if __name__ == "__main__":
    main(int(sys.argv[1]), told_by)
