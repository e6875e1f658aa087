"""A buffered view of a stream that moves forward: small reads without a call each, and large payloads skipped."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from veritensor_ray.core import bounds

CHUNK = 1 << 18
HELD = bounds.PICKLE


class ForwardView:
    """A view whose next data is `data[at:]`; `base + at` is the position since the beginning of the walk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = _rest(file)
        self._origin = file.tell() if self._size is not None else 0
        self.data = b""
        self.at = 0
        self.base = 0

    @property
    def position(self) -> int:
        """The number of bytes consumed."""
        return self.base + self.at

    @property
    def size(self) -> int | None:
        """The total number of bytes, if the stream can report it."""
        return self._size

    def ensure(self, count: int) -> bool:
        """Buffer at least `count` bytes. Returns False if the stream ends before."""
        while len(self.data) - self.at < count:
            if self._size is not None:  # a caller that read part of the file in between has moved it
                self._file.seek(self._origin + self.base + len(self.data))
            more = self._file.read(min(max(CHUNK, count - len(self.data) + self.at), HELD))  # a declared count may be any number
            if not more:
                return False
            self.base += self.at
            self.data = self.data[self.at :] + more
            self.at = 0
        return True

    def take(self, count: int) -> bytes:
        """The next bytes; fewer if the stream ends."""
        self.ensure(count)
        found = self.data[self.at : self.at + count]
        self.at += len(found)
        return found

    def skip(self, count: int) -> bool:
        """Move on without keeping anything. Returns False if the stream ends before."""
        here = len(self.data) - self.at
        if count <= here:
            self.at += count
            return True
        if self._size is not None and self.position + count > self._size:
            return False
        self.base += self.at + count
        self.data, self.at = b"", 0
        return self._pass(count - here)

    def _pass(self, count: int) -> bool:
        if self._size is not None:
            return True
        while count:
            got = len(self._file.read(min(CHUNK, count)))
            if not got:
                self.base -= count
                return False
            count -= got
        return True

    def again(self, start: int | None = None) -> ForwardView | None:
        """Another view from a position, or from here, to the end; None if the stream cannot be read twice."""
        if self._size is None:
            return None
        start = self.position if start is None else start
        return ForwardView(io.BufferedReader(Slice(self._file, self._origin + start, self._size - start), 4096))

    def slice(self, size: int) -> BinaryIO | None:
        """The next bytes as a file. Without a seekable stream, they are held in memory, or None is returned if they are too many."""
        if self._size is not None:
            return io.BufferedReader(Slice(self._file, self._origin + self.position, min(size, self._size - self.position)))
        if size > HELD or not self.ensure(size):
            return None
        return io.BytesIO(self.data[self.at : self.at + size])

    def line(self, keep: int) -> tuple[bytes, int, bool]:
        """The rest of the line without its end, limited to `keep` bytes, its full length, and whether it has an end."""
        kept = bytearray()
        length = 0
        while self.ensure(1):
            end = self.data.find(b"\n", self.at)
            stop = len(self.data) if end < 0 else end
            length += stop - self.at
            kept += self.data[self.at : min(stop, self.at + keep - len(kept))]
            self.at = stop
            if end >= 0:
                self.at += 1
                return bytes(kept), length, True
        return bytes(kept), length, False


def _rest(file: BinaryIO) -> int | None:
    """The number of bytes from here to the end of a seekable file."""
    try:
        if not file.seekable():
            return None
        here = file.tell()
        size = file.seek(0, os.SEEK_END) - here
        file.seek(here)
    except (OSError, io.UnsupportedOperation):
        return None
    return size


class Slice(io.RawIOBase):
    """Part of a seekable file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the slice."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        """Read after seeking, because other users of the file may have moved it."""
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
