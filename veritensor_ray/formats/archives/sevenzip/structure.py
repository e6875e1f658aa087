"""The 7z format: its header, bounded and validated before it is trusted.

Written from the format's public description (7zFormat.txt of the LZMA SDK).
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Encrypted, LimitExceeded, Malformed, ReadError, as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.archives.sevenzip.sevenzip_coders import AES, METHODS, Coder, chain
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.streams import Pieces, Window

MAGIC = b"7z\xbc\xaf\x27\x1c"
_HEADER = bounds.ARCHIVE_HEADER  # in bytes, both stored and decoded
_CODERS = 8  # in a folder
_END, _HEADER_ID, _STREAMS, _FILES, _PACK, _UNPACK, _SUB, _SIZE, _CRC, _FOLDER, _SIZES, _COUNTS = 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
_PLACES_AND_TIMES = (16, 18, 19, 20, 24)  # properties of files that are numbers
_EMPTY, _EMPTY_FILE, _NAMES, _ATTRIBUTES, _ENCODED = 14, 15, 17, 21, 23


class FolderPart(NamedTuple):
    """The part of a folder's output that is one file."""

    size: int
    crc: int | None


@dataclass(slots=True)
class Folder:
    """A packed stream and its coders, in the order in which they are applied. `parts` follow each other in its output.

    `taken` is the size of all its packed streams.
    """

    coders: list[Coder]
    simple: bool
    crc: int | None = None
    start: int = 0
    packed: int = 0
    taken: int = 0
    parts: list[FolderPart] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The size of the folder's whole output."""
        return self.coders[-1].size

    def problem(self) -> ReadError | None:
        """The reason why the folder cannot be decoded, or None."""
        if any(coder.method == AES for coder in self.coders):
            return Encrypted("encrypted")
        unknown = next((coder.method.hex() for coder in self.coders if coder.method not in METHODS), None)
        if unknown or not self.simple:
            return ReadError(f"no decoder for 7z method {unknown or 'with several streams'}", ReasonCode.NO_READER)
        return None


class ArchivedFile(NamedTuple):
    """An entry. `stream`: it has data in a folder; `folder`: it is a folder, or marks a deleted file."""

    name: str
    stream: bool
    folder: bool
    attributes: int


class Listing(NamedTuple):
    """The contents of the header. `ranges` are where it stands in the file, and `unread` are parts of it that say nothing about files.

    `wrong` says which checksums do not match: then the contents may be wrong too.
    """

    folders: list[Folder]
    files: list[ArchivedFile]
    ranges: list[tuple[int, int]]
    unread: list[bytes]
    wrong: list[str]


