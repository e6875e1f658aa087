"""The parts of a Parquet file: its footer, its column chunks as bytes, and a writer that puts chunks together to a file.

Chunks are copied as they are, so what pyarrow does not understand is kept too. Fields are named by their numbers in parquet.thrift.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from veritensor_ray.core.errors import as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.columnar.parquet.structure import footer
from veritensor_ray.formats.columnar.parquet.thrift import BINARY, I32, I64, List, Struct, Thrift, encoded
from veritensor_ray.formats.common.file_ranges import pieces
from veritensor_ray.formats.editing.actions import CannotRewriteError

MAGIC = b"PAR1"
SCHEMA, ROWS, GROUPS, PAIRS = 2, 3, 4, 5  # of the footer
COLUMNS, SIZE, GROUP_ROWS, SORTED, OFFSET, PACKED_SIZE, ORDINAL = 1, 2, 3, 4, 5, 6, 7  # of a row group
FILE_PATH, CHUNK_OFFSET, META, OFFSET_INDEX, OFFSET_INDEX_SIZE, COLUMN_INDEX, COLUMN_INDEX_SIZE, CRYPTO, CRYPTO_META = range(
    1, 10
)  # of a chunk
TYPE, ENCODINGS, PATH, CODEC, VALUES, FULL, PACKED, META_PAIRS, DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, STATISTICS = range(1, 13)  # META
PAGE_STATISTICS, BLOOM, BLOOM_SIZE, SIZE_STATISTICS, GEO_STATISTICS = range(13, 18)
ELEMENT_TYPE, LENGTH, REPETITION, NAME, CHILDREN, CONVERTED, SCALE, PRECISION, FIELD_ID, LOGICAL = range(1, 11)  # of the schema
BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTES, FIXED = range(8)  # physical types
_ENCRYPTION = (8, 9)  # of the footer
_ORDERS = 7  # of the footer: how the values of each column are compared
_OF_FOOTER = {SCHEMA: list, ROWS: int, GROUPS: list, PAIRS: list}
_OF_GROUP = {COLUMNS: list, SIZE: int, GROUP_ROWS: int, SORTED: list, OFFSET: int, PACKED_SIZE: int, ORDINAL: int}
_OF_CHUNK = {CHUNK_OFFSET: int, META: dict, OFFSET_INDEX: int, OFFSET_INDEX_SIZE: int, COLUMN_INDEX: int, COLUMN_INDEX_SIZE: int}
_OF_META = dict.fromkeys((TYPE, CODEC, VALUES, FULL, PACKED, DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, BLOOM, BLOOM_SIZE), int) | {
    ENCODINGS: list,
    PATH: list,
    META_PAIRS: list,
    STATISTICS: dict,
}
_OF_ELEMENT = dict.fromkeys((ELEMENT_TYPE, LENGTH, REPETITION, CHILDREN, CONVERTED, SCALE, PRECISION, FIELD_ID), int) | {
    NAME: bytes,
    LOGICAL: dict,
}
_OF_PAIR = {1: bytes, 2: bytes}
_PAGE_HEADER = 64 << 10
_BLOOM_HEADER = 64
_REPEATED = 2
_DAMAGE = (ValueError, IndexError, KeyError, TypeError, AttributeError)
WHAT = "not a complete Parquet file"


class Leaf(NamedTuple):
    """A column as it is stored: its physical type, the length of that, the deepest levels, and its element of the schema."""

    type: int
    length: int | None
    definition: int
    repetition: int
    element: Struct


class TopField(NamedTuple):
    """A column at the top of the schema, with its elements of the schema and the number of its first leaf."""

    name: str
    elements: list[Struct]
    leaves: list[Leaf]
    first: int


@dataclass
class Chunk:
    """A column chunk to be written: its metadata, whose offsets count from the beginning of `data`, and its indexes."""

    meta: Struct
    data: BinaryIO
    start: int
    size: int
    offset_index: Struct | None = None
    column_index: bytes | None = None
    bloom: bytes | None = None
    chunk: Struct | None = None


class ParquetFile:
    """An open Parquet file. Raises ReadError for a damaged footer, CannotRewriteError for one that cannot be written again."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        try:
            self.footer = _typed(footer(file), _OF_FOOTER, GROUPS, SCHEMA, ROWS)
            self.size = file.seek(0, io.SEEK_END)
            file.seek(self.size - 4)
            magic = file.read(4)
            self.groups: list[Struct] = list(self.footer[GROUPS])
            for element in self.footer[SCHEMA]:
                _typed(element, _OF_ELEMENT, NAME)
                if not all(isinstance(detail, dict) for detail in element.get(LOGICAL, {}).values()):
                    raise ValueError("a type is not described")
            for pair in self.footer.get(PAIRS, ()):
                _typed(pair, _OF_PAIR, 1)
            self.fields = list(top_fields(self.footer[SCHEMA]))
            self._check(magic)
        except _DAMAGE as error:
            raise as_read_error(error, WHAT) from None

    def _check(self, magic: bytes) -> None:
        leaves = sum(len(field.leaves) for field in self.fields)
        chunks = [chunk for group in self.groups for chunk in _typed(group, _OF_GROUP, COLUMNS, SIZE, GROUP_ROWS)[COLUMNS]]
        if (
            magic != MAGIC
            or any(number in self.footer for number in _ENCRYPTION)
            or any(CRYPTO in one or CRYPTO_META in one for one in chunks)
        ):
            raise CannotRewriteError("it is encrypted", ReasonCode.ENCRYPTED)
        for chunk in chunks:
            _typed(_typed(chunk, _OF_CHUNK, META)[META], _OF_META, TYPE, CODEC, VALUES, FULL, PACKED, DATA_PAGE, ENCODINGS, PATH)
        if not all(isinstance(one, Struct) for group in self.groups for one in group.get(SORTED, ())):
            raise ValueError("a sorting column is not described")
        if any(FILE_PATH in chunk for chunk in chunks):
            raise CannotRewriteError("its columns are in other files")
        if any(len(group[COLUMNS]) != leaves or group[GROUP_ROWS] < 0 for group in self.groups):
            raise ValueError("a row group has other columns than the schema")
        if any(chunk[META][DATA_PAGE] < len(MAGIC) for chunk in chunks):
            raise ValueError("a column has no page")
        extents = [self.extent(chunk[META]) for chunk in chunks]
        if any(start < len(MAGIC) or size < 0 or start + size > self.size for start, size in extents):
            raise ValueError("a column is outside the file")
        if sum(size for _, size in extents) > self.size:
            raise CannotRewriteError("its columns share their bytes")

    def keep(self, fields: list[TopField]) -> None:
        """Forget all other columns."""
        leaves = [field.first + leaf for field in fields for leaf in range(len(field.leaves))]
        root = self.footer[SCHEMA][0].copy()
        root[CHILDREN] = len(fields)
        self.footer = self.footer.copy()
        self.footer[SCHEMA] = List.of([root, *(element for field in fields for element in field.elements)])
        if _ORDERS in self.footer:
            self.footer[_ORDERS] = List.of([self.footer[_ORDERS][leaf] for leaf in leaves])
        groups = []
        for group in self.groups:
            made = group.copy()
            made[COLUMNS] = List.of([group[COLUMNS][leaf] for leaf in leaves])
            made.pop(SORTED, None)  # it names columns by their numbers
            groups.append(made)
        self.groups = groups
        self.fields = list(top_fields(self.footer[SCHEMA]))

    @staticmethod
    def extent(meta: Struct) -> tuple[int, int]:
        """Return where the pages of a chunk begin, and their size in bytes."""
        offsets = (meta[DATA_PAGE], meta.get(DICTIONARY_PAGE, 0), meta.get(INDEX_PAGE, 0))
        return min(offset for offset in offsets if offset > 0), meta[PACKED]

    def first_row(self, group: int) -> int:
        """Return the row at which a row group begins."""
        return sum(one[GROUP_ROWS] for one in self.groups[:group])

    def chunk(self, group: int, leaf: int) -> Chunk:
        """Return a chunk as it is in the file, with its indexes."""
        chunk: Struct = self.groups[group][COLUMNS][leaf]
        meta = chunk[META].copy()
        start, size = self.extent(meta)
        for number in (DATA_PAGE, DICTIONARY_PAGE, INDEX_PAGE):
            if meta.get(number, 0) > 0:
                meta[number] -= start
            else:  # zero stands for a page that does not exist
                meta.pop(number, None)
        try:
            index = Thrift(self._bytes(chunk[OFFSET_INDEX], chunk[OFFSET_INDEX_SIZE])).struct() if OFFSET_INDEX in chunk else None
            for location in index[1] if index else ():
                location[1] -= start
            column_index = self._bytes(chunk[COLUMN_INDEX], chunk[COLUMN_INDEX_SIZE]) if index and COLUMN_INDEX in chunk else None
            bloom = self._bloom(meta) if BLOOM in meta else None
        except _DAMAGE as error:
            raise as_read_error(error, WHAT) from None
        return Chunk(meta, self.file, start, size, index, column_index, bloom, chunk)

    def _bytes(self, start: int, size: int) -> bytes:
        if not 0 < start <= start + size <= self.size:
            raise ValueError("an index is outside the file")
        self.file.seek(start)
        return self.file.read(size)

    def _bloom(self, meta: Struct) -> bytes:
        """Return a Bloom filter with its header, which begins with the length of the rest."""
        if size := meta.get(BLOOM_SIZE):
            return self._bytes(meta[BLOOM], size)
        head = Thrift(self._bytes(meta[BLOOM], min(_BLOOM_HEADER, self.size - meta[BLOOM])))
        header = head.struct()
        return self._bytes(meta[BLOOM], head.at + header[1])

    def page_header(self, group: int, leaf: int) -> Struct:
        """Return the header of the first page with data; empty if it cannot be read."""
        self.file.seek(self.groups[group][COLUMNS][leaf][META][DATA_PAGE])
        try:
            return Thrift(self.file.read(_PAGE_HEADER)).struct()
        except _DAMAGE:
            return Struct()


