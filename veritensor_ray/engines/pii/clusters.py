"""Where digits stand close together in a buffer, found by array arithmetic; it knows no identifier.

A pattern that begins at any digit would be tried at each of them. Nearly all stand alone: a year, a list's number. So patterns run over clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

TIED = 8  # characters: so far ahead a search may be sent on by digits that are in the middle of something
Positions = np.ndarray[Any, np.dtype[np.int64]]


def digits_of(text: str) -> Positions:
    """Where the digits of ASCII are."""
    if text.isascii():
        codes = np.frombuffer(text.encode("ascii"), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.flatnonzero((codes - 48) < 10)  # unsigned: what is below 48 becomes large


def clusters(digits: Positions, apart: int, least: int, near: Near | None = None) -> Iterator[tuple[int, int]]:
    """Ranges from digit to digit of at least so many that stand at most so far `apart`; 1 is side by side. With `near`, only those near a place."""
    if len(digits) < least:
        return
    cuts = np.flatnonzero(np.diff(digits) > apart) + 1
    firsts, ends = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(digits)]))
    kept = ends - firsts >= least
    begins, stops = digits[firsts[kept]], digits[ends[kept] - 1] + 1
    if near is not None and len(begins):
        some = near.mask(begins, stops)
        begins, stops = begins[some], stops[some]
    yield from zip(begins.tolist(), stops.tolist(), strict=True)


@dataclass(frozen=True, slots=True)
class Near:
    """Ascending places, and how many characters before and behind digits one of them has to be."""

    places: Positions
    before: int
    behind: int

    def mask(self, begins: Positions, stops: Positions) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of the ascending ranges are near a place, or within `TIED` of one that is: what is found in one may end in the next."""
        first = np.searchsorted(self.places, begins - self.before)
        kept = first < np.searchsorted(self.places, stops + self.behind, side="right")
        groups = np.concatenate(([0], np.flatnonzero(begins[1:] - stops[:-1] > TIED) + 1))
        lengths = np.diff(np.concatenate((groups, [len(begins)])))
        return np.repeat(np.logical_or.reduceat(kept, groups), lengths)
