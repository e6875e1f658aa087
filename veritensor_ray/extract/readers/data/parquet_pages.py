"""Estimates the size of the values that many rows of a Parquet file share, from its footer and the headers of its dictionaries.

It decodes no value. pyarrow reports the same, but aborts the process if a footer contradicts itself.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from veritensor_ray import bounds

_AT_ONCE = 128 << 20  # bytes of values in the rows that are decoded at once; a lower limit slows down ordinary tables
_FEWEST = 8  # rows; tables with many dictionary columns are common
_FOOTER = bounds.HELD
_HEADER = 64  # bytes that contain the beginning of a page's header
_DEPTH = 16
_BYTE_ARRAY, _PREFIXED, _DICTIONARY_PAGE = 6, 7, 2  # a type, an encoding, a page type
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)


class Shared:
    """The row groups of a file, with the values that rows may share in them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            self._groups = _footer(file).get(4, [])
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
        header = _Thrift(self._file.read(_HEADER))
        kind, size = header.number(), header.number()
        return size if kind == _DICTIONARY_PAGE else 0


def _footer(file: BinaryIO) -> dict[int, Any]:
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 8))
    length = int.from_bytes(file.read(4), "little")
    if length > min(end - 8, _FOOTER):
        raise ValueError("the footer is longer than the file")
    file.seek(end - 8 - length)
    return _Thrift(file.read(length)).struct()


class _Thrift:
    """Reads Thrift's compact protocol. Raises ValueError and IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        """The value of a struct's next field, which must be a number and directly follow the previous one."""
        head = self._next()
        if head >> 4 != 1 or head & 15 not in _NUMBERS:
            raise ValueError("an unexpected field")
        return self._number()

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """A struct's fields by number."""
        found: dict[int, Any] = {}
        number = 0
        while head := self._next():
            number = number + (head >> 4) if head >> 4 else self._number()
            kind = head & 15
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError("nested too deeply")
        if kind in _NUMBERS:
            return self._number()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(depth)
        if kind in (_LIST, _SET):
            head = self._next()
            count = self._varint() if head >> 4 == 15 else head >> 4
            if count > len(self._data) - self._at:
                raise ValueError("a list is longer than the footer")
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind in (_TRUE, _FALSE, _BYTE):  # in a list
            return self._next()
        if kind == _DOUBLE:
            return self._bytes(8)
        raise ValueError(f"unknown type {kind}")

    def _next(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise IndexError
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._next()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
