"""Accounts for the bytes of an SQLite file: the cells in the pages of given trees. It runs no SQL and decodes no values.

What is left are free pages and the free space of used ones, in which deleted rows remain, and places that SQLite never looks at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.residue.strings import SHORTEST

_Numbers = np.ndarray[Any, np.dtype[np.int64]]
_INDEX_NODE, _TABLE_NODE, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_HEAD = 100
_AT_ONCE = 1 << 20  # bytes of pages
_RESERVED = (72, 92)  # bytes of the head that are zero


def claim_trees(file: BinaryIO, account: ByteAccount, roots: Iterable[int], longest: int) -> None:
    """Claim the pages of the trees that begin at the pages `roots`. Values of more than `longest` bytes have not been read."""
    file.seek(0)
    head = file.read(_HEAD)
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    account.claim_around(0, _HEAD, "structure", [_RESERVED])
    if len(head) == _HEAD and size >= 512 and not size & (size - 1) and size - head[20] >= 480:
        trees = _Trees(file, account, size, size - head[20], longest)
        trees.walk(np.array(sorted({root for root in roots if 0 < root <= trees.count}), np.int64))


class _Trees:
    """The trees of a file with pages of `size` bytes, of which the first `usable` ones are used."""

    def __init__(self, file: BinaryIO, account: ByteAccount, size: int, usable: int, longest: int) -> None:
        self._file, self._account, self._size, self._usable, self._longest = file, account, size, usable, longest
        self.count = -(-length(file) // size)
        self._seen = np.zeros(self.count + 1, bool)

    def walk(self, level: _Numbers) -> None:
        """Claim pages and those below them, one level of the trees after the other."""
        while len(level):
            self._seen[level] = True
            step = max(1, _AT_ONCE // self._size)
            below = [self._pages(level[at : at + step]) for at in range(0, len(level), step)]
            level = np.unique(np.concatenate(below))
            level = level[(level > 0) & (level <= self.count)]
            level = level[~self._seen[level]]

    def _page(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size).ljust(self._size, b"\0")

    def _pages(self, numbers: _Numbers) -> _Numbers:
        """Claim some pages, and return the numbers of those below them."""
        raw = b"".join(map(self._page, numbers.tolist()))
        data = np.frombuffer(raw, np.uint8)
        base = np.arange(len(numbers)) * self._size
        head = base + np.where(numbers == 1, _HEAD, 0)
        kinds = data[head]
        inner = (kinds == _INDEX_NODE) | (kinds == _TABLE_NODE)
        begin = head + np.where(inner, 12, 8)
        cells = _big(data, head + 3, 2)
        sound = (inner | (kinds == _INDEX_LEAF) | (kinds == _TABLE_LEAF)) & (begin + 2 * cells <= base + self._usable)
        head, begin, kinds, base, cells = (one[sound] for one in (head, begin, kinds, base, cells))
        page = np.repeat(np.arange(len(cells)), cells)
        place = np.arange(len(page)) - np.repeat(np.cumsum(cells) - cells, cells)
        at = base[page] + _big(data, begin[page] + 2 * place, 2)
        held = (at >= begin[page] + 2 * cells[page]) & (at < base[page] + self._usable)
        at, page = at[held], page[held]
        ends, below = self._cells(data, at, kinds[page], base[page] + self._usable)
        self._claim(raw, numbers, np.append(head, at), np.append(begin + 2 * cells, ends))
        return np.append(below, _big(data, head[inner[sound]] + 8, 4))

    def _cells(self, data: Any, at: _Numbers, kinds: Any, limit: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return where cells end, and the pages below them. Cells that reach beyond their page end where they begin."""
        inner = (kinds == _INDEX_NODE) | (kinds == _TABLE_NODE)
        below = _big(data, at[inner], 4)
        is_table = (kinds == _TABLE_NODE) | (kinds == _TABLE_LEAF)
        start = at + np.where(inner, 4, 0)
        size, used = _varints(data, start)
        size, used = np.where(kinds == _TABLE_NODE, 0, size), np.where(kinds == _TABLE_NODE, 0, used)
        start = start + used
        start = start + np.where(is_table, _varints(data, start)[1], 0)
        usable = self._usable
        most = np.where(is_table, usable - 35, (usable - 12) * 64 // 255 - 23)
        least = (usable - 12) * 32 // 255 - 23
        part = least + (size - least) % (usable - 4)
        local = np.where(size <= most, size, np.where(part <= most, part, least))
        ends = start + local + np.where(size > most, 4, 0)
        sound = (ends <= limit) & (size <= self._longest)
        for cell in np.flatnonzero(sound & (size > most)).tolist():
            self._overflow(int(_big(data, ends[cell : cell + 1] - 4, 4)[0]), int(size[cell] - local[cell]))
        return np.where(sound, ends, at), below

    def _overflow(self, number: int, left: int) -> None:
        """Claim the pages in which a long value continues."""
        while left > 0 and 0 < number <= self.count and not self._seen[number]:
            self._seen[number] = True
            start = (number - 1) * self._size
            used = min(left, self._usable - 4)
            left -= used
            if left > 0:
                self._file.seek(start)
                number = int.from_bytes(self._file.read(4), "big")
                self._account.claim(start, start + 4 + used, "text")
            else:
                zeros = not self._page(number)[4 + used :].strip(b"\0")
                self._account.claim(start, start + (self._size if zeros else 4 + used), "text")

    def _claim(self, raw: bytes, numbers: _Numbers, starts: _Numbers, ends: _Numbers) -> None:
        """Claim ranges of some pages, and between them zeros and what is too short for a string."""
        edges = np.arange(1, len(numbers) + 1) * self._size  # a range of no bytes at the end of every page
        starts, ends = np.append(starts, edges), np.append(ends, edges)
        order = np.argsort(starts, kind="stable")
        begins, before = starts[order], np.append(0, np.maximum.accumulate(ends[order])[:-1])
        gaps = np.flatnonzero(begins >= before + SHORTEST)
        left = [gap for gap in zip(before[gaps].tolist(), begins[gaps].tolist(), strict=True) if raw[slice(*gap)].strip(b"\0")]
        at = 0
        for index, number in enumerate(numbers.tolist()):
            first, last = index * self._size, (index + 1) * self._size
            spared = []
            while at < len(left) and left[at][0] < last:
                spared.append(left[at])
                at += 1
            move = (number - 1) * self._size - first
            self._account.claim_around(first + move, last + move, "text", [(start + move, end + move) for start, end in spared])


def _big(data: Any, at: _Numbers, size: int) -> _Numbers:
    """Return big-endian numbers of so many bytes."""
    value = np.zeros(len(at), np.int64)
    for step in range(size):
        value = value << 8 | data[np.minimum(at + step, len(data) - 1)]
    return value


def _varints(data: Any, at: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return numbers of variable length, and how many bytes each takes. Those that do not fit are very large."""
    value, used = np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    more = np.ones(len(at), bool)
    for step in range(9):
        if not more.any():
            break
        byte = data[np.minimum(at + step, len(data) - 1)].astype(np.int64)
        value = np.where(more, value << (8 if step == 8 else 7) | (byte if step == 8 else byte & 0x7F), value)
        used += more
        more &= byte >= 0x80
    return np.where(used > 5, np.int64(1) << 40, value), used
