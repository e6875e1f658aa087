"""Finds where deflate may begin in arbitrary bytes: it has no magic, but the head of its first block has to be consistent (RFC 1951)."""

from __future__ import annotations

from typing import Any

import numpy as np

_SHORTEST = 12  # bytes, which the tables of a block take
_STORED, _FIXED, _DYNAMIC = 0, 2, 4  # the type of a block, within its first byte
_LETTERS = 6  # characters at the beginning of a text with the fixed codes, which has nothing before it to refer to
_HEAD = 17  # bits before the lengths of the codes in which the tables are written, of which each has three
_FULL = 128  # what codes of up to seven bits add up to if each sequence of bits is one
_FOUR = np.array([sum(_FULL >> length if (length := code >> shift & 7) else 0 for shift in (0, 3, 6, 9)) for code in range(4096)], np.int32)
# Whether eight bits, the first one lowest, are the fixed code of a readable character: 00110000 and its number, the highest bit first.
_READABLE = np.array([int(f"{byte:08b}"[::-1], 2) - 0x30 in (9, 10, 13, *range(32, 127)) for byte in range(256)])

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Places = np.ndarray[Any, np.dtype[np.intp]]


def deflate_beginnings(data: bytes) -> list[int]:
    """Return the offsets at which a block of deflate may begin, ascending. Of arbitrary bytes, few in a thousand do."""
    if len(data) < _SHORTEST:
        return []
    found = np.frombuffer(data, np.uint8)
    heads = found[: 1 - _SHORTEST]
    kinds = heads & 6
    dynamic = np.flatnonzero((kinds == _DYNAMIC) & (heads >> 3 < 30))
    return sorted([*_with_tables(found, dynamic).tolist(), *_with_letters(found, np.flatnonzero(kinds == _FIXED)).tolist()])


def _with_tables(data: Bytes, places: Places) -> Places:
    """Return the places where the codes of a block's tables are complete."""
    places = places[data[places + 1] & 31 < 30]
    count = (data[places + 1] >> 5 | (data[places + 2] & 1) << 3) + 4
    bits = np.zeros(len(places), np.uint64)
    for byte in range(8):  # the lengths begin in the third byte, after one bit
        bits |= data[places + 2 + byte].astype(np.uint64) << np.uint64(8 * byte)
    bits = bits >> np.uint64(_HEAD - 16) & (np.uint64(1) << (3 * count).astype(np.uint64)) - np.uint64(1)
    sums = np.zeros(len(places), np.int32)
    for shift in range(0, 60, 12):
        sums += _FOUR[(bits >> np.uint64(shift) & np.uint64(4095)).astype(np.intp)]
    complete: Places = places[sums == _FULL]
    return complete


def _with_letters(data: Bytes, places: Places) -> Places:
    """Return the places where readable characters follow in the fixed codes."""
    for number in range(_LETTERS):
        low, high = data[places + number] >> 3, data[places + number + 1] << 5
        places = places[_READABLE[low | high]]
    return places
