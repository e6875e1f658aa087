"""Finds clusters of digits in a buffer by array arithmetic.

A pattern that may begin at any digit would be tried at each of them, although nearly all stand alone, such as a year or a list number.
Patterns therefore run only over clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

TIED = 8  # characters by which digits inside something else may move a search forward
Positions = np.ndarray[Any, np.dtype[np.int64]]
Codes = np.ndarray[Any, np.dtype[np.unsignedinteger[Any]]]


def codes_of(text: str) -> Codes:
    """Return the code of each character."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def digits_of(text: str) -> Positions:
    """Return the positions of ASCII digits in a text."""
    return digits_in(codes_of(text))


def digits_in(codes: Codes) -> Positions:
    """Return the positions of ASCII digits among character codes."""
    return np.flatnonzero((codes - 48) < 10)  # unsigned: codes below 48 wrap to large values


def dotted(codes: Codes, digits: Positions) -> Positions:
    """Return the first of every three dots that have digits on both sides, where the last is at most eight characters after the first."""
    dots = digits[:-1][np.diff(digits) == 2] + 1
    dots = dots[codes[dots] == 46]
    found: Positions = dots[:-2][dots[2:] - dots[:-2] <= 8]
    return found


def clusters(digits: Positions, apart: int, least: int, near: Near | None = None) -> Iterator[tuple[int, int]]:
    """Yield ranges that span at least `least` digits, each at most `apart` from the next, where 1 means adjacent.

    With `near`, yield only those near one of its positions.
    """
    begins, stops = _clusters(digits, apart, least)
    if near is not None and len(begins):
        some = near.mask(begins, stops)
        begins, stops = begins[some], stops[some]
    yield from zip(begins.tolist(), stops.tolist(), strict=True)


def around_clusters(digits: Positions, apart: int, least: int, before: int, behind: int) -> Iterator[tuple[int, int]]:
    """Yield such ranges extended by `before` and `behind` characters, merged if they touch. The last may end beyond the text."""
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
    """Ascending positions, and the distances before and after digits within which one of them must lie."""

    places: Positions
    before: int
    behind: int

    def mask(self, begins: Positions, stops: Positions) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which ascending ranges are near a position, or within `TIED` of one that is, since a match in one may end in the next."""
        first = np.searchsorted(self.places, begins - self.before)
        kept = first < np.searchsorted(self.places, stops + self.behind, side="right")
        groups = np.concatenate(([0], np.flatnonzero(begins[1:] - stops[:-1] > TIED) + 1))
        lengths = np.diff(np.concatenate((groups, [len(begins)])))
        return np.repeat(np.logical_or.reduceat(kept, groups), lengths)
