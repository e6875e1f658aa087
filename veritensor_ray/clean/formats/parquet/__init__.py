"""Rewrites Parquet files. Column chunks without changes are copied as they are; the others are decoded, changed and encoded again.

A changed chunk keeps its compression, encodings, page version, statistics and page index. It loses its Bloom filter, which would
still know the old values.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray import bounds
from veritensor_ray.clean.actions import CannotRewriteError, Strippable
from veritensor_ray.clean.files import copy_range
from veritensor_ray.clean.formats.common.arrays import Places, kept
from veritensor_ray.clean.formats.common.splice import spliced_value
from veritensor_ray.clean.formats.parquet.file import (
    CHILDREN,
    CODEC,
    COLUMNS,
    CONVERTED,
    ENCODINGS,
    FULL,
    GROUP_ROWS,
    GROUPS,
    LOGICAL,
    META,
    META_PAIRS,
    OFFSET_INDEX,
    PACKED,
    PAGE_STATISTICS,
    PAIRS,
    PATH,
    PRECISION,
    REPETITION,
    ROWS,
    SCALE,
    SCHEMA,
    SIZE_STATISTICS,
    SORTED,
    STATISTICS,
    VALUES,
    Chunk,
    Leaf,
    ParquetFile,
    ParquetWriter,
    TopField,
    footer_only,
    levels,
    text_pair,
)
from veritensor_ray.clean.orders import Orders, Unit
from veritensor_ray.errors import as_read_error
from veritensor_ray.extract.budget import Copies
from veritensor_ray.extract.readers.data.parquet_pages import Shared
from veritensor_ray.extract.source import Source
from veritensor_ray.formats.thrift import I64, List, Struct

_PORTION = 64 << 20  # bytes of values that are encoded at once; a chunk with more of them gets no dictionary
_BATCH_ROWS = 8192
_PIECE = 1 << 20
_BOOLEAN, _INT32, _INT64, _INT96, _FLOAT, _DOUBLE, _BYTES, _FIXED = range(8)
_CODECS = {0: "none", 1: "snappy", 2: "gzip", 4: "brotli", 5: "lz4", 6: "zstd", 7: "lz4"}
_DICTIONARIES = (2, 8)
_ENCODING_NAMES = {5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY", 9: "BYTE_STREAM_SPLIT"}
_LISTS_AND_MAPS = (1, 2, 3)  # converted types
_DECIMAL, _INTERVAL, _UNSIGNED = 5, 21, (11, 12, 13, 14)  # converted types
_L_DECIMAL, _L_INTEGER, _L_MAP, _L_LIST, _L_UUID = 5, 10, 2, 3, 14  # logical types
_L_GEOGRAPHIC = (17, 18)
_V2_PAGE = 3
_BOUNDS = (1, 2, 5, 6, 7, 8)  # of statistics: everything that is a value
_ARROW_SCHEMA, _PANDAS = b"ARROW:schema", b"pandas"
STRUCTURE = (_ARROW_SCHEMA, _PANDAS, b"huggingface")  # without these, the columns would be read as something else
_DECODING = (pa.ArrowException, OSError, ValueError)
_WHAT = "not a complete Parquet file"


def rewrite_parquet(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes, or, of a part of a split file, its row groups as a complete file."""
    file = ParquetFile(source.file)
    pairs = file.footer.get(PAIRS)
    metadata = {pair[1]: pair.get(2, b"") for pair in pairs or ()}
    if source.row_groups is None and not (orders.units or orders.rows or is_stripped(metadata, orders)):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    groups = range(*(source.row_groups or (0, len(file.groups))))
    rewriter = _GroupRewriter(file, source, orders)
    writer = ParquetWriter(out, orders.pulse)
    for group in groups:
        rewriter.group(writer, group)
    if source.first_part:
        pairs = _metadata(pairs, orders)
    if source.row_groups is None:
        pairs = _counted(pairs, file.footer[ROWS], sum(group[GROUP_ROWS] for group in writer.groups))
    writer.close(file.footer, pairs)


