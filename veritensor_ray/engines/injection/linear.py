"""The first stage of `injection`: a linear model over hashed words, word pairs and triples; it knows neither the transformer nor tokens.

Words are what Unicode calls letters and digits; in scripts without spaces every character is one. It works on whole batches of texts
as arrays: it reads everything, so a Python loop over windows or texts would be most of its cost.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.errors import ModelError

BITS = 19
STEM = 5  # characters of a word's beginning that count as its stem: inflected languages repeat those
ZONE, ZONE_STRIDE = 40, 20  # words that are judged at once: among more a short order drowns
MARGIN = 12  # words on either side of a zone that the transformer reads too
_LONGEST = 32  # characters of a word that enter its hash
_AT_ONCE = 1 << 19  # characters hashed at once: the arrays stay in the processor's cache
_OVERLAP = 2048  # of the parts of a longer text, so that an order where they meet is whole in one of them
_SPACELESS = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2FFFF))
_GENERATOR = 0x01000193  # odd, so that it has an inverse
_MIX = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA77))

Array = np.ndarray[Any, np.dtype[Any]]


@functools.cache
def _classes() -> Array:
    """For every code point: 0 no part of a word, 1 part of one, 2 a word by itself."""
    classes = np.fromiter((chr(c).isalnum() for c in range(0x30000)), np.uint8, 0x30000)
    for first, last in _SPACELESS:
        classes[first : last + 1] *= 2
    return np.concatenate([classes, np.zeros(0x110000 - len(classes), np.uint8)])


@functools.cache
def _powers() -> tuple[Array, Array]:
    """Powers of the generator and of its inverse, modulo 2³²: the hash of a word is a difference of two sums, moved to the word's beginning."""
    count = _AT_ONCE + 2
    inverse = pow(_GENERATOR, -1, 1 << 32)
    return tuple(np.cumprod(np.concatenate([[1], np.full(count - 1, one, np.uint32)]), dtype=np.uint32) for one in (_GENERATOR, inverse))  # type: ignore[return-value]


def _lower(text: str) -> str:
    """Lower case, character by character: offsets stay."""
    low = text.replace("İ", "i").lower()  # the one letter whose lower case is two characters
    return low if len(low) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: where each begins and ends (characters) and the buckets of the n-grams that begin there, shape (4, words).

    A single word, a pair, a triple and a stem each. Behind the last word stands nothing, so pairs and triples there lead nowhere.
    """

    starts: Array
    ends: Array
    buckets: Array


def words(text: str) -> Words:
    """Hash a text of at most `_AT_ONCE` characters. A NUL parts texts: no n-gram crosses it."""
    points = np.frombuffer(_lower(text).encode("utf-32-le", "surrogatepass"), np.uint32)
    kind = np.zeros(len(points) + 2, np.uint8)
    np.take(_classes(), points, out=kind[1:-1], mode="clip")
    before, here = kind[:-1], kind[1:]
    alone = (before == 2) | (here == 2)
    edge = (before > 0) != (here > 0)
    starts = np.flatnonzero((here > 0) & (edge | alone))
    ends = np.flatnonzero((before > 0) & (edge | alone))
    if not len(starts):
        return Words(starts, ends, np.zeros((4, 0), np.uint32))
    powers, inverse = _powers()
    sums = np.zeros(len(points) + 1, np.uint32)
    np.cumsum(points * powers[: len(points)], out=sums[1:])
    back = inverse[starts]
    whole = (sums[np.minimum(ends, starts + _LONGEST)] - sums[starts]) * back
    stem = (sums[np.minimum(ends, starts + STEM)] - sums[starts]) * back
    second, third = _shifted(whole, 1), _shifted(whole, 2)
    parts = np.flatnonzero(points == 0)
    if len(parts):  # the last word before a NUL has no second, the last two have no third
        last = np.searchsorted(starts, parts) - 1
        last = last[last >= 0]
        second[last] = 0
        third[last] = third[np.maximum(last - 1, 0)] = 0
    mixed = np.empty((4, len(starts)), np.uint32)
    mixed[0] = whole
    mixed[1] = whole * _MIX[0] + second
    mixed[2] = mixed[1] * _MIX[1] + third
    mixed[3] = stem ^ np.uint32(0x5BD1E995)
    for factor, shift in ((_MIX[0], 15), (_MIX[1], 13)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= factor
    return Words(starts, ends, mixed >> np.uint32(32 - BITS))


def _shifted(values: Array, by: int) -> Array:
    return np.concatenate([values[by:], np.zeros(min(by, len(values)), np.uint32)])


@dataclass(frozen=True)
class Linear:
    """TF-IDF and a logistic regression in one: a window's score is the weights of its n-grams over the norm of their rarities, plus the bias."""

    weights: Array
    rarity: Array
    bias: float

    @functools.cached_property
    def _both(self) -> Array:
        """Weights and squared rarities side by side, shape (buckets, 2): they are looked up together."""
        return np.stack([self.weights, self.rarity**2], 1).astype(np.float32)

    @classmethod
    def load(cls, path: Path) -> Linear:
        """From a safetensors file with `weights` (float16) and `rarity` (uint8, sixteenths), both by bucket, and `bias`. Raises ModelError."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(path)
            weights, rarity, bias = arrays["weights"], arrays["rarity"], float(arrays["bias"][0])
        except (OSError, SafetensorError, KeyError, IndexError) as error:
            raise ModelError(f"{path} cannot be loaded: {str(error)[:200]}. Bring the pinned model again") from None
        if weights.shape != (1 << BITS,) or rarity.shape != weights.shape or not (np.isfinite(weights).all() and np.isfinite(bias)):
            raise ModelError(f"{path} holds no {1 << BITS:,} weights that are numbers. Bring the pinned model again")
        return cls(weights.astype(np.float32), rarity.astype(np.float32) / 16, bias)

    def save(self, path: Path) -> None:
        """As `load` reads it."""
        from safetensors.numpy import save_file

        rarity = np.round(self.rarity * 16).astype(np.uint8)
        save_file({"weights": self.weights.astype(np.float16), "rarity": rarity, "bias": np.array([self.bias], np.float32)}, path)

    def scores(self, texts: Sequence[str]) -> Array:
        """Log odds of each text as a whole; of one without a word, the bias."""
        sums = np.zeros((len(texts), 2))
        for piece in _pieces(texts):
            found = words(piece.text)
            np.add.at(sums, piece.rows[np.searchsorted(piece.starts, found.starts, "right") - 1], self._values(found))
        return self._score(sums)

    def zones(self, texts: Sequence[str], gate: float) -> Iterator[tuple[int, int, int]]:
        """(text, start, end) in characters of what scores `gate` or more, with margins, overlapping ones together; in order."""
        for piece in _pieces(texts):
            found = words(piece.text)
            total = np.concatenate([np.zeros((1, 2)), np.cumsum(self._values(found), 0, dtype=np.float64)])
            bounds = np.searchsorted(found.starts, np.append(piece.starts, len(piece.text)))
            lengths = np.diff(bounds)
            counts = np.where(lengths > 0, 1 + np.maximum(0, -(-(lengths - ZONE) // ZONE_STRIDE)), 0)
            of = np.repeat(np.arange(len(lengths)), counts)
            first = bounds[of] + ZONE_STRIDE * (np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts))
            last = np.minimum(first + ZONE, bounds[of + 1])
            passed = np.flatnonzero(self._score(total[last] - total[first]) >= gate)
            yield from _merged(piece, found, of[passed], first[passed], last[passed], bounds)

    def _values(self, found: Words) -> Array:
        """Weight and squared rarity of all n-grams that begin at each word, shape (words, 2)."""
        return np.asarray(self._both[found.buckets].sum(0))

    def _score(self, sums: Array) -> Array:
        return np.asarray(sums[..., 0] / np.sqrt(np.maximum(sums[..., 1], 1e-6)) + self.bias)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Texts joined with NULs between them: which row each is, where it begins, and how much of the row stands before it."""

    text: str
    rows: Array
    starts: Array
    skipped: Array


