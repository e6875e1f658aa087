"""Rewrites Parquet files. Column chunks without changes are copied as they are; the others are decoded, changed and encoded again.

A changed chunk keeps its compression, encodings, page version, statistics and page index. It loses its Bloom filter, which would
still know the old values.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import as_read_error
from veritensor_ray.formats.columnar.array_texts import TableOrders, kept
from veritensor_ray.formats.columnar.parquet.parquet_encoder import DECODING, FieldEncoder, is_text
from veritensor_ray.formats.columnar.parquet.parquet_file import (
    CHILDREN,
    COLUMNS,
    CONVERTED,
    GROUP_ROWS,
    GROUPS,
    INT96,
    LOGICAL,
    META,
    META_PAIRS,
    PAIRS,
    PRECISION,
    REPETITION,
    ROWS,
    SCALE,
    SCHEMA,
    SIZE_STATISTICS,
    SORTED,
    STATISTICS,
    WHAT,
    Chunk,
    ParquetFile,
    ParquetWriter,
    TopField,
    footer_only,
    text_pair,
)
from veritensor_ray.formats.columnar.parquet.structure import Shared
from veritensor_ray.formats.columnar.parquet.thrift import I64, List, Struct
from veritensor_ray.formats.columnar.table_metadata import ARROW_SCHEMA, PANDAS, changed_metadata, is_stripped, shorter_index
from veritensor_ray.formats.columnar.viewed_columns import ViewedFile
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders

_PORTION = 64 << 20  # bytes of values that are encoded at once; a chunk with more of them gets no dictionary
_BATCH_ROWS = 8192
_PIECE = 1 << 20
# Metadata by which libraries describe all columns of a file, those that a table has dropped among them.
_OF_COLUMNS = (ARROW_SCHEMA, PANDAS, b"iceberg.schema", b"org.apache.spark.sql.parquet.row.metadata")
_LISTS_AND_MAPS = (1, 2, 3)  # converted types
_L_MAP, _L_LIST = 2, 3  # logical types


def rewrite_parquet(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes, or, of a part of a split file, its row groups as a complete file.

    Of a data file of a table, only what the table has is written.
    """
    file = ParquetFile(source.file)
    viewed = ViewedFile(source.view, schema_of(source.file), file.footer[ROWS])
    pairs = file.footer.get(PAIRS)
    metadata = {pair[1]: pair.get(2, b"") for pair in pairs or ()}
    if source.row_groups is None and not (any(orders) or is_stripped(metadata, orders) or viewed.hides):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    groups = range(*(source.row_groups or (0, len(file.groups))))
    whole = file.footer[ROWS]
    if len(shown := [field for field in file.fields if viewed.keeps(field.name)]) < len(file.fields):
        file.keep(shown)
        pairs = [pair for pair in pairs or () if pair[1] not in _OF_COLUMNS] or None
    rewriter = _GroupRewriter(file, source, orders, viewed)
    writer = ParquetWriter(out, orders.pulse)
    for group in groups:
        rewriter.group(writer, group)
    if source.first_part:
        pairs = _metadata(pairs, orders)
    if source.row_groups is None:
        pairs = _counted(pairs, whole, sum(group[GROUP_ROWS] for group in writer.groups))
    writer.close(file.footer, pairs)


def schema_of(file: BinaryIO) -> pa.Schema:
    """Return the columns of a Parquet file. Raises ReadError."""
    try:
        file.seek(0)
        return pq.read_schema(file)
    except DECODING as error:
        raise as_read_error(error, WHAT) from None


def joined_parquet(pieces: Sequence[BinaryIO], original: BinaryIO, out: BinaryIO) -> None:
    """Join the rewritten parts of a split file in their order. The metadata comes from the first part."""
    files = [ParquetFile(piece) for piece in pieces]
    writer = ParquetWriter(out, lambda: None)
    for file in files:
        for number, group in enumerate(file.groups):
            writer.group(group, (file.chunk(number, leaf) for leaf in range(len(group[COLUMNS]))), group[GROUP_ROWS])
    whole = files[0].footer if files else ParquetFile(original).footer
    before = ParquetFile(original).footer[ROWS]
    rows = sum(group[GROUP_ROWS] for group in writer.groups)
    writer.close(whole, _counted(whole.get(PAIRS), before, rows))


