"""Streams over untrusted bytes: decompression in bounded memory and incremental decoding; it knows no format beyond those."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from typing import BinaryIO

import zstandard

from veritensor_ray.config import Limits
from veritensor_ray.errors import LimitExceeded, ReadError

CHUNK = 1 << 20

_OPENERS: dict[str, tuple[str, Callable[[BinaryIO], BinaryIO]]] = {
    "application/gzip": ("gzip", lambda f: gzip.GzipFile(fileobj=f)),
    "application/x-bzip2": ("bzip2", lambda f: bz2.BZ2File(f)),
    "application/x-xz": ("xz", lambda f: lzma.LZMAFile(f)),  # noqa: SIM115  # the caller closes the file beneath
    # read_across_frames: concatenated frames are one file, as with the zstd program
    "application/zstd": ("zstd", lambda f: zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True, closefd=False)),
}
_BROKEN = (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError, ValueError)


class _Bounded(io.RawIOBase):
    """What comes out of a decompressor, counted: a bomb ends at `expanded_bytes` or at `expanded_ratio` times what went in."""

    def __init__(self, inner: BinaryIO, packed: BinaryIO, limits: Limits, via: str) -> None:
        self._inner, self._packed, self._limits, self._via = inner, packed, limits, via
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class says Buffer, which 3.11 cannot name
        try:
            data = self._inner.read(min(len(buffer), CHUNK))
        except _BROKEN as error:
            raise ReadError(f"{self._via} stream is damaged or ends early after {self._out} bytes: {error}") from None
        self._out += len(data)
        if self._out > self._limits.expanded_bytes:
            raise LimitExceeded("expanded_bytes", f"{self._via} stream expands to more than {self._limits.expanded_bytes} bytes")
        if self._out > 10 * CHUNK and self._out > self._limits.expanded_ratio * max(1, self._packed.tell()):
            raise LimitExceeded("expanded_ratio", f"{self._via} stream expands to more than {self._limits.expanded_ratio} times its size")
        buffer[: len(data)] = data
        return len(data)


def decompressed(file: BinaryIO, media_type: str, limits: Limits) -> tuple[io.BufferedReader, str]:
    """A buffered stream of what `file` holds, and the name of the compression. Reading raises ReadError or LimitExceeded."""
    via, opener = _OPENERS[media_type]
    return io.BufferedReader(_Bounded(opener(file), file, limits, via), CHUNK), via


def decoded(stream: BinaryIO, encoding: str) -> Iterator[tuple[str, int]]:
    """Pieces of text of about a megabyte, with the number of characters so far that stand for bytes which do not decode."""
    bad = 0

    def count(error: UnicodeError) -> tuple[str, int]:
        nonlocal bad
        bad += 1
        return codecs.replace_errors(error)

    codecs.register_error("veritensor-count", count)
    decoder = codecs.getincrementaldecoder(encoding)("veritensor-count")
    while True:
        data = stream.read(CHUNK)
        text = decoder.decode(data, final=not data)
        if text:
            yield text, bad
        if not data:
            return