def joined_parquet(pieces: Sequence[BinaryIO], original: BinaryIO, out: BinaryIO) -> None:
    """Join the rewritten parts of a split file in their order. The metadata comes from the first part."""
    files = [ParquetFile(piece) for piece in pieces]
    writer = ParquetWriter(out, lambda: None)
    for file in files:
        for number, group in enumerate(file.groups):
            writer.group(group, (file.chunk(number, leaf) for leaf in range(len(group[COLUMNS]))), group[GROUP_ROWS])
    whole = ParquetFile(original).footer
    rows = sum(group[GROUP_ROWS] for group in writer.groups)
    writer.close(whole, _counted(files[0].footer.get(PAIRS) if files else whole.get(PAIRS), whole[ROWS], rows))


class _Encoding(NamedTuple):
    """A portion of a column as Parquet: a file with one row group, and its footer."""

    file: io.BytesIO
    parsed: ParquetFile


class _GroupRewriter:
    """Rewrites the row groups of one file."""

    def __init__(self, file: ParquetFile, source: Source, orders: Orders) -> None:
        self._file, self._orders = file, orders
        self._places = Places(orders, [field.name for field in file.fields])
        self._shared = Shared(source.file)
        self._copies = Copies(source.budget, max(bounds.COLUMNS, file.size))

    def group(self, writer: ParquetWriter, number: int) -> None:
        """Write a row group with its changes; one without any rows left is left out."""
        group = self._file.groups[number]
        first = self._file.first_row(number)
        last = first + group[GROUP_ROWS]
        dropped, rows = self._places.dropped(first, last), self._places.edited(first, last)
        for row in dropped:
            self._places.drop(row)
        if dropped and len(dropped) == last - first:
            return
        touched = self._places.touched(rows)
        made = group.copy()
        if any(self._leaf_of(one[1]) in touched for one in group.get(SORTED, ()) if 1 in one):
            made.pop(SORTED)
        writer.group(made, self._chunks(number, first, dropped, rows, touched), last - first - len(dropped))

    def _leaf_of(self, leaf: int) -> int:
        """Return the field that a leaf belongs to."""
        return sum(field.first <= leaf for field in self._file.fields) - 1

    def _chunks(self, group: int, first: int, dropped: list[int], rows: list[int], touched: set[int]) -> Iterator[Chunk]:
        for number, field in enumerate(self._file.fields):
            if dropped or number in touched:
                tables = self._tables(group, number, first, dropped, self._places.rows_of(number, rows))
                yield from _FieldEncoder(self._file, group, field).chunks(tables)
            else:
                yield from (self._file.chunk(group, field.first + leaf) for leaf in range(len(field.leaves)))

    def _tables(self, group: int, number: int, first: int, dropped: list[int], rows: list[int]) -> Iterator[pa.Table]:
        """Yield a column of a row group with its changes, in portions."""
        waiting: list[pa.RecordBatch] = []
        size, row = 0, first
        for batch in self._batches(group, self._file.fields[number]):
            column, last = batch.column(0), row + batch.num_rows
            if here := [one for one in rows if row <= one < last]:
                column = self._places.changed(column, number, batch.schema.field(0).nullable, row, here)
            column = kept(column, row, [one for one in dropped if row <= one < last])
            row = last
            waiting.append(pa.record_batch([column], schema=batch.schema))
            size += column.nbytes
            if size > _PORTION:
                yield pa.Table.from_batches(waiting)
                waiting, size = [], 0
        if row - first != self._file.groups[group][GROUP_ROWS]:
            raise as_read_error(EOFError(), _WHAT)
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _batches(self, group: int, field: TopField) -> Iterator[pa.RecordBatch]:
        step = self._shared.rows_at_once(group, {field.name}, _BATCH_ROWS)
        try:
            metadata = pq.read_metadata(io.BytesIO(footer_only(_view(self._file, group, field))))
            if any(leaf.type == _INT96 for leaf in field.leaves):
                _check_times(self._file.file, metadata)
            file = pq.ParquetFile(self._file.file, metadata=metadata, pre_buffer=False, buffer_size=_PIECE)
            for batch in file.iter_batches(step, use_threads=False):
                self._copies.add(batch.nbytes)
                self._orders.pulse()
                yield batch
        except _DECODING as error:
            raise as_read_error(error, _WHAT) from None


