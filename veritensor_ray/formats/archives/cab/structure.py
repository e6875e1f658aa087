"""The folders and files of a cabinet ([MS-CAB]), and the blocks of compressed data. No content is kept."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Window

_HEADER, _FOLDER, _FILE, _BLOCK = (
    struct.Struct("<4x4xI4xI4xBBHHHHH"),
    struct.Struct("<IHH"),
    struct.Struct("<IIHHHH"),
    struct.Struct("<IHH"),
)
_BEFORE, _AFTER, _RESERVED = 1, 2, 4
_UTF8 = 0x80
_NAME = 1024  # bytes of a name; the format allows 256
_HISTORY = 1 << 15  # bytes of the block before, to which one may refer
STORED, MSZIP = 0, 1
METHODS = {2: "Quantum", 3: "LZX"}
CONTINUED = 0xFFFD  # numbers of folders from here on are those of another cabinet


class CabFolder(NamedTuple):
    """Data that is compressed together: `start` is the offset of its first block."""

    start: int
    blocks: int
    method: int


class CabFile(NamedTuple):
    """A file: a range of the content of its folder."""

    name: str
    start: int
    size: int
    folder: int


class Cabinet:
    """The directory of one cabinet. `size` is what the header says of the whole file."""

    def __init__(self, source: Source, report: ArchiveReport) -> None:
        self._source, self._report = source, report
        self._unpacked = self._claimed = 0
        self._most_blocks = length(source.file) // _BLOCK.size + 1  # unless they overlap
        head = self._read(0, _HEADER.size)
        if len(head) < _HEADER.size:
            raise ReadError("the cabinet ends within its header")
        self.size, self._files_at, _, _, self._folder_count, self._file_count, self.flags, _, _ = _HEADER.unpack(head)
        self._at, self._reserved = _HEADER.size, (0, 0)
        if self.flags & _RESERVED:
            of_header, of_folder, of_block = struct.unpack("<HBB", self._read(self._at, 4).ljust(4, b"\0"))
            self._at += 4 + of_header
            self._reserved = of_folder, of_block
        source.account.claim(0, _HEADER.size + (4 if self.flags & _RESERVED else 0), "structure")
        for _ in range(2 * bool(self.flags & _BEFORE) + 2 * bool(self.flags & _AFTER)):
            self._at = self._name(self._at)[1]
        self.folders = list(self._folders())

    @property
    def is_part(self) -> bool:
        """Whether other cabinets belong to this one."""
        return bool(self.flags & (_BEFORE | _AFTER))

    def _read(self, at: int, size: int) -> bytes:
        return Window(self._source.file, at, size).read(size)

    def _name(self, at: int) -> tuple[bytes, int]:
        """Return the bytes of a name, and where it ends. Raises ReadError if it does not."""
        name, zero, _ = self._read(at, _NAME).partition(b"\0")
        if not zero:
            raise ReadError(f"a name in the cabinet at byte {at} does not end")
        self._source.account.claim(at, at + len(name) + 1, "structure")
        return name, at + len(name) + 1

    def _folders(self) -> Iterator[CabFolder]:
        for number in range(self._folder_count):
            at = self._at + number * (_FOLDER.size + self._reserved[0])
            head = self._read(at, _FOLDER.size)
            if len(head) < _FOLDER.size:
                raise ReadError("the cabinet ends within its list of folders")
            self._source.account.claim(at, at + _FOLDER.size, "structure")
            start, blocks, method = _FOLDER.unpack(head)
            yield CabFolder(start, blocks, method & 15)

    def files(self) -> Iterator[CabFile]:
        """Yield the files in the order of the directory. Raises ReadError if it is cut off, and LimitExceeded."""
        at, most = self._files_at, self._source.limits.members
        for number in range(self._file_count):
            if number >= most:
                raise LimitExceeded("members", f"the cabinet has more than {most} files")
            head = self._read(at, _FILE.size)
            if len(head) < _FILE.size:
                raise ReadError("the cabinet ends within its list of files")
            self._source.account.claim(at, at + _FILE.size, "structure")
            size, start, folder, _, _, attributes = _FILE.unpack(head)
            name, at = self._name(at + _FILE.size)
            yield CabFile(name.decode("utf-8" if attributes & _UTF8 else "cp1252", "replace").replace("\\", "/"), start, size, folder)

    def content(self, folder: CabFolder) -> Iterator[bytes]:
        """Yield the content of a folder, block by block. Raises ReadError where it is damaged."""
        history, at = b"", folder.start
        for number in range(folder.blocks):
            self._unpacked += 1
            if self._unpacked > self._most_blocks:
                raise ReadError("the folders of the cabinet overlap")
            head = self._read(at, _BLOCK.size)
            checksum, packed, size = _BLOCK.unpack(head.ljust(_BLOCK.size, b"\0"))
            start = at + _BLOCK.size + self._reserved[1]
            data = self._read(start, packed)
            if len(data) < packed or len(head) < _BLOCK.size:
                raise ReadError(f"the cabinet ends within block {number} of a folder")
            if checksum and checksum != _checksum(self._read(at + 4, start - at - 4 + packed)):
                self._report.gap("the checksum of a block does not match its data")
            made, used = (data, packed) if folder.method == STORED else _inflated(data, history, size, number)
            self._source.account.claim(start, start + used, "members")
            history = made[-_HISTORY:]
            yield made
            at = start + packed

    def claim(self, folder: CabFolder, file: BinaryIO, is_read: bool) -> int:
        """Claim the heads of the blocks of a folder, and their data too unless somebody reads it. Returns how much they say to hold."""
        at, whole = folder.start, 0
        for _ in range(folder.blocks):
            self._claimed += 1
            if self._claimed > self._most_blocks:
                break
            head = Window(file, at, _BLOCK.size).read(_BLOCK.size)
            if len(head) < _BLOCK.size:
                break
            _, packed, size = _BLOCK.unpack(head)
            start = at + _BLOCK.size
            self._source.account.claim(at, start, "structure")
            at = start + self._reserved[1] + packed
            if not is_read:
                self._source.account.claim(start + self._reserved[1], at, "packed")
            whole += packed if folder.method == STORED else size
        return whole


def _inflated(data: bytes, history: bytes, size: int, number: int) -> tuple[bytes, int]:
    """Return what a block of MSZIP holds, and how many of its bytes that takes. Raises ReadError if it is damaged."""
    if not data.startswith(b"CK"):
        raise ReadError(f"block {number} of a folder is not a block of MSZIP")
    decoder = zlib.decompressobj(-zlib.MAX_WBITS, zdict=history) if history else zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        made = decoder.decompress(data[2:], size + 1)
    except zlib.error:
        raise ReadError(f"block {number} of a folder is damaged") from None
    if len(made) != size:
        raise ReadError(f"block {number} of a folder has another size than it says")
    return made, len(data) - len(decoder.unused_data)


def _checksum(data: bytes) -> int:
    """Return the checksum of a block: its numbers, combined, and the last bytes in reverse order."""
    whole = len(data) // 4 * 4
    value = int(np.bitwise_xor.reduce(np.frombuffer(data, "<u4", whole // 4))) if whole else 0
    return value ^ int.from_bytes(data[whole:], "big")
