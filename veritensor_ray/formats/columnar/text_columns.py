"""Columns that hold text: their types, and pieces of bounded size. It depends on no format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

_BYTES_OF = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}


def is_string(kind: pa.DataType) -> bool:
    """Return whether values of a type are strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Return whether values of a type are bytes of any length."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_text_type(kind: pa.DataType) -> bool:
    """Return whether values of a type are strings, or bytes of any length, that are stored one after another."""
    return (is_string(kind) or is_binary(kind)) and not is_view(kind)


def is_view(kind: pa.DataType) -> bool:
    """Return whether values of a type are views of buffers that they may share."""
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def has_text(kind: pa.DataType) -> bool:
    """Return whether values of a type can hold text, in any depth."""
    if pa.types.is_nested(kind):
        return any(has_text(kind.field(i).type) for i in range(kind.num_fields))
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name != "arrow.uuid" and has_text(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return has_text(kind.value_type)
    return is_string(kind) or is_binary(kind) or bool(pa.types.is_fixed_size_binary(kind))


def as_bytes(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same buffers with bytes in place of strings, in any depth."""
    if pa.types.is_struct(kind):
        return pa.struct([kind.field(i).with_type(as_bytes(kind.field(i).type)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(as_bytes(kind.key_type), as_bytes(kind.item_type))
    for is_kind, made in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_kind(kind):
            return made(kind.value_field.with_type(as_bytes(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(as_bytes(kind.value_type)), kind.list_size)
    return _BYTES_OF.get(kind, kind)


def without_views(column: pa.Array) -> pa.Array:
    """Return strings or binary values in a buffer of their own."""
    if not is_view(column.type):
        return column
    return column.cast(pa.large_string() if is_string(column.type) else pa.large_binary())


def stretches(ends: Any, most_bytes: int, most_values: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of values, each of so many bytes and values at most, or of one value. `ends` is where each value ends in bytes."""
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = int(np.searchsorted(ends, before + most_bytes, side="right"))
        last = min(max(last, first + 1), first + most_values)
        yield first, last
        first = last