class _FieldEncoder:
    """Encodes a column of one row group as it was encoded before."""

    def __init__(self, file: ParquetFile, group: int, field: TopField) -> None:
        self._file, self._group, self._field = file, group, field
        self._originals: list[Struct] = file.groups[group][COLUMNS][field.first : field.first + len(field.leaves)]

    def chunks(self, tables: Iterator[pa.Table]) -> Iterator[Chunk]:
        """Yield the chunks of all leaves for the values in the tables. Without a second table, they get the encodings of the original."""
        one = next(tables)
        two = next(tables, None)
        if two is None:
            encoding = self._encoded(one, dictionary=True)
            for leaf, original in enumerate(self._originals):
                chunk = encoding.parsed.chunk(0, leaf)
                self._restore(chunk, leaf, original)
                yield chunk
        else:
            yield from self._joined(chain((one, two), tables))

    def _joined(self, tables: Iterator[pa.Table]) -> Iterator[Chunk]:
        """Put the pages of many portions together. They can have no dictionary, of which a chunk has only one."""
        metas: list[Struct] = []
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in self._originals]
            for table in tables:
                encoding = self._encoded(table, dictionary=False)
                parts = [encoding.parsed.chunk(0, leaf) for leaf in range(len(files))]
                for part, file in zip(parts, files, strict=True):
                    part.data.seek(part.start)
                    file.write(part.data.read(part.size))
                metas = (
                    [_sum(*both) for both in zip(metas, (part.meta for part in parts), strict=True)]
                    if metas
                    else [part.meta for part in parts]
                )
            for leaf, (file, meta, original) in enumerate(zip(files, metas, self._originals, strict=True)):
                chunk = Chunk(meta, file, 0, meta[PACKED])
                self._restore(chunk, leaf, original)
                yield chunk

    def _restore(self, chunk: Chunk, leaf: int, original: Struct) -> None:
        """Give a chunk the path and metadata of the original, and no statistics that are sorted in another way."""
        meta = original[META]
        chunk.chunk = original
        chunk.bloom = None
        chunk.meta[PATH] = meta[PATH]
        if META_PAIRS in meta:
            chunk.meta.put(META_PAIRS, meta.kinds[META_PAIRS], meta[META_PAIRS])
        if not _sorted_alike(self._field.leaves[leaf]):
            chunk.column_index = None
            for number in _BOUNDS:
                chunk.meta.get(STATISTICS, {}).pop(number, None)
        for number in (STATISTICS, SIZE_STATISTICS):
            if number not in meta:
                chunk.meta.pop(number, None)

    def _encoded(self, table: pa.Table, dictionary: bool) -> _Encoding:
        metas = [chunk[META] for chunk in self._originals]
        header = self._file.page_header(self._group, self._field.first)
        if any(meta[CODEC] not in _CODECS for meta in metas):
            raise CannotRewriteError("it is compressed with LZO")
        out = io.BytesIO()
        try:
            names = _leaf_paths(table.schema)
            with_dictionary = [
                name for name, meta in zip(names, metas, strict=True) if dictionary and not {*_DICTIONARIES}.isdisjoint(meta[ENCODINGS])
            ]
            encodings = {
                name: encoding
                for name, meta in zip(names, metas, strict=True)
                if name not in with_dictionary
                and (encoding := next((_ENCODING_NAMES[e] for e in meta[ENCODINGS] if e in _ENCODING_NAMES), None))
            }
            with pq.ParquetWriter(
                out,
                table.schema,
                compression={name: _CODECS[meta[CODEC]] for name, meta in zip(names, metas, strict=True)},
                use_dictionary=with_dictionary or False,
                column_encoding=encodings or None,
                write_statistics=any(STATISTICS in meta for meta in metas),
                use_deprecated_int96_timestamps=any(leaf.type == _INT96 for leaf in self._field.leaves),
                data_page_version="2.0" if header.get(1) == _V2_PAGE else "1.0",
                write_page_index=dictionary and any(OFFSET_INDEX in chunk for chunk in self._originals),
                write_page_checksum=4 in header,
                store_schema=False,
            ) as writer:
                writer.write_table(table, row_group_size=max(1, table.num_rows))
        except _DECODING as error:
            raise CannotRewriteError(f"column {self._field.name[:80]} cannot be encoded: {as_read_error(error, 'pyarrow')}") from None
        parsed = ParquetFile(out)
        if len(parsed.groups) != 1 or levels(parsed.footer[SCHEMA]) != [leaf[:4] for leaf in self._field.leaves]:
            raise CannotRewriteError(f"column {self._field.name[:80]} has a type that cannot be written again")
        return _Encoding(out, parsed)


