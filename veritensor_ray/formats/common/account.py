"""Keeps account of the bytes of a file: which ranges its reader has interpreted, and as what."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal

# What bytes were interpreted as: text for the engines, fields of the format, files inside the file (which have accounts of their own), or
# values that no engine reads, such as the numbers of a tensor and the pixels of an image, as they are or `packed` by a compression that the
# format names. `residue` is text that nobody claimed.
Reading = Literal["text", "structure", "members", "values", "packed", "residue"]


class ByteAccount:
    """The ranges of one file that its reader has claimed. Until it claims something, it keeps no account.

    A byte counts for the first claim that contains it.
    """

    kept = False
    size: int | None = None  # of the file in bytes, if it is known: a damaged file names places behind its end

    @cached_property
    def bytes(self) -> Counter[Reading]:
        """How many bytes were interpreted as what."""
        return Counter()

    @cached_property
    def values(self) -> list[tuple[int, int, bool]]:
        """The ranges that were first claimed as values, in the order of the claims, and whether they are packed."""
        return []

    @cached_property
    def _ranges(self) -> tuple[list[int], list[int]]:
        """Where the ranges begin and end, ascending; they do not touch."""
        return [], []

    def claim(self, start: int, end: int, reading: Reading) -> None:
        """Note that the bytes from `start` to `end` have been interpreted."""
        self.kept = True
        end = end if self.size is None else min(end, self.size)
        if end <= start:
            return
        starts, ends = self._ranges
        first, last = bisect_left(ends, start), bisect_right(starts, end)
        new = list(outside(start, end, zip(starts[first:last], ends[first:last], strict=True)))
        self.bytes[reading] += sum(b - a for a, b in new)
        if reading in ("values", "packed"):
            self._add_values(new, reading == "packed")
        if first < last:
            start, end = min(start, starts[first]), max(end, ends[last - 1])
        starts[first:last], ends[first:last] = [start], [end]

    def _add_values(self, new: Iterable[tuple[int, int]], packed: bool) -> None:
        for start, end in new:
            if self.values and self.values[-1][1:] == (start, packed):
                start = self.values.pop()[0]
            self.values.append((start, end, packed))

    def claim_around(self, start: int, end: int, reading: Reading, spared: Iterable[tuple[int, int]]) -> None:
        """Note that the bytes from `start` to `end` have been interpreted, except for the spared ranges, which ascend."""
        for first, last in outside(start, end, spared):
            self.claim(first, last, reading)

    def unclaimed(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of a file of `size` bytes that nobody claimed."""
        yield from outside(0, size, zip(*self._ranges, strict=True))


def outside(at: int, size: int, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what the ranges, which ascend, leave of the bytes from `at` to `size`."""
    for start, end in ranges:
        if min(start, size) > at:
            yield at, min(start, size)
        at = max(at, end)
    if at < size:
        yield at, size
