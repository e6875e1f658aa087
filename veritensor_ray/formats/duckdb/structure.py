"""The bytes of a DuckDB file: its header, its blocks, and which of them are free. It runs no SQL and decodes no values."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.common.file_ranges import length

_HEADER = 4096  # bytes of each of the three headers
_MAGIC, _VERSION, _FLAGS, _LIBRARY = 8, 12, 20, 52  # places in the first one
_ENCRYPTED = 1
# Of the other two: a checksum, the iteration, the schema, the free blocks, the number of blocks, their size.
_STATE = struct.Struct("<8xQQQQQ")
_CHECKSUM = 8
_PARTS = 64  # of a block of metadata
_SMALLEST, _LARGEST = 16_384, 262_144  # bytes of a block
_LAST = (1 << 64) - 1  # what ends a chain
_RELEASE = re.compile(rb"v\d{1,3}\.\d{1,3}\.\d{1,3}")
START = 3 * _HEADER  # where the blocks begin


class DuckHeader(NamedTuple):
    """What the headers say. `written_by` is the release of DuckDB that made the file, if it says so."""

    version: int
    is_encrypted: bool
    written_by: str | None
    blocks: int
    block_size: int
    free_list: int


def header_of(file: BinaryIO) -> DuckHeader:
    """Return what the headers of a file say. Raises Malformed if there are none."""
    file.seek(0)
    data = file.read(START)
    if len(data) < START or data[_MAGIC:_VERSION] != b"DUCK":
        raise Malformed("not a complete DuckDB file: it is shorter than its headers")
    found = _RELEASE.match(data, _LIBRARY)
    states = (_STATE.unpack_from(data, at) for at in (_HEADER, 2 * _HEADER))
    _, _, free_list, blocks, size = max(states)  # the later iteration counts
    is_encrypted = bool(data[_FLAGS] & _ENCRYPTED)
    if not is_encrypted and (not _SMALLEST <= size <= _LARGEST or size & (size - 1)):
        raise Malformed("not a complete DuckDB file: its blocks have an impossible size")
    version = int.from_bytes(data[_VERSION:_FLAGS], "little")
    return DuckHeader(version, is_encrypted, found[0].decode() if found else None, blocks, size, free_list)


class DuckBlocks:
    """The blocks of a file."""

    def __init__(self, file: BinaryIO, header: DuckHeader) -> None:
        self._file, self._size = file, header.block_size
        self.count = min(header.blocks, max(0, -(-(length(file) - START) // self._size)))
        self._part = (self._size - _CHECKSUM) // _PARTS // 8 * 8
        self._free_list = header.free_list

    def place(self, block: int) -> tuple[int, int]:
        """Return where a block begins and ends."""
        return START + block * self._size, START + (block + 1) * self._size

    def segment(self, block: int, offset: int, following: int | None, is_text: bool) -> tuple[int, int]:
        """Return where values begin and end, which is at most where the following ones begin. A segment of texts says where it ends."""
        start, end = self.place(block)[0] + _CHECKSUM + offset, self.place(block)[1]
        if following is not None:
            end = self.place(block)[0] + _CHECKSUM + following
        if is_text:
            self._file.seek(start + 4)  # behind the size of the texts
            end = min(end, start + int.from_bytes(self._file.read(4), "little"))
        return start, end

    def part(self, block: int, number: int) -> tuple[int, int]:
        """Return where a part of a block of metadata begins and ends."""
        start = self.place(block)[0] + _CHECKSUM + number * self._part
        return start, start + self._part

    def free(self) -> set[int]:
        """Return the free blocks. Raises Malformed if they cannot be found out, for then any block may be free."""
        if self._free_list == _LAST:
            return set()
        words = self._words(self._free_list)
        try:
            return {next(words) for _ in range(min(next(words), self.count + 1))}
        except RuntimeError:
            raise Malformed("the list of free blocks is cut off") from None

    def _words(self, pointer: int) -> Iterator[int]:
        """Yield the numbers in a chain of parts; a pointer is the number of a block and, in its highest byte, that of a part."""
        seen = set[int]()
        while pointer != _LAST and pointer not in seen:
            seen.add(pointer)
            block, number = pointer & (1 << 56) - 1, pointer >> 56
            if block >= self.count or number >= _PARTS:
                break
            self._file.seek(self.part(block, number)[0])
            pointer, *words = struct.unpack(f"<{self._part // 8}Q", self._file.read(self._part).ljust(self._part, b"\0"))
            yield from words
        raise Malformed("the list of free blocks is cut off")


__all__ = ["START", "DuckBlocks", "DuckHeader", "header_of"]
