"""Implements the first stage of `injection`: a linear model over hashed words, word pairs and triples.

It works on whole batches of texts as arrays. It reads every text, so a Python loop over windows or texts would be most of its cost.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.word_forms import AT_ONCE, MIX, Array, Hashes, JoinedPiece, bounds, joined_pieces, lowered, mixed, points_of

BITS = 19
STEM = 5  # characters at the beginning of a word that count as its stem, which inflected languages repeat
ZONE, ZONE_STRIDE = 40, 20  # words that are judged together: among more, a short instruction would be lost
MARGIN = 12  # words on either side of a zone that the transformer also reads
_LONGEST = 32  # characters of a word that enter its hash
_OVERLAP = 2048  # characters by which parts of a longer text overlap, so that one of them contains the whole instruction


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: where each begins and ends (in characters), and the buckets of the n-grams that begin there, shape (4, words).

    The four are the single word, the pair, the triple and the stem. The last words have incomplete pairs and triples.
    """

    starts: Array
    ends: Array
    buckets: Array


def words(text: str) -> Words:
    """Hash a text of at most `AT_ONCE` characters. A NUL separates texts, and no n-gram crosses it."""
    points = points_of(lowered(text))
    starts, ends = bounds(points)
    if not len(starts):
        return Words(starts, ends, np.zeros((4, 0), np.uint32))
    hashes = Hashes(points)
    whole = hashes.of(starts, np.minimum(ends, starts + _LONGEST))
    stem = hashes.of(starts, np.minimum(ends, starts + STEM))
    second, third = _shifted(whole, 1), _shifted(whole, 2)
    parts = np.flatnonzero(points == 0)
    if len(parts):  # the last word before a NUL has no second word, and the last two have no third
        last = np.searchsorted(starts, parts) - 1
        last = last[last >= 0]
        second[last] = 0
        third[last] = third[np.maximum(last - 1, 0)] = 0
    grams = np.empty((4, len(starts)), np.uint32)
    grams[0] = whole
    grams[1] = whole * MIX[0] + second
    grams[2] = grams[1] * MIX[1] + third
    grams[3] = stem ^ np.uint32(0x5BD1E995)
    return Words(starts, ends, mixed(grams) >> np.uint32(32 - BITS))


def _shifted(values: Array, by: int) -> Array:
    return np.concatenate([values[by:], np.zeros(min(by, len(values)), np.uint32)])


@dataclass(frozen=True)
class Linear:
    """TF-IDF and logistic regression combined.

    A window's score is the sum of its n-grams' weights over the norm of their rarities, plus the bias.
    """

    weights: Array
    rarity: Array
    bias: float

    @functools.cached_property
    def _both(self) -> Array:
        """Weights and squared rarities side by side, shape (buckets, 2), because they are looked up together."""
        return np.stack([self.weights, self.rarity**2], 1).astype(np.float32)

    @classmethod
    def load(cls, path: Path) -> Linear:
        """Load a safetensors file: `weights` (float16) and `rarity` (uint8, sixteenths), both by bucket, and `bias`. Raises ModelError."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(path)
            weights, rarity, bias = arrays["weights"], arrays["rarity"], float(arrays["bias"][0])
        except (OSError, SafetensorError, KeyError, IndexError) as error:
            raise ModelError(f"{path} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None
        if weights.shape != (1 << BITS,) or rarity.shape != weights.shape or not (np.isfinite(weights).all() and np.isfinite(bias)):
            raise ModelError(f"{path} does not contain {1 << BITS:,} weights that are numbers. Reinstall the pinned model")
        return cls(weights.astype(np.float32), rarity.astype(np.float32) / 16, bias)

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        from safetensors.numpy import save_file

        rarity = np.round(self.rarity * 16).astype(np.uint8)
        save_file({"weights": self.weights.astype(np.float16), "rarity": rarity, "bias": np.array([self.bias], np.float32)}, path)

    def scores(self, texts: Sequence[str]) -> Array:
        """Return the log odds of each text as a whole. A text without words has the bias as its score."""
        sums = np.zeros((len(texts), 2))
        for piece in joined_pieces(texts, _cut):
            found = words(piece.text)
            np.add.at(sums, piece.owners[np.searchsorted(piece.starts, found.starts, "right") - 1], self._values(found))
        return self._score(sums)

    def zones(self, texts: Sequence[str], gate: float) -> Iterator[tuple[int, int, int]]:
        """Yield (text, start, end), in characters, of passages that score `gate` or more, with margins, in order and merged if they overlap."""
        for piece in joined_pieces(texts, _cut):
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
        """Return the summed weights and squared rarities of all n-grams that begin at each word, shape (words, 2)."""
        return np.asarray(self._both[found.buckets].sum(0))

    def _score(self, sums: Array) -> Array:
        return np.asarray(sums[..., 0] / np.sqrt(np.maximum(sums[..., 1], 1e-6)) + self.bias)


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """Yield a text whole, or in overlapping parts if it is too long."""
    if len(text) <= AT_ONCE:
        if text:
            yield 0, text
        return
    for skipped in range(0, len(text) - _OVERLAP, AT_ONCE - _OVERLAP):
        yield skipped, text[skipped : skipped + AT_ONCE]


def _merged(piece: JoinedPiece, found: Words, of: Array, first: Array, last: Array, bounds: Array) -> Iterator[tuple[int, int, int]]:
    """Yield zones of words with their margins as ranges of characters, merging neighbors in one text."""
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
        yield int(piece.owners[text]), lead - start + skipped, tail - start + skipped
        at += 1
