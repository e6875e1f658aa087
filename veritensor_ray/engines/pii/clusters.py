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
Codes = np.ndarray[Any, np.dtype[np.unsignedinteger[Any]]]


def codes_of(text: str) -> Codes:
    """The number of each character."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def digits_of(text: str) -> Positions:
    """Where the digits of ASCII are."""
    return digits_in(codes_of(text))


def digits_in(codes: Codes) -> Positions:
    """The same in codes of characters."""
    return np.flatnonzero((codes - 48) < 10)  # unsigned: what is below 48 becomes large


def dotted(codes: Codes, digits: Positions) -> Positions:
    """The first of three full stops that have digits on both sides and at most eight characters between the first and the last."""
    dots = digits[:-1][np.diff(digits) == 2] + 1
    dots = dots[codes[dots] == 46]
    found: Positions = dots[:-2][dots[2:] - dots[:-2] <= 8]
    return found


def clusters(digits: Positions, apart: int, least: int, near: Near | None = None) -> Iterator[tuple[int, int]]:
    """Ranges from digit to digit of at least so many that stand at most so far `apart`; 1 is side by side. With `near`, only those near a place."""
    begins, stops = _clusters(digits, apart, least)
    if near is not None and len(begins):
        some = near.mask(begins, stops)
        begins, stops = begins[some], stops[some]
    yield from zip(begins.tolist(), stops.tolist(), strict=True)


def around_clusters(digits: Positions, apart: int, least: int, before: int, behind: int) -> Iterator[tuple[int, int]]:
    """Such ranges, each with so many characters before and behind it, those that touch made one; the last may end beyond the text."""
    begins, stops = _clusters(digits, apart, least)
    begins, stops = np.maximum(begins - before, 0), stops + behind
    cuts = np.flatnonzero(begins[1:] > stops[:-1])
    firsts, lasts = np.concatenate((begins[:1], begins[1:][cuts])), np.concatenate((stops[:-1][cuts], stops[-1:]))
    yield from zip(firsts.tolist(), lasts.tolist(), strict=True)


def _clusters(digits: Positions, apart: int, least: int) -> tuple[Positions, Positions]:
    if len(digits) < least:
        return digits[:0], digits[:0]
    cuts = np.flatnonzero(np.diff(digits) > apart) + 1
    firsts, ends = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(digits)]))
    kept = ends - firsts >= least
    return digits[firsts[kept]], digits[ends[kept] - 1] + 1


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
