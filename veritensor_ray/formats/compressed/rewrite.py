"""Rewrites what a compressed file holds, and compresses it again: the same format, the same streams, the same headers.

A file may consist of several streams, of which programs see the contents one after the other. Every stream keeps its size as far as
possible, so that streams before the first change stay as they are, byte for byte.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple, cast

import lz4.frame

from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import Malformed, ReadError
from veritensor_ray.core.format_table import declared_type
from veritensor_ray.core.media_types import BZIP2, GZIP, LZ4, LZMA, XZ, ZLIB, ZSTD
from veritensor_ray.formats.archives.members import count_member, rewritten
from veritensor_ray.formats.common.decoders import (
    COMPRESSIONS,
    DICTIONARY,
    HELD,
    Decoder,
    GzipHead,
    Inflate,
    Zstd,
    gzip_head,
    pumped,
    skippable,
)
from veritensor_ray.formats.common.file_ranges import copy_range, length, pieces
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.spool import CHUNK, spooled
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.compressed import packing
from veritensor_ray.formats.compressed.content import BESIDE, content_kind, content_name
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.opened_files import opened

_FED = 1 << 16  # bytes that a decoder gets at once: streams may be small, and each hands back what it does not use
_BLOCK = 0xFF00  # bytes of content in a block of bgzip
_SEEK_TABLE = b"\xb1\xea\x92\x8f"  # the end of a table of frames in the seekable format of Zstandard


def rewrite_compressed(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite the content as the format of its own that it is; comments and skippable frames stay unless they are to be stripped."""
    layout = _Layout(source, orders)
    old, broken = spooled(cast("BinaryIO", Pieces(layout.content())), orders.pulse)
    with contextlib.closing(old):
        if broken is not None:
            raise broken
        new = _content(source, old, orders)
        with contextlib.closing(new or old):
            _Writer(layout, old, new or old, orders).write(out)


def _content(source: Source, content: BinaryIO, orders: Orders) -> BinaryIO | None:
    """Return the new content, or None if it stays. Text belongs to the compressed file; anything else is a file inside it."""
    name = content_name(source.name)
    kind = content_kind(content.read(HEAD_BYTES), name)
    content.seek(0)
    if not kind.is_text:
        inner = orders.member_orders(name)
        count_member(source, inner)
        try:
            return rewritten(opened(content, name, source.limits, source.budget), inner)
        except CannotRewriteError as error:
            raise CannotRewriteError(f"in its content, {error}") from error
    extension, (via, _) = FileInfo(name, None, "").extension, COMPRESSIONS[source.kind.media_type]
    via = f"{source.via}+{via}" if source.via else via
    promised = declared_type(extension)
    text = replace(source, file=content, kind=kind, extension=extension, via=via, name_says=promised, name=name, directory=None)
    return rewritten(text, orders.for_content())


class _Section(NamedTuple):
    """A part of the compressed file. `size` is that of the content of a stream in bytes, or -1 for anything that is not a stream."""

    start: int
    end: int
    size: int


