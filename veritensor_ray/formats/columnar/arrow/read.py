"""Reads Parquet and Arrow (Feather): every text leaf of every column, however nested, without a Python object per cell.

Many rows may share one value, by a dictionary, a run, a view or a prefix. Rows are therefore taken in pieces whose values are a few
megabytes if each row has its own copy, and the total of all values is limited relative to the size of the file.
"""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.arrow.arrow_cells import Cells, text_cells
from veritensor_ray.formats.columnar.arrow.arrow_frames import claim_file, claim_stream
from veritensor_ray.formats.columnar.arrow.arrow_residue import ArrowResidue
from veritensor_ray.formats.columnar.blobs import Blobs, BlobValue
from veritensor_ray.formats.columnar.column_numbers import (
    WHOLE,
    has_long_numbers,
    matters,
    may_be_personal,
    number_texts,
    reaches,
    texts_in_numbers,
)
from veritensor_ray.formats.columnar.key_columns import KeyColumns
from veritensor_ray.formats.columnar.keyed_rows import keyed
from veritensor_ray.formats.columnar.leaf_paths import LeafPath, field_path, labels, list_items, map_entries, member_name, offsets_of
from veritensor_ray.formats.columnar.parquet.parquet_residue import ParquetResidue
from veritensor_ray.formats.columnar.parquet.structure import Shared
from veritensor_ray.formats.columnar.text_columns import as_bytes, has_text, is_binary, is_string, is_view, stretches
from veritensor_ray.formats.columnar.viewed_columns import ViewedFile
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.column_paths import shorten
from veritensor_ray.formats.common.personal_numbers import LEAST, named_least
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.utf8 import utf8
from veritensor_ray.formats.json.escaped_letters import with_letters
from veritensor_ray.formats.json.speakers import CONVERSATIONS
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.residue.known_text import KnownText
from veritensor_ray.formats.residue.strings import VIEW, strings

_BATCH_ROWS = 1024
_PIECE_ROWS = 65_536  # of a batch as the file defines it; a batch without columns may claim any number of rows
_PIECE_BYTES = 8 << 20  # of values that share their bytes, counted as if each row had its own
_UNASKED = bounds.COLUMNS


