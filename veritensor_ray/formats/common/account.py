"""Keeps account of the bytes of a file: which ranges its reader has interpreted, and as what."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal

# What bytes were interpreted as: text for the engines, fields of the format, files inside the file (which have accounts of their own), or
# values that no engine reads, such as the numbers of a tensor and the pixels of an image. `residue` is text that nobody claimed.
Reading = Literal["text", "structure", "members", "values", "residue"]


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
        known = sum(max(0, min(end, b) - max(start, a)) for a, b in zip(starts[first:last], ends[first:last], strict=True))
        self.bytes[reading] += end - start - known
        if first < last:
            start, end = min(start, starts[first]), max(end, ends[last - 1])
        starts[first:last], ends[first:last] = [start], [end]

    def claim_around(self, start: int, end: int, reading: Reading, spared: Iterable[tuple[int, int]]) -> None:
        """Note that the bytes from `start` to `end` have been interpreted, except for the spared ranges, which ascend."""
        for first, last in spared:
            self.claim(start, first, reading)
            start = max(start, last)
        self.claim(start, end, reading)

    def unclaimed(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of a file of `size` bytes that nobody claimed."""
        at, (starts, ends) = 0, self._ranges
        for start, end in zip([*starts, size], [*ends, size], strict=True):
            if min(start, size) > at:
                yield at, min(start, size)
            at = max(at, end)
