"""Decoders for compressed data that produce one bounded piece at a time, whatever the data claims.

They do not depend on any container or file name.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Protocol

import inflate64
import lz4.frame
import zstandard

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, Malformed, ReadError, told
from veritensor_ray.core.media_types import BZIP2, GZIP, LZ4, LZMA, XZ, ZLIB, ZSTD
from veritensor_ray.formats.common.file_ranges import occurrences

PIECE = 1 << 20
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
HELD = bounds.HELD
_GZIP_HEAD = 10
_SKIPPED_HEAD = 8
_BLOCK_SIZE = b"BC\x02\x00"  # the only extra field of a block in a file written by bgzip; the block's size follows
DICTIONARY = bounds.DICTIONARY  # `xz -9` takes 64 MB

# The exceptions that these libraries raise for data they cannot decode.
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError, RuntimeError)


class Decoder(Protocol):
    """The interface that the decompressors of bz2, lzma and lz4 share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Inflate:
    """Decodes deflate: raw (`wbits` -15), zlib (15) or one gzip member (31)."""

    def __init__(self, wbits: int = -15) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class Inflate64:
    """Decodes Deflate64, 256 bytes of input at a time: the library has no output limit, and one match may be 64 KB long."""

    _STEP = 256

    def __init__(self) -> None:
        self._inner: Any = inflate64.Inflater()
        self._data, self._at = b"", 0

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return self._at >= len(self._data)

    @property
    def unused_data(self) -> bytes:
        return self._data[self._at :]

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._data, self._at = self._data[self._at :] + data, 0
        pieces, size = [], 0
        while not self._inner.eof and self._at < len(self._data) and size < PIECE:
            pieces.append(self._inner.inflate(self._data[self._at : self._at + self._STEP]))
            self._at += self._STEP
            size += len(pieces[-1])
        return b"".join(pieces)


class GzipHead(NamedTuple):
    """The optional fields of a gzip member's header, without terminators. `length` is that of the whole header in bytes."""

    extra: bytes | None
    name: bytes | None
    comment: bytes | None
    length: int

    @property
    def is_block(self) -> bool:
        """Whether the member is a block in a file written by bgzip, whose extra field holds nothing but the block's size."""
        return self.extra is not None and len(self.extra) == len(_BLOCK_SIZE) + 2 and self.extra.startswith(_BLOCK_SIZE)

    def informative(self, known: bytes) -> list[bytes]:
        """Return the fields that carry information, given that the content's name is `known`."""
        fields = (None if self.is_block else self.extra, self.name, self.comment)
        return [field for field in fields if field is not None and field != known]


def gzip_head(head: bytes) -> GzipHead | None:
    """Parse the header of a gzip member (RFC 1952), or return None if `head` ends before it does."""
    if len(head) < _GZIP_HEAD:
        return None
    extra, at = None, _GZIP_HEAD
    texts: list[bytes | None] = [None, None]
    if head[3] & 4:
        end = at + 2 + int.from_bytes(head[at : at + 2], "little")
        if len(head) < end:
            return None
        extra, at = head[at + 2 : end], end
    for i, flag in enumerate((8, 16)):
        if head[3] & flag:
            end = head.find(b"\x00", at)
            if end < 0:
                return None
            texts[i], at = head[at:end], end + 1
    return GzipHead(extra, texts[0], texts[1], at + (2 if head[3] & 2 else 0))


class Beside:
    """Collects the bytes of a compressed file that are not part of its content: names, comments and skippable frames.

    `known` is a name that carries no information and is left out.
    """

    def __init__(self, known: str = "") -> None:
        self._known = known.encode()
        self.data, self.cut = bytearray(), False

    def add(self, data: bytes) -> None:
        """Keep the bytes, up to the memory limit."""
        room = HELD - len(self.data)
        self.data += data[:room]
        self.cut |= len(data) > room

    def gzip(self, head: bytes) -> bool:
        """Keep the optional fields of a gzip member's header (RFC 1952). Returns whether the header is complete."""
        found = gzip_head(head)
        for value in found.informative(self._known) if found else ():
            self.add(value + b"\n")
        return found is not None


