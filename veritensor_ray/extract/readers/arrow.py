"""Parquet and Arrow (Feather): every text leaf of every column, however nested, without a Python object a cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import filetype
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.errors import ReadError
from veritensor_ray.extract.source import Source
from veritensor_ray.segments import Block, Gap

_BATCH_ROWS = 1024


def read_parquet(source: Source) -> Iterator[Block | Gap]:
    """Row groups one at a time; `row` counts from the beginning of the file also in a part of it."""
    try:
        file = pq.ParquetFile(source.file, pre_buffer=False, buffer_size=1 << 20)
        groups = range(*(source.row_groups or (0, file.num_row_groups)))
        columns = [name for name in file.schema_arrow.names if _has_text(file.schema_arrow.field(name).type)]
        row = sum(file.metadata.row_group(g).num_rows for g in range(groups.start))
        if not columns:
            source.counts.rows += sum(file.metadata.row_group(g).num_rows for g in groups)
            return
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=list(groups), columns=columns):
            yield from _read_batch(batch, row)
            row += batch.num_rows
            source.counts.rows += batch.num_rows
        if source.first_part and file.schema_arrow.metadata:
            yield from _metadata(file.schema_arrow.metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ReadError(f"not a whole Parquet file: {_first_line(error)}") from None


def read_arrow_file(source: Source) -> Iterator[Block | Gap]:
    """The Arrow file format, which is also Feather version 2."""
    yield from _read_ipc(source, pa.ipc.open_file)


def read_arrow_stream(source: Source) -> Iterator[Block | Gap]:
    """The Arrow streaming format."""
    yield from _read_ipc(source, pa.ipc.open_stream)


def _read_ipc(source: Source, opener: Any) -> Iterator[Block | Gap]:
    row = 0
    try:
        reader = opener(source.file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches)) if hasattr(reader, "get_batch") else reader
        for batch in batches:
            batch.validate(full=True)  # offsets in a file are the attacker's numbers
            yield from _read_batch(batch, row)
            row += batch.num_rows
            source.counts.rows += batch.num_rows
        if reader.schema.metadata:
            yield from _metadata(reader.schema.metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ReadError(f"not a whole Arrow file: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


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


def _read_batch(batch: pa.RecordBatch, row: int) -> Iterator[Block | Gap]:
    rows = np.arange(row, row + batch.num_rows, dtype=np.int64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _leaves(column, name, rows)


def _leaves(column: pa.Array, path: str | pa.Array, rows: Any) -> Iterator[Block | Gap]:
    """Blocks for the text leaves below `column`; `rows` has the file row of each of its values."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(column.storage, path, rows)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(column.dictionary_decode(), path, rows) if _has_text(kind.value_type) else ()
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _leaves(pc.struct_field(column, i), _join(path, f".{kind.field(i).name}"), rows)
    elif pa.types.is_map(kind):
        entries, inner, _ = _flatten(column.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))), path, rows)
        yield from _leaves(entries, _join(path, "[]"), inner)
    elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        yield from _leaves(_as_list(column), path, rows) if _has_text(kind.value_type) else ()
    elif pa.types.is_run_end_encoded(kind):
        yield from _leaves(pc.run_end_decode(column), path, rows) if _has_text(kind.value_type) else ()
    elif pa.types.is_union(kind):
        yield from _union(column, path, rows)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if _has_text(kind.value_type):
            values, inner, position = _flatten(column, path, rows)
            labels = pc.binary_join_element_wise(_labels(path, column), "", "")
            parents = pc.list_parent_indices(column)
            yield from _leaves(values, pc.binary_join_element_wise(labels.take(parents), "[", position.cast(pa.string()), "]", ""), inner)
    elif _is_string(kind):
        valid = column.is_valid()
        texts, bad = _utf8(column.cast(pa.string()).filter(valid))
        yield Block(texts, row=pa.array(rows).filter(valid), column=_filter(path, valid))
        if bad:
            yield Gap(f"{bad} texts are not valid UTF-8; what does not decode was replaced", location=f"column {_first(path)}", count=bad)
    elif _is_binary(kind):
        yield from _binary(column, path, rows)


def _as_list(views: pa.Array) -> pa.Array:
    """The same lists, one behind the other; pyarrow 26's cast from views makes arrays that do not validate."""
    lengths = pc.fill_null(pc.list_value_length(views), 0).to_numpy()
    return pa.LargeListArray.from_arrays(pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int64()), pc.list_flatten(views))


def _union(column: pa.Array, path: str | pa.Array, rows: Any) -> Iterator[Block | Gap]:
    """Each value is of one of several types: the values of one type at a time."""
    codes = column.type_codes.to_numpy()
    for i in range(column.type.num_fields):
        chosen = np.flatnonzero(codes == column.type.type_codes[i])
        child = column.field(i).take(pa.array(chosen) if column.type.mode == "sparse" else column.offsets.take(pa.array(chosen)))
        if _has_text(child.type):
            yield from _leaves(child, path if isinstance(path, str) else path.take(pa.array(chosen)), rows[chosen])


def _utf8(texts: pa.Array) -> tuple[pa.Array, int]:
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


def _binary(column: pa.Array, path: str | pa.Array, rows: Any) -> Iterator[Block | Gap]:
    """Binary cells: UTF-8 text and images are read, anything else is a gap with its number."""
    labels = _labels(path, column).to_pylist()
    texts: list[tuple[str, int, str]] = []
    images: list[tuple[bytes, int, str]] = []
    other = 0
    for value, row, label in zip(column, rows.tolist(), labels, strict=True):
        data = value.as_py()
        if data is None or not data:
            continue
        if filetype.is_image(data[:8192]):
            images.append((data, row, label))
            continue
        try:
            texts.append((data.decode("utf-8"), row, label))
        except UnicodeDecodeError:
            other += 1
    if texts:
        yield Block([t[0] for t in texts], row=[t[1] for t in texts], column=[t[2] for t in texts])
    if images:
        yield Block([""] * len(images), row=[t[1] for t in images], column=[t[2] for t in images], images=[t[0] for t in images])
    if other:
        yield Gap(f"{other} binary values have no reader", location=f"column {labels[0]}", count=other)