class _GroupRewriter:
    """Rewrites the row groups of one file."""

    def __init__(self, file: ParquetFile, source: Source, orders: Orders, viewed: ViewedFile) -> None:
        self._file, self._orders, self._viewed = file, orders, viewed
        for field in file.fields:
            if not viewed.is_whole(field.name):
                raise CannotRewriteError(
                    f"the table has dropped a part of its column {viewed.called(field.name)}, which is still in the file"
                )
        self._ordered = TableOrders(orders, [viewed.called(field.name) or field.name for field in file.fields], source)
        self._shared = Shared(source.file)
        self._copies = Copies(source.budget, max(bounds.COLUMNS, file.size))

    def group(self, writer: ParquetWriter, number: int) -> None:
        """Write a row group with its changes; one without any rows left is left out."""
        group = self._file.groups[number]
        first = self._file.first_row(number)
        last = first + group[GROUP_ROWS]
        dropped, rows = self._ordered.dropped(first, last), self._ordered.edited(first, last)
        for row in dropped:
            self._ordered.drop(row)
        if deleted := self._viewed.deleted(first, last):
            dropped = sorted({*dropped, *deleted})
        if dropped and len(dropped) == last - first:
            return
        touched = self._ordered.touched(rows)
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
                tables = self._tables(group, number, first, dropped, self._ordered.rows_of(number, rows))
                yield from FieldEncoder(self._file, group, field).chunks(tables)
            else:
                yield from (self._file.chunk(group, field.first + leaf) for leaf in range(len(field.leaves)))

    def _tables(self, group: int, number: int, first: int, dropped: list[int], rows: list[int]) -> Iterator[pa.Table]:
        """Yield a column of a row group with its changes, in portions."""
        waiting: list[pa.RecordBatch] = []
        size, row = 0, first
        for batch in self._batches(group, self._file.fields[number]):
            column, last = batch.column(0), row + batch.num_rows
            if here := [one for one in rows if row <= one < last]:
                column = self._ordered.changed(column, number, batch.schema.field(0).nullable, row, here)
            column = kept(column, row, [one for one in dropped if row <= one < last])
            row = last
            waiting.append(pa.record_batch([column], schema=batch.schema))
            size += column.nbytes
            if size > _PORTION:
                yield pa.Table.from_batches(waiting)
                waiting, size = [], 0
        if row - first != self._file.groups[group][GROUP_ROWS]:
            raise as_read_error(EOFError(), WHAT)
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _batches(self, group: int, field: TopField) -> Iterator[pa.RecordBatch]:
        step = self._shared.rows_at_once(group, {field.name}, _BATCH_ROWS)
        try:
            metadata = pq.read_metadata(io.BytesIO(footer_only(_view(self._file, group, field))))
            if any(leaf.type == INT96 for leaf in field.leaves):
                _check_times(self._file.file, metadata)
            file = pq.ParquetFile(self._file.file, metadata=metadata, pre_buffer=False, buffer_size=_PIECE)
            for batch in file.iter_batches(step, use_threads=False):
                self._copies.add(batch.nbytes)
                self._orders.pulse()
                yield batch
        except DECODING as error:
            raise as_read_error(error, WHAT) from None


def _check_times(file: BinaryIO, metadata: pq.FileMetaData) -> None:
    """Raise CannotRewriteError for times of 96 bits that do not fit into the 64 bits that pyarrow reads them into."""
    for batch in pq.ParquetFile(file, metadata=metadata, pre_buffer=False, coerce_int96_timestamp_unit="us").iter_batches():
        try:
            batch.column(0).cast(pa.timestamp("ns"))
        except pa.ArrowException:
            raise CannotRewriteError("it has times of 96 bits that are nested or far in the past or future") from None


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
    stays = is_nested if CHILDREN in element else is_text(element)
    for number in () if stays else (CONVERTED, SCALE, PRECISION, LOGICAL):
        made.pop(number, None)
    if made.get(REPETITION) is None:
        made.put(REPETITION, 5, 0)
    return made


def _metadata(pairs: list[Struct] | None, orders: Orders) -> list[Struct] | None:
    """Return the pairs of metadata as they should be."""
    if pairs is None:
        return None
    made = []
    for pair in pairs:
        key, value = pair[1], pair.get(2)
        new = value if value is None or key == ARROW_SCHEMA else changed_metadata(key, value, orders)
        if value is None or new is not None:
            made.append(pair if new == value else text_pair(key, new or b""))
    unchanged = len(made) == len(pairs) and all(one is two for one, two in zip(made, pairs, strict=True))
    return pairs if unchanged else _with_schema(made)


def _with_schema(pairs: list[Struct]) -> list[Struct]:
    """Return the pairs with the same metadata inside the Arrow schema, which is one of them and repeats the others."""
    now = {pair[1]: pair.get(2, b"") for pair in pairs}
    made = []
    for pair in pairs:
        if pair[1] != ARROW_SCHEMA:
            made.append(pair)
            continue
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(pair[2], validate=True)))
            metadata = {key: now[key] for key in schema.metadata or {} if key in now}
            made.append(text_pair(ARROW_SCHEMA, base64.b64encode(schema.with_metadata(metadata or None).serialize().to_pybytes())))
        except (pa.ArrowException, OSError, binascii.Error, KeyError, TypeError):
            continue  # nobody can read it, and it may still have what was removed
    return made


def _counted(pairs: list[Struct] | None, before: int, after: int) -> list[Struct] | None:
    """Return the pairs with the number of rows that pandas expects, if rows were left out."""
    if pairs is None or before == after:
        return pairs
    made = [text_pair(PANDAS, shorter_index(pair[2], before, after)) if pair[1] == PANDAS and 2 in pair else pair for pair in pairs]
    return _with_schema(made)
