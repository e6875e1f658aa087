"""Searches the raw pages of an SQLite file for strings: in free space, or everywhere if the tables cannot be read. It runs no SQL."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.printable import readable

_LEAVES = (0x0A, 0x0D)
_SHORTEST = 28  # minimum number of bytes that can hold a string worth reading
_TEXTS, _CHARS = 2048, 4 << 20
_PIECE = 1 << 20


def free_strings(file: BinaryIO) -> Iterator[Block]:
    """Yield readable strings in free pages and in the free space of used pages, where deleted rows remain."""
    file.seek(0)
    head = file.read(100)
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    if len(head) < 100 or size < 512 or size & (size - 1):
        return
    free = _free_pages(file, head, size)
    found: list[tuple[str, int]] = []
    chars = 0
    file.seek(0)
    number = 0
    while page := file.read(size):
        number += 1
        for stretch in (page[8:],) if number in free else _gaps(page, 100 if number == 1 else 0):
            if len(stretch) >= _SHORTEST and stretch.count(0) < len(stretch):
                texts = list(readable(stretch))
                found += [(text, number) for text in texts]
                chars += sum(map(len, texts))
        if len(found) >= _TEXTS or chars > _CHARS:
            yield _block(found)
            found, chars = [], 0
    if found:
        yield _block(found)


def _block(found: list[tuple[str, int]]) -> Block:
    return Block(
        [text for text, _ in found], row=[number for _, number in found], column="free pages", view="hidden", decoded_via="strings"
    )


def _free_pages(file: BinaryIO, head: bytes, size: int) -> set[int]:
    """The numbers of the free pages. A circular list ends."""
    trunk, free = int.from_bytes(head[32:36], "big"), set[int]()
    while trunk and trunk not in free:
        free.add(trunk)
        file.seek((trunk - 1) * size)
        page = file.read(size)
        if len(page) < size:
            break
        trunk, count = struct.unpack_from(">II", page)
        count = min(count, size // 4 - 2)
        free.update(struct.unpack_from(f">{count}I", page, 8))
    return free


def _gaps(page: bytes, offset: int) -> Iterator[bytes]:
    """Yield the unused bytes between the cells of a leaf page."""
    if len(page) < offset + 8 or page[offset] not in _LEAVES:
        return
    block, cells, content = struct.unpack_from(">HHH", page, offset + 1)
    yield page[offset + 8 + 2 * cells : content or 65536]
    while block > offset and block + 4 <= len(page):
        following, length = struct.unpack_from(">HH", page, block)
        yield page[block + 4 : block + length]
        if following <= block:  # they are in ascending order; anything else is circular
            return
        block = following


def page_strings(file: BinaryIO) -> Iterator[Block]:
    """Yield readable strings from anywhere in the file. A string that crosses a megabyte boundary is read in two pieces."""
    file.seek(0)
    at = 0
    while piece := file.read(_PIECE):
        texts = list(readable(piece))
        for first in range(0, len(texts), _TEXTS):
            yield Block(texts[first : first + _TEXTS], column=f"bytes from {at}", part="damaged", decoded_via="strings")
        at += len(piece)
