"""The zip format: its central directory, its local headers and the data of an entry, all read in bounded memory.

References are to APPNOTE.TXT, the specification of the format.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.decoders import DICTIONARY, Decoder, Inflate, Inflate64, Zstd, lzma_filter, pumped, raw_lzma
from veritensor_ray.formats.common.streams import Window

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
DESCRIPTOR = b"PK\x07\x08"
ENCRYPTED, STREAMED = 1, 8  # bits of an entry's flags
STORED, DEFLATED, AES = 0, 8, 99
_NAME = 4096  # bytes of a name that are kept
_DIRECTORY = bounds.ARCHIVE_HEADER
_MAX32 = 0xFFFFFFFF

_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
LOCAL_SIZE = _LOCAL.size  # bytes of a local header before the name
_END64 = struct.Struct("<4sQ2H2L4Q")


class ZipEntry(NamedTuple):
    """An entry of the central directory, or a local header that no directory lists. A `size` of -1 means unknown."""

    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int = 0
    comment: bytes = b""
    record: int = 0  # where the entry begins and ends in the directory
    record_end: int = 0

    @property
    def place(self) -> str:
        """The normalized path to which programs unpack the entry, or under which a document refers to it."""
        return self.name.replace("\\", "/").lstrip("/")

    @property
    def encrypted(self) -> bool:
        """Whether the entry claims to need a password."""
        return bool(self.flags & ENCRYPTED) or self.method == AES


class Local(NamedTuple):
    """The fields of a local header that can contradict the directory. `data` is the offset of the entry's bytes."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    data: int


@dataclass(slots=True)
class Directory:
    """The location of the central directory in `file`, `[start, end)`, and the end of the archive after it.

    `rival` says that the end record also points to another directory: programs differ in which one they use.
    """

    file: BinaryIO
    start: int
    end: int
    after: int
    shift: int  # the length of data that was prepended to the archive without adjusting its offsets
    count: int
    comment: bytes
    rival: bool = False
    _known: list[ZipEntry] = field(default_factory=list)
    _more: Iterator[ZipEntry] | None = None

    def first(self, count: int) -> list[ZipEntry]:
        """The first entries, in order; fewer if the directory has fewer or is damaged. Each is parsed only once."""
        if self._more is None:
            self._more = _entries(self)
        self._known += islice(self._more, max(0, count - len(self._known)))
        return self._known[:count]


def find_directory(file: BinaryIO) -> Directory | None:
    """The central directory to which the last end record leads, or None (APPNOTE 4.3.16)."""
    size = file.seek(0, 2)
    base = max(0, size - _END.size - 0xFFFF)
    file.seek(base)
    tail = file.read(size - base)
    at = len(tail)
    while (at := tail.rfind(END, 0, at)) >= 0:
        if len(tail) - at >= _END.size and (found := _directory(file, base + at, tail[at:])):
            return found
    return None


def _directory(file: BinaryIO, at: int, record: bytes) -> Directory | None:
    _, _, _, _, count, length, offset, comment = _END.unpack_from(record)
    after, end = at + _END.size + comment, at
    if _MAX32 in (length, offset) or count == 0xFFFF:
        for place in _end64(file, at):
            file.seek(place)
            wide = file.read(_END64.size)
            if len(wide) == _END64.size and wide.startswith(b"PK\x06\x06"):
                end = place
                count, length, offset = _END64.unpack(wide)[-3:]
                break
    places = [place for place in dict.fromkeys((end - length, offset)) if 0 <= place < end and _is_at(file, place, CENTRAL)]
    text = record[_END.size : _END.size + comment]
    if places:
        start = places[0]
        return Directory(
            file=file, start=start, end=end, after=after, shift=start - offset, count=count, comment=text, rival=len(places) > 1
        )
    return Directory(file=file, start=end, end=end, after=after, shift=0, count=0, comment=text) if not count and not length else None


def _end64(file: BinaryIO, at: int) -> Iterator[int]:
    """Yield the possible offsets of the Zip64 end record: where its locator points, or right before the locator if data was prepended."""
    if at >= 20:
        file.seek(at - 20)
        locator = file.read(20)
        if locator.startswith(b"PK\x06\x07"):
            yield int.from_bytes(locator[8:16], "little") & (1 << 63) - 1
            yield max(0, at - 20 - _END64.size)


def _is_at(file: BinaryIO, place: int, signature: bytes) -> bool:
    file.seek(place)
    return file.read(4) == signature


def _entries(directory: Directory) -> Iterator[ZipEntry]:
    directory.file.seek(directory.start)
    data = directory.file.read(min(directory.end - directory.start, _DIRECTORY))
    at = 0
    while len(data) - at >= _CENTRAL.size and data.startswith(CENTRAL, at):
        begin, fields = at, _CENTRAL.unpack_from(data, at)
        system, flags, method, crc, packed, size = fields[2], fields[5], fields[6], fields[9], fields[10], fields[11]
        name, extra, comment = fields[12:15]
        external, offset = fields[17], fields[18]
        at += _CENTRAL.size
        raw, more = data[at : at + name], data[at + name : at + name + extra]
        at += name + extra
        if _MAX32 in (size, packed, offset):
            size, packed, offset = _wide(more, size, packed, offset)
        mode = external >> 16 if system in (3, 19) else 0
        yield ZipEntry(
            name=_decoded_name(raw),
            raw=raw,
            flags=flags,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            offset=offset + directory.shift,
            mode=mode,
            comment=data[at : at + comment],
            record=directory.start + begin,
            record_end=directory.start + at + comment,
        )
        at += comment


