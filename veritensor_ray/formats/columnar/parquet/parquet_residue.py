"""Accounts for the bytes of a Parquet file, and finds values that stand in it and in none of its rows.

These are values of dictionaries that no row refers to, statistics that are those of no row, and strings in the footer that are neither names
nor metadata.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import compress
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.columnar.parquet import parquet_file as parts
from veritensor_ray.formats.columnar.parquet.structure import footer
from veritensor_ray.formats.columnar.parquet.thrift import Struct, Thrift
from veritensor_ray.formats.columnar.text_columns import has_text
from veritensor_ray.formats.common.account import ByteAccount, Reading
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.residue.hidden import hidden

_BROKEN = (ValueError, IndexError, KeyError, TypeError, AttributeError, OSError, pa.ArrowException)
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_PAGE_TYPE, _FULL, _PACKED, _DATA, _DICTIONARY, _DATA_2 = 1, 2, 3, 5, 7, 8  # of the header of a page
_DATA_STATISTICS, _DATA_2_STATISTICS = 5, 8
_DICTIONARY_PAGE = 2
_BOUNDS = (1, 2, 5, 6)  # of statistics: the least and the greatest value, twice
_MINIMA, _MAXIMA = 2, 3  # of an index of columns
_HEADER = 4096  # bytes in which the header of a page stands, unless its statistics are long
_CUT = range(60, 65)  # bytes of a bound that may be the beginning of a value: many programs cut after 64, between two characters
_CREATED_BY = 6  # of the footer
_PROGRAM = re.compile(rb"[A-Za-z -]{1,30}( version)? v?[0-9.]{1,16}(-SNAPSHOT)?( \(build [0-9a-f]{0,40}\))?")
_NUMBER = 16  # bytes of the longest number
_AT_ONCE = 4 << 20  # bytes of values that are compared at once
_MARKS = (4, 8)  # bytes of the mark at the beginning, and of the length and the mark at the end


class ParquetResidue:
    """What a file holds beside its rows. Without a footer that makes sense, nothing is claimed, and nothing is known."""

    def __init__(self, file: BinaryIO, account: ByteAccount, budget: Budget) -> None:
        self._file, self._account, self._budget = file, account, budget
        self._size = length(file)
        self._groups: list[list[Struct]] = []
        self._fields: dict[str, parts.TopField] = {}
        self._leaves: list[parts.Leaf] = []
        self._left, self._had = defaultdict[int, set[bytes]](set), defaultdict[int, set[bytes]](set)
        account.claim(0, _MARKS[0], "structure")
        try:
            self._footer = footer(file)
            self._fields = {field.name: field for field in reversed([*parts.top_fields(self._footer[parts.SCHEMA])])}
            self._leaves = [leaf for field in sorted(self._fields.values(), key=lambda field: field.first) for leaf in field.leaves]
            self._groups = [[*group[parts.COLUMNS]] for group in self._footer[parts.GROUPS]]
        except _BROKEN:
            self._groups = []

    def names(self) -> list[str]:
        """Return the names in the schema."""
        elements = self._footer[parts.SCHEMA] if self._groups else []
        return [element[parts.NAME].decode("utf-8", "replace") for element in elements if isinstance(element.get(parts.NAME), bytes)]

    def claim(self) -> Iterator[Block]:
        """Claim the chunks of all row groups and the footer, and yield the strings of the footer that are nowhere else."""
        if not self._groups:
            return
        bounds_ = {value for group in self._groups for chunk in group for value in _values(_statistics(chunk))}
        for group in self._groups:
            for chunk in group:
                self._claim_chunk(chunk)
        self._file.seek(self._size - _MARKS[1])
        size = int.from_bytes(self._file.read(4), "little")
        self._account.claim(self._size - _MARKS[1] - size, self._size, "structure")
        elements = self._footer[parts.SCHEMA]
        named = {element.get(parts.NAME) for element in elements}
        pairs = self._footer.get(parts.PAIRS, ())
        keys = Counter(pair.get(1) for pair in pairs)
        shown = {value for pair in pairs if keys[pair.get(1)] == 1 for value in pair.values()}  # libraries show one of several
        known = named | shown | bounds_ | {*keys}
        odd = dict.fromkeys(value for value in _every(self._footer) if len(value) > _NUMBER and value not in known)
        for value in odd:
            if value == self._footer.get(_CREATED_BY) and _PROGRAM.fullmatch(value):
                continue
            yield from hidden(value, "footer")

    def _claim_chunk(self, chunk: Struct) -> None:
        try:
            meta = chunk[parts.META]
            start, size = parts.ParquetFile.extent(meta)
            if 0 < start <= start + size <= self._size:
                numbers: Reading = "packed" if meta[parts.CODEC] else "values"
                self._account.claim(start, start + size, "text" if meta[parts.TYPE] in (parts.BYTES, parts.FIXED) else numbers)
            for at, much in (
                (parts.OFFSET_INDEX, parts.OFFSET_INDEX_SIZE),
                (parts.COLUMN_INDEX, parts.COLUMN_INDEX_SIZE),
            ):
                if at in chunk:
                    self._account.claim(chunk[at], min(chunk[at] + chunk[much], self._size), "structure")
            if parts.BLOOM in meta:
                self._account.claim(meta[parts.BLOOM], meta[parts.BLOOM] + meta.get(parts.BLOOM_SIZE, 0), "structure")
        except _BROKEN:
            return

    def group(self, number: int, shows: Callable[[str], bool]) -> GroupResidue:
        """Return what a row group holds, to be compared with its rows. Columns that are not shown are left out."""
        hidden = {
            leaf for name, field in self._fields.items() if not shows(name) for leaf in range(field.first, field.first + len(field.leaves))
        }
        found: dict[int, tuple[set[bytes], set[bytes]]] = {}
        if number < len(self._groups):
            for leaf, chunk in enumerate(self._groups[number][: len(self._leaves)]):
                if self._leaves[leaf].type in (parts.BYTES, parts.FIXED) and leaf not in hidden:
                    found[leaf] = self._beside(chunk, self._leaves[leaf])
        return GroupResidue(self._fields, found)

    def leave(self, group: GroupResidue) -> None:
        """Take note of what the rows of a group do not have. It may be in another group: dictionaries are written to each as a whole."""
        left = group.left()
        for leaf, values in group.all.items():
            had = self._had[leaf]
            had |= values - left.get(leaf, set())
            if sum(map(len, had)) > bounds.HELD:
                had.clear()
            self._left[leaf] |= left.get(leaf, set())

    def rest(self) -> Iterator[Block]:
        """Yield the values that no row has."""
        for name, field in self._fields.items():
            for leaf in range(field.first, field.first + len(field.leaves)):
                if values := self._left[leaf] - self._had[leaf]:
                    yield from hidden(b"\0".join(sorted(values)), name[:256])

    def _beside(self, chunk: Struct, leaf: parts.Leaf) -> tuple[set[bytes], set[bytes]]:
        """Return the values in the dictionary of a chunk, and the bounds in its statistics."""
        limits = set(_values(_statistics(chunk)))
        values: set[bytes] = set()
        try:
            meta = chunk[parts.META]
            at, size = parts.ParquetFile.extent(meta)
            end = at + size
            while at < end:
                header, taken = self._header(at)
                limits.update(
                    _values(header.get(_DATA, {}).get(_DATA_STATISTICS)), _values(header.get(_DATA_2, {}).get(_DATA_2_STATISTICS))
                )
                if header[_PAGE_TYPE] == _DICTIONARY_PAGE:
                    values.update(self._dictionary(at + taken, header, meta[parts.CODEC], leaf))
                at += taken + max(0, header[_PACKED])
            if parts.COLUMN_INDEX in chunk:
                self._file.seek(chunk[parts.COLUMN_INDEX])
                index = Thrift(self._file.read(chunk[parts.COLUMN_INDEX_SIZE])).struct()
                limits.update(index.get(_MINIMA, ()), index.get(_MAXIMA, ()))
        except _BROKEN:
            pass
        return values, limits - {b""}

    def _header(self, at: int) -> tuple[Struct, int]:
        """Return the header of a page and its size."""
        for size in (_HEADER, 16 * _HEADER, 256 * _HEADER, bounds.HELD):  # little is read again for headers of any length
            self._file.seek(at)
            reader = Thrift(self._file.read(size))
            try:
                return reader.struct(), reader.at
            except IndexError:
                if size == bounds.HELD:
                    raise
        raise IndexError

    def _dictionary(self, at: int, header: Struct, codec: int, leaf: parts.Leaf) -> list[bytes]:
        if not (0 <= header[_FULL] <= bounds.HELD and 0 <= header[_PACKED] <= bounds.HELD):
            raise ValueError("the dictionary is too large")
        self._file.seek(at)
        data = self._file.read(header[_PACKED])
        if codec:
            self._budget.add(header[_FULL])
            data = pa.decompress(data, header[_FULL], _CODECS[codec], asbytes=True)
        if leaf.type == parts.FIXED and leaf.length:
            return [data[i : i + leaf.length] for i in range(0, len(data), leaf.length)]
        values, at = [], 0
        while at + 4 <= len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            values.append(data[at + 4 : end])
            at = end
        return values


class GroupResidue:
    """The values and bounds in one row group, without those that its rows have been seen to have."""

    def __init__(self, fields: dict[str, parts.TopField], found: dict[int, tuple[set[bytes], set[bytes]]]) -> None:
        self._fields = fields
        self.all = {leaf: values for leaf, (values, _) in found.items()}
        self._values = {
            leaf: pa.array(sorted(values | limits), pa.binary()) for leaf, (values, limits) in found.items() if values or limits
        }
        self._limits = {leaf: limits for leaf, (_, limits) in found.items()}
        self._seen: dict[int, list[pa.Array]] = defaultdict(list)

    def see(self, batch: pa.RecordBatch) -> None:
        """Take note of the values of some rows."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in self._fields or not has_text(column.type):
                continue
            for leaf, values in enumerate(_leaves(column), self._fields[name].first):
                if leaf in self._values and values is not None:
                    self._seen[leaf].append(values)
                    if sum(map(len, self._seen[leaf])) >= len(self._values[leaf]) or sum(one.nbytes for one in self._seen[leaf]) > _AT_ONCE:
                        self._compare(leaf)

    def _compare(self, leaf: int) -> None:
        """Compare values, of which there should be as many as are left, since each comparison looks at all of those."""
        left, values = self._values[leaf], pa.chunked_array(self._seen.pop(leaf), pa.binary())
        left = left.filter(pc.invert(pc.is_in(left, value_set=values)))
        self._values[leaf] = self._without_beginnings(leaf, left, values)
        if not len(self._values[leaf]):
            del self._values[leaf]

    def _without_beginnings(self, leaf: int, left: pa.Array, values: pa.Array) -> pa.Array:
        """Drop bounds that are beginnings of values, the last byte of which may be greater by one."""
        if len(left) > 2 * len(self._limits[leaf]):
            return left  # most of it is a dictionary, of which more will be seen
        cut = [value for value in left.to_pylist() if len(value) in _CUT and value in self._limits[leaf]]
        beginnings = {value for size in _CUT for value in _beginning([one for one in cut if len(one) == size], size - 4, values)}
        return pa.array([value for value in left.to_pylist() if value not in beginnings], pa.binary()) if beginnings else left

    def left(self) -> dict[int, set[bytes]]:
        """Return the values that no row has, by the number of their leaf."""
        for leaf in list(self._seen):
            self._compare(leaf)
        return {leaf: set(values.to_pylist()) for leaf, values in self._values.items()}


