"""Reads SQLite databases: the cells of every stored table, the schema, and the remains of deleted rows.

No view, trigger, function or module of a database is run.
"""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, told
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.blobs import Blobs, BlobValue
from veritensor_ray.formats.common.budget import Budget, Copies
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.sqlite.page_claims import claim_trees

_IN_MEMORY = bounds.HELD
_SPOOLED = bounds.SQLITE
_LARGEST_CELL = bounds.CELL
_CHUNK = 1 << 20
_ROW = 16  # bytes counted for a row in addition to its values, approximately what it occupies in the file
_BATCH_CELLS, _BATCH_CHARS = 4096, 4 << 20
_SHORT_CELL = 8192  # of the values that are read many at once, in bounded memory
_STEPS = 100_000  # steps of SQLite's virtual machine between two checks of the limit
BROKEN = (sqlite3.Error, ValueError)  # ValueError: a NUL in a name, or an error message that is not UTF-8
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: _LARGEST_CELL,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1 << 20,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_TABLE = re.compile(r"\s*create\s+table\b", re.IGNORECASE)
_ODD = re.compile(r"\s*create\s*(/\*|--|temp)", re.IGNORECASE)  # no program writes comments or TEMP there
_AUTOMATIC = re.compile(r"sqlite_autoindex_\w{1,64}_\d{1,3}")
_VIRTUAL = re.compile(r"\s*create\s+virtual\s+table\b.*?\busing\s+(\w+)", re.IGNORECASE | re.DOTALL)
# Internal tables of modules: their binary values are indexes or vectors of what other tables hold as text.
_INDEXES = {
    "fts3": ("segments", "segdir", "docsize", "stat"),
    "fts4": ("segments", "segdir", "docsize", "stat"),
    "fts5": ("data", "idx", "docsize", "config"),
    "rtree": ("node", "rowid", "parent"),
    "vec0": ("chunks", "rowids", "vector_chunks"),
    "vss0": ("index", "data"),
}


class _StoredTree(NamedTuple):
    """A table or an index, and its first page."""

    kind: str
    name: str
    table: str
    root: int


class SqliteTable(NamedTuple):
    """A table with its stored columns."""

    name: str
    columns: tuple[str, ...]
    rowid: str | None  # the name by which the row number can be selected; None if the table has none


def read_sqlite(source: Source) -> Iterator[Item]:
    """Yield the strings of each table in stored order. What is not part of a table that was read is left to the residue."""
    database, file, size = opened_database(source.file)
    reader = None
    try:
        reader = SqliteTables(database, size, source.budget)
        yield from _schema(reader.entries)
        yield from reader.names()
        for _, name, sql in reader.entries:
            yield from reader.read(name, sql)
        source.counts.tables |= reader.rows
        yield from reader.indexes()
        yield from reader.gaps()
    except BROKEN as error:
        yield Gap(f"the schema cannot be read ({told(error)}); the file was searched for readable strings")
    finally:
        database.close()
    said = _said(file) or size
    if said > size:
        yield Gap(f"the file is {said - size} bytes shorter than its header says")
    claim_trees(file, source.account, reader.trees() if reader else (), _LARGEST_CELL)
    yield from behind(source, said)


def _said(file: BinaryIO) -> int:
    """The length of the file according to its header; 0 if unknown.

    Programs before SQLite 3.7 did not update the number of pages; then the change counters differ.
    """
    if not file.seekable():
        return 0
    file.seek(0)
    head = file.read(100)
    page, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
    return (65536 if page == 1 else page) * pages if head[24:28] == head[92:96] else 0


def opened_database(file: BinaryIO) -> tuple[sqlite3.Connection, BinaryIO, int]:
    """A connection that is not restricted yet, the file, and its size."""
    data = file.read(_IN_MEMORY + 1)
    if len(data) > _IN_MEMORY:
        database, size = _spooled(file, data)
        return database, file, size
    database = sqlite3.connect(":memory:", isolation_level=None)
    # a copy in memory has no log file, so it is opened as a database without one
    database.deserialize(data[:18] + b"\x01\x01" + data[20:] if data[18:20] == b"\x02\x02" else data)
    return database, io.BytesIO(data), len(data)