def _pieces(texts: Sequence[str]) -> Iterator[_Piece]:
    """All texts, joined into pieces of at most `_AT_ONCE` characters; a longer text is cut into parts that overlap."""
    parts: list[tuple[int, int, str]] = []
    size = 0
    for row, text in enumerate(texts):
        for skipped in range(0, max(1, len(text) - _OVERLAP), _AT_ONCE - _OVERLAP) if text else ():
            part = text if len(text) <= _AT_ONCE else text[skipped : skipped + _AT_ONCE]
            if size + len(part) + len(parts) > _AT_ONCE:
                yield _joined(parts)
                parts, size = [], 0
            parts.append((row, skipped, part))
            size += len(part)
    if parts:
        yield _joined(parts)


def _joined(parts: Sequence[tuple[int, int, str]]) -> _Piece:
    lengths = np.fromiter((len(part) + 1 for _, _, part in parts), np.int64, len(parts))
    rows, skipped = (np.fromiter((one[i] for one in parts), np.int64, len(parts)) for i in (0, 1))
    return _Piece("\0".join(part.replace("\0", " ") for _, _, part in parts), rows, np.cumsum(lengths) - lengths, skipped)


def _merged(piece: _Piece, found: Words, of: Array, first: Array, last: Array, bounds: Array) -> Iterator[tuple[int, int, int]]:
    """Zones of words with their margins as ranges of characters, neighbours of one text together."""
    begins = np.maximum(first - MARGIN, bounds[of]).tolist()
    ends = np.minimum(last + MARGIN, bounds[of + 1]).tolist()
    at = 0
    while at < len(begins):
        text, begin, end = int(of[at]), begins[at], ends[at]
        while at + 1 < len(begins) and of[at + 1] == text and begins[at + 1] <= end:
            at += 1
            end = ends[at]
        start, skipped = int(piece.starts[text]), int(piece.skipped[text])
        until = int(piece.starts[text + 1]) - 1 if text + 1 < len(piece.starts) else len(piece.text)
        lead = start if begin == bounds[text] else int(found.starts[begin])
        tail = until if end == bounds[text + 1] else int(found.ends[end - 1])
        yield int(piece.rows[text]), lead - start + skipped, tail - start + skipped
        at += 1
