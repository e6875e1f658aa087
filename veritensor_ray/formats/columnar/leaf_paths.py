"""Names the values inside nested Arrow columns, and finds them: a reader gives its texts these paths, and a rewriter looks for them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.formats.common.column_paths import shorten

LeafPath: TypeAlias = "str | pa.Array"  # of all values of a column, or of each
_MEMBER = re.compile(r"row (\d{1,18}) (.*)", re.DOTALL)


class InnerValues(NamedTuple):
    """The values that lists or maps consist of, with their paths, and the row of each in the file."""

    values: pa.Array
    path: LeafPath
    rows: Any


def field_path(path: LeafPath, field: pa.Field) -> LeafPath:
    """Return the path of a field of structs."""
    return joined(path, f".{shorten(field.name)}")


def map_entries(column: pa.MapArray, path: LeafPath, rows: Any) -> InnerValues:
    """Return the entries of maps, which are structs of a key and a value. All entries of a map have the same path."""
    lists = _as_lists(column)
    parents = pc.list_parent_indices(lists)
    inner = path if isinstance(path, str) else path.take(parents)
    return InnerValues(pc.list_flatten(lists), joined(inner, "[]"), rows[parents.to_numpy()])


def list_items(column: pa.Array, path: LeafPath, rows: Any) -> InnerValues:
    """Return the items of lists, which are named by their number."""
    parents = pc.list_parent_indices(column).to_numpy()
    numbers = np.arange(len(parents)) - np.searchsorted(parents, parents)
    inner = labels(path, column).take(pa.array(parents))
    named = pc.binary_join_element_wise(inner, "[", pa.array(numbers).cast(pa.string()), "]", "")
    return InnerValues(pc.list_flatten(column), named, rows[parents])


def _as_lists(column: pa.MapArray) -> pa.ListArray:
    return column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))


def offsets_of(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return where the lists or maps of a column begin if they are stored one after another."""
    lists = _as_lists(column) if pa.types.is_map(column.type) else column
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return pa.array(np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))), kind)


def labels(path: LeafPath, column: pa.Array) -> pa.Array:
    """Return the path of each value."""
    return path if isinstance(path, pa.Array) else pa.array([path] * len(column), pa.string())


def joined(path: LeafPath, suffix: str) -> LeafPath:
    """Return the path with a suffix."""
    return path + suffix if isinstance(path, str) else pc.binary_join_element_wise(path, suffix, "")


def member_name(row: int, path: str) -> str:
    """Return the name of a file that is a binary value."""
    return f"row {row} {path}"


def place_of_member(name: str) -> tuple[int, str] | None:
    """Return the row and the path of a binary value that is a file, by its name."""
    found = _MEMBER.match(name)
    return (int(found[1]), found[2]) if found else None
