"""The headers of RAR archives: versions 1.5 to 4, and 5 and later. No content is read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core.errors import Encrypted, LimitExceeded, ReadError
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Window

OLD, NEW = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_LARGEST = 1 << 21  # bytes of a header; the format allows no more
_OLD_BLOCK, _OLD_FILE = struct.Struct("<HBHH"), struct.Struct("<IIBIIBBHI")
_OLD_MAIN, _OLD_FILE_KIND, _OLD_SERVICE, _OLD_END = 0x73, 0x74, 0x7A, 0x7B
_HAS_DATA, _LOCKED_HEADERS = 0x8000, 0x80
_SPLIT_BEFORE, _SPLIT_AFTER, _LOCKED, _LARGE, _WIDE, _FOLDER = 1, 2, 4, 0x100, 0x200, 0xE0
_OLD_STORED = 0x30
_COMMENTED = {_OLD_MAIN: 2, _OLD_FILE_KIND: 8}  # the flag of headers with a comment in them, which is not in the checksum
_MAIN, _FILE, _SERVICE, _LOCK, _END = 1, 2, 3, 4, 5
_HAS_EXTRA, _HAS_CONTENT, _NEW_BEFORE, _NEW_AFTER = 1, 2, 8, 16
_IS_FOLDER, _HAS_TIME, _HAS_CHECKSUM = 1, 2, 4
_EXTRA_LOCK, _EXTRA_LINK = 1, 5
_UNIX, _UNIX_LINK = 3, 0xA000


class RarEntry(NamedTuple):
    """A file, or a service such as a comment: its data is packed from `start` to `end`."""

    name: str
    start: int
    end: int
    stored: bool
    locked: bool = False
    folder: bool = False
    service: bool = False
    split: bool = False
    checksum: int | None = None
    target: str | None = None
    is_link: bool = False

    @property
    def size(self) -> int:
        """The bytes of its data."""
        return self.end - self.start


class RarArchive:
    """The entries of one archive. `has_end` says that its end marker was there, and `end` is the offset behind it."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self._size, self._most = source, size, source.limits.members
        self.has_end, self.end = False, size
        self.must_end = False  # archives of early versions have no end marker
        self.is_volume = False

    @property
    def _account(self) -> ByteAccount:
        return self._source.account

    def _read(self, at: int, size: int) -> bytes:
        return Window(self._source.file, at, size).read(size)

    def entries(self) -> Iterator[RarEntry]:
        """Yield the entries. Raises ReadError where a header is damaged, Encrypted and LimitExceeded."""
        mark = self._read(0, len(NEW))
        is_new = mark == NEW
        at = len(NEW) if is_new else len(OLD)
        self.must_end = is_new
        self._account.claim(0, at, "structure")
        count = 0
        while at < self._size and not self.has_end:
            count += 1
            if count > self._most:
                raise LimitExceeded("members", f"the archive has more than {self._most} entries")
            entry, at = self._new(at) if is_new else self._old(at)
            if entry is not None:
                yield entry
                if entry.end > self._size:
                    raise ReadError(f"the archive ends in the middle of {entry.name}")
        if self.has_end:
            self.end = at

    def _old(self, at: int) -> tuple[RarEntry | None, int]:
        """Return the entry whose header is at this place, if it is one, and where the next header is."""
        head = self._read(at, _OLD_BLOCK.size)
        checksum, kind, flags, size = _OLD_BLOCK.unpack(head.ljust(_OLD_BLOCK.size, b"\0"))
        body = self._read(at, size)
        if size < _OLD_BLOCK.size or len(body) < size:
            raise ReadError(f"no valid header of the archive at byte {at}")
        is_checked = kind in (_OLD_MAIN, _OLD_FILE_KIND, _OLD_SERVICE, _OLD_END) and not flags & _COMMENTED.get(kind, 0)
        if is_checked and zlib.crc32(body[2:]) & 0xFFFF != checksum:
            raise ReadError(f"the header of the archive at byte {at} is damaged")
        self._account.claim(at, at + min(size, _OLD_BLOCK.size + 6), "structure")
        at += size
        if kind == _OLD_END:
            self.has_end = True
            return None, at
        if kind == _OLD_MAIN:
            self.is_volume = bool(flags & 1)
            if flags & _LOCKED_HEADERS:
                raise Encrypted("the names of the files are encrypted too")
            return None, at
        if kind in (_OLD_FILE_KIND, _OLD_SERVICE):
            return self._old_file(body, at, kind, flags)
        extra = int.from_bytes(body[7:11], "little") if flags & _HAS_DATA else 0
        return None, at + extra

    def _old_file(self, body: bytes, at: int, kind: int, flags: int) -> tuple[RarEntry, int]:
        fields = body[_OLD_BLOCK.size :]
        if len(fields) < _OLD_FILE.size:
            raise ReadError(f"the header of the archive before byte {at} is too short")
        packed, _, system, checksum, _, _, method, named, mode = _OLD_FILE.unpack_from(fields)
        place = _OLD_FILE.size
        if flags & _LARGE:
            packed |= int.from_bytes(fields[place : place + 4], "little") << 32
            place += 8
        raw = fields[place : place + named]
        self._account.claim(at - len(body), at - len(fields) + place + named, "structure")
        end = at + packed
        is_link = system == _UNIX and mode & 0xF000 == _UNIX_LINK
        entry = RarEntry(
            _old_name(raw, bool(flags & _WIDE)).replace("\\", "/"),
            at,
            end,
            stored=method == _OLD_STORED,
            locked=bool(flags & _LOCKED),
            folder=flags & _FOLDER == _FOLDER,
            service=kind == _OLD_SERVICE,
            split=bool(flags & (_SPLIT_BEFORE | _SPLIT_AFTER)),
            checksum=checksum,
            is_link=is_link,
        )
        return entry, end

    def _new(self, at: int) -> tuple[RarEntry | None, int]:
        """Return the entry whose header is at this place, if it is one, and where the next header is."""
        head = self._read(at, 8)
        checksum = int.from_bytes(head[:4], "little")
        size, width = _number(head, 4)
        whole = self._read(at + 4, width - 4 + size) if size <= _LARGEST else b""
        if not size or len(whole) < width - 4 + size:
            raise ReadError(f"no valid header of the archive at byte {at}")
        if zlib.crc32(whole) != checksum:
            raise ReadError(f"the header of the archive at byte {at} is damaged")
        begun, at = at, at + width + size
        fields = RarFields(whole[width - 4 :])
        kind, flags = fields.number(), fields.number()
        extra = fields.number() if flags & _HAS_EXTRA else 0
        content = fields.number() if flags & _HAS_CONTENT else 0
        if kind == _LOCK:
            raise Encrypted("the names of the files are encrypted too")
        if kind == _END:
            self.has_end = True
        elif kind == _MAIN:
            self.is_volume = bool(fields.number() & 1)
        split, entry = bool(flags & (_NEW_BEFORE | _NEW_AFTER)), None
        if kind in (_FILE, _SERVICE):
            entry = _new_file(fields, extra, at, at + content, kind == _SERVICE, split)
        self._account.claim(begun, min(begun + width + fields.at, at - extra), "structure")
        return entry, at + content