def _check_times(file: BinaryIO, metadata: pq.FileMetaData) -> None:
    """Raise CannotRewriteError for times of 96 bits that do not fit into the 64 bits that pyarrow reads them into."""
    for batch in pq.ParquetFile(file, metadata=metadata, pre_buffer=False, coerce_int96_timestamp_unit="us").iter_batches():
        try:
            batch.column(0).cast(pa.timestamp("ns"))
        except pa.ArrowException:
            raise CannotRewriteError("it has times of 96 bits that are nested or far in the past or future") from None


def _leaf_paths(schema: pa.Schema) -> list[str]:
    """Return the paths under which a writer knows the leaves of a schema."""
    out = io.BytesIO()
    pq.ParquetWriter(out, schema, store_schema=False).close()
    written = pq.read_metadata(io.BytesIO(out.getvalue())).schema
    return [written.column(i).path for i in range(len(written))]


def _sum(one: Struct, two: Struct) -> Struct:
    """Return the metadata of two chunks whose pages are put together."""
    made = one.copy()
    for number in (VALUES, FULL, PACKED):
        made[number] = one[number] + two[number]
    made[ENCODINGS] = List.of(sorted({*one[ENCODINGS], *two[ENCODINGS]}), one[ENCODINGS].kind)
    nulls = [meta.get(STATISTICS, {}).get(3) for meta in (one, two)]
    for number in (STATISTICS, SIZE_STATISTICS, PAGE_STATISTICS):
        made.pop(number, None)
    if None not in nulls:
        statistics = Struct()
        statistics.put(3, I64, sum(nulls))
        made.put(STATISTICS, 12, statistics)
    return made


def _view(file: ParquetFile, group: int, field: TopField) -> Struct:
    """Return the footer of a file with one column of one row group, whose values have the types in which they are stored.

    Texts stay texts. Numbers, times and the like are not interpreted, so that any of them can be written again.
    """
    root = file.footer[SCHEMA][0].copy()
    root.put(CHILDREN, 5, 1)
    made = file.footer.copy()
    made.pop(PAIRS, None)
    made[SCHEMA] = List.of([root, *(_plain(element) for element in field.elements)])
    columns = []
    for chunk in file.groups[group][COLUMNS][field.first : field.first + len(field.leaves)]:
        column = Struct()
        column.put(2, I64, 0)
        meta = chunk[META].copy()
        for number in (STATISTICS, SIZE_STATISTICS, META_PAIRS, 14, 15, 17):
            meta.pop(number, None)
        column.put(META, 12, meta)
        columns.append(column)
    original = file.groups[group]
    row_group = Struct()
    row_group.put(COLUMNS, 9, List.of(columns))
    row_group.put(2, I64, original[2])
    row_group.put(GROUP_ROWS, I64, original[GROUP_ROWS])
    made[GROUPS] = List.of([row_group])
    made[ROWS] = original[GROUP_ROWS]
    made.pop(7, None)  # the order of columns, one entry for each
    return made


def _plain(element: Struct) -> Struct:
    """Return an element of the schema without a type that says how its values are to be understood."""
    made = element.copy()
    logical, converted = element.get(LOGICAL, {}), element.get(CONVERTED)
    is_nested = converted in _LISTS_AND_MAPS or _L_MAP in logical or _L_LIST in logical
    stays = is_nested if CHILDREN in element else _is_text(element)
    for number in () if stays else (CONVERTED, SCALE, PRECISION, LOGICAL):
        made.pop(number, None)
    if made.get(REPETITION) is None:
        made.put(REPETITION, 5, 0)
    return made


