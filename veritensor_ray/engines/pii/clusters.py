"""Where digits stand close together in a buffer, found by array arithmetic; it knows no identifier.

A pattern that begins at any digit would be tried at each of them. Nearly all stand alone: a year, a list's number. So patterns run over clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Positions = np.ndarray[Any, np.dtype[np.int64]]


def digits_of(text: str) -> Positions:
    """Where the digits of ASCII are."""
    if text.isascii():
        codes = np.frombuffer(text.encode("ascii"), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.flatnonzero((codes - 48) < 10)  # unsigned: what is below 48 becomes large


def clusters(digits: Positions, apart: int, least: int) -> Iterator[tuple[int, int]]:
    """Ranges from digit to digit of at least so many that stand at most so far `apart`; 1 is side by side."""
    if len(digits) < least:
        return
    cuts = np.flatnonzero(np.diff(digits) > apart) + 1
    firsts, ends = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(digits)]))
    kept = ends - firsts >= least
    yield from zip(digits[firsts[kept]].tolist(), (digits[ends[kept] - 1] + 1).tolist(), strict=True)
