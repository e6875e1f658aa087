"""Streams over untrusted bytes: decompression in bounded memory and incremental decoding; it knows no format beyond those."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import zstandard

from veritensor_ray.config import Limits
from veritensor_ray.errors import LimitExceeded, ReadError

CHUNK = 1 << 20

_OPENERS: dict[str, tuple[str, Callable[[BinaryIO], Any]]] = {
    "application/gzip": ("gzip", lambda f: gzip.GzipFile(fileobj=f)),
    "application/x-bzip2": ("bzip2", lambda f: bz2.BZ2File(f)),
    "application/x-xz": ("xz", lambda f: lzma.LZMAFile(f)),  # noqa: SIM115  # the caller closes the file beneath
    "application/zstd": ("zstd", lambda f: _Zstd(f)),
}
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError)


class _Zstd:
    """Zstandard frames, one after the other, a block at a time (RFC 8878): no step makes more than 128 KB, and a frame that
    ends early raises EOFError. The library's own stream_reader takes that for the end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._data, self._at = file, b"", 0
        self._frame: Any = None
        self._checksum, self._ready = 0, b""

    def read1(self, size: int) -> bytes:
        while not self._ready and self._step():
            pass
        ready, self._ready = self._ready[:size], self._ready[size:]
        return ready

    def _step(self) -> bool:
        """Decode a block, or the header of a frame; False at the end of the file."""
        if self._frame is None:
            head = self._peek(18)
            if head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:
                self._take(8)
                self._skip(int.from_bytes(head[4:8], "little"))
            elif head:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
                self._frame.decompress(self._take(zstandard.frame_header_size(head)))
            return bool(head)
        block = int.from_bytes(self._peek(3), "little")
        last, repeated, size = block & 1, (block >> 1) & 3 == 1, block >> 3
        self._ready = self._frame.decompress(self._take(3 + (1 if repeated else size) + last * self._checksum))
        if last:
            self._frame = None
        return True

    def _peek(self, size: int) -> bytes:
        while len(self._data) - self._at < size and (more := self._file.read(CHUNK)):
            self._data, self._at = self._data[self._at :] + more, 0
        return self._data[self._at : self._at + size]

    def _take(self, size: int) -> bytes:
        data = self._peek(size)
        if len(data) < size:
            raise EOFError("compressed file ended before the end of its frame")
        self._at += size
        return data

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._take(min(size, CHUNK)))


class _Bounded(io.RawIOBase):
    """What comes out of a decompressor, counted: a bomb ends at `expanded_bytes` or at `expanded_ratio` times what went in.

    What comes before a damaged place or a bound is given out first; the read after it raises.
    """

    def __init__(self, inner: Any, packed: BinaryIO, limits: Limits, via: str) -> None:
        self._inner, self._packed, self._limits, self._via = inner, packed, limits, via
        self._out = 0
        self._end: ReadError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class says Buffer, which 3.11 cannot name
        filled, wanted = 0, min(len(buffer), CHUNK)
        while filled < wanted and (data := self._piece(wanted - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        if self._end and not filled:
            raise self._end
        return filled

    def _piece(self, size: int) -> bytes:
        data = b""
        if self._end is None:
            try:
                data = self._inner.read1(size)
            except _BROKEN as error:
                self._end = ReadError(f"{self._via} stream is damaged or ends early after {self._out} bytes: {error}")
        self._out += len(data)
        limits = self._limits
        if self._out > limits.expanded_bytes:
            self._end = LimitExceeded("expanded_bytes", f"{self._via} stream expands to more than {limits.expanded_bytes} bytes")
        elif self._out > 10 * CHUNK and self._out > limits.expanded_ratio * max(1, self._packed.tell()):
            self._end = LimitExceeded("expanded_ratio", f"{self._via} stream expands to more than {limits.expanded_ratio} times its size")
        return data


class _Stream(io.BufferedReader):
    """A buffered reader that keeps nothing back when the stream breaks in the middle of a read."""

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        pieces: list[bytes] = []
        missing = -1 if size is None else size
        while missing:
            try:
                piece = self.read1(missing if missing > 0 else CHUNK)
            except ReadError:
                if pieces:
                    break  # raised again by the next call
                raise
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece) if missing > 0 else 0
        return b"".join(pieces)


def decompressed(file: BinaryIO, media_type: str, limits: Limits) -> tuple[io.BufferedReader, str]:
    """A buffered stream of what `file` holds, and the name of the compression. Reading raises ReadError or LimitExceeded."""
    via, opener = _OPENERS[media_type]
    return _Stream(_Bounded(opener(file), file, limits, via), CHUNK), via


class Undecodable:
    """Counts bytes that a decoder with `errors` cannot make sense of; they become U+FFFD. One at a time in a process."""

    errors = "veritensor-count"

    def __init__(self) -> None:
        self.count = 0
        codecs.register_error(self.errors, self._replace)

    def _replace(self, error: UnicodeError) -> tuple[str, int]:
        self.count += 1
        return "\ufffd", error.end if isinstance(error, UnicodeDecodeError) else 0


def decoded(stream: BinaryIO, encoding: str) -> Iterator[tuple[str, int]]:
    """Pieces of text of about a megabyte, with the number of characters so far that stand for bytes which do not decode."""
    bad = Undecodable()
    decoder = codecs.getincrementaldecoder(encoding)(bad.errors)
    while True:
        data = stream.read(CHUNK)
        text = decoder.decode(data, final=not data)
        if text:
            yield text, bad.count
        if not data:
            return