def _is_text(element: Struct) -> bool:
    logical = element.get(LOGICAL, {})
    return bool(
        element[1] == _BYTES
        and element.get(CONVERTED) != _DECIMAL
        and _L_DECIMAL not in logical
        and not any(number in logical for number in _L_GEOGRAPHIC)
    )


def _sorted_alike(leaf: Leaf) -> bool:
    """Whether the smallest and largest values are the same whether or not the type says how values are to be understood."""
    element = leaf.element
    logical, converted = element.get(LOGICAL, {}), element.get(CONVERTED)
    if leaf.type == _BYTES:
        return _is_text(element)
    if leaf.type == _FIXED:
        return (converted is None and not logical) or _L_UUID in logical
    if leaf.type in (_INT32, _INT64):
        return converted not in _UNSIGNED and logical.get(_L_INTEGER, {}).get(2, True) is not False
    return leaf.type != _INT96


def _metadata(pairs: list[Struct] | None, orders: Orders) -> list[Struct] | None:
    """Return the pairs of metadata as they should be."""
    if pairs is None:
        return None
    made, stripped = [], 0
    for pair in pairs:
        key, value = pair[1], pair.get(2)
        new = value if value is None or key == _ARROW_SCHEMA else changed_metadata(key, value, orders)
        if new is not None and Strippable.METADATA in orders.strip and key not in STRUCTURE:
            stripped += 1
            continue
        if value is None or new is not None:
            made.append(pair if new == value else text_pair(key, new or b""))
    if stripped:
        orders.stripped(Strippable.METADATA, stripped)
    unchanged = len(made) == len(pairs) and all(one is two for one, two in zip(made, pairs, strict=True))
    return pairs if unchanged else _with_schema(made)


def is_stripped(metadata: Iterable[bytes], orders: Orders) -> bool:
    """Return whether some of the keys are removed because they are metadata."""
    return Strippable.METADATA in orders.strip and any(key not in STRUCTURE for key in metadata)


def changed_metadata(key: bytes, value: bytes, orders: Orders) -> bytes | None:
    """Return the value of a pair of metadata as it should be, or None if the pair has to go: if it would be empty, or broken."""
    unit = Unit(column=key.decode("utf-8", "replace"))
    if unit not in orders.units:
        return value
    if orders.drops_cell(unit):
        return None
    new = spliced_value(value, orders.edits(unit, value.decode("utf-8", "replace")))
    broken = new != value and (key == _PANDAS or (_is_json(value) and not _is_json(new)))  # pandas would look for columns that do not exist
    return None if broken or not new else new


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _with_schema(pairs: list[Struct]) -> list[Struct]:
    """Return the pairs with the same metadata inside the Arrow schema, which is one of them and repeats the others."""
    now = {pair[1]: pair.get(2, b"") for pair in pairs}
    made = []
    for pair in pairs:
        if pair[1] != _ARROW_SCHEMA:
            made.append(pair)
            continue
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(pair[2], validate=True)))
            metadata = {key: now[key] for key in schema.metadata or {} if key in now}
            made.append(text_pair(_ARROW_SCHEMA, base64.b64encode(schema.with_metadata(metadata or None).serialize().to_pybytes())))
        except (pa.ArrowException, OSError, binascii.Error, KeyError, TypeError):
            continue  # nobody can read it, and it may still have what was removed
    return made


def _counted(pairs: list[Struct] | None, before: int, after: int) -> list[Struct] | None:
    """Return the pairs with the number of rows that pandas expects, if rows were left out."""
    if pairs is None or before == after:
        return pairs
    made = [text_pair(_PANDAS, shorter_index(pair[2], before, after)) if pair[1] == _PANDAS and 2 in pair else pair for pair in pairs]
    return _with_schema(made)


def shorter_index(value: bytes, before: int, after: int) -> bytes:
    """Return the metadata of pandas with an index of as many rows as there are now."""
    try:
        described: Any = json.loads(value)
        for index in described["index_columns"]:
            if (
                isinstance(index, dict)
                and index.get("kind") == "range"
                and len(range(index["start"], index["stop"], index["step"])) == before
            ):
                index["stop"] = index["start"] + after * index["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return value
    return json.dumps(described).encode()