def _beginning(cut: list[bytes], size: int, values: pa.ChunkedArray) -> Iterator[bytes]:
    """Yield what begins, for `size` bytes, like one of the values."""
    if cut:
        heads = pa.array([one[:size] for one in cut], pa.binary())
        yield from compress(cut, pc.is_in(heads, value_set=pc.binary_slice(values, 0, size)).to_pylist())


def _leaves(column: pa.Array) -> Iterator[pa.Array | None]:
    """Yield the values of the leaves below a column as bytes, in the order of the file; None for those without text."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(column.storage)
    elif pa.types.is_dictionary(kind):
        used = column.dictionary.take(pc.unique(column.indices).drop_null())
        yield from _leaves(used)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _leaves(column.field(i))
    elif pa.types.is_map(kind):
        yield from (*_leaves(column.keys), *_leaves(column.items))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(column.values)
    else:
        yield column.cast(pa.binary()) if has_text(kind) else None


def _statistics(chunk: Struct) -> Any:
    meta = chunk.get(parts.META)
    return meta.get(parts.STATISTICS) if isinstance(meta, dict) else None


def _values(statistics: Any) -> list[bytes]:
    """Return the bounds in statistics."""
    return [statistics[number] for number in _BOUNDS if isinstance(statistics.get(number), bytes)] if isinstance(statistics, dict) else []


def _every(value: Any) -> Iterator[bytes]:
    """Yield all strings of a struct."""
    if isinstance(value, bytes):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _every(one)