class _Cursor:
    """Reads numbers from bytes. Raises IndexError if there are not enough."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise IndexError("the header ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def rest(self) -> bytes:
        return self.data[self.at :]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """Read a number. The leading ones of its first byte say how many bytes follow; its other bits are the highest ones."""
        first, mask, value = self.byte(), 0x80, 0
        for i in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << 8 * i
            value |= self.byte() << 8 * i
            mask >>= 1
        return value

    def count(self, bytes_each: float = 1) -> int:
        """Read a count of items, each of which needs room in the remaining bytes."""
        value = self.number()
        if value * bytes_each > len(self.data) - self.at:
            raise Malformed("the header counts more items than it can hold")
        return value

    def bits(self, count: int) -> list[bool]:
        data = self.take(-(-count // 8))
        return [bool(data[i >> 3] & 0x80 >> (i & 7)) for i in range(count)]

    def all_or_bits(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)

    def checksums(self, count: int) -> list[int | None]:
        return [int.from_bytes(self.take(4), "little") if known else None for known in self.all_or_bits(count)]


def listing(file: BinaryIO, members: int, budget: Budget) -> Listing:
    """Read the header of an archive. Raises ReadError; Encrypted if even the names need a password."""
    try:
        return _listing(file, members, budget)
    except (IndexError, ValueError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise as_read_error(error, "the header is damaged") from None


def _listing(file: BinaryIO, members: int, budget: Budget) -> Listing:
    size = file.seek(0, 2)
    file.seek(0)
    front = file.read(32)
    if len(front) < 32:
        raise ReadError("the archive ends within its first header")
    wrong = ["the checksum of the archive's first header is wrong"] * (zlib.crc32(front[12:]) != int.from_bytes(front[8:12], "little"))
    offset, length, crc = (int.from_bytes(front[at : at + 8], "little") for at in (12, 20, 28))
    if not length:
        return Listing([], [], [(0, 32)], [], wrong)
    if 32 + offset + length > size:
        raise ReadError("the archive ends early: its header, which belongs at the end, is missing")
    _bounded(length)
    data = Window(file, 32 + offset, length).read(length)
    if zlib.crc32(data) != crc:
        wrong.append("the checksum of the header is wrong")
    ranges, unread = [(0, 32), (32 + offset, 32 + offset + length)], list[bytes]()
    for _ in range(4):  # a header may be packed several times
        cursor = _Cursor(data)
        kind = cursor.byte()
        if kind == _HEADER_ID:
            return Listing(*_header(cursor, members, unread), ranges, unread, wrong)
        if kind != _ENCODED:
            break
        data, packed = _decoded(file, cursor, budget)
        ranges.append(packed)
        unread.append(cursor.rest())
    raise ReadError("the header has an unknown type")


def _bounded(length: int) -> None:
    if length > _HEADER:
        raise LimitExceeded("archive_header", f"the header has more than {_HEADER} bytes")


def _decoded(file: BinaryIO, cursor: _Cursor, budget: Budget) -> tuple[bytes, tuple[int, int]]:
    """Return a packed header, and where it stands in the file."""
    folders = _streams(cursor)
    if not folders:
        raise Malformed("the packed header has no data")
    folder = folders[0]
    if problem := folder.problem():
        raise problem
    _bounded(folder.size)
    data = Pieces(unpacked(file, folder, budget)).read(folder.size)
    if len(data) < folder.size or (folder.crc is not None and zlib.crc32(data) != folder.crc):
        raise Malformed("it cannot be unpacked")
    return data, (folder.start, folder.start + folder.taken)


def _header(cursor: _Cursor, members: int, unread: list[bytes]) -> tuple[list[Folder], list[ArchivedFile]]:
    folders: list[Folder] = []
    files: list[ArchivedFile] = []
    while (kind := cursor.byte()) != _END:
        if kind == _STREAMS:
            folders = _streams(cursor)
        elif kind == _FILES:
            files = _files(cursor, members, unread)
        elif kind == 2:  # properties of the archive, none of which are in use
            while cursor.byte():
                unread.append(cursor.take(cursor.number()))
        else:
            raise Malformed(f"unknown property {kind}")
    unread.append(cursor.rest())
    return folders, files


def _streams(cursor: _Cursor) -> list[Folder]:
    start, sizes = 0, list[int]()
    folders: list[Folder] = []
    used: list[int] = []
    divided = False
    while (kind := cursor.byte()) != _END:
        if kind == _PACK:
            start, sizes = _pack(cursor)
        elif kind == _UNPACK:
            folders, used = _unpack(cursor)
        elif kind == _SUB:
            _divide(cursor, folders)
            divided = True
        else:
            raise Malformed(f"unknown property {kind}")
    if not divided:
        for folder in folders:
            folder.parts = [FolderPart(folder.size, folder.crc)]
    _place(folders, used, 32 + start, sizes)
    return folders


def _place(folders: list[Folder], used: list[int], start: int, sizes: list[int]) -> None:
    """Assign the packed streams, which follow each other in the order of the folders that use them."""
    at = 0
    for folder, count in zip(folders, used, strict=True):
        mine = sizes[at : at + count]
        if len(mine) < count:
            raise Malformed("packed streams are missing")
        folder.start, folder.packed = start, mine[0] if mine else 0
        folder.taken = sum(mine)
        start, at = start + folder.taken, at + count


def _pack(cursor: _Cursor) -> tuple[int, list[int]]:
    start, count = cursor.number(), cursor.count()
    sizes: list[int] = []
    while (kind := cursor.byte()) != _END:
        if kind == _SIZE:
            sizes = [cursor.number() for _ in range(count)]
        elif kind == _CRC:
            cursor.checksums(count)
        else:
            raise Malformed(f"unknown property {kind}")
    return start, sizes


def _unpack(cursor: _Cursor) -> tuple[list[Folder], list[int]]:
    if cursor.byte() != _FOLDER:
        raise Malformed("the list of folders is missing")
    count = cursor.count(2)
    if cursor.byte():
        raise Malformed("the folders are stored outside the header")
    raw = [_coders(cursor) for _ in range(count)]
    if cursor.byte() != _SIZES:
        raise Malformed("the sizes are missing")
    folders = []
    for coders, order, outputs, _ in raw:
        sizes = [cursor.number() for _ in range(outputs)]
        simple = order is not None
        ordered = [coders[i]._replace(size=sizes[i]) for i in order] if order is not None else [coders[0]._replace(size=max(sizes))]
        folders.append(Folder(ordered if simple else [*coders[1:], *ordered], simple))
    while (kind := cursor.byte()) != _END:
        if kind != _CRC:
            raise Malformed(f"unknown property {kind}")
        for folder, crc in zip(folders, cursor.checksums(count), strict=True):
            folder.crc = crc
    return folders, [used for _, _, _, used in raw]


def _coders(cursor: _Cursor) -> tuple[list[Coder], list[int] | None, int, int]:
    """Read the coders of a folder.

    Returns the coders as listed; the order in which they are applied (None unless each has one input and one output); the number of output
    streams; and the number of packed input streams.
    """
    coders, inputs, outputs = [], 0, 0
    count = cursor.number()
    if not 0 < count <= _CODERS:
        raise Malformed(f"a folder has {count} coders")
    for _ in range(count):
        flags = cursor.byte()
        method = cursor.take(flags & 15)
        ins, outs = (cursor.number(), cursor.number()) if flags & 16 else (1, 1)
        properties = cursor.take(cursor.number()) if flags & 32 else b""
        coders.append(Coder(method, properties))
        inputs, outputs = inputs + ins, outputs + outs
        if max(inputs, outputs) > 4 * _CODERS or flags & 0x80:
            raise Malformed("a folder has too many streams")
    bonds = {cursor.number(): cursor.number() for _ in range(outputs - 1)}
    packed = inputs - len(bonds)
    if packed > 1:
        for _ in range(packed):
            cursor.number()
    return coders, _order(count, bonds) if inputs == outputs == count else None, outputs, packed


def _order(count: int, bonds: dict[int, int]) -> list[int]:
    """The order of the coders. `bonds` maps a coder to the one that its input comes from; the first coder is not in it."""
    after = {source: coder for coder, source in bonds.items()}
    order = [i for i in range(count) if i not in bonds][:1]
    while order and order[-1] in after and len(order) < count:
        order.append(after[order[-1]])
    if len(order) != count or len(set(order)) != count or max(order) >= count:
        raise Malformed("the coders do not form a chain")
    return order


def _divide(cursor: _Cursor, folders: list[Folder]) -> None:
    """Divide each folder into files: all sizes except the last are listed, as are the checksums that the folder's own does not provide."""
    counts = [1] * len(folders)
    kind = cursor.byte()
    if kind == _COUNTS:
        counts = [cursor.number() for _ in folders]
        if sum(counts) > _HEADER // 4:
            raise Malformed("the header lists too many files")
        kind = cursor.byte()
    sizes: list[list[int]] = []
    for folder, count in zip(folders, counts, strict=True):
        some = [cursor.number() for _ in range(count - 1)] if kind == _SIZE else [0] * (count - 1)
        sizes.append([*some, folder.size - sum(some)] if count else [])
        if count and sizes[-1][-1] < 0:
            raise Malformed("the files are larger than their folder")
    if kind == _SIZE:
        kind = cursor.byte()
    known = [folder.crc is not None and count == 1 for folder, count in zip(folders, counts, strict=True)]
    sums: Iterator[int | None] = iter(())
    while kind != _END:
        if kind == _CRC:
            sums = iter(cursor.checksums(sum(count for count, told in zip(counts, known, strict=True) if not told)))
        kind = cursor.byte()
    for folder, some, told in zip(folders, sizes, known, strict=True):
        folder.parts = [FolderPart(size, folder.crc if told else next(sums, None)) for size in some]


