"""Scores a passage by its wording: a linear model over hashed words, word pairs, triples and stems. It does not depend on passages."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.word_forms import MIX, Array, Hashes, bounds, lowered, mixed, points_of
from veritensor_ray.models.weights import stored_arrays

BITS = 19
STEM = 5  # characters at the beginning of a word that count as its stem, which inflected languages repeat
_LONGEST = 32  # characters of a word that enter its hash


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: where each begins and ends (in characters), and the hashes of the n-grams that begin there, shape (4, words).

    The four are the single word, the pair, the triple and the stem. The last words have incomplete pairs and triples.
    """

    starts: Array
    ends: Array
    hashes: Array

    @property
    def buckets(self) -> Array:
        """The n-grams as the linear model distinguishes them."""
        return np.asarray(self.hashes >> np.uint32(32 - BITS))


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
    return Words(starts, ends, mixed(grams))


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
        weights, rarity, bias = stored_arrays(path, ("weights", "rarity", "bias")).values()
        if not (
            weights.shape == rarity.shape == (1 << BITS,) and bias.shape == (1,) and np.isfinite(weights).all() and np.isfinite(bias).all()
        ):
            raise ModelError(f"{path} does not contain {1 << BITS:,} weights that are numbers. Reinstall the pinned model")
        return cls(weights.astype(np.float32), rarity.astype(np.float32) / 16, float(bias[0]))

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        from safetensors.numpy import save_file

        rarity = np.round(self.rarity * 16).astype(np.uint8)
        save_file({"weights": self.weights.astype(np.float16), "rarity": rarity, "bias": np.array([self.bias], np.float32)}, path)

    def values(self, found: Words) -> Array:
        """Return the summed weights and squared rarities of all n-grams that begin at each word, shape (words, 2)."""
        return np.asarray(self._both[found.buckets].sum(0))

    def score(self, sums: Array) -> Array:
        """Return the log odds of passages, given the sums of their words' values. A passage without words has the bias as its score."""
        return np.asarray(sums[..., 0] / np.sqrt(np.maximum(sums[..., 1], 1e-6)) + self.bias)