def fixed_fields(directory: Directory, entries: Iterable[ZipEntry]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the directory and of the record behind it that have a fixed meaning, and those of comments that are text.

    Extra fields and other comments are left.
    """
    for entry in entries:
        yield entry.record, entry.record + _CENTRAL.size + len(entry.raw)
        if is_text(entry.comment):
            yield entry.record_end - len(entry.comment), entry.record_end
    yield directory.end, directory.end + _END.size
    if is_text(directory.comment):
        yield directory.end, directory.after


def is_text(comment: bytes) -> bool:
    """Return whether a comment is read as text."""
    try:
        comment.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in comment


def _wide(extra: bytes, *values: int) -> list[int]:
    """Resolve sizes and offsets that do not fit in 32 bits; they stand, in this order, in the extra field 1 (APPNOTE 4.5.3)."""
    found = list(values)
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            for i, value in enumerate(values):
                if value == _MAX32 and len(body) >= 8:
                    found[i], body = int.from_bytes(body[:8], "little"), body[8:]
            break
        at += 4 + length
    return found


def _decoded_name(raw: bytes) -> str:
    """A name: UTF-8 if it is valid, flagged or not; otherwise in the code page of the first zip programs."""
    raw = raw[:_NAME]
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def local_header(file: BinaryIO, offset: int) -> Local | None:
    """The local header at `offset`, or None if there is none."""
    if not 0 <= offset < 1 << 62:
        return None
    file.seek(offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(LOCAL):
        return None
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(head)
    raw = file.read(name)
    if _MAX32 in (packed, size):
        size, packed = _wide(file.read(extra), size, packed)
    return Local(raw, flags, method, crc, packed, size, offset + _LOCAL.size + name + extra)


def found_entry(local: Local, offset: int) -> ZipEntry:
    """An entry of which only the local header is known. If it was streamed, its sizes follow its data."""
    unknown = bool(local.flags & STREAMED) and not local.packed
    return ZipEntry(
        name=_decoded_name(local.raw),
        raw=local.raw,
        flags=local.flags,
        method=local.method,
        crc=local.crc,
        packed=local.packed,
        size=-1 if unknown else local.size,
        offset=offset,
    )


def contradiction(entry: ZipEntry, local: Local) -> str | None:
    """How the local header contradicts the directory, or None. Sizes that were unknown when the header was written do not count."""
    if local.raw != entry.raw and _decoded_name(local.raw) != entry.name:
        return f"its local header has the name {_decoded_name(local.raw)[:300]!r}"
    if local.method != entry.method:
        return f"its compression method is {entry.method}, but {local.method} in its local header"
    if (local.flags ^ entry.flags) & ENCRYPTED:
        return "only one of its two headers says that it is encrypted"
    told = (local.crc, local.packed, local.size)
    if local.flags & STREAMED or not any(told) or _MAX32 in told:
        return None
    return None if told == (entry.crc, entry.packed, entry.size) else "its local header has a different size or checksum"


def _lzma(window: Window, size: int) -> Decoder:
    """A decoder for an LZMA entry: two bytes of version, two of length, then the properties (APPNOTE 5.8.8)."""
    length = int.from_bytes(window.read(4)[2:], "little")
    return raw_lzma([lzma_filter(window.read(length), size if size >= 0 else DICTIONARY)])


_DECODERS: dict[int, Callable[[Window, int], Decoder]] = {
    DEFLATED: lambda window, size: Inflate(),
    9: lambda window, size: Inflate64(),
    12: lambda window, size: bz2.BZ2Decompressor(),
    14: _lzma,
    95: lambda window, size: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DICTIONARY),
}
_ZSTD = (20, 93)
METHODS = frozenset((STORED, *_DECODERS, *_ZSTD))


class Data:
    """The data of an entry in bounded pieces, with its observed properties. Raises the errors of its decoder for damaged data.

    Once it has `ended`, `size`, `crc` and `end` (the offset at which the packed data ends) are known.
    """

    def __init__(self, entry: ZipEntry, window: Window) -> None:
        self._entry, self._window = entry, window
        self.size = self.crc = 0
        self.ended = False
        self.end = window.at

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces():
            self.crc = zlib.crc32(piece, self.crc)
            self.size += len(piece)
            yield piece
        self.ended = True

    def counted(self, copies: Copies, known: int = 0) -> Iterator[bytes]:
        """Yield the pieces and count them for the archive, skipping the first `known` bytes. Raises LimitExceeded."""
        return (copies if self._entry.method == STORED else copies.budget).pieces(iter(self), known)

    def _pieces(self) -> Iterator[bytes]:
        entry, window = self._entry, self._window
        unused = b""
        if entry.method == STORED:
            yield from window.pieces()
        elif entry.method in _ZSTD:
            yield from Zstd(window.read)
        else:
            decoder, read = self._decoding(window)
            marked = entry.method != 14 or bool(entry.flags & 2)  # LZMA may have no end marker
            size = None if marked or entry.size < 0 else entry.size
            yield from pumped(decoder, read, size, lambda: self._decoding(window.again()))
            unused = decoder.unused_data if decoder.eof else b""
        self.end = window.at - len(unused)

    def _decoding(self, window: Window) -> tuple[Decoder, Callable[[int], bytes]]:
        return _DECODERS[self._entry.method](window, self._entry.size), window.read

    def verdict(self) -> tuple[str, str] | None:
        """The notice kind and a description, if the data contradicts the headers."""
        entry = self._entry
        if not self.ended or entry.size < 0:
            return None
        if self.size != entry.size:
            return "tampered-archive", f"holds {self.size} bytes, but the directory says {entry.size}"
        return ("bad-checksum", "its checksum does not match its data") if self.crc != entry.crc else None