class Gzip(Inflate):
    """Decodes one gzip member and keeps the optional fields of its header."""

    def __init__(self, beside: Beside) -> None:
        super().__init__(31)
        self._beside, self._head, self._whole = beside, b"", False

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data and not self._whole:
            self._head += data
            self._whole = self._beside.gzip(self._head)
            if len(self._head) > HELD and not self._whole:
                self._whole = self._beside.cut = True
            self._head = b"" if self._whole else self._head
        return super().decompress(data, max_length)


class Lz4:
    """Decodes one LZ4 frame, or keeps a skippable one. The first input has to contain at least the frame's magic number."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._frame: Any = None
        self._skip, self._head, self._rest = 0, b"", b""
        self.eof = False

    @property
    def needs_input(self) -> bool:
        return self._frame is None or bool(self._frame.needs_input)

    @property
    def unused_data(self) -> bytes:
        return self._rest if self._frame is None else self._frame.unused_data or b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if self._frame is None and not data.startswith(skippable()) and not self._head:
            self._frame = lz4.frame.LZ4FrameDecompressor()
        if self._frame is not None:
            piece: bytes = self._frame.decompress(data, max_length)
            self.eof = self._frame.eof
            return piece
        if len(self._head) < _SKIPPED_HEAD:
            missing = _SKIPPED_HEAD - len(self._head)
            self._head, data = self._head + data[:missing], data[missing:]
            self._skip = int.from_bytes(self._head[4:], "little")
        self._beside.add(data[: self._skip])
        self._rest = data[self._skip :]
        self._skip = max(0, self._skip - len(data))
        self.eof = len(self._head) == _SKIPPED_HEAD and not self._skip
        return b""


class _Damages:
    """The damaged places of a file behind which reading was resumed. The error for the first one is raised at the end."""

    def __init__(self) -> None:
        self.count, self._first = 0, ReadError("")

    def add(self, cause: str, after: int, resumed: bool) -> None:
        """Note a place, `after` so many bytes of output. Raises if reading was not resumed, or if there are too many places."""
        self.count += 1
        if self.count == 1:
            self._first = ReadError(f"a stream is damaged after {after} bytes: {cause}, and reading continued at the next one")
        if not resumed or self.count > bounds.DAMAGED_STREAMS:
            raise self._first

    def end(self) -> None:
        """Raise the error for the first place, if there was any."""
        if self.count:
            raise self._first


class Zstd:
    """Decodes consecutive Zstandard frames, one block at a time (RFC 8878).

    If `single`, it stops after the first frame. No step produces more than 128 KB, and a frame that ends early raises EOFError; the library's own stream_reader would take that for the
    end of the file.
    """

    def __init__(self, read: Callable[[int], bytes], beside: Beside | None = None, single: bool = False) -> None:
        self._read, self._data, self._at = read, b"", 0
        self._single, self._ended = single, False
        self._beside = beside
        self._frame: Any = None
        self._checksum, self._last = 0, False

    def __iter__(self) -> Iterator[bytes]:
        damages, made = _Damages(), 0
        while True:
            try:
                piece = self._step()
            except EOFError:
                raise
            except BROKEN as error:
                resumed = not self._single and self._resume()
                if not resumed and not damages.count:
                    raise
                damages.add(told(error), made, resumed)
                continue
            if piece is None:
                break
            made += len(piece)
            if piece:
                yield piece
        damages.end()

    def _resume(self) -> bool:
        """Move to the beginning of the next frame. Returns False if there is none."""
        self._frame, self._last = None, False
        while (found := self._data.find(ZSTD_MAGIC, self._at)) < 0:
            kept = self._data[max(self._at, len(self._data) - len(ZSTD_MAGIC) + 1) :]
            more = self._read(PIECE)
            if not more:
                return False
            self._data, self._at = kept + more, 0
        self._at = found
        return True

    @property
    def unused_data(self) -> bytes:
        """The bytes that were read, but are not part of what was decoded."""
        return self._data[self._at :]

    def _step(self) -> bytes | None:
        """Decode one block, or one frame header (which yields no bytes). Returns None at the end of the file."""
        if self._ended:
            return None
        if self._frame is None:
            head = self._peek(18)
            if not head.strip(b"\x00") and not self._peek(PIECE).strip(b"\x00"):
                self._at = len(self._data)  # padding
                return b"" if self._peek(1) else None
            if head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:
                self._take(8)
                self._skip(int.from_bytes(head[4:8], "little"))
            else:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
                self._frame.decompress(self._take(zstandard.frame_header_size(head)))
            return b""
        if self._last:  # after its output, which a wrong checksum must not hide
            checksum = self._take(self._checksum)
            frame, self._frame, self._last, self._ended = self._frame, None, False, self._single
            return frame.decompress(checksum) if checksum else b""
        block = int.from_bytes(self._peek(3), "little")
        last, repeated, size = block & 1, (block >> 1) & 3 == 1, block >> 3
        piece: bytes = self._frame.decompress(self._take(3 + (1 if repeated else size)))
        self._last = bool(last)
        return piece

    def _peek(self, size: int) -> bytes:
        while len(self._data) - self._at < size and (more := self._read(PIECE)):
            self._data, self._at = self._data[self._at :] + more, 0
        return self._data[self._at : self._at + size]

    def _take(self, size: int) -> bytes:
        data = self._peek(size)
        if len(data) < size:
            raise EOFError("the compressed file ends before the end of its frame")
        self._at += size
        return data

    def _skip(self, size: int) -> None:
        while size:
            data = self._take(min(size, PIECE))
            if self._beside:
                self._beside.add(data)
            size -= len(data)


Again = Callable[[], tuple[Decoder, Callable[[int], bytes]]]  # a new decoder, and a function that reads its stream from the beginning


def pumped(decoder: Decoder, read: Callable[[int], bytes], size: int | None = None, again: Again | None = None) -> Iterator[bytes]:
    """Yield the output of `decoder` up to the end of its stream, or up to `size` bytes for formats that do not mark the end.

    A decoder withholds what it made in the call that fails: up to a megabyte, which may be all that there is. With `again`, a second decoder
    makes it, so that everything before the damaged place comes before the error.
    """
    given, fed = 0, [0, 0]  # bytes of output; bytes of input before the last piece, and with it

    def feed(most: int) -> bytes:
        data = read(most)
        fed[:] = fed[1], fed[1] + len(data)
        return data

    try:
        for piece in _pumped(decoder, feed, size):
            given += len(piece)
            yield piece
    except EOFError:
        raise
    except BROKEN:
        if again is not None and (rest := _up_to_damage(*again(), fed[0], given)):
            yield rest if size is None else rest[: size - given]
        raise


def _pumped(decoder: Decoder, read: Callable[[int], bytes], size: int | None) -> Iterator[bytes]:
    left = size
    while not decoder.eof and left != 0:
        data = read(PIECE) if decoder.needs_input else b""
        starved = decoder.needs_input and not data
        piece = decoder.decompress(data, PIECE if left is None else min(PIECE, left))
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        if piece:
            yield piece
        elif starved and not decoder.eof:
            raise EOFError("the compressed data ends before the end of its stream")


def _up_to_damage(decoder: Decoder, read: Callable[[int], bytes], whole: int, given: int) -> bytes:
    """Return what the stream holds behind its first `given` bytes, up to the damaged place.

    The first `whole` bytes of input are not damaged. What follows is fed byte by byte, so that no call has both output and the damage. Only
    bzip2 makes a block of its last byte: there, the output is taken byte by byte too, and all but the last one is got.
    """
    rest, made, fed, most = bytearray(), 0, 0, 1 if isinstance(decoder, bz2.BZ2Decompressor) else PIECE
    with contextlib.suppress(*BROKEN):
        while not decoder.eof and len(rest) < PIECE:
            data = read(max(1, min(PIECE, whole - fed))) if decoder.needs_input else b""
            fed += len(data)
            starved = decoder.needs_input and not data
            piece = decoder.decompress(data, max(most, min(PIECE, given - made)))
            made += len(piece)
            rest += piece[max(0, len(piece) - max(0, made - given)) :]
            if starved and not piece:
                break
    return bytes(rest)


def streams(file: BinaryIO, make: Callable[[Beside], Decoder], beside: Beside, *magics: bytes) -> Iterator[bytes]:
    """Decode consecutive streams of one format, each beginning with one of `magics`. Without magics, there is only one stream.

    Zeros after the last stream are padding. Anything else raises Malformed. A damaged stream of a seekable file does not hide the next ones:
    the error is raised once they have been decoded.
    """
    damages, made = _Damages(), 0
    rest = file.read(PIECE)
    while rest:
        start = file.tell() - len(rest) if file.seekable() else None
        pending = [rest]
        decoder = make(beside)
        try:
            again = None if start is None else partial(_from_start, file, start, make)
            for piece in pumped(decoder, lambda size, p=pending: p.pop() if p else file.read(size), again=again):  # type: ignore[misc]
                made += len(piece)
                yield piece
            rest = _behind(decoder.unused_data or b"", file)
            if rest and not rest.startswith(magics):
                raise Malformed("the data after its end is not a stream")
        except BROKEN as error:
            rest = b"" if start is None else _next_stream(file, start + 1, magics)
            if not rest and not damages.count:
                raise
            damages.add(told(error), made, resumed=bool(rest))
    damages.end()


def _from_start(file: BinaryIO, start: int, make: Callable[[Beside], Decoder]) -> tuple[Decoder, Callable[[int], bytes]]:
    file.seek(start)
    return make(Beside()), file.read


def _behind(rest: bytes, file: BinaryIO) -> bytes:
    """Return what follows a stream, without the padding: its first bytes, or nothing at the end of the file."""
    while not rest.strip(b"\x00") or len(rest) < 8:
        more = file.read(PIECE)
        rest = rest.lstrip(b"\x00") + more
        if not more:
            break
    return rest.lstrip(b"\x00")


def _next_stream(file: BinaryIO, at: int, magics: tuple[bytes, ...]) -> bytes:
    """Return the first bytes of the next stream from offset `at` on, or nothing. The file is then behind them."""
    pattern = re.compile(b"|".join(map(re.escape, magics)))
    found = next(occurrences(file, at, pattern, max(map(len, magics))), None) if magics else None
    if found is None:
        return b""
    file.seek(found)
    return file.read(PIECE)


def limited_lzma(kind: int) -> Decoder:
    """A decoder for LZMA data with a header, of the format `kind`, in bounded memory."""
    return lzma.LZMADecompressor(kind, memlimit=DICTIONARY)


def raw_lzma(filters: list[dict[str, int]]) -> Decoder:
    """A decoder for LZMA data without a header, in bounded memory."""
    if any(one.get("dict_size", 0) > DICTIONARY for one in filters):
        raise LimitExceeded("worker_memory", f"decoding needs a dictionary of more than {DICTIONARY} bytes")
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def lzma_filter(properties: bytes, size: int) -> dict[str, int]:
    """The filter that five bytes of LZMA properties describe. Its dictionary never needs to be larger than the decoded data."""
    if len(properties) < 5 or properties[0] >= 225:
        raise Malformed("invalid LZMA properties")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    wanted = int.from_bytes(properties[1:5], "little")
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(4096, min(wanted, size)), "lc": lc, "lp": lp, "pb": pb}


def skippable() -> tuple[bytes, ...]:
    """The magic numbers of frames that Zstandard and LZ4 skip; the length of the data follows in four bytes."""
    return tuple(bytes([0x50 + i]) + b"\x2a\x4d\x18" for i in range(16))


# Maps each media type to the name of its compression and a function that decodes a file.
COMPRESSIONS: dict[str, tuple[str, Callable[[BinaryIO, Beside], Iterator[bytes]]]] = {
    GZIP: ("gzip", lambda f, beside: streams(f, Gzip, beside, b"\x1f\x8b\x08")),
    BZIP2: ("bzip2", lambda f, beside: streams(f, lambda _: bz2.BZ2Decompressor(), beside, b"BZh")),
    XZ: ("xz", lambda f, beside: streams(f, lambda _: limited_lzma(lzma.FORMAT_XZ), beside, b"\xfd7zXZ\x00")),
    LZMA: ("lzma", lambda f, beside: streams(f, lambda _: limited_lzma(lzma.FORMAT_ALONE), beside)),
    ZSTD: ("zstd", lambda f, beside: iter(Zstd(f.read, beside))),
    LZ4: ("lz4", lambda f, beside: streams(f, Lz4, beside, b"\x04\x22\x4d\x18", *skippable())),
    ZLIB: ("zlib", lambda f, beside: streams(f, lambda _: Inflate(15), beside)),
}
