"""Reads tables of FlatBuffers from bytes or a seekable file, and refuses offsets that lead out of it. It depends on no schema, and reads no more than it is asked for."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed


class FlatFile:
    """The bytes of a file. Raises Malformed for every place that it does not have, and after too many reads: tables may be shared without end."""

    def __init__(self, data: BinaryIO | bytes) -> None:
        self._file = io.BytesIO(data) if isinstance(data, bytes) else data
        self.size = self._file.seek(0, os.SEEK_END)
        self._left = bounds.FLAT_READS
        self.reached = 0  # the end of what any table or vector has

    def read(self, at: int, size: int) -> bytes:
        """Return the bytes at a position."""
        self._left -= 1
        if at < 0 or at + size > self.size:
            raise Malformed(f"an offset leads to byte {at}, which the file does not have")
        if self._left < 0:
            raise Malformed(f"it takes more than {bounds.FLAT_READS} reads")
        self._file.seek(at)
        return self._file.read(min(size, bounds.HELD))


class FlatTable:
    """A table at a position of a file."""

    def __init__(self, data: FlatFile, at: int) -> None:
        self._data, self.at = data, at
        self._fields = at - self._number(at, 4, signed=True)
        self._size = self._number(self._fields, 2)
        data.reached = max(data.reached, at + self._number(self._fields + 2, 2), self._fields + self._size)

    @classmethod
    def root(cls, data: FlatFile) -> FlatTable:
        """Return the table that the file is."""
        return cls(data, int.from_bytes(data.read(0, 4), "little"))

    def _number(self, at: int, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._data.read(at, size), "little", signed=signed)

    def _place(self, field: int) -> int:
        """Return where a field is; 0 if the table lacks it."""
        slot = 4 + 2 * field
        if slot + 2 > self._size:
            return 0
        offset = self._number(self._fields + slot, 2)
        return self.at + offset if offset else 0

    def number(self, field: int, size: int = 4, default: int = 0, signed: bool = True) -> int:
        """Return a number."""
        at = self._place(field)
        return self._number(at, size, signed) if at else default

    def _target(self, at: int) -> int:
        return at + self._number(at, 4)

    def text(self, field: int) -> str:
        """Return a text, of a long one the beginning; empty if the table lacks it. Tables may share one text."""
        start, size = self.vector(field)
        return self._data.read(start, min(size, bounds.PATH)).decode("utf-8", "replace") if size else ""

    def bytes(self, field: int) -> bytes:
        """Return the bytes of a vector or text."""
        start, size = self.vector(field)
        return self._data.read(start, size) if size else b""

    def vector(self, field: int, width: int = 1) -> tuple[int, int]:
        """Return where the elements of a vector begin, and how many there are."""
        at = self._place(field)
        if not at:
            return 0, 0
        start = self._target(at)
        count = self._number(start, 4)
        if start + 4 + count * width > self._data.size:
            raise Malformed(f"a vector of {count} elements at byte {start} is longer than the file")
        self._data.reached = max(self._data.reached, start + 4 + count * width)
        return start + 4, count

    def structs(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        """Yield the structs of a vector."""
        size = struct.calcsize(form)
        start, count = self.vector(field, size)
        yield from struct.iter_unpack(form, self._data.read(start, count * size))

    def table(self, field: int) -> FlatTable | None:
        """Return the table in a field."""
        at = self._place(field)
        return FlatTable(self._data, self._target(at)) if at else None

    def tables(self, field: int) -> Iterator[FlatTable]:
        """Yield the tables of a vector."""
        start, count = self.vector(field, 4)
        for number in range(count):
            yield FlatTable(self._data, self._target(start + 4 * number))
