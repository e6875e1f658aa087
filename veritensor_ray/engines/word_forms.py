"""Splits a text into words and hashes ranges of its characters, as arrays.

Words are runs of Unicode letters and digits; in scripts without spaces, every character is a word. Everything is computed over whole
buffers at once: models that read every text have no time for a Python loop over words or texts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

AT_ONCE = 1 << 19  # most characters in a buffer, so that its arrays stay in the processor's cache
MIX = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA77))
_SPACELESS = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2FFFF))
_GENERATOR = 0x01000193  # odd, so that it has an inverse

Array = np.ndarray[Any, np.dtype[Any]]


@functools.cache
def _classes() -> Array:
    """Return a class for every code point: 0 is not part of a word, 1 is part of one, 2 is a word by itself."""
    classes = np.fromiter((chr(c).isalnum() for c in range(0x30000)), np.uint8, 0x30000)
    for first, last in _SPACELESS:
        classes[first : last + 1] *= 2
    return np.concatenate([classes, np.zeros(0x110000 - len(classes), np.uint8)])


@functools.cache
def _powers() -> tuple[Array, Array]:
    """Return powers of the generator and of its inverse, modulo 2³². The hash of a range is the difference of two sums, shifted to its start."""
    count = AT_ONCE + 2
    inverse = pow(_GENERATOR, -1, 1 << 32)
    return tuple(np.cumprod(np.concatenate([[1], np.full(count - 1, one, np.uint32)]), dtype=np.uint32) for one in (_GENERATOR, inverse))  # type: ignore[return-value]


def points_of(text: str) -> Array:
    """Return the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def lowered(text: str) -> str:
    """Convert a text to lower case, character by character, so that offsets stay valid."""
    low = text.replace("İ", "i").lower()  # the one letter whose lower case is two characters
    return low if len(low) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


def bounds(points: Array) -> tuple[Array, Array]:
    """Return where each word begins and ends, in characters."""
    kind = np.zeros(len(points) + 2, np.uint8)
    np.take(_classes(), points, out=kind[1:-1], mode="clip")
    before, here = kind[:-1], kind[1:]
    alone = (before == 2) | (here == 2)
    edge = (before > 0) != (here > 0)
    return np.flatnonzero((here > 0) & (edge | alone)), np.flatnonzero((before > 0) & (edge | alone))


class Hashes:
    """Hashes of ranges of a buffer of at most `AT_ONCE` characters. Equal characters have equal hashes, wherever they occur."""

    def __init__(self, points: Array) -> None:
        self._sums = np.zeros(len(points) + 1, np.uint32)
        np.cumsum(points * _powers()[0][: len(points)], out=self._sums[1:])

    def of(self, starts: Array, ends: Array) -> Array:
        """Return 32 bits for each range, not yet mixed."""
        return np.asarray((self._sums[ends] - self._sums[starts]) * _powers()[1][starts])


def mixed(values: Array) -> Array:
    """Mix 32-bit values in place, so that any of their bits may be used."""
    for factor, shift in ((MIX[0], 15), (MIX[1], 13)):
        values ^= values >> np.uint32(shift)
        values *= factor
    return values


@dataclass(frozen=True, slots=True)
class JoinedPiece:
    """Texts, or parts of texts, joined with NULs.

    For each part: the number of its text, where it begins, and how much of its text precedes it.
    """

    text: str
    owners: Array
    starts: Array
    skipped: Array

    def end(self, part: int) -> int:
        """Return where a part ends."""
        return int(self.starts[part + 1]) - 1 if part + 1 < len(self.starts) else len(self.text)


def joined_pieces(texts: Sequence[str], cut: Callable[[str], Iterator[tuple[int, str]]]) -> Iterator[JoinedPiece]:
    """Yield all texts in pieces of at most `AT_ONCE` characters.

    `cut` yields the parts of a text, each with its start. No part may be longer than `AT_ONCE`.
    """
    parts: list[tuple[int, int, str]] = []
    size = 0
    for owner, text in enumerate(texts):
        for skipped, part in cut(text):
            if parts and size + len(part) > AT_ONCE:
                yield _joined(parts)
                parts, size = [], 0
            parts.append((owner, skipped, part))
            size += len(part) + 1
    if parts:
        yield _joined(parts)


def _joined(parts: Sequence[tuple[int, int, str]]) -> JoinedPiece:
    lengths = np.fromiter((len(part) + 1 for _, _, part in parts), np.int64, len(parts))
    owners, skipped = (np.fromiter((one[i] for one in parts), np.int64, len(parts)) for i in (0, 1))
    return JoinedPiece("\0".join(part.replace("\0", " ") for _, _, part in parts), owners, np.cumsum(lengths) - lengths, skipped)
