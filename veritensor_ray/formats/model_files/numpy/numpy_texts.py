"""Reads strings from the raw memory of NumPy arrays, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.utf8 import utf8

_CHUNK = 4 << 20
_DEEPEST = 100  # fields in fields
_FIELDS = 4096  # of an item, at any depth, that are told apart from what is between them


def holds_text(dtype: np.dtype[Any]) -> bool:
    """Whether an array of this type contains strings."""
    return any(True for _ in text_fields(dtype))


def text_fields(dtype: np.dtype[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the fields that contain strings; the empty path for an array of strings."""
    base = dtype.base
    if base.kind in "US" and base.itemsize:
        yield path
    elif base.names and len(path) < _DEEPEST:
        for name in base.names:
            yield from text_fields(base.fields[name][0], (*path, name))  # type: ignore[index]  # a type with names has fields


def unnamed_bytes(dtype: np.dtype[Any]) -> list[tuple[int, int]]:
    """Return the ranges of an item that are neither strings nor numbers: space between fields, and fields of bytes without a meaning."""
    named = sorted(_named(dtype, 0, iter(range(_FIELDS))))
    ends = [0, *accumulate((end for _, end in named), max)]
    return [(before, start) for before, (start, _) in zip(ends, [*named, (dtype.itemsize, 0)], strict=True) if before < start]


def _named(dtype: np.dtype[Any], at: int, left: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the fields that have a meaning, as long as something is `left`: arrays of arrays may have any number of them."""
    base = dtype.base
    if not base.names:
        if base.kind != "V" and dtype.itemsize:
            yield at, at + dtype.itemsize
        return
    places = ((begin, name) for begin in range(at, at + dtype.itemsize, max(1, base.itemsize)) for name in base.names)
    for (begin, name), _ in zip(places, left, strict=False):
        kind, offset, *_ = base.fields[name]  # type: ignore[index]  # a type with names has fields
        yield from _named(kind, begin + offset, left)


def has_other_codes(values: Any) -> bool:
    """Return whether an array of str has numbers beyond those of characters."""
    codes = (
        np.ascontiguousarray(values).view(np.dtype(np.uint32).newbyteorder(values.dtype.byteorder)) if values.dtype.kind == "U" else None
    )
    return codes is not None and bool((codes > 0x10FFFF).any())


def array_texts(file: BinaryIO, dtype: np.dtype[Any], count: int) -> Iterator[tuple[int, str]]:
    """Yield the index and value of up to `count` strings, without empty ones. Raises ReadError if the file is shorter."""
    for first, part in array_parts(file, dtype, count):
        texts, index = as_texts(part)
        yield from zip((first + index).tolist(), texts.to_pylist(), strict=True)


def array_parts(file: BinaryIO, dtype: np.dtype[Any], count: int) -> Iterator[tuple[int, Any]]:
    """Yield the array in pieces, each with the index of its first item."""
    step = max(1, _CHUNK // max(1, dtype.itemsize))
    for first in range(0, count, step):
        wanted = min(step, count - first)
        data = file.read(wanted * dtype.itemsize)
        whole = len(data) // dtype.itemsize
        yield first, np.frombuffer(data, dtype, whole)
        if whole < wanted:
            raise ReadError(f"the array ends after {first + whole} of {count} items")


def as_texts(part: Any) -> tuple[pa.Array, Any]:
    """The non-empty strings of a flat array of str or bytes, and the index of each. Invalid Unicode is replaced.

    Only trailing zeros are removed. NumPy's and Arrow's own conversions stop at the first zero, or raise for invalid code points.
    """
    wide = part.dtype.kind == "U"
    unit = np.dtype(np.uint32).newbyteorder(part.dtype.byteorder) if wide else np.dtype(np.uint8)
    width = part.dtype.itemsize // unit.itemsize
    codes = np.ascontiguousarray(part).view(unit).reshape(len(part), width)
    places = np.arange(1, width + 1, dtype=np.min_scalar_type(width))
    lengths = ((codes != 0).T * places[:, None]).max(axis=0)
    index = np.flatnonzero(lengths)
    codes = codes[places <= lengths[:, None]]
    ends = np.cumsum(lengths[index], dtype=np.int32)
    if wide:
        codes = codes.astype("<u4")
        codes[(codes - 0xD800 < 0x800) | (codes > 0x10FFFF)] = 0xFFFD
        data = codes.tobytes().decode("utf-32-le").encode()
        if len(data) > len(codes):
            ends = np.cumsum(1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF), dtype=np.int32)[ends - 1]
    else:
        data = codes.tobytes()
    offsets = np.append(np.int32(0), ends)
    return utf8(pa.StringArray.from_buffers(len(index), pa.py_buffer(offsets), pa.py_buffer(data)))[0], index
