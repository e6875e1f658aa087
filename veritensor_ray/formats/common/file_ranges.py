"""Searches files, and copies bytes between them: ranges in pieces, and blocks of zeros as holes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from veritensor_ray.formats.common.spool import CHUNK

_ZEROS = bytes(CHUNK)


def pieces(file: BinaryIO, start: int, end: int | None, pulse: Callable[[], None]) -> Iterator[bytes]:
    """Yield the bytes of a file from `start` to `end`, or to its end if that is None."""
    while data := _read(file, start, CHUNK if end is None else min(CHUNK, end - start)):
        start += len(data)
        pulse()
        yield data


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def occurrences(file: BinaryIO, start: int, pattern: re.Pattern[bytes], longest: int) -> Iterator[int]:
    """Yield where matches of a pattern, each of at most `longest` bytes, begin in a seekable file, from `start` on."""
    while data := _read(file, start, CHUNK + longest - 1):
        yield from (start + found.start() for found in pattern.finditer(data) if found.start() < CHUNK)
        start += CHUNK


def copy_range(file: BinaryIO, out: BinaryIO, start: int, end: int | None, pulse: Callable[[], None]) -> None:
    """Copy the bytes of a file from `start` to `end`, or to its end if that is None."""
    for piece in pieces(file, start, end, pulse):
        out.write(piece)


class Holes:
    """Writes to a file and leaves out blocks of zeros, so that a sparse file stays sparse. Only a local file has holes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._sparse, self._in_hole = out, isinstance(out, io.BufferedWriter), False

    def write(self, data: bytes) -> None:
        """Write a block, or pass over it if it is a whole block of zeros."""
        self._in_hole = self._sparse and data == _ZEROS
        if self._in_hole:
            self._out.seek(len(data), io.SEEK_CUR)
        else:
            self._out.write(data)

    def end(self) -> None:
        """Give the file its size if it ends with a hole."""
        if self._in_hole:
            self._out.seek(-1, io.SEEK_CUR)
            self._out.write(b"\0")


def length(file: BinaryIO) -> int:
    """Return the size of a seekable file in bytes."""
    return file.seek(0, io.SEEK_END)
