"""Parquet and Arrow (Feather): every text leaf of every column, however nested, without a Python object a cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.errors import as_read_error
from veritensor_ray.extract.readers.data.blobs import Blobs, Value
from veritensor_ray.extract.source import Item, Source
from veritensor_ray.segments import Block, Gap

_BATCH_ROWS = 1024


def read_parquet(source: Source) -> Iterator[Item]:
    """Row groups one at a time; `row` counts from the beginning of the file also in a part of it."""
    blobs = Blobs(source.budget, pictures=True)
    try:
        file = pq.ParquetFile(source.file, pre_buffer=False, buffer_size=1 << 20)
        groups = range(*(source.row_groups or (0, file.num_row_groups)))
        columns = [name for name in file.schema_arrow.names if _has_text(file.schema_arrow.field(name).type)]
        row = sum(file.metadata.row_group(g).num_rows for g in range(groups.start))
        if not columns:
            source.counts.rows += sum(file.metadata.row_group(g).num_rows for g in groups)
            return
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=list(groups), columns=columns):
            yield from _read_batch(batch, row, blobs)
            row += batch.num_rows
            source.counts.rows += batch.num_rows
        if source.first_part and file.schema_arrow.metadata:
            yield from _metadata(file.schema_arrow.metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield from blobs.gaps()
        raise as_read_error(error, "not a whole Parquet file") from None
    yield from blobs.gaps()


_PIECE = 1 << 20


def read_arrow_file(source: Source) -> Iterator[Item]:
    """The Arrow file format, which is also Feather version 2."""
    yield from _read_batches(source, _ipc_batches(pa.ipc.open_file, source))


def read_arrow_stream(source: Source) -> Iterator[Item]:
    """The Arrow streaming format. Its end is eight bytes: what stands behind them is nothing that a program would read."""
    yield from _read_batches(source, _ipc_batches(pa.ipc.open_stream, source))
    rest = 0
    while piece := source.file.read(_PIECE):
        rest += len(piece)
    if rest:
        yield Gap(f"{rest} bytes behind the end of the stream were not read")


def _read_batches(source: Source, batches: Iterator[pa.RecordBatch | dict[bytes, bytes]]) -> Iterator[Item]:
    """Batches of rows, and the metadata of the file where there is some."""
    blobs = Blobs(source.budget, pictures=True)
    row = 0
    try:
        for batch in batches:
            if isinstance(batch, dict):
                yield from _metadata(batch)
                continue
            yield from _read_batch(batch, row, blobs)
            row += batch.num_rows
            source.counts.rows += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        yield from blobs.gaps()
        raise as_read_error(error, "not a whole Arrow file") from None
    yield from blobs.gaps()


def _ipc_batches(opener: Any, source: Source) -> Iterator[pa.RecordBatch | dict[bytes, bytes]]:
    reader = opener(source.file)
    for batch in (reader.get_batch(i) for i in range(reader.num_record_batches)) if hasattr(reader, "get_batch") else reader:
        batch.validate()
        for column in batch.columns:
            _validate(column)  # offsets in a file are the attacker's numbers
        yield batch
    if reader.schema.metadata:
        yield reader.schema.metadata


def _validate(column: pa.Array) -> None:
    """Raises ArrowInvalid for a column that leads out of its buffers; texts need not be valid UTF-8."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        if pa.types.is_dictionary(column.type):
            column.dictionary.view(_as_bytes(column.type.value_type)).validate(full=True)
            pa.DictionaryArray.from_arrays(column.indices, pa.nulls(len(column.dictionary)), safe=True).validate(full=True)
            return
        kind = _as_bytes(column.type)
        if kind == column.type:
            raise
        column.view(kind).validate(full=True)


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    """The type of the same buffers with bytes in place of texts."""
    if kind in _BYTES_OF:
        return _BYTES_OF[kind]
    if pa.types.is_struct(kind):
        return pa.struct([kind.field(i).with_type(_as_bytes(kind.field(i).type)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_as_bytes(kind.key_type), _as_bytes(kind.item_type))
    for is_kind, made in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_kind(kind):
            return made(kind.value_field.with_type(_as_bytes(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_as_bytes(kind.value_type)), kind.list_size)
    return kind


_BYTES_OF = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_has_text(kind.field(i).type) for i in range(kind.num_fields))
    if isinstance(kind, pa.BaseExtensionType):
        return _has_text(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _has_text(kind.value_type)
    return bool(_is_string(kind) or _is_binary(kind))


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _metadata(metadata: dict[bytes, bytes]) -> Iterator[Block]:
    texts = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in metadata.items()}
    texts.pop("ARROW:schema", None)  # the schema itself, encoded
    if texts:
        yield Block(list(texts.values()), column=list(texts), view="metadata")


def _read_batch(batch: pa.RecordBatch, row: int, blobs: Blobs) -> Iterator[Item]:
    rows = np.arange(row, row + batch.num_rows, dtype=np.int64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _leaves(column, name, rows, blobs)


def _leaves(column: pa.Array, path: str | pa.Array, rows: Any, blobs: Blobs) -> Iterator[Item]:
    """Blocks for the text leaves below `column`; `rows` has the file row of each of its values."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(column.storage, path, rows, blobs)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(column.dictionary_decode(), path, rows, blobs) if _has_text(kind.value_type) else ()
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _leaves(pc.struct_field(column, i), _join(path, f".{kind.field(i).name}"), rows, blobs)
    elif pa.types.is_map(kind):
        entries, inner, _ = _flatten(column.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))), path, rows)
        yield from _leaves(entries, _join(path, "[]"), inner, blobs)
    elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        yield from _leaves(_as_list(column), path, rows, blobs) if _has_text(kind.value_type) else ()
    elif pa.types.is_run_end_encoded(kind):
        yield from _leaves(pc.run_end_decode(column), path, rows, blobs) if _has_text(kind.value_type) else ()
    elif pa.types.is_union(kind):
        yield from _union(column, path, rows, blobs)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if _has_text(kind.value_type):
            values, inner, position = _flatten(column, path, rows)
            labels = pc.binary_join_element_wise(_labels(path, column), "", "")
            parents = pc.list_parent_indices(column)
            yield from _leaves(
                values, pc.binary_join_element_wise(labels.take(parents), "[", position.cast(pa.string()), "]", ""), inner, blobs
            )
    elif _is_string(kind):
        valid = column.is_valid()
        texts, bad = utf8(column.cast(pa.string()).filter(valid))
        yield Block(texts, row=pa.array(rows).filter(valid), column=_filter(path, valid))
        if bad:
            yield Gap(f"{bad} texts are not valid UTF-8; what does not decode was replaced", location=f"column {_first(path)}", count=bad)
    elif _is_binary(kind):
        yield from blobs.read(_binary(column, path, rows))


def _as_list(views: pa.Array) -> pa.Array:
    """The same lists, one behind the other; pyarrow 26's cast from views makes arrays that do not validate."""
    lengths = pc.fill_null(pc.list_value_length(views), 0).to_numpy()
    return pa.LargeListArray.from_arrays(pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int64()), pc.list_flatten(views))


def _union(column: pa.Array, path: str | pa.Array, rows: Any, blobs: Blobs) -> Iterator[Item]:
    """Each value is of one of several types: the values of one type at a time."""
    codes = column.type_codes.to_numpy()
    for i in range(column.type.num_fields):
        chosen = np.flatnonzero(codes == column.type.type_codes[i])
        child = column.field(i).take(pa.array(chosen) if column.type.mode == "sparse" else column.offsets.take(pa.array(chosen)))
        if _has_text(child.type):
            yield from _leaves(child, path if isinstance(path, str) else path.take(pa.array(chosen)), rows[chosen], blobs)


def utf8(texts: pa.Array) -> tuple[pa.Array, int]:
    """The texts, and how many of them had to be mended: Parquet does not say that its strings are valid UTF-8."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raw = texts.cast(pa.binary()).to_pylist()
        mended = [value.decode("utf-8", "replace") for value in raw]
        return pa.array(mended, pa.string()), sum(value != text.encode() for value, text in zip(raw, mended, strict=True))
    return texts, 0


def _first(path: str | pa.Array) -> str:
    return path if isinstance(path, str) else str(path[0])


def _flatten(column: pa.Array, path: str | pa.Array, rows: Any) -> tuple[pa.Array, Any, pa.Array]:
    """Values of a list column, the file row of each, and its position in its list."""
    parents = pc.list_parent_indices(column).to_numpy()
    values = pc.list_flatten(column)
    first = np.searchsorted(parents, parents, side="left") if len(parents) else parents
    return values, rows[parents] if len(parents) else rows[:0], pa.array(np.arange(len(parents)) - first)


def _labels(path: str | pa.Array, column: pa.Array) -> pa.Array:
    return path if isinstance(path, pa.Array) else pa.array([path] * len(column), pa.string())


def _join(path: str | pa.Array, suffix: str) -> str | pa.Array:
    return path + suffix if isinstance(path, str) else pc.binary_join_element_wise(path, suffix, "")


def _filter(path: str | pa.Array, mask: pa.Array) -> str | pa.Array:
    return path if isinstance(path, str) else path.filter(mask)


def _binary(column: pa.Array, path: str | pa.Array, rows: Any) -> Iterator[Value]:
    for value, row, label in zip(column, rows.tolist(), _labels(path, column).to_pylist(), strict=True):
        if data := value.as_py():
            yield Value(data, row, label, f"row {row} {label}")
