"""Computes the tagger's features of each word: its letters, beginning, ending and shape, and the characters before it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veritensor_ray.engines.word_forms import Array, Hashes, bounds, lowered, mixed, points_of

WORD_BITS, EDGE_BITS, GAP_BITS = 16, 12, 10
SHAPES = 288
SIZES = (1 << WORD_BITS, 1 << EDGE_BITS, 1 << EDGE_BITS, SHAPES, 1 << GAP_BITS)  # rows in the table of each feature, in order
_LONGEST = 32  # characters of a word that enter its hash
_EDGE = 3  # characters of its beginning, and of its ending
_GAP = 6  # most characters before a word that enter its hash
# Features that are hashes: their row, a salt that separates equal letters in different features, and the bits of their table.
_HASHED = ((0, 0x00000000, WORD_BITS), (1, 0x5BD1E995, EDGE_BITS), (2, 0x27D4EB2F, EDGE_BITS), (4, 0x165667B1, GAP_BITS))


@dataclass(frozen=True, slots=True)
class WordRows:
    """The words of a buffer: where each begins and ends (in characters), and its row in each feature's table, shape (5, words)."""

    starts: Array
    ends: Array
    rows: Array


@functools.cache
def _flags() -> Array:
    """Return flags for every code point: 1 for upper case, 2 for a digit, 4 for non-ASCII."""
    flags = np.fromiter((c.isupper() | c.istitle() | c.isdigit() << 1 | (c > "\x7f") << 2 for c in map(chr, range(0x30000))), np.uint8)
    return np.concatenate([flags, np.full(0x110000 - len(flags), 4, np.uint8)])


def words(text: str, begins: Sequence[int] | Array = (0,)) -> WordRows:
    """Return the words of a buffer of at most `AT_ONCE` characters. `begins` holds the starts of its texts: no word sees another text."""
    points = points_of(text)
    starts, ends = bounds(points)
    rows = np.zeros((5, len(starts)), np.uint32)
    if not len(starts):
        return WordRows(starts, ends, rows)
    low = Hashes(points_of(lowered(text)))
    rows[0] = low.of(starts, np.minimum(ends, starts + _LONGEST))
    rows[1] = low.of(starts, np.minimum(ends, starts + _EDGE))
    rows[2] = low.of(np.maximum(starts, ends - _EDGE), ends)
    texts = np.asarray(begins)
    before = np.maximum(np.concatenate([[0], ends[:-1]]), texts[np.searchsorted(texts, starts, "right") - 1])
    rows[3] = _shapes(points, starts, ends)
    rows[4] = Hashes(points).of(before, np.minimum(starts, before + _GAP))
    for at, salt, bits in _HASHED:
        rows[at] = mixed(rows[at] ^ np.uint32(salt)) >> np.uint32(32 - bits)
    return WordRows(starts, ends, rows)


def _shapes(points: Array, starts: Array, ends: Array) -> Array:
    """Encode the shape of each word: initial, all or other capitals, digits, non-ASCII letters, and the length in six steps."""
    flags = np.take(_flags(), points, mode="clip")
    lengths = ends - starts
    upper, digits, beyond = (_counts(flags & bit, starts, ends) for bit in (1, 2, 4))
    first = (flags[starts] & 1).astype(np.uint32)
    form = first + 2 * (upper == lengths) + 4 * (upper > first)  # 0 to 7
    number = (digits > 0) + (digits == lengths).astype(np.uint32)  # 0 to 2
    steps = np.searchsorted((1, 2, 3, 4, 7), lengths)  # 0 to 5
    return np.asarray(((form * 3 + number) * 6 + steps) * 2 + (beyond > 0), np.uint32)


def _counts(flags: Array, starts: Array, ends: Array) -> Array:
    sums = np.zeros(len(flags) + 1, np.int32)
    np.cumsum(flags > 0, out=sums[1:], dtype=np.int32)
    return np.asarray(sums[ends] - sums[starts])