class ArrowValues(Blobs):
    """Counts the values of a file on the artifact's account; binary values are sorted as in the base class."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.budget, pictures=True)
        # the size of a stream is unknown before its end, and its expansion is counted at its decoder
        own = _size(source.file) if source.file.seekable() else int(source.limits.expanded_bytes)
        self._copies = Copies(source.budget, max(_UNASKED, own))

    def fitting(self, column: pa.Array) -> int:
        """How many values of a text or binary column may still be read. If not all of them, `exceeded` has to be raised afterwards."""
        left = self._copies.left
        with contextlib.suppress(LimitExceeded):
            self._copies.add(column.nbytes)
        if column.nbytes <= left:
            return len(column)
        return min(int(np.searchsorted(_ends(column), left, side="right")), len(column) - 1)

    def count(self, column: pa.Array) -> None:
        """Count a column of numbers. Raises LimitExceeded."""
        self._copies.add(column.nbytes)

    def exceeded(self) -> LimitExceeded | None:
        """The error that ends the reading, if the limit was reached."""
        return self._copies.budget.error


def _ends(column: pa.Array) -> Any:
    """The cumulative size in bytes of the strings or binary values."""
    return np.cumsum(pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64) + 4)


def _portions(column: pa.Array) -> Iterator[tuple[int, int]]:
    """Yield ranges that cut a text or binary column into pieces of at most a few megabytes."""
    if column.nbytes <= _PIECE_BYTES:
        yield 0, len(column)
    else:
        yield from stretches(_ends(column), _PIECE_BYTES, len(column))


def _size(file: BinaryIO) -> int:
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    return size


def read_parquet(source: Source) -> Iterator[Item]:
    """Read one row group at a time. `row` counts from the beginning of the file, even in a part of it, and even if rows are deleted."""
    blobs = ArrowValues(source)
    try:
        file = pq.ParquetFile(source.file, pre_buffer=False, buffer_size=1 << 20)
        groups = range(*(source.row_groups or (0, file.num_row_groups)))
        viewed = ViewedFile(source.view, file.schema_arrow, file.metadata.num_rows)
        columns = [name for name in file.schema_arrow.names if is_read(file.schema_arrow.field(name).type) and viewed.shows(name)]
        keys = KeyColumns(source.key, source.view.constants if source.view else ())
        wanted = [*columns, *(one for one in keys.among(file.schema_arrow, viewed.called) if one not in columns)] if columns else []
        row = sum(file.metadata.row_group(g).num_rows for g in range(groups.start))
        unread = ParquetResidue(source.file, source.account, source.budget)
        if source.first_part:
            yield from unread.claim()
            yield from viewed.beside()
        for group in groups if columns else ():
            beside = unread.group(group, viewed.shows)
            for batch in _batches(file, Shared(source.file), group, wanted):
                beside.see(batch)
                shown, rows = viewed.shown(batch, row)
                yield from _read_batch(shown, rows, blobs, keys)
                row += batch.num_rows
                source.counts.rows += shown.num_rows
            unread.leave(beside)
        yield from unread.rest()
        if not columns:
            source.counts.rows += sum(file.metadata.row_group(g).num_rows for g in groups)
        if source.first_part:
            yield from _metadata(file.schema_arrow, [*unread.names(), *_of_stored((file.metadata.metadata or {}).get(_STORED, b""))])
    except (pa.ArrowException, OSError, ValueError) as error:
        yield from blobs.gaps()
        raise as_read_error(error, "not a complete Parquet file") from None
    yield from blobs.gaps()


_PIECE = 1 << 20
_STORED = b"ARROW:schema"  # the key of the schema itself, encoded


def _batches(file: pq.ParquetFile, shared: Shared, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of a few megabytes; if values may be shared, only a few rows at a time are decoded."""
    step = shared.rows_at_once(group, set(columns), _BATCH_ROWS)
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in file.iter_batches(step, row_groups=[group], columns=columns):
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _BATCH_ROWS or size >= _PIECE_BYTES:
            yield _together(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield _together(waiting)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def read_arrow_file(source: Source) -> Iterator[Item]:
    """Read the Arrow file format, which is also Feather version 2."""
    yield from _read_batches(source, _ipc_batches(pa.ipc.open_file, source), claim_file)


def read_arrow_stream(source: Source) -> Iterator[Item]:
    """Read the Arrow streaming format. Eight bytes mark its end; no program would read anything after them."""
    yield from _read_batches(source, _ipc_batches(pa.ipc.open_stream, source), claim_stream)
    if source.file.seekable():
        return
    rest = 0
    while piece := source.file.read(_PIECE):
        rest += len(piece)
    if rest:
        yield Gap(f"{rest} bytes after the end of the stream were not read")


def _read_batches(
    source: Source, batches: Iterator[pa.RecordBatch | pa.Schema], claim: Callable[[BinaryIO, ByteAccount], list[bytes]]
) -> Iterator[Item]:
    """Read batches of rows, and the file's metadata if there is any."""
    blobs, dead, keys = ArrowValues(source), ArrowResidue(), KeyColumns(source.key)
    row = 0
    try:
        for batch in batches:
            if isinstance(batch, pa.Schema):
                yield from _metadata(batch)
                yield from _beside_names(claim(source.file, source.account) if source.file.seekable() else [], batch)
                continue
            yield from dead.see(batch)
            yield from _letters(batch)
            yield from _read_batch(batch, np.arange(row, row + batch.num_rows, dtype=np.int64), blobs, keys)
            row += batch.num_rows
            source.counts.rows += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        source.account.claim(0, 4, "structure")  # the rest is searched, since nobody knows how much of it was read
        yield from blobs.gaps()
        raise as_read_error(error, "not a complete Arrow file") from None
    yield from dead.rest()
    yield from blobs.gaps()


def read_rows(source: Source, batches: Iterable[tuple[pa.RecordBatch, Any]], values: ArrowValues | None = None) -> Iterator[Item]:
    """Read batches that were decoded elsewhere, each with the numbers of its rows in the file. Tables of one file share their `values`."""
    blobs, keys = values or ArrowValues(source), KeyColumns(source.key)
    try:
        for batch, rows in batches:
            for column in batch.columns:
                validate_column(column)
            yield from _read_batch(batch, rows, blobs, keys)
            source.counts.rows += batch.num_rows
    except (ReadError, pa.ArrowException, OSError, ValueError) as error:
        yield from blobs.gaps()
        raise as_read_error(error, "its columns are damaged") from None
    yield from blobs.gaps()


def _beside_names(schemas: list[bytes], schema: pa.Schema) -> Iterator[Block]:
    """Yield strings in descriptions of a schema that are neither names nor metadata."""
    known = KnownText(_described(schema, schema.metadata))
    odd = dict.fromkeys(found.text for data in schemas for found in strings(data) if known.lacks(found.text))
    if odd:
        yield Block(list(odd), column="schema", view=VIEW)


def _described(fields: Iterable[pa.Field], metadata: Mapping[bytes, bytes] | None) -> Iterator[str]:
    """Yield the names, the metadata and the time zones of fields, in any depth."""
    yield from (one.decode("utf-8", "replace") for pair in (metadata or {}).items() for one in pair)
    for field in fields:
        yield field.name
        yield str(getattr(field.type, "tz", ""))
        inner = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        yield from _described((inner.field(i) for i in range(inner.num_fields)), field.metadata)


def _letters(batch: pa.RecordBatch) -> Iterator[Block]:
    """Yield the texts that the bytes of numbers spell."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if found := list(texts_in_numbers(column)):
            yield Block(found, column=shorten(name), view=VIEW)


def _ipc_batches(opener: Any, source: Source) -> Iterator[pa.RecordBatch | pa.Schema]:
    reader = opener(source.file)
    for batch in (reader.get_batch(i) for i in range(reader.num_record_batches)) if hasattr(reader, "get_batch") else reader:
        batch.validate()
        for column in batch.columns:
            validate_column(column)  # an attacker controls the offsets in a file
        yield batch
    yield reader.schema


def validate_column(column: pa.Array) -> None:
    """Raise ArrowInvalid for a column that points outside its buffers. Its strings need not be valid UTF-8."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        if pa.types.is_dictionary(column.type):
            column.dictionary.view(as_bytes(column.type.value_type)).validate(full=True)
            pa.DictionaryArray.from_arrays(column.indices, pa.nulls(len(column.dictionary)), safe=True).validate(full=True)
            return
        kind = as_bytes(column.type)
        if kind == column.type:
            raise
        column.view(kind).validate(full=True)


def is_read(kind: pa.DataType) -> bool:
    """Return whether values of a column are read: text in any depth, and numbers, except for short ones in lists."""
    if pa.types.is_struct(kind):
        return any(is_read(kind.field(i).type) for i in range(kind.num_fields))
    return _is_number(kind) or has_text(kind) or has_long_numbers(kind)


def _is_number(kind: pa.DataType) -> bool:
    return bool(kind in WHOLE or kind == pa.float64() or pa.types.is_decimal128(kind))


def _metadata(schema: pa.Schema, more: Iterable[str] = ()) -> Iterator[Item]:
    """Yield the metadata of a schema and its fields, and of their names those that may be more than names; some of them are given as `more`."""
    texts = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in (schema.metadata or {}).items()}
    texts.pop(_STORED.decode(), None)
    shown = {key: with_letters(text) for key, text in texts.items()}
    if plain := {key: text for key, text in texts.items() if shown[key] is None}:
        yield Block(list(plain.values()), column=list(plain), view="metadata")
    for key, mapped in shown.items():
        if mapped is not None:
            yield Block([mapped.text], column=key, view="metadata", origins=[mapped.origins()])
    for key, value in (schema.metadata or {}).items():
        if "\ufffd" in texts.get(key.decode("utf-8", "replace"), ""):  # it may hold a file or a compressed stream
            yield Member(f"metadata/{key.decode('utf-8', 'replace')}", io.BytesIO(value), opaque=True)
    if names := list(dict.fromkeys([*filter(is_text, texts), *_of_fields(schema), *filter(is_text, more)])):
        yield Block(names, column="schema", view="metadata")