def _new_file(fields: RarFields, extra: int, start: int, end: int, service: bool, split: bool) -> RarEntry:
    flags, _, _ = fields.number(), fields.number(), fields.number()
    if flags & _HAS_TIME:
        fields.take(4)
    checksum = int.from_bytes(fields.take(4), "little") if flags & _HAS_CHECKSUM else None
    packing, _ = fields.number(), fields.number()
    name = fields.take(fields.number()).decode("utf-8", "replace")
    locked, target = False, None
    more = RarFields(fields.last(extra))
    while more.left:
        one = RarFields(more.take(more.number()))
        kind = one.number()
        locked |= kind == _EXTRA_LOCK
        if kind == _EXTRA_LINK:
            one.number(), one.number()
            target = one.take(one.number()).decode("utf-8", "replace")
    method = packing >> 7 & 7
    return RarEntry(name, start, end, method == 0, locked, bool(flags & _IS_FOLDER), service, split, checksum, target)


class RarFields:
    """The fields of a header, one after the other. What is behind the end is zero."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    @property
    def left(self) -> bool:
        """Whether there are more."""
        return self.at < len(self._data)

    def number(self) -> int:
        """Return a number."""
        value, self.at = _number(self._data, self.at)
        return value

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        self.at += size
        return self._data[self.at - size : self.at]

    def last(self, size: int) -> bytes:
        """Return the last bytes."""
        return self._data[max(self.at, len(self._data) - size) :] if size else b""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of which each byte has seven bits, and where it ends."""
    value = 0
    for place in range(10):
        byte = data[at + place] if at + place < len(data) else 0
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    return value, at + 10


def _old_name(raw: bytes, is_wide: bool) -> str:
    """Return a name. Behind a zero, there may be what makes it one in Unicode."""
    plain, zero, packed = raw.partition(b"\0")
    if is_wide and zero and (name := _unpacked_name(plain, packed)):
        return name
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("cp437")


def _unpacked_name(plain: bytes, packed: bytes) -> str:
    """Return a name in UTF-16, which is packed: of each character, the high byte, the low byte or both may be left out."""
    if len(packed) < 2:
        return ""
    high, at, made, flags, bits = packed[0], 1, bytearray(), 0, 0
    while at < len(packed):
        if not bits:
            flags, bits, at = packed[at], 8, at + 1
        if at >= len(packed):
            break
        bits -= 2
        code = flags >> bits & 3
        if code == 0:
            made += bytes((packed[at], 0))
            at += 1
        elif code == 1:
            made += bytes((packed[at], high))
            at += 1
        elif code == 2:
            made += packed[at : at + 2]
            at += 2
        else:
            at = _repeated(plain, packed, at, high, made)
    return made.decode("utf-16-le", "replace")


def _repeated(plain: bytes, packed: bytes, at: int, high: int, made: bytearray) -> int:
    """Add characters that are those of the plain name, and return where the packed one goes on."""
    count = (packed[at] & 0x7F) + 2
    shift = packed[at + 1] if packed[at] & 0x80 and at + 1 < len(packed) else 0
    first = len(made) // 2
    for byte in plain[first : first + count]:
        made += bytes(((byte + shift) & 0xFF, high)) if packed[at] & 0x80 else bytes((byte, 0))
    return at + 1 + bool(packed[at] & 0x80)
