"""Reads DuckDB databases: the cells of every table, the definitions, and the remains in free blocks. Nothing of a database is run.

The library opens files by their paths, so it is given a copy in a folder of its own; it works in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Encrypted, LimitExceeded, Malformed, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.core.wording import counted
from veritensor_ray.formats.columnar.arrow.read import ArrowValues, read_rows
from veritensor_ray.formats.columnar.decoding_process import IsolatedDecoder
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Counts, Item, Member, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.duckdb.duckdb_child import ABOUT, BATCH, BROKEN, FILE, TABLE, TEXTS, VERSION, DuckRequest, StoredTable
from veritensor_ray.formats.duckdb.structure import START, DuckBlocks, DuckHeader, header_of
from veritensor_ray.formats.residue.known_text import KnownText
from veritensor_ray.formats.residue.strings import VIEW, strings

_PIECE_BYTES = 8 << 20
_NAME = 256  # characters of a column's name
_BEFORE, _BEHIND = 2, 1  # characters beside a string of the metadata that may be numbers
_SURE = 5  # characters that prove that a string is known
_LEAST = 12  # bytes that the metadata has of the least and of the greatest text of a column, one behind the other, or 8 of each
_REMEMBERED = 100_000  # distinct beginnings of texts, to know these by
DUCKDB_DECODER = IsolatedDecoder("veritensor_ray.formats.duckdb.duckdb_child", "DuckDB files", "", {})


def read_duckdb(source: Source) -> Iterator[Item]:
    """Yield the strings of each table in stored order. Of what was not read, the blocks are left to the residue."""
    if not source.file.seekable():
        raise ReadError("a DuckDB file can only be read as a file of its own, and not from a stream", ReasonCode.NO_READER)
    header = checked_header(source.file)
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        copied_into(source.file, folder)
        reader = DuckTables(source, folder, header)
        try:
            yield from reader.definitions()
            for table in reader.tables:
                yield from reader.read(table)
            yield from reader.rest()
        finally:
            reader.close()
    yield from behind(source, START + header.blocks * header.block_size)


def checked_header(file: BinaryIO) -> DuckHeader:
    """Return the header of a database that can be read. Raises ReadError."""
    try:
        header = header_of(file)
    except Malformed as error:
        raise ReadError(str(error)) from None
    if header.is_encrypted:
        raise Encrypted("the database is encrypted; COPY FROM DATABASE writes it into one that is not")
    return header


def copied_into(file: BinaryIO, folder: str) -> None:
    """Copy a database to where the library expects it. Raises LimitExceeded."""
    if length(file) > bounds.DUCKDB:
        raise LimitExceeded("duckdb_bytes", f"the database is larger than {bounds.DUCKDB} bytes")
    file.seek(0)
    with Path(folder, FILE).open("wb") as out:
        shutil.copyfileobj(file, out, _PIECE_BYTES)


def label_of(table: StoredTable) -> str:
    """Return what a table is called: with the names of its schemas, unless it is in `main`."""
    plain = len(table.name) == 2 and table.name[0] == "main" and "." not in table.name[1]
    return (table.name[1] if plain else ".".join(table.name))[:_NAME]


def column_label(table: StoredTable, column: str) -> str:
    """Return what a column is called."""
    return f"{label_of(table)}.{column}"[:_NAME]


class DuckTables:
    """Reads tables one after the other."""

    def __init__(self, source: Source, folder: str, header: DuckHeader) -> None:
        self._source, self._folder, self._header = source, folder, header
        self._values = ArrowValues(source)
        self._blocks = DuckBlocks(source.file, header)
        self._texts: list[str] = []  # what definitions say
        self._beginnings = set[str]()  # of texts in tables
        self._metadata: list[tuple[int, list[int]]] | None = None
        self._unread = set[int]()  # the tables of which not everything was read
        self._broken = False  # whether there may be more tables
        self.tables: list[StoredTable] = []

    def close(self) -> None:
        """Let the process close the file."""
        for _ in self.answers(task="close"):
            pass

    def answers(self, **about: Any) -> Iterator[tuple[bytes, bytes]]:
        """Yield the answers of the process to a request. Raises ReadError."""
        for kind, data in DUCKDB_DECODER.answers(DuckRequest(self._folder, **about)._asdict()):
            if kind == VERSION:
                raise self._too_new(data.decode())
            yield kind, data

    def _too_new(self, here: str) -> ReadError:
        by = f", written by DuckDB {self._header.written_by}" if self._header.written_by else ""
        return ReadError(
            f"the database has version {self._header.version} of the storage format{by}, which DuckDB {here} cannot read; a release that can "
            "writes it as files with EXPORT DATABASE",
            ReasonCode.NO_READER,
        )

    def definitions(self) -> Iterator[Item]:
        """Yield the definitions of tables, views, macros and others, whose comments and literals are text, and take note of the tables."""
        for kind, data in self.answers():
            found = json.loads(data)
            if kind == TEXTS and found:
                self._texts += [text for _, text in found]
                names = [name[:200] for name, _ in found]
                yield Block([text for _, text in found], column=names, part="schema", view="metadata")
            elif kind == TABLE:
                self.tables.append(StoredTable(*found))
            elif kind == BROKEN:
                self._broken = True
                yield _ends_early(StoredTable(*found), "what is stored of it is damaged")
            elif kind == ABOUT:
                self._metadata = found

    def read(self, table: StoredTable) -> Iterator[Item]:
        """Yield the rows of a table."""
        label, own = label_of(table), replace(self._source, counts=Counts())
        names = {column: column_label(table, column) for column in table.columns}
        try:
            for item in _named(read_rows(own, self._batches(table, names), self._values), label):
                if isinstance(item, Block) and len(self._beginnings) < _REMEMBERED:
                    beginnings = pc.utf8_slice_codeunits(pa.array(item.texts, pa.string()), 0, _LEAST)
                    self._beginnings.update(pc.unique(beginnings).drop_null().to_pylist())
                yield item
        except LimitExceeded:
            raise
        except ReadError as error:
            self._unread.add(table.oid)
            yield _ends_early(table, str(error), error.reason_code)
        if table.deleted:
            self._unread.add(table.oid)
            rows = counted(table.deleted, "deleted row")
            yield Gap(
                f"{rows} of the table may still be in the file; it was searched for readable strings. COPY FROM DATABASE writes a file "
                "without them",
                location=f"table {label}"[:200],
                count=table.deleted,
                code=ReasonCode.NO_READER,
            )
        self._source.counts.tables[label] = own.counts.rows

    def _batches(self, table: StoredTable, names: dict[str, str]) -> Iterator[tuple[pa.RecordBatch, Any]]:
        first = 0
        for kind, data in self.answers(task="rows", table=table.oid, columns=table.columns):
            if kind == BATCH:
                batch = pa.ipc.open_stream(data).read_next_batch()
                batch.validate()
                yield batch.rename_columns([names[name] for name in batch.schema.names]), np.arange(first, first + batch.num_rows)
                first += batch.num_rows

    def rest(self) -> Iterator[Item]:
        """Claim what was read, and yield the strings beside definitions. Call it only once."""
        account = self._source.account
        account.claim(0, START, "structure")
        if self._metadata is None:
            return
        blocks = self._claim_values()
        known = KnownText([*self._texts, *(text.replace("''", "'") for text in self._texts if "''" in text), *self._beginnings])
        for block, parts in self._metadata:
            blocks.add(block)
            for part in parts:
                yield from self._part(*self._blocks.part(block, part), known)
        if not self._broken:
            self._claim_indexes(blocks)

    def _claim_values(self) -> set[int]:
        """Claim the values of tables that were read, and return the blocks of all. What stands between values may be of an earlier version."""
        begin = dict[int, list[tuple[int, bool, bool]]]()  # by block: where values begin, whether they are texts and whether they were read
        for table in self.tables:
            was_read = table.oid not in self._unread
            for places, is_text in ((table.places, False), (table.strings, True)):
                for block, offset in places:
                    begin.setdefault(block, []).append((offset, is_text, was_read))
        for block, some in begin.items():
            some.sort()
            self._source.account.claim(self._blocks.place(block)[0], self._blocks.segment(block, 0, None, False)[0], "structure")
            for (offset, is_text, was_read), (following, _, _) in zip(some, [*some[1:], (None, False, False)], strict=True):
                if was_read:
                    self._source.account.claim(*self._blocks.segment(block, offset, following, is_text), "text")
        return {*begin}

    def _part(self, start: int, end: int, known: KnownText) -> Iterator[Block]:
        """Claim a part of the metadata, and yield what it says beside definitions and values, such as the least value of an earlier version."""
        self._source.file.seek(start)
        odd = [one for one in strings(self._source.file.read(end - start)) if not _is_known(one.text, known)]
        if odd:
            places = [start + one.at for one in odd]
            yield Block([one.text for one in odd], byte_offset=places, start=places, view=VIEW)
        self._source.account.claim(start, end, "structure")

    def _claim_indexes(self, known: set[int]) -> None:
        """Claim the blocks that are not free and belong to nothing else. They hold keys of rows, piece by piece."""
        try:
            free = self._blocks.free()
        except Malformed:
            return
        for block in range(self._blocks.count):
            if block not in known and block not in free:
                self._source.account.claim(*self._blocks.place(block), "values")


def _is_known(text: str, known: KnownText) -> bool:
    """Return whether definitions or tables have a text. The numbers beside it, such as its length, may look like letters of it."""
    beside = ((left, right) for left in range(_BEFORE + 1) for right in range(_BEHIND + 1) if len(text) - left - right >= _SURE)
    for left, right in beside:
        one = text[left : len(text) - right]
        if not known.lacks(one) or (len(one) > _LEAST and not known.lacks(one[:_LEAST]) and not known.lacks(one[_LEAST:])):
            return True
    return False


def _ends_early(table: StoredTable, why: str, code: ReasonCode | None = None) -> Gap:
    said = f"the table ends early: {why}; the file was searched for readable strings"
    return Gap(said, location=f"table {label_of(table)}"[:200], code=code)


def _named(items: Iterable[Item], label: str) -> Iterator[Item]:
    """Yield items with the table that they come from."""
    for item in items:
        if isinstance(item, Block):
            yield replace(item, part=label)
        elif isinstance(item, Member):
            yield replace(item, name=f"{label}/{item.name}")
        else:
            yield item


__all__ = ["DUCKDB_DECODER", "DuckTables", "checked_header", "column_label", "copied_into", "label_of", "read_duckdb"]