def _spooled(file: BinaryIO, head: bytes) -> tuple[sqlite3.Connection, int]:
    """Open a big database from disk, under a name that is removed as soon as it is open: SQLite does not accept open files."""
    with tempfile.NamedTemporaryFile(prefix="veritensor-", suffix=".sqlite", delete=False) as copy:
        path = Path(copy.name)
        try:
            size = copy.write(head)
            while piece := file.read(_CHUNK):
                size += copy.write(piece)
                if size > _SPOOLED:
                    raise LimitExceeded("sqlite_bytes", f"the database is larger than {_SPOOLED} bytes")
            copy.flush()
            database = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
            with contextlib.suppress(*BROKEN):
                database.execute("PRAGMA schema_version").fetchone()
        finally:
            path.unlink()
    return database, size


def _lock_down(database: sqlite3.Connection, size: int) -> None:
    """Restrict the connection to reading stored tables."""
    for limit, value in _LIMITS.items():
        database.setlimit(limit, value)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON", "mmap_size=0", "cache_size=-8000", "automatic_index=OFF"):
        database.execute(f"PRAGMA {pragma}")
    database.set_authorizer(_allowed)
    steps = [10_000 + size // 100]  # a step reads several bytes of the file; circular pages cause more steps

    def count() -> bool:
        steps[0] -= 1
        return steps[0] < 0

    database.set_progress_handler(count, _STEPS)


def _lenient(data: bytes) -> str | bytes:
    """Decode text as SQLite does; text that is not UTF-8 stays bytes and is marked by its type."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _Undecodable(data)


class _Undecodable(bytes):
    """The bytes of a text that is not valid UTF-8."""


_NUMBERS = frozenset({int, float})
_TEXTS, _NO_TEXT = frozenset({str, _Undecodable}), frozenset({int, float, type(None)})


def _told(column: tuple[Any, ...], name: str) -> Sequence[Any]:
    """Return the values of a column, with text in place of numbers that may be about a person."""
    if _NUMBERS.isdisjoint(map(type, column)):
        return column
    return [(number_text(value, name) if type(value) in _NUMBERS else value) for value in column]


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _allowed(action: int, name: str | None, detail: str | None, _database: str | None, _within: str | None) -> int:
    """Allow reading columns and listing a table's columns: no functions, recursion, writes or anything else."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ) or (
        action == sqlite3.SQLITE_PRAGMA and name in ("table_xinfo", "index_xinfo")
    ):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _schema(entries: list[list[str]]) -> Iterator[Block]:
    """Yield the definitions of tables, indexes, views and triggers, whose comments and literals are text."""
    for at in range(0, len(entries), _BATCH_CELLS):
        some = [entry for entry in entries[at : at + _BATCH_CELLS] if entry[2]]
        if some:
            yield Block(
                [sql for _, _, sql in some], column=[f"{kind} {name}"[:200] for kind, name, _ in some], part="schema", view="metadata"
            )


