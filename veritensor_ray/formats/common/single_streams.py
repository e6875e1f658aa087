"""Single compressed streams, which are known by their first bytes wherever they stand, and are decoded up to a damaged place."""

from __future__ import annotations

import bz2
import contextlib
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import lz4.frame

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import BROKEN, PIECE, ZSTD_MAGIC, Decoder, Inflate, Zstd, limited_lzma, pumped
from veritensor_ray.formats.common.streams import Window

PROBE = 512  # bytes of a stream that are looked at first: the table of codes in the first block of zlib may have 285
LEAST = 48  # bytes that a stream without an end must make, because its first bytes alone are often chance
_WITH_TABLES = 4  # the type of a block of deflate, within its first byte
_VARIED = 10  # different characters, which do not occur by chance
_TEXT = bytes((9, 10, 13, *range(32, 127)))
_TRY = 4096  # bytes that the work on a stream counts as, at least
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")


def is_bzip2(head: bytes) -> bool:
    """Whether a block or the end of a stream follows the magic, which consists of letters."""
    return _BZIP2.match(head) is not None


def _is_zlib(head: bytes) -> bool:
    """Whether a stream whose magic is often chance makes enough, or ends."""
    return _made(zlib.MAX_WBITS, head) is not None


def _is_deflate(head: bytes) -> bool:
    """Whether a stream without a magic makes enough, or ends. Bytes with the fixed codes are hardly ever wrong, so they have to make a text."""
    made = _made(-zlib.MAX_WBITS, head)
    return made is not None and (head[0] & 6 == _WITH_TABLES or (len(set(made)) >= _VARIED and not made.translate(None, _TEXT)))


def _made(bits: int, head: bytes) -> bytes | None:
    """Return the first bytes of a stream, or None if these are few and not all of it."""
    decoder = zlib.decompressobj(bits)
    with contextlib.suppress(zlib.error):
        made = decoder.decompress(head, LEAST)
        return made if len(made) >= LEAST or decoder.eof else None
    return None


class YEnc:
    """Decodes yEnc, as posted in newsgroups: every byte plus 42, with `=` before those that would be a line end.

    It ends before `=yend`. A call without data says that nothing follows.
    """

    needs_input = True
    _ESCAPED = re.compile(rb"=(.)", re.DOTALL)
    _PART = re.compile(rb"=ypart[^\n]*\n")
    _SHIFTED = bytes((code - 42) % 256 for code in range(256))
    _HEAD = 4096  # bytes of the first line, most of which are a name
    _TAIL = PIECE // 16  # bytes that wait for the next ones, so that few lines without data are cut

    def __init__(self) -> None:
        self.eof, self._begun, self._data = False, False, b""

    @property
    def unused_data(self) -> bytes:
        return self._data if self.eof else b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._data += data
        if not self._begun and b"\n" in self._data:
            self._begun, self._data = True, self._data.partition(b"\n")[2]
        if not self._begun and len(self._data) > self._HEAD:
            raise EOFError("the first line of a yEnc file does not end")
        end = self._data.find(b"=yend")
        self.eof = end >= 0
        tail = self._TAIL if data else 0
        ready = self._data[: end if self.eof else max(0, len(self._data) - tail)] if self._begun else b""
        ready = ready[: len(ready) - ready.endswith(b"=")]
        self._data = self._data[len(ready) :]
        plain = self._PART.sub(b"", ready).translate(None, b"\r\n")
        return self._ESCAPED.sub(lambda found: bytes([(found[1][0] - 64) % 256]), plain).translate(self._SHIFTED)


class _Kind(NamedTuple):
    """A compression: a decoder for one stream (Zstandard's reads by itself), and a test of the first bytes if the magic is often chance."""

    name: str
    make: Callable[[], Decoder] | None
    is_likely: Callable[[bytes], bool] | None = None


_KINDS = {
    b"\x1f\x8b\x08": _Kind("gzip", lambda: Inflate(31)),
    b"BZh": _Kind("bzip2", bz2.BZ2Decompressor, is_bzip2),
    b"\xfd7zXZ\x00": _Kind("xz", lambda: limited_lzma(lzma.FORMAT_XZ)),
    b"\x04\x22\x4d\x18": _Kind("LZ4", lz4.frame.LZ4FrameDecompressor),
    b"=ybegin ": _Kind("yEnc", YEnc),
    ZSTD_MAGIC: _Kind("Zstandard", None),
    **{b"x" + level: _Kind("zlib", lambda: Inflate(15), _is_zlib) for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")},
}
MAGICS = tuple(_KINDS)
_DEFLATE = _Kind("deflate", Inflate, _is_deflate)


class SingleStream:
    """A stream at the beginning of a window, whose content is read once. `is_whole` says afterwards whether it was read up to its end."""

    def __init__(self, kind: _Kind, window: Window) -> None:
        self.kind, self.is_whole = kind.name, False
        self._kind, self._window, self._start = kind, window, window.at
        self._decoder: Any = kind.make() if kind.make else Zstd(self._read, single=True)
        self._made = 0

    @property
    def at(self) -> int:
        """The offset of the first byte that was not used so far."""
        return self._window.at - len(self._decoder.unused_data or b"")

    def pieces(self, budget: Budget) -> Iterator[bytes]:
        """Yield the content, up to a damaged place. Reading that ends without content, or without an end, is charged as wasted work."""
        with contextlib.suppress(*BROKEN):
            for piece in budget.pieces(self._decoded()):
                self._made += len(piece)
                yield piece
            self.is_whole = True
        if not self.is_whole or not self._made:
            budget.in_vain(max(_TRY, self._window.at - self._start))

    def _decoded(self) -> Iterator[bytes]:
        make = self._kind.make
        return iter(self._decoder) if make is None else pumped(self._decoder, self._read, again=lambda: (make(), self._window.again().read))

    def _read(self, size: int) -> bytes:
        """Read as many bytes as all reads before, so that a stream that ends or breaks early costs little. One that makes nothing is damaged."""
        taken = self._window.at - self._start
        if not self._made and taken >= bounds.SILENT_STREAM:
            raise EOFError("nothing comes out of the first bytes of the stream")
        return self._window.read(min(size, max(PROBE, taken)))


def single_stream(head: bytes, window: Window, budget: Budget, raw: bool = False) -> SingleStream | None:
    """Return the stream that begins with `head`, the first `PROBE` bytes of the window, if one begins there. `raw` deflate has no magic."""
    kind = _DEFLATE if raw else next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), None)
    if kind is None or kind.is_likely is None or kind.is_likely(head):
        return None if kind is None else SingleStream(kind, window)
    budget.in_vain(PROBE)
    return None