class ParquetWriter:
    """Writes a Parquet file from chunks."""

    def __init__(self, out: BinaryIO, pulse: Callable[[], None]) -> None:
        self._out, self._pulse, self._at = out, pulse, 0
        self.groups: list[Struct] = []
        self._write(MAGIC)

    def group(self, group: Struct, chunks: Iterator[Chunk], rows: int) -> None:
        """Write a row group. `group` has everything that is not to change."""
        made = group.copy()
        start, columns, indexes = self._at, [], []
        for chunk in chunks:
            columns.append(self._column(chunk))
            indexes.append((chunk.column_index, chunk.offset_index, chunk.bloom, columns[-1][META][DATA_PAGE] - chunk.meta[DATA_PAGE]))
        for column, (column_index, offset_index, bloom, shift) in zip(columns, indexes, strict=True):
            self._indexes(column, column_index, offset_index, bloom, shift)
        made.put(COLUMNS, made.kinds[COLUMNS], List.of(columns))
        made.put(GROUP_ROWS, I64, rows)
        made.put(SIZE, I64, sum(column[META][FULL] for column in columns))
        if OFFSET in made:
            made[OFFSET] = start
        if PACKED_SIZE in made:
            made[PACKED_SIZE] = sum(column[META][PACKED] for column in columns)
        if ORDINAL in made:
            made[ORDINAL] = len(self.groups)
        self.groups.append(made)

    def _column(self, chunk: Chunk) -> Struct:
        start = self._at
        for piece in pieces(chunk.data, chunk.start, chunk.start + chunk.size, self._pulse):
            self._write(piece)
        if self._at < start + chunk.size:
            raise as_read_error(EOFError(), WHAT)
        made = chunk.chunk.copy() if chunk.chunk else Struct()
        meta = chunk.meta.copy()
        for number in (DATA_PAGE, DICTIONARY_PAGE, INDEX_PAGE):
            if number in meta:
                meta[number] += start
        made.put(META, 12, meta)
        made.put(CHUNK_OFFSET, I64, start if made.get(CHUNK_OFFSET) else 0)
        return made

    def _indexes(self, column: Struct, column_index: bytes | None, offset_index: Struct | None, bloom: bytes | None, shift: int) -> None:
        for number in (OFFSET_INDEX, OFFSET_INDEX_SIZE, COLUMN_INDEX, COLUMN_INDEX_SIZE):
            column.pop(number, None)
        for number in (BLOOM, BLOOM_SIZE):
            column[META].pop(number, None)
        if bloom is not None:
            column[META].put(BLOOM, I64, self._at)
            column[META].put(BLOOM_SIZE, I32, len(bloom))
            self._write(bloom)
        if column_index is not None:
            column.put(COLUMN_INDEX, I64, self._at)
            column.put(COLUMN_INDEX_SIZE, I32, len(column_index))
            self._write(column_index)
        if offset_index is not None:
            for location in offset_index[1]:
                location[1] += shift
            data = encoded(offset_index)
            column.put(OFFSET_INDEX, I64, self._at)
            column.put(OFFSET_INDEX_SIZE, I32, len(data))
            self._write(data)

    def close(self, original: Struct, pairs: list[Struct] | None) -> None:
        """Write the footer: that of the original with the row groups written and other pairs of metadata."""
        made = original.copy()
        made.put(GROUPS, made.kinds[GROUPS], List.of(self.groups))
        made.put(ROWS, I64, sum(group[GROUP_ROWS] for group in self.groups))
        made.pop(PAIRS, None)
        if pairs is not None:
            made.put(PAIRS, 9, List.of(list(pairs)))
        data = encoded(made)
        self._write(data + len(data).to_bytes(4, "little") + MAGIC)

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._at += len(data)


