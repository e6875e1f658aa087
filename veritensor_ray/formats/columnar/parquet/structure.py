"""Estimates the size of the values that many rows of a Parquet file share, from its footer and the headers of its dictionaries.

It decodes no value. pyarrow reports the same, but aborts the process if a footer contradicts itself.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.columnar.parquet.thrift import Struct, Thrift

_AT_ONCE = 128 << 20  # bytes of values in the rows that are decoded at once; a lower limit slows down ordinary tables
_FEWEST = 8  # rows; tables with many dictionary columns are common
_FOOTER = bounds.HELD
_HEADER = 64  # bytes that contain the beginning of a page's header
_BYTE_ARRAY, _PREFIXED, _DICTIONARY_PAGE = 6, 7, 2  # a type, an encoding, a page type


class Shared:
    """The row groups of a file, with the values that rows may share in them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            self._groups = footer(file).get(4, [])
        except (ValueError, IndexError):
            self._groups = None

    def rows_at_once(self, group: int, columns: set[str], most: int) -> int:
        """How many rows to decode at once so that shared values stay small: `most` if nothing is shared, few if that is unknown."""
        try:
            chunks = [chunk.get(3, {}) for chunk in self._groups[group][1]]  # if None, this raises the TypeError that is handled below
            each = sum(self._longest(chunk) for chunk in chunks if chunk[1] == _BYTE_ARRAY and chunk[3][0].decode("utf-8") in columns)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError):
            return min(_FEWEST, most)
        return max(min(_FEWEST, most), min(most, _AT_ONCE // max(1, each)))

    def _longest(self, chunk: dict[int, Any]) -> int:
        """An upper limit for the size in bytes of a value that many rows may share; 0 if each row has its own."""
        if _PREFIXED in chunk[2]:  # a value may repeat all of the previous one
            return int(chunk[6])
        place = chunk.get(11, 0)
        self._file.seek(place if 0 < place < chunk[9] else chunk[9])
        header = Thrift(self._file.read(_HEADER))
        kind, size = header.number(), header.number()
        return size if kind == _DICTIONARY_PAGE else 0


def footer(file: BinaryIO) -> Struct:
    """Return the footer of a Parquet file. Raises ValueError and IndexError."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 8))
    length = int.from_bytes(file.read(4), "little")
    if length > min(end - 8, _FOOTER):
        raise ValueError("the footer is longer than the file")
    file.seek(end - 8 - length)
    return Thrift(file.read(length)).struct()