def _of_stored(encoded: bytes) -> Iterator[str]:
    """Yield what `_of_fields` does for the schema that was written, which Parquet does not keep in full. Anything but a schema is text."""
    try:
        yield from _of_fields(pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded))))
    except (pa.ArrowException, OSError, ValueError):
        yield from (encoded.decode("utf-8", "replace"),) if encoded else ()


def _of_fields(fields: Iterable[pa.Field]) -> Iterator[str]:
    """Yield the names of fields that may be more than names, and their metadata, in any depth."""
    for field in fields:
        if is_text(field.name):
            yield field.name
        for key, value in (field.metadata or {}).items():
            if not key.startswith(b"PARQUET:"):  # numbers that pyarrow puts there
                name, text = key.decode("utf-8", "replace"), value.decode("utf-8", "replace")
                yield from (one for one in (name if is_text(name) else "", text) if one)
        kind = field.type
        if is_text(zone := getattr(kind, "tz", None) or ""):
            yield zone
        yield from _of_fields(kind.field(i) for i in range(kind.num_fields))


def _read_batch(batch: pa.RecordBatch, rows: Any, blobs: ArrowValues, keys: KeyColumns) -> Iterator[Item]:
    for first in range(0, batch.num_rows, _PIECE_ROWS):
        piece, here = batch.slice(first, _PIECE_ROWS), Cells(rows[first : first + _PIECE_ROWS])
        yield from keyed(_columns(piece, here, blobs), here.numbers, *keys.of(piece))