def _typed(struct: Struct, types: Mapping[int, type], *required: int) -> Struct:
    """Return a struct whose fields have the types that they should have. Raises ValueError: a footer may come from anyone."""
    if not isinstance(struct, Struct) or not all(number in struct for number in required):
        raise ValueError("the footer lacks something")
    if not all(isinstance(struct[number], kind) for number, kind in types.items() if number in struct):
        raise ValueError("the footer has a field of another type")
    return struct


def footer_only(struct: Struct) -> bytes:
    """Return a file with nothing but a footer, for libraries that take one from elsewhere."""
    data = encoded(struct)
    return MAGIC + data + len(data).to_bytes(4, "little") + MAGIC


def text_pair(key: bytes, value: bytes) -> Struct:
    """Return a pair of metadata."""
    pair = Struct()
    pair.put(1, BINARY, key)
    pair.put(2, BINARY, value)
    return pair


def top_fields(elements: list[Struct]) -> Iterator[TopField]:
    """Yield the columns at the top of a schema, which lists its tree depth first. Raises ValueError, IndexError."""
    at, leaf = 1, 0
    for _ in range(elements[0].get(CHILDREN, 0)):
        leaves: list[Leaf] = []
        end = _leaves(elements, at, 0, 0, leaves, 0)
        yield TopField(elements[at][NAME].decode("utf-8", "replace"), elements[at:end], leaves, leaf)
        at, leaf = end, leaf + len(leaves)
    if at != len(elements):
        raise ValueError("the schema has elements outside its tree")


def _leaves(elements: list[Struct], at: int, definition: int, repetition: int, leaves: list[Leaf], depth: int) -> int:
    """Collect the leaves below an element, and return the number of the element after them."""
    if depth > 100:
        raise ValueError("the schema is nested too deeply")
    element = elements[at]
    repeats = element.get(REPETITION, 0)
    definition += repeats > 0
    repetition += repeats == _REPEATED
    if CHILDREN not in element:
        leaves.append(Leaf(element[ELEMENT_TYPE], element.get(LENGTH), definition, repetition, element))
        return at + 1
    at += 1
    for _ in range(element[CHILDREN]):
        at = _leaves(elements, at, definition, repetition, leaves, depth + 1)
    return at


def levels(elements: list[Struct]) -> list[tuple[int, int | None, int, int]]:
    """Return the properties that two schemas must share for the pages of one to be readable with the other."""
    return [leaf[:4] for field in top_fields(elements) for leaf in field.leaves]
