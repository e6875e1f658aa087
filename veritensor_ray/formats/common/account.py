"""Keeps account of the bytes of a file: which ranges its reader has interpreted, and as what."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

# What bytes were interpreted as: text for the engines, fields of the format, files inside the file (which have accounts of their own), or
# values that no engine reads, such as the numbers of a tensor and the pixels of an image.
Reading = Literal["text", "structure", "members", "values"]


class ByteAccount:
    """The ranges of one file that its reader has claimed. Until it claims something, it keeps no account.

    A byte counts for the first claim that contains it.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.kept = False
        self.bytes: Counter[Reading] = Counter()

    def claim(self, start: int, end: int, reading: Reading) -> None:
        """Note that the bytes from `start` to `end` have been interpreted."""
        self.kept = True
        if end <= start:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        known = sum(max(0, min(end, b) - max(start, a)) for a, b in zip(self._starts[first:last], self._ends[first:last], strict=True))
        self.bytes[reading] += end - start - known
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def claim_around(self, start: int, end: int, reading: Reading, spared: Iterable[tuple[int, int]]) -> None:
        """Note that the bytes from `start` to `end` have been interpreted, except for the spared ranges, which ascend."""
        for first, last in spared:
            self.claim(start, first, reading)
            start = max(start, last)
        self.claim(start, end, reading)

    def unclaimed(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of a file of `size` bytes that nobody claimed."""
        at = 0
        for start, end in zip([*self._starts, size], [*self._ends, size], strict=True):
            if min(start, size) > at:
                yield at, min(start, size)
            at = max(at, end)