def _columns(batch: pa.RecordBatch, rows: Cells, blobs: ArrowValues) -> Iterator[Item]:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _leaves(column, shorten(name), rows, blobs)  # it is repeated for every value of a list


def _pieces(column: pa.Array, path: LeafPath, rows: Cells, each: int) -> Iterator[tuple[pa.Array, LeafPath, Cells]]:
    """Yield the column in pieces of a few megabytes. `each` is the maximum length of a value."""
    step = max(1, _PIECE_BYTES // max(1, each))
    for first in range(0, len(column), step):
        some = path if isinstance(path, str) else path.slice(first, step)
        yield column.slice(first, step), some, rows[first : first + step]


def _longest(values: pa.Array) -> int:
    """An upper limit for the size in bytes of the longest value."""
    if not len(values):
        return 0
    if is_view(values.type):
        # Every fourth number is the length at the start of a view.
        lengths = np.frombuffer(values.buffers()[1], np.int32)[::4][values.offset : values.offset + len(values)]
        return int(lengths.max())
    if is_string(values.type) or is_binary(values.type):
        return int(pc.max(pc.binary_length(values)).as_py() or 0)
    return int(values.nbytes)


def _leaves(column: pa.Array, path: LeafPath, rows: Cells, blobs: ArrowValues, turns: bool = False) -> Iterator[Item]:
    """Yield blocks for the text leaves below `column`. `rows` has the file row of each of its values, which may be `turns` of conversations."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(column.storage, path, rows, blobs) if has_text(kind) else ()
    elif pa.types.is_fixed_size_binary(kind):
        yield from _leaves(column.cast(pa.binary()), path, rows, blobs)
    elif pa.types.is_dictionary(kind):
        for piece, some, here in _pieces(column, path, rows, _longest(column.dictionary)) if matters(column) else ():
            yield from _leaves(piece.dictionary_decode(), some, here, blobs)
    elif _is_number(kind):
        yield from _numbers(column, path, rows, blobs)
    elif pa.types.is_struct(kind):
        said = text_cells(column, rows) if turns else {}
        for i in range(kind.num_fields):
            yield from _leaves(pc.struct_field(column, i), field_path(path, kind.field(i)), said.get(i, rows), blobs)
    elif pa.types.is_map(kind):
        yield from _leaves(*map_entries(column, path, rows), blobs) if matters(column) else ()
    elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        each = _longest(column.values) * int(pc.max(pc.list_value_length(column)).as_py() or 0)
        for piece, some, here in _pieces(column, path, rows, each) if has_text(kind.value_type) else ():
            yield from _leaves(_as_list(piece), some, here, blobs)
    elif pa.types.is_run_end_encoded(kind):
        for piece, some, here in _pieces(column, path, rows, _longest(column.values)) if matters(column) else ():
            yield from _leaves(pc.run_end_decode(piece), some, here, blobs)
    elif pa.types.is_union(kind):
        yield from _union(column, path, rows, blobs)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if matters(column):
            yield from _leaves(*list_items(column, path, rows), blobs, isinstance(path, str) and path in CONVERSATIONS)
    elif is_view(kind):
        for piece, some, here in _pieces(column, path, rows, _longest(column)):
            yield from _leaves(piece.cast(pa.string() if is_string(kind) else pa.binary()), some, here, blobs)
    elif is_string(kind) or is_binary(kind):
        fitting = blobs.fitting(column)
        for first, last in _portions(column.slice(0, fitting)):
            some = path if isinstance(path, str) else path.slice(first, last - first)
            yield from _read(column.slice(first, last - first), some, rows[first:last], blobs)
        if fitting < len(column) and (error := blobs.exceeded()):
            raise error


def _read(column: pa.Array, path: LeafPath, rows: Cells, blobs: ArrowValues) -> Iterator[Item]:
    """Yield blocks of strings, or the content of binary values."""
    if is_binary(column.type):
        yield from blobs.read(_binary(column, path, rows))
        return
    valid = column.is_valid()
    texts, bad = utf8(column.cast(pa.string()).filter(valid))
    speakers = rows.speakers()
    said = None if speakers is None else speakers.filter(valid)
    yield Block(texts, row=pa.array(rows.numbers).filter(valid), column=_filter(path, valid), speaker=said)
    if bad:
        yield Gap(f"{bad} strings are not valid UTF-8; undecodable bytes were replaced", location=f"column {_first(path)}", count=bad)


def _numbers(column: pa.Array, path: LeafPath, rows: Cells, blobs: ArrowValues) -> Iterator[Item]:
    """Yield a block of the whole numbers that may be about a person."""
    blobs.count(column)
    named = named_least(path) if isinstance(path, str) else None
    if reaches(column, named or LEAST) and pc.any(wanted := may_be_personal(column, named)).as_py():
        yield Block(number_texts(column.filter(wanted)), row=pa.array(rows.numbers).filter(wanted), column=_filter(path, wanted))


def _as_list(views: pa.Array) -> pa.Array:
    """The same lists, stored consecutively; pyarrow 26's cast from views makes arrays that do not validate."""
    return pa.LargeListArray.from_arrays(offsets_of(views, pa.int64()), pc.list_flatten(views))


def _union(column: pa.Array, path: LeafPath, rows: Cells, blobs: ArrowValues) -> Iterator[Item]:
    """Read a union column, in which each value has one of several types, one type at a time."""
    codes = column.type_codes.to_numpy()
    for i in range(column.type.num_fields):
        child = column.field(i)
        if not has_text(child.type):
            continue
        chosen = np.flatnonzero(codes == column.type.type_codes[i])
        its = path if isinstance(path, str) else path.take(pa.array(chosen))
        for piece, some, here in _pieces(pa.array(chosen), its, rows[chosen], _longest(child)):
            yield from _leaves(child.take(piece if column.type.mode == "sparse" else column.offsets.take(piece)), some, here, blobs)


def _first(path: LeafPath) -> str:
    return path if isinstance(path, str) else str(path[0])


def _filter(path: LeafPath, mask: pa.Array) -> LeafPath:
    return path if isinstance(path, str) else path.filter(mask)


def _binary(column: pa.Array, path: LeafPath, rows: Cells) -> Iterator[BlobValue]:
    for value, row, label in zip(column, rows.numbers.tolist(), labels(path, column).to_pylist(), strict=True):
        if data := value.as_py():
            yield BlobValue(data, row, label, member_name(row, label))