class SqliteTables:
    """Reads tables one after the other."""

    def __init__(self, database: sqlite3.Connection, size: int, budget: Budget) -> None:
        _lock_down(database, size)
        stored = database.execute("SELECT type, name, sql, tbl_name, rootpage FROM sqlite_master").fetchall()
        self.entries = [[_as_text(value) for value in row[:3]] for row in stored]
        self._trees = [_StoredTree(_as_text(row[0]), _as_text(row[1]), _as_text(row[3]), row[4]) for row in stored if type(row[4]) is int]
        self._unread: set[str] = set()  # the names of tables, in lower case
        self.blobs, self._index_blobs = Blobs(budget), Blobs(budget)  # unread values of an index are not missed
        self.rows: dict[str, int] = {}
        self.too_long = 0
        self._database = database
        self._copies = Copies(budget, size)
        self._indexes = set(_index_tables(self.entries))

    @property
    def triggered(self) -> set[str]:
        """The names of tables with triggers, in lower case."""
        return {tree.table.lower() for tree in self._trees if tree.kind == "trigger"}

    @property
    def modules(self) -> set[str]:
        """The modules of virtual tables."""
        return {found[1].lower() for _, _, sql in self.entries if (found := _VIRTUAL.match(sql))}

    @staticmethod
    def is_table(sql: str) -> bool:
        """Return whether a definition is that of a stored table."""
        return _TABLE.match(sql) is not None

    def names(self) -> Iterator[Block]:
        """Yield names that their own definitions do not mention."""
        names = dict.fromkeys((*(name for _, name, _ in self.entries), *(tree.table for tree in self._trees)))
        defined = {name for _, name, sql in self.entries if name in sql}
        if odd := [name for name in names if name not in defined and not _AUTOMATIC.fullmatch(name)]:
            yield Block(odd, column="names", part="schema", view="metadata")

    def trees(self) -> list[int]:
        """Return the first pages of the schema, and of the tables and indexes that were read."""
        return [1, *(tree.root for tree in self._trees if not self._unread & {tree.name.lower(), tree.table.lower()})]

    def indexes(self) -> Iterator[Block]:
        """Yield the values in indexes that their tables do not have. An index of which that is not known counts as unread."""
        for tree in self._trees:
            if tree.kind == "index":
                try:
                    yield from self._index(tree)
                except BROKEN:
                    self._unread.add(tree.name.lower())

    def _index(self, tree: _StoredTree) -> Iterator[Block]:
        columns = [row[2] for row in self._database.execute(f"PRAGMA index_xinfo({quoted(tree.name)})") if row[5]]
        if not columns or None in columns:  # an expression
            raise sqlite3.NotSupportedError
        called, table = ", ".join(quoted(_as_text(column)) for column in columns), quoted(tree.table)
        query = f"SELECT {called} FROM {table} INDEXED BY {quoted(tree.name)} EXCEPT SELECT {called} FROM {table} NOT INDEXED"  # noqa: S608  # quoted
        cursor = self._database.execute(query)
        while some := cursor.fetchmany(_BATCH_CELLS):
            if texts := [text for row in some for value in row if isinstance(value, (str, bytes)) and (text := _as_text(value))]:
                yield Block(texts, column=f"index {tree.name}"[:256], part=tree.table[:256], view="residue")

    def gaps(self) -> Iterator[Gap]:
        """Yield gaps for values that were not read. Call it only once."""
        if self.too_long:
            yield Gap(
                f"{self.too_long} rows have values above {_LARGEST_CELL} bytes and were not read", bound="cell_bytes", count=self.too_long
            )
        yield from self.blobs.gaps()

    def read(self, name: str, sql: str) -> Iterator[Item]:
        """Yield the rows of a table; nothing for entries that are not stored tables."""
        if not _TABLE.match(sql):
            if _ODD.match(sql):
                self._unread.add(name.lower())
                yield Gap("a table with an unusual definition was not read", location=f"table {name}"[:200])
            return
        table = None
        try:
            table = self.table(name)
            yield from self._cells(table)
        except BROKEN as error:
            self._unread.add(name.lower())
            cut = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
            reason = "the limit on the work for one file was reached" if cut else told(error)
            said = f"the table ends early: {reason}; the file was searched for readable strings"
            yield Gap(said, location=f"table {name}"[:200], code=ReasonCode.LIMIT if cut else None)

    def table(self, name: str) -> SqliteTable:
        """Return what is needed to read a table."""
        # only stored columns: computing the others would run expressions from the file
        found = self._database.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
        columns = tuple(_as_text(row[1]) for row in found if row[6] in (0, 3))
        taken = {_as_text(row[1]).lower() for row in found}
        for rowid in ("rowid", "_rowid_", "oid"):
            with contextlib.suppress(sqlite3.OperationalError):
                if rowid not in taken:
                    self._database.execute(f"SELECT {rowid} FROM {quoted(name)} NOT INDEXED LIMIT 0")  # noqa: S608  # quoted
                    return SqliteTable(name, columns, rowid)
        return SqliteTable(name, columns, None)

    def _cells(self, table: SqliteTable) -> Iterator[Item]:
        """Yield a block, and the binary values, of a few thousand cells at a time."""
        names = [f"{table.name}.{column}"[:256] for column in table.columns]
        first = bad = 0
        for some in self.stored(table):
            _, *stored = zip(*some, strict=True)
            columns = [*map(_told, stored, names)]
            held = [i for i, column in enumerate(columns) if not _NO_TEXT.issuperset(map(type, column))]
            texts: list[Any] = [*chain.from_iterable(zip(*(columns[i] for i in held), strict=True))]  # row by row, as stored
            rows = [*chain.from_iterable([row] * len(held) for row in range(first, first + len(some)))]
            called = [names[i] for i in held] * len(some)
            binary: list[BlobValue] = []
            if held and (not all(texts) or set(map(type, texts)) != {str}):
                bad += sum(type(text) is _Undecodable for text in texts)
                binary = [
                    BlobValue(value, row, names[i], f"{table.name}/{row if number is None else number}/{table.columns[i]}")
                    for row, (number, *values) in enumerate(some, first)
                    for i, value in enumerate(values)
                    if type(value) is bytes
                ]
                kept = [bool(text) and type(text) in _TEXTS for text in texts]
                texts, rows, called = ([*compress(every, kept)] for every in (texts, rows, called))
            first += len(some)
            # pages that belong to many trees produce more than the file holds
            self._copies.add(_ROW * len(some) + sum(map(len, texts)) + sum(len(value.data) for value in binary))
            if texts:
                yield Block([*map(_as_text, texts)] if bad else texts, row=rows, column=called, part=table.name[:256])
            yield from (self._index_blobs if table.name in self._indexes else self.blobs).read(binary, part=table.name[:256])
        self.rows[table.name[:256]] = first
        if bad:
            yield Gap(
                f"{bad} strings are not valid UTF-8; undecodable bytes were replaced", location=f"table {table.name}"[:200], count=bad
            )

    def stored(self, table: SqliteTable) -> Iterator[list[tuple[Any, ...]]]:
        """Yield row numbers and values, a few thousand at a time. NOT INDEXED, because an index may hold other values than the table."""
        called = ", ".join([table.rowid or "NULL", *map(quoted, table.columns)])
        query = f"SELECT {called} FROM {quoted(table.name)} NOT INDEXED"  # noqa: S608  # quoted, and only reading is allowed
        seen = 0
        try:
            self._accept(min(_SHORT_CELL, _LIMITS[sqlite3.SQLITE_LIMIT_LENGTH]), str)
            cursor = self._database.execute(query)
            while some := cursor.fetchmany(max(1, _BATCH_CELLS // (1 + len(table.columns)))):
                seen += len(some)
                yield some
            return
        except sqlite3.DatabaseError as error:  # damage, a long value, or a text that is not UTF-8: continue row by row
            damage = None if isinstance(error, (sqlite3.DataError, sqlite3.OperationalError)) else error
        finally:
            self._accept(_LIMITS[sqlite3.SQLITE_LIMIT_LENGTH], _lenient)
        some, size = [], 0
        try:
            for row in islice(self._one_by_one(table, query), seen, None):
                some.append(row)
                size += sum(len(value) for value in row if isinstance(value, (str, bytes)))
                if len(some) * len(row) >= _BATCH_CELLS or size > _BATCH_CHARS:
                    yield some
                    some, size = [], 0
        except sqlite3.DatabaseError as error:
            damage = error
        if some:
            yield some
        if damage:  # whether or not it occurred a second time
            raise damage

    def _accept(self, longest: int, texts: Callable[[bytes], str | bytes]) -> None:
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        self._database.text_factory = texts

    def _one_by_one(self, table: SqliteTable, query: str) -> Iterator[tuple[Any, ...]]:
        after, where = -(1 << 63), ""
        while True:
            try:
                for row in self._database.execute(query + where):
                    after = row[0]
                    yield row
                return
            except sqlite3.DatabaseError as error:
                if table.rowid is None or (behind := self._next_row(table, after)) is None:
                    raise
                # Python reads one row ahead, so the row before the bad one was lost too
                yield from self._single(f"{query} WHERE {table.rowid} = {behind}", error)
                after, where = behind, f" WHERE {table.rowid} > {behind}"

    def _single(self, query: str, error: sqlite3.DatabaseError) -> Iterator[tuple[Any, ...]]:
        """Yield a row by its number, or nothing if it is too long. Any other `error` is raised afterwards."""
        try:
            yield from self._database.execute(query).fetchall()
        except sqlite3.DataError:
            self.too_long += 1
        if not isinstance(error, sqlite3.DataError):
            raise error

    def _next_row(self, table: SqliteTable, after: int) -> int | None:
        """The number of the row that follows `after`."""
        query = f"SELECT {table.rowid} FROM {quoted(table.name)} NOT INDEXED WHERE {table.rowid} > {after} ORDER BY 1 LIMIT 1"  # noqa: S608
        found = self._database.execute(query).fetchone()
        return None if found is None else int(found[0])


def _index_tables(entries: list[list[str]]) -> Iterator[str]:
    stored = {name for _, name, sql in entries if _TABLE.match(sql)}
    for _, name, sql in entries:
        if found := _VIRTUAL.match(sql):
            module = found[1].lower()
            contentless = module.startswith("fts") and re.search(r"content\s*=\s*(''|\"\"|\s*[,)])", sql)
            for suffix in () if contentless else _INDEXES.get(module, ()):
                yield from (table for table in stored if table.startswith(f"{name}_{suffix}"))


def quoted(name: str) -> str:
    """Return a name as it stands in a statement."""
    return '"' + name.replace('"', '""') + '"'
