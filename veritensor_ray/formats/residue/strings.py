"""Finds readable strings in arbitrary bytes: ASCII, UTF-8 and UTF-16, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

VIEW = "residue"
SHORTEST = 8  # characters: shorter runs are mostly chance, and hold no address and no key
# What a byte is in UTF-8 (RFC 3629): a readable character of ASCII, a byte within a character, or the first of so many bytes.
_PLAIN, _WITHIN, _FIRST = 1, 9, (2, 3, 4)
_CLASSES = bytes(
    _PLAIN if byte in (9, 10, 13) or 32 <= byte < 127 else _WITHIN if 0x80 <= byte < 0xC0
    else 2 if 0xC2 <= byte < 0xE0 else 3 if 0xE0 <= byte < 0xF0 else 4 if 0xF0 <= byte < 0xF5 else 0
    for byte in range(256)
)  # fmt: skip


class FoundString(NamedTuple):
    """A string of `size` bytes, the offset of the first of them, and their encoding if it is not UTF-8."""

    at: int
    size: int
    text: str
    via: str | None = None


def strings(data: bytes) -> Iterator[FoundString]:
    """Yield runs of at least 8 characters: first those in ASCII or UTF-8, then those in UTF-16, each kind in ascending order."""
    classes = np.frombuffer(data.translate(_CLASSES), np.uint8)
    plain = classes == _PLAIN
    for start, end in _runs(plain | _of_several_bytes(classes)):
        text = data[start:end].decode("utf-8", "replace")
        if len(text) >= SHORTEST and not text.isspace():
            yield FoundString(start, end - start, text)
    if data.count(0) >= SHORTEST:
        yield from _wide(data, plain, np.frombuffer(data, np.uint8) == 0)


def _wide(data: bytes, plain: Flags, zero: Flags) -> Iterator[FoundString]:
    """Yield runs of ASCII characters that are followed by zeros. In big-endian text, the zero of the next one follows."""
    followed = plain & np.append(zero[1:], True)
    for first in (0, 1):
        for start, end in _runs(followed[first::2]):
            begin = first + 2 * start
            big = begin > 0 and data[begin - 1] == 0
            end += big and first + 2 * end < len(data) and bool(plain[first + 2 * end])  # its last character has no zero behind it
            text = data[begin : first + 2 * end : 2].decode("ascii")
            yield FoundString(begin - big, 2 * len(text), text, "utf-16-be" if big else "utf-16-le")


def _of_several_bytes(classes: Bytes) -> Flags:
    """Return which bytes are part of a character of several bytes, without a look at the characters that UTF-8 excludes."""
    part = np.zeros(len(classes), bool)
    within = np.append(classes == _WITHIN, [False] * max(_FIRST))
    size = len(classes)
    for count in _FIRST:
        whole = classes == count
        for step in range(1, count):
            whole &= within[step : step + size]
        if whole.any():
            for step in range(count):
                part[step:] |= whole[: size - step]
    return part


def _runs(flags: Flags) -> Iterator[tuple[int, int]]:
    """Yield the ranges of at least 8 flags in a row."""
    eight = flags  # whether so many flags in a row begin here
    for step in (1, 2, 4):
        eight = eight[:-step] & eight[step:]
    begins = np.flatnonzero(eight)
    if len(begins):
        breaks = np.flatnonzero(np.diff(begins) > 1)
        starts, lasts = begins[np.append(0, breaks + 1)], begins[np.append(breaks, len(begins) - 1)]
        yield from zip(starts.tolist(), (lasts + SHORTEST).tolist(), strict=True)
