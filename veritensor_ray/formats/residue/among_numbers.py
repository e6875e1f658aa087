"""Finds texts and compressed streams among numbers, such as pixels and tensors, where neither occurs by chance."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from veritensor_ray.formats.common.single_streams import MAGICS
from veritensor_ray.formats.residue.strings import FoundString

LONG = 20  # characters in a row, which do not occur among numbers by chance
_VARIED, _STEP = 8, 5  # different characters of a text, and the distance between neighbours in a gradient
# What a byte is: a readable character of ASCII, a zero, or another one.
_PLAIN, _ZERO = b"\1", b"\2"
_CLASSES = bytes(1 if byte in (9, 10, 13) or 32 <= byte < 127 else 0 if byte else 2 for byte in range(256))
_WIDTHS = {1: None, 2: "utf-16", 4: "utf-32", 8: "numbers"}  # bytes of a character, and what has so many
_CODED = re.compile(rb"[0-9A-Fa-f]{32,}|(?:[%=][0-9A-Fa-f]{2}){10,}")  # bytes in hexadecimal, whose digits are near each other
# What a text has: some words in a row, or one as long as addresses and keys. Noise in a photograph rarely has them.
_WORDS = re.compile(rb"[\w@./:+=%-]{16,}|(?:[A-Za-z]{2,}[ ,.;:'\"?!\r\n-]{1,2}){3,}")
_RUNS = {width: re.compile(b"(?:%b)++" % (_PLAIN + _ZERO * (width - 1))) for width in _WIDTHS}
_PAIRS = np.array(sorted({int.from_bytes(magic[:2], "little") for magic in MAGICS}), np.uint16)
_TOP_BITS = np.uint64(0x8080808080808080)
_IS_TEXT = np.frombuffer(_CLASSES, np.uint8) != 0
_WORD, _SLACK, _NEAR = 8, 16, 4  # bytes of a word, around words of a text, and words between two parts
_CHUNK = 1 << 18  # bytes that stay in the cache of a processor; an even number
_DENSE = 64  # with more than one word in so many, it is cheaper to search everything


def texts_among_numbers(data: bytes) -> Iterator[FoundString]:
    """Yield runs of at least 20 characters of ASCII, each in one, two, four or eight bytes. The steps of a gradient do not count."""
    for start, end in _parts(data):
        for found in _texts(data[start:end]):
            yield found._replace(at=start + found.at)


def _parts(data: bytes) -> list[tuple[int, int]]:
    """Return where texts may stand. A run of 20 characters covers an aligned word, in which every byte is one of a text."""
    words = np.frombuffer(data, np.uint64, len(data) // _WORD)
    at = np.flatnonzero((words & _TOP_BITS) == 0)
    if len(at) * 4 < len(words):
        at = at[_IS_TEXT[words[at].view(np.uint8).reshape(-1, _WORD)].all(axis=1) & (words[at] != 0)]
    if len(at) * _DENSE > len(words) or len(words) < LONG:
        return [(0, len(data))]
    ends = np.flatnonzero(np.diff(at) > _NEAR) if len(at) else at
    first = at[np.concatenate(([0], ends + 1))] if len(at) else at
    last = at[np.concatenate((ends, [len(at) - 1]))] if len(at) else at
    return [(max(0, one * _WORD - _SLACK), (two + 1) * _WORD + _SLACK) for one, two in zip(first.tolist(), last.tolist(), strict=True)]


def _texts(data: bytes) -> Iterator[FoundString]:
    classes = data.translate(_CLASSES)
    for width, name in _WIDTHS.items():
        unit = _PLAIN + _ZERO * (width - 1)
        at = classes.find(unit * LONG)
        while at >= 0:
            end = _end(classes, at, width)
            text = data[at:end:width]
            if _WORDS.search(text) and not _is_gradient(text):
                yield FoundString(at, end - at, text.decode("ascii"), name)
            at = classes.find(unit * LONG, end)


def _end(classes: bytes, at: int, width: int) -> int:
    """Return where a run of characters ends. The last one of big-endian text has no zeros behind it."""
    run = _RUNS[width].match(classes, at)
    end = run.end() if run else at
    is_big = width > 1 and classes[max(0, at - width + 1) : at] == _ZERO * (width - 1)
    return end + (is_big and classes[end : end + 1] == _PLAIN)


def _is_gradient(run: bytes) -> bool:
    """Return whether most values are near those of the next pixel, which is one to four bytes away."""
    values = np.frombuffer(run, np.int8)
    near = (np.count_nonzero(np.abs(values[lag:] - values[:-lag]) <= _STEP) for lag in (1, 2, 3, 4))
    if any(b"%" in one[0] or not (one[0].isdigit() or one[0].isalpha()) for one in _CODED.finditer(run)):
        return False
    return len({*run}) < _VARIED or any(2 * count > len(run) - lag for lag, count in enumerate(near, 1))


def streams_among_numbers(data: bytes) -> list[int]:
    """Return where the magics of compressed streams stand, which is much faster than a pattern for all of them."""
    found: list[int] = []
    for start in range(0, len(data), _CHUNK):
        part = data[start : start + _CHUNK + 1]
        for shift in (0, 1):
            pairs = np.frombuffer(part[shift:], np.uint16, max(0, len(part) - shift) // 2)
            begins, one = np.zeros(len(pairs), bool), np.zeros(len(pairs), bool)
            for pair in _PAIRS:
                np.equal(pairs, pair, out=one)
                begins |= one
            found += (2 * np.flatnonzero(begins) + (start + shift)).tolist()
    return [place for place in sorted(found) if data.startswith(MAGICS, place)]
