"""Texts in the raw memory of NumPy arrays, a few megabytes at a time; it knows neither headers nor pickles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.errors import ReadError

_CHUNK = 4 << 20


def holds_text(dtype: np.dtype[Any]) -> bool:
    """Whether an array of that type has texts in it."""
    return any(True for _ in text_fields(dtype))


def text_fields(dtype: np.dtype[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the fields that hold texts; the empty path for an array of texts."""
    base = dtype.base
    if base.kind in "US" and base.itemsize:
        yield path
    elif base.names and len(path) < 8:
        for name in base.names:
            yield from text_fields(base.fields[name][0], (*path, name))  # type: ignore[index]  # a type with names has fields


def array_texts(file: BinaryIO, dtype: np.dtype[Any], count: int) -> Iterator[tuple[int, str]]:
    """Index and text of `count` texts, empty ones left out. Raises ReadError where the file is shorter."""
    for first, part in array_parts(file, dtype, count):
        yield from as_texts(part, first)


def array_parts(file: BinaryIO, dtype: np.dtype[Any], count: int) -> Iterator[tuple[int, Any]]:
    """The array in pieces, each with the index of its first item."""
    step = max(1, _CHUNK // max(1, dtype.itemsize))
    for first in range(0, count, step):
        wanted = min(step, count - first)
        data = file.read(wanted * dtype.itemsize)
        whole = len(data) // dtype.itemsize
        yield first, np.frombuffer(data, dtype, whole)
        if whole < wanted:
            raise ReadError(f"ends after {first + whole} of {count} items")


def as_texts(part: Any, first: int) -> Iterator[tuple[int, str]]:
    """Texts of an array of str or bytes; what is no Unicode is replaced."""
    if part.dtype.kind == "U":
        code = "utf-32-le" if part.dtype.byteorder in "<=|" else "utf-32-be"
        size = part.dtype.itemsize
        data = np.ascontiguousarray(part).tobytes()
        for i in range(len(part)):  # item by item: NumPy raises for the whole array where one code point is none
            if text := data[i * size : (i + 1) * size].decode(code, "replace").rstrip("\0"):
                yield first + i, text
        return
    for i, value in enumerate(part.tolist()):
        if value:
            yield first + i, value.decode("utf-8", "replace")
