"""Streams over untrusted bytes: decompression in bounded memory and incremental text decoding."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from veritensor_ray.core.errors import LimitExceeded, ReadError, told
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import BROKEN, COMPRESSIONS, Beside

CHUNK = 1 << 20


class _Bounded(io.RawIOBase):
    """The counted output of a decompressor.

    Data before a damaged place or a limit is returned first; the next read raises the error.
    """

    def __init__(self, pieces: Iterator[bytes], budget: Budget, via: str) -> None:
        self._pieces, self._via = budget.pieces(pieces), via
        self._rest = memoryview(b"")
        self._out = 0
        self._end: ReadError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        filled, wanted = 0, min(len(buffer), CHUNK)
        while filled < wanted and (data := self._piece(wanted - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        if self._end and not filled:
            raise self._end
        return filled

    def _piece(self, size: int) -> memoryview:
        if self._end is None and not self._rest:
            self._next()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _next(self) -> None:
        try:
            self._rest = memoryview(next(self._pieces, b""))
        except BROKEN as error:
            said = f"the {self._via} stream is damaged after {self._out} bytes: {told(error)}"
            memory = "emory usage limit" in str(error)  # liblzma's message
            self._end = LimitExceeded("worker_memory", said) if memory else ReadError(said)
        except ReadError as error:  # from a limit, or from the stream that this one is decoded from
            self._end = error
        self._out += len(self._rest)


class _Buffered(io.BufferedReader):
    """A buffered reader that withholds no data when the stream breaks in the middle of a read."""

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        return _gather(self, size)


def _gather(file: io.BufferedIOBase, size: int | None) -> bytes:
    pieces: list[bytes] = []
    missing = -1 if size is None else size
    while missing:
        try:
            piece = file.read1(missing if missing > 0 else CHUNK)
        except ReadError:
            if pieces:
                break  # the next call raises it again
            raise
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece) if missing > 0 else 0
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def decompressed(file: BinaryIO, media_type: str, budget: Budget, beside: Beside | None = None) -> tuple[io.BufferedReader, str]:
    """A buffered stream of the decompressed content of `file`, and the name of the compression.

    `beside` holds the rest of the file once it has been read. Reading raises ReadError or LimitExceeded.
    """
    via, opener = COMPRESSIONS[media_type]
    return _Buffered(_Bounded(opener(file, beside or Beside()), budget, via), CHUNK), via


class Window:
    """A window of `length` bytes of a file from `start` on. Each read first seeks to the window's position."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._start, self.at, self._end = file, start, start, start + length

    def again(self) -> Window:
        """Return the same window, at its beginning."""
        return Window(self._file, self._start, self._end - self._start)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        self._file.seek(self.at)
        data = self._file.read(max(0, min(size, self._end - self.at)))
        self.at += len(data)
        return data

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes of the window. Raises EOFError if the file ends before."""
        while self.at < self._end:
            data = self.read(CHUNK)
            if not data:
                raise EOFError(f"{self._end - self.at} bytes are missing")
            yield data


class Pieces(io.BufferedIOBase):
    """A file made of the pieces that an iterator yields, read once and in order.

    Data before a damaged place is returned first. The read after it raises ReadError, as does every later one, and `error` holds it.
    `of` says what is damaged then.
    """

    def __init__(self, pieces: Iterator[bytes], of: str = "its data") -> None:
        self._pieces, self._of = pieces, of
        self._piece, self._at, self._given = b"", 0, 0
        self.error: ReadError | None = None

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """The rest of a piece, or `size` bytes of it."""
        if self._at >= len(self._piece):
            self._piece, self._at = self._next(), 0
        if size < 0 or (not self._at and size >= len(self._piece)):
            data, self._at = self._piece[self._at :], len(self._piece)
        else:
            data = self._piece[self._at : self._at + size]
            self._at += len(data)
        return data

    def _next(self) -> bytes:
        if self.error is None:
            try:
                piece = next(self._pieces, b"")
                self._given += len(piece)
                return piece
            except ReadError as error:
                self.error = error
            except BROKEN as error:
                self.error = ReadError(f"{self._of} is damaged after {self._given} bytes: {told(error)}")
        raise self.error

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes; fewer only at the end or before a damaged place."""
        return _gather(self, size)


class Undecodable:
    """Counts the bytes that a decoder cannot decode when it runs with `errors`; they become U+FFFD. Only one may be active in a process."""

    errors = "veritensor-count"

    def __init__(self) -> None:
        self.count = 0
        codecs.register_error(self.errors, self._replace)

    def _replace(self, error: UnicodeError) -> tuple[str, int]:
        self.count += 1
        return "\ufffd", error.end if isinstance(error, UnicodeDecodeError) else 0


def decoded(stream: BinaryIO, encoding: str) -> Iterator[tuple[str, int]]:
    """Yield pieces of text of about a megabyte, each with the number of characters so far that replace undecodable bytes."""
    bad = Undecodable()
    decoder = codecs.getincrementaldecoder(encoding)(bad.errors)
    while True:
        data = stream.read(CHUNK)
        text = decoder.decode(data, final=not data)
        if text:
            yield text, bad.count
        if not data:
            return
