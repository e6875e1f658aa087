"""Opens files for rewriters as the scan opened them, and copies bytes between files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.media_types import declared_type
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.spool import CHUNK
from veritensor_ray.formats.recognition import recognise
from veritensor_ray.formats.sniffing import Kind

_ZEROS = bytes(CHUNK)


def opened(file: BinaryIO, name: str, limits: Limits, budget: Budget | None = None, kind: Kind | None = None) -> Source:
    """Return a seekable file, recognized by its content. `name` is its path or name; `kind` is known for a part of a split artifact."""
    extension = FileInfo(name, None, "").extension
    directory = None
    if kind is None:
        found = recognise(file, extension)
        kind, directory = found.kind, found.directory
    file.seek(0)
    base = name.rsplit("/", 1)[-1]
    if budget is None:
        return Source(file, kind, limits, extension, name_says=declared_type(extension), name=base, directory=directory)
    return Source(file, kind, limits, extension, name_says=declared_type(extension), name=base, directory=directory, budget=budget)


def pieces(file: BinaryIO, start: int, end: int | None, pulse: Callable[[], None]) -> Iterator[bytes]:
    """Yield the bytes of a file from `start` to `end`, or to its end if that is None."""
    while data := _read(file, start, CHUNK if end is None else min(CHUNK, end - start)):
        start += len(data)
        pulse()
        yield data


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


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
