"""Rewrites Arrow files, which Feather 2 files are too, and Arrow streams, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from veritensor_ray.core.errors import as_read_error
from veritensor_ray.formats.columnar.array_texts import TableOrders, kept, taken
from veritensor_ray.formats.columnar.arrow.dictionaries import Dictionary
from veritensor_ray.formats.columnar.arrow.read import validate_column
from veritensor_ray.formats.columnar.table_metadata import PANDAS, changed_metadata, is_stripped, shorter_index
from veritensor_ray.formats.columnar.text_columns import has_text, is_text_type, is_view
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.flatbuffer import FlatFile, FlatTable
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders

_DECODING = (pa.ArrowException, OSError, ValueError)
_WHAT = "not a complete Arrow file"
_MAGIC = 8  # bytes before the first message of a file
_CODECS = {0: "lz4", 1: "zstd"}
_V4 = 3


class _Batch(NamedTuple):
    """A batch with the number of its first row, and its own metadata."""

    number: int
    first: int
    batch: pa.RecordBatch
    metadata: Any


def rewrite_arrow_file(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write an Arrow file with the ordered changes."""
    _BatchRewriter(source, orders, pa.ipc.open_file).write(out)


def rewrite_arrow_stream(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write an Arrow stream with the ordered changes."""
    _BatchRewriter(source, orders, pa.ipc.open_stream).write(out)


class _BatchRewriter:
    def __init__(self, source: Source, orders: Orders, opener: Any) -> None:
        self._source, self._orders, self._opener = source, orders, opener
        reader = self._opened()
        self._schema: pa.Schema = reader.schema
        try:
            names = self._schema.names
        except UnicodeDecodeError as error:
            raise as_read_error(error, _WHAT) from None
        self._is_file = hasattr(reader, "get_batch")
        self._file_metadata = reader.metadata if self._is_file else None
        self._ordered = TableOrders(orders, names, source)
        self._touched = self._ordered.touched(self._ordered.edited(0, 1 << 62))
        self._dictionaries = self._dictionaries_to_change()

    def _opened(self) -> Any:
        self._source.file.seek(0)
        try:
            return self._opener(self._source.file)
        except _DECODING as error:
            raise as_read_error(error, _WHAT) from None

    def _dictionaries_to_change(self) -> dict[int, Dictionary]:
        """Return the dictionaries that change, by column. Raises CannotRewriteError for columns that would keep what was removed."""
        found: dict[int, Dictionary] = {}
        for number, field in enumerate(self._schema):
            if number not in self._touched and not (self._orders.rows and has_text(field.type)):
                continue
            if pa.types.is_dictionary(field.type) and is_text_type(field.type.value_type):
                found[number] = Dictionary(field.type)
            elif _shares(field.type):
                raise CannotRewriteError(f"it has findings in rows with a column of the type {field.type}"[:200])
        return found

    def _batches(self) -> Iterator[_Batch]:
        reader = self._opened()
        first = number = 0
        while True:
            try:
                if self._is_file:
                    if number == reader.num_record_batches:
                        return
                    batch, metadata = reader.get_batch_with_custom_metadata(number)
                else:
                    batch, metadata = reader.read_next_batch_with_custom_metadata()
                batch.validate()
                for column in batch.columns:
                    validate_column(column)
            except StopIteration:
                return
            except _DECODING as error:
                raise as_read_error(error, _WHAT) from None
            self._orders.pulse()
            yield _Batch(number, first, batch, metadata)
            first, number = first + batch.num_rows, number + 1

    def write(self, out: BinaryIO) -> None:
        """Write everything."""
        metadata = self._schema.metadata or {}
        if not (any(self._orders) or is_stripped(metadata, self._orders)):
            copy_range(self._source.file, out, 0, None, self._orders.pulse)
            return
        rows = self._count() if self._dictionaries or self._orders.rows else 0
        dropped = len(self._ordered.dropped(0, rows))
        schema = self._schema.with_metadata(self._metadata(rows, rows - dropped))
        options = self._options()
        try:
            if self._is_file:
                writer = pa.ipc.new_file(out, schema, options=options, metadata=self._file_metadata)
            else:
                writer = pa.ipc.new_stream(out, schema, options=options)
            with writer:
                for one in self._batches():
                    if (batch := self._changed(one, schema)) is not None:
                        writer.write_batch(batch, custom_metadata=one.metadata)
        except pa.ArrowException as error:
            raise CannotRewriteError(f"its columns cannot be written again: {as_read_error(error, 'pyarrow')}") from None

    def _count(self) -> int:
        """Show all batches to the dictionaries, and return the number of rows."""
        rows = 0
        for one in self._batches():
            last = one.first + one.batch.num_rows
            dropped = [row - one.first for row in self._ordered.dropped(one.first, last)]
            edited = self._ordered.edited(one.first, last)
            for number, dictionary in self._dictionaries.items():
                column = one.batch.column(number)
                here = self._ordered.rows_of(number, edited)
                at = [row - one.first for row in here]
                new = None
                if here:
                    plain = taken(column, at).dictionary_decode()
                    nullable = self._schema.field(number).nullable
                    new = self._ordered.values(plain, number, nullable, here)
                dictionary.see(column, at, new, dropped)
            rows = last
        for dictionary in self._dictionaries.values():
            dictionary.settle()
        return rows

    def _changed(self, one: _Batch, schema: pa.Schema) -> pa.RecordBatch | None:
        """Return a batch with its changes, or None if none of its rows is left."""
        last = one.first + one.batch.num_rows
        dropped, edited = self._ordered.dropped(one.first, last), self._ordered.edited(one.first, last)
        for row in dropped:
            self._ordered.drop(row)
        if dropped and len(dropped) == one.batch.num_rows:
            return None
        columns = []
        for number, field in enumerate(schema):
            column = one.batch.column(number)
            if number in self._dictionaries:
                column = self._dictionaries[number].column(one.number)
            elif here := self._ordered.rows_of(number, edited) if number in self._touched else []:
                column = self._ordered.changed(column, number, field.nullable, one.first, here)
            columns.append(kept(column, one.first, dropped))
        return pa.record_batch(columns, schema=schema)

    def _metadata(self, before: int, after: int) -> Mapping[bytes, bytes] | None:
        """Return the metadata of the schema as it should be."""
        made: dict[bytes, bytes] = {}
        for key, value in (self._schema.metadata or {}).items():
            if (new := changed_metadata(key, value, self._orders)) is not None:
                made[key] = shorter_index(new, before, after) if key == PANDAS and before != after else new
        return made or None

    def _options(self) -> pa.ipc.IpcWriteOptions:
        """Return how the file is written, as far as its first batch says so."""
        version, codec = self._first_batch()
        old = version == _V4
        return pa.ipc.IpcWriteOptions(
            metadata_version=pa.ipc.MetadataVersion.V4 if old else pa.ipc.MetadataVersion.V5,
            compression=codec,
            emit_dictionary_deltas=not self._is_file,
            use_threads=False,
        )

    def _first_batch(self) -> tuple[int | None, str | None]:
        """Return the version of the format, and the compression."""
        self._source.file.seek(_MAGIC if self._is_file else 0)
        try:
            for message in pa.ipc.MessageReader.open_stream(self._source.file):
                if message.type == "record batch":
                    return _described(message.metadata.to_pybytes())
        except _DECODING:
            pass  # it is only written in another way
        return None, None


def _described(data: bytes) -> tuple[int | None, str | None]:
    """Return the version and the codec in a message, which is a FlatBuffers table."""
    message = FlatTable.root(FlatFile(data))
    header = message.table(2)
    compression = header.table(3) if header else None
    return message.number(0, 2), (_CODECS.get(compression.number(0, 1)) if compression else None)


def _shares(kind: pa.DataType) -> bool:
    """Whether rows of a column share buffers, so that a text may stay in the file though no row has it any more."""
    if isinstance(kind, pa.BaseExtensionType):
        return _shares(kind.storage_type)
    sharing = (pa.types.is_dictionary, pa.types.is_run_end_encoded, pa.types.is_union, pa.types.is_list_view, pa.types.is_large_list_view)
    if any(is_kind(kind) for is_kind in sharing):
        return has_text(kind)
    return any(_shares(kind.field(i).type) or is_view(kind.field(i).type) for i in range(kind.num_fields))