class _Feed:
    """The bytes of the compressed file in order. `at` is the offset of the next one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._rest, self.at = file, b"", 0
        file.seek(0)

    def read(self, size: int) -> bytes:
        data, self._rest = (self._rest[:size], self._rest[size:]) if self._rest else (self._file.read(min(size, _FED)), b"")
        self.at += len(data)
        return data

    def back(self, data: bytes) -> None:
        self._rest, self.at = data + self._rest, self.at - len(data)

    def peek(self, size: int) -> bytes:
        while len(self._rest) < size and (more := self._file.read(_FED)):
            self._rest += more
        return self._rest[:size]

    def skip(self, size: int) -> None:
        while size and (data := self.read(size)):
            size -= len(data)
        if size:
            raise Malformed("the compressed file ends in the middle of a frame that programs skip")

    def skip_zeros(self) -> None:
        while data := self.read(_FED):
            if rest := data.lstrip(b"\x00"):
                self.back(rest)
                return


class _Codec(NamedTuple):
    """A compression. Streams after the first begin with one of `magics`; there are none if the format has only one stream."""

    magics: tuple[bytes, ...]
    decode: Callable[[_Feed], tuple[Iterator[bytes], Callable[[], bytes]]]
    pack: packing.Packer
    skips: bool = False


def _decoding(make: Callable[[], Decoder]) -> Callable[[_Feed], tuple[Iterator[bytes], Callable[[], bytes]]]:
    def decode(feed: _Feed) -> tuple[Iterator[bytes], Callable[[], bytes]]:
        decoder = make()
        return pumped(decoder, feed.read), lambda: decoder.unused_data or b""

    return decode


def _zstd(feed: _Feed) -> tuple[Iterator[bytes], Callable[[], bytes]]:
    frame = Zstd(feed.read, single=True)
    return iter(frame), lambda: frame.unused_data


_CODECS = {
    GZIP: _Codec((b"\x1f\x8b",), _decoding(lambda: Inflate(31)), packing.gzip_body),
    BZIP2: _Codec((b"BZh",), _decoding(bz2.BZ2Decompressor), packing.bzipped),
    XZ: _Codec((b"\xfd7zXZ\x00",), _decoding(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, DICTIONARY)), packing.xzipped),
    LZMA: _Codec((), _decoding(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, DICTIONARY)), packing.lzma_alone),
    ZLIB: _Codec((), _decoding(lambda: Inflate(15)), packing.zlibbed),
    ZSTD: _Codec((b"\x28\xb5\x2f\xfd",), _zstd, packing.zstd_frame, skips=True),
    LZ4: _Codec((b"\x04\x22\x4d\x18",), _decoding(lz4.frame.LZ4FrameDecompressor), packing.lz4_frame, skips=True),
}


class _Layout:
    """The sections of a compressed file, known once its `content` was read."""

    def __init__(self, source: Source, orders: Orders) -> None:
        self.source, self.codec, self._orders = source, _CODECS[source.kind.media_type], orders
        self.sections: list[_Section] = []

    def content(self) -> Iterator[bytes]:
        """Yield the content of all streams, counted against the budget of the artifact."""
        feed, most = _Feed(self.source.file), self.source.limits.members
        while head := feed.peek(8):
            start, size = feed.at, -1
            if self.codec.skips and head.startswith(skippable()):
                feed.skip(8 + int.from_bytes(head[4:], "little"))
            elif self.sections and not head[0]:
                feed.skip_zeros()
            elif self.sections and not head.startswith(self.codec.magics):
                raise ReadError("the data after its end is not a stream")
            else:
                size = 0
                made, unused = self.codec.decode(feed)
                for piece in self.source.budget.pieces(made):
                    size += len(piece)
                    yield piece
                feed.back(unused())
            self.sections.append(_Section(start, feed.at, size))
            if len(self.sections) > most:
                raise CannotRewriteError(f"it consists of more than {most} streams")


class _Writer:
    """Writes the sections again with the new content."""

    def __init__(self, layout: _Layout, old: BinaryIO, new: BinaryIO, orders: Orders) -> None:
        self._file, self._sections, self._codec = layout.source.file, layout.sections, layout.codec
        self._old, self._new, self._orders = old, new, orders
        self._size = length(new)
        self._known = content_name(layout.source.name).encode()
        self._is_gzip = layout.source.kind.media_type == GZIP
        self._beside = orders.member_orders(BESIDE)
        self._strips = Strippable.METADATA in orders.strip or any(self._beside)
        self._stripped = 0

    def write(self, out: BinaryIO) -> None:
        """Write the whole file, and account for what was stripped beside the streams."""
        streams = [i for i, one in enumerate(self._sections) if one.size >= 0]
        last = max((i for i in streams if self._sections[i].size), default=streams[-1] if streams else -1)
        at = 0
        for i, section in enumerate(self._sections):
            if section.size < 0:
                if not self._is_left_out(i):
                    self._copy(section.start, section.end, out)
                continue
            end = self._size if i >= last else min(at + section.size, self._size)
            self._stream(section, min(at, self._size), end, out)
            at = end if i >= last else at + section.size
        self._account()

    def _stream(self, section: _Section, at: int, end: int, out: BinaryIO) -> None:
        """Write one stream with the new content from `at` to `end`; the old content began at the same offset, if `at` is in it."""
        same = self._new is self._old or (end - at == section.size and self._is_equal(at, end))
        if not self._is_gzip:
            if same:
                self._copy(section.start, section.end, out)
            else:
                self._file.seek(section.start)
                self._pack(self._file.read(min(packing.HEAD, section.end - section.start)), at, end, out)
            return
        head, about = self._gzip_head(section)
        new_head = self._stripped_head(head, about)
        if same:
            out.write(new_head)
            self._copy(section.start + len(head), section.end, out)
        elif about.is_block:
            for begin in range(at, max(end, at + 1), _BLOCK):
                out.write(self._block(new_head, begin, min(begin + _BLOCK, end)))
        else:
            out.write(new_head)
            self._pack(head, at, end, out)

    def _pack(self, head: bytes, at: int, end: int, out: BinaryIO) -> None:
        for piece in self._codec.pack(head, pieces(self._new, at, end, self._orders.pulse), end - at):
            out.write(piece)

    def _block(self, head: bytes, at: int, end: int) -> bytes:
        """Return a block of bgzip, whose extra field holds its size."""
        content = [*pieces(self._new, at, end, self._orders.pulse)]
        body = b"".join(packing.gzip_body(head, content, end - at))
        place = 16  # of the size: after the fixed fields, the length of the extra field, and the head of its only subfield
        return b"".join((head[:place], (len(head) + len(body) - 1).to_bytes(2, "little"), head[place + 2 :], body))

    def _gzip_head(self, section: _Section) -> tuple[bytes, GzipHead]:
        size = 1024
        while True:
            self._file.seek(section.start)
            head = self._file.read(min(size, section.end - section.start))
            if found := gzip_head(head):
                return head[: found.length], found
            if size > HELD:
                raise CannotRewriteError(f"the header of its stream takes more than {HELD} bytes")
            size *= 8

    def _stripped_head(self, head: bytes, about: GzipHead) -> bytes:
        """Return the header without the fields that carry information, if those are to be stripped."""
        count = len(about.informative(self._known))
        if not self._strips or not count:
            return head
        self._stripped += count
        extra = head[10 : 12 + len(about.extra)] if about.extra is not None and about.is_block else b""
        name = self._known + b"\x00" if about.name == self._known else b""
        flags = head[3] & 1 | 4 * bool(extra) | 8 * bool(name)
        return b"".join((head[:3], bytes([flags]), head[4:10], extra, name))

    def _is_left_out(self, i: int) -> bool:
        """Return whether to leave out a frame that programs skip: if frames are stripped, or it is an index that is no longer right."""
        section = self._sections[i]
        self._file.seek(section.start)
        if not self._file.read(4).startswith(skippable()):
            return False
        if self._strips:
            self._stripped += 1
            return True
        if self._new is self._old:
            return False
        self._file.seek(max(section.start, section.end - 4))
        end = self._file.read(4)
        following = self._sections[i + 1] if i + 1 < len(self._sections) else section
        return end == _SEEK_TABLE or (
            section.end - section.start == 12 and int.from_bytes(end, "little") == following.end - following.start
        )

    def _account(self) -> None:
        if not self._stripped:
            return
        for order in self._beside:
            if order.action is not Action.DROP_ROW:
                self._orders.tick(order)
        if Strippable.METADATA in self._orders.strip:
            self._orders.stripped(Strippable.METADATA, self._stripped)

    def _is_equal(self, at: int, end: int) -> bool:
        """Return whether the old and the new content are the same from `at` to `end`."""
        for begin in range(at, end, CHUNK):
            size = min(CHUNK, end - begin)
            self._old.seek(begin)
            self._new.seek(begin)
            if self._old.read(size) != self._new.read(size):
                return False
        return True

    def _copy(self, start: int, end: int, out: BinaryIO) -> None:
        copy_range(self._file, out, start, end, self._orders.pulse)
