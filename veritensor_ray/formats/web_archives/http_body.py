"""Decodes stored HTTP messages: the head as text, the body without chunked and deflate encoding. It opens no connection."""

from __future__ import annotations

import io
import re
import zlib
from typing import Any, BinaryIO, cast

from veritensor_ray.core.errors import ReadError, told
from veritensor_ray.formats.common.budget import Budget

_HEAD_BYTES = 64 << 10
_PIECE = 1 << 16
_START = re.compile(rb"HTTP/\d|[A-Z]{3,10} [^ \n]+ HTTP/\d")
_OWN_MAGIC = ("", "identity", "gzip", "x-gzip", "zstd", "aws-chunked")  # compressed bodies that are recognized by their first bytes


def head(stream: io.BufferedReader) -> tuple[str, bool]:
    """The first line and the fields, and whether the stream begins with them; the stream is then positioned after them."""
    if not _START.match(stream.peek(16)[:4096]):
        return "", False
    lines: list[bytes] = []
    size = 0
    while size < _HEAD_BYTES and (line := stream.readline(_HEAD_BYTES)).strip():
        lines.append(line)
        size += len(line)
    return b"".join(lines).decode("utf-8", "replace"), True


def fields(text: str) -> dict[str, str]:
    """The fields by lower-case name. The last of equal names wins, and folded lines are joined."""
    found = dict[str, str]()
    name = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and name:
            found[name] += " " + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            found[name] = value.strip()
    return found


def decoded(stream: io.BufferedReader, about: dict[str, str], budget: Budget) -> tuple[BinaryIO, str | None]:
    """The body, and the name of a content coding that it still has because this package cannot undo it."""
    body = stream
    if about.get("transfer-encoding", "").lower().endswith("chunked") and _chunk_size(stream.peek(32)[:32].partition(b"\n")[0]) is not None:
        body = io.BufferedReader(_Chunked(body), _PIECE)
    coding = about.get("content-encoding", "").lower().strip()
    if coding == "deflate":
        return cast("BinaryIO", io.BufferedReader(_Inflated(body, budget), _PIECE)), None
    return cast("BinaryIO", body), None if coding in _OWN_MAGIC else coding[:40]


def _chunk_size(line: bytes) -> int | None:
    found = re.match(rb"([0-9a-fA-F]{1,15})\s*(;|$)", line.strip())
    return int(found[1], 16) if found else None


class _Chunked(io.RawIOBase):
    """The body without the lines between its chunks. From an invalid chunk line on, it is returned unchanged."""

    def __init__(self, inner: io.BufferedReader) -> None:
        self._inner, self._left, self._rest = inner, 0, b""
        self._done = self._plain = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        if not self._left and not self._plain and not self._done:
            self._next_chunk()
        if self._rest:
            data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        elif self._done:
            return 0
        else:
            data = self._inner.read1(len(buffer) if self._plain else min(len(buffer), self._left))
            self._left -= 0 if self._plain else len(data)
            self._done = not data
        buffer[: len(data)] = data
        return len(data)

    def _next_chunk(self) -> None:
        line = self._inner.readline(_PIECE)
        if line in (b"\r\n", b"\n"):  # the end of the previous chunk
            line = self._inner.readline(_PIECE)
        size = _chunk_size(line)
        if size is None:
            self._plain, self._rest = True, line
        else:
            self._left, self._done = size, size == 0


class _Inflated(io.RawIOBase):
    """A deflated body, with or without a zlib header. A body that is neither is returned unchanged."""

    def __init__(self, inner: io.BufferedReader, budget: Budget) -> None:
        self._inner, self._budget, self._started = inner, budget, False
        self._packer: Any = None
        self._data = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        if not self._started:
            self._packer, self._started = _inflater(self._inner.peek(2)), True
        data, ended = b"", False
        while not data and not ended:
            self._data = self._data or self._inner.read1(_PIECE)
            ended = not self._data
            data = self._step(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _step(self, size: int) -> bytes:
        if self._packer is None or self._packer.eof:
            data, self._data = self._data[:size], self._data[size:]
            return data
        try:
            data = self._packer.decompress(self._data, size)
        except zlib.error as error:
            raise ReadError(f"the deflated body is damaged: {told(error)}") from None
        self._data = self._packer.unused_data if self._packer.eof else self._packer.unconsumed_tail
        self._budget.add(len(data))
        return bytes(data)


def _inflater(first: bytes) -> Any:
    if len(first) >= 2 and first[0] & 15 == 8 and int.from_bytes(first[:2], "big") % 31 == 0:
        return zlib.decompressobj()
    trial = zlib.decompressobj(-15)
    try:
        trial.decompress(first[:4096], 4096)
    except zlib.error:
        return None
    return zlib.decompressobj(-15)