def _files(cursor: _Cursor, members: int, unread: list[bytes]) -> list[ArchivedFile]:
    count = cursor.number()
    if count > members:
        raise LimitExceeded("members", f"the archive has more than {members} entries")
    names, empty, files, attributes = [""] * count, [False] * count, list[bool](), [0] * count
    while (kind := cursor.byte()) != _END:
        inner = _Cursor(cursor.take(cursor.number()))
        if kind == _EMPTY:
            empty = inner.bits(count)
        elif kind == _EMPTY_FILE:
            files = inner.bits(sum(empty))
        elif kind == _NAMES:
            if inner.byte():
                raise Malformed("the names are stored outside the header")
            names = inner.data[1:].decode("utf-16-le", "replace").split("\x00", count)
            unread += [name.encode("utf-8", "surrogatepass") for name in names[count:]]
            names = names[:count]
        elif kind == _ATTRIBUTES:
            known = inner.all_or_bits(count)
            inner.byte()
            attributes = [int.from_bytes(inner.take(4), "little") if told else 0 for told in known]
        elif kind not in _PLACES_AND_TIMES:
            unread.append(inner.data)
    names += [""] * (count - len(names))
    plain = iter(files)
    folder = [none and not next(plain, False) for none in empty]
    streams = [not none for none in empty]
    rows = zip(names, streams, folder, attributes, strict=True)
    return [ArchivedFile(name.replace("\\", "/"), stream, none, flags) for name, stream, none, flags in rows]


def unpacked(file: BinaryIO, folder: Folder, budget: Budget) -> Iterator[bytes]:
    """Yield the output of a folder in bounded pieces."""
    return chain(folder.coders, Window(file, folder.start, folder.packed), budget)
