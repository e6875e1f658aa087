"""The first stage of `injection`: a linear model over hashed words, word pairs and triples; it knows neither the transformer nor tokens.

Words are what Unicode calls letters and digits; in scripts without spaces every character is one. A text is hashed once, whatever
its length and however its windows overlap.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.errors import ModelError

BITS = 19
STEM = 5  # characters of a word's beginning that count as its stem: inflected languages repeat those
_LONGEST = 32  # characters of a word that enter its hash
_SPACELESS = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2FFFF))
_POWERS = np.power(np.uint32(0x01000193), np.arange(_LONGEST, dtype=np.uint32), dtype=np.uint32)
_MIX = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA77))
_BEYOND = (0, 1, 2, 0)  # words behind the first that each of the n-grams reads: words, pairs, triples, stems

Array = np.ndarray[Any, np.dtype[Any]]


@functools.cache
def _classes() -> Array:
    """For every code point: 0 no part of a word, 1 part of one, 2 a word by itself."""
    classes = np.fromiter((chr(c).isalnum() for c in range(0x30000)), np.uint8, 0x30000)
    for first, last in _SPACELESS:
        classes[first : last + 1] *= 2
    return np.concatenate([classes, np.zeros(0x110000 - len(classes), np.uint8)])


def _lower(text: str) -> str:
    """Lower case, character by character: offsets stay."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: where each begins (characters) and the buckets of the n-grams that begin there, shape (4, words)."""

    starts: Array
    buckets: Array

    def between(self, first: int, last: int) -> Array:
        """The distinct buckets of the n-grams of words first to last."""
        parts = [row[first : max(first, last - beyond)] for row, beyond in zip(self.buckets, _BEYOND, strict=True)]
        return np.unique(np.concatenate(parts))


def words(text: str) -> Words:
    """Hash a text."""
    points = np.frombuffer(_lower(text).encode("utf-32-le", "surrogatepass"), np.uint32)
    kind = _classes()[np.minimum(points, 0x10FFFF)]
    before = np.concatenate([[np.uint8(0)], kind[:-1]])
    starts = np.flatnonzero((kind > 0) & ((before == 0) | (kind == 2) | (before == 2)))
    if not len(starts):
        return Words(starts, np.zeros((4, 0), np.uint32))
    owner = np.cumsum(np.bincount(starts, minlength=len(points))) - 1
    place = np.maximum(np.arange(len(points)) - starts[np.maximum(owner, 0)], 0)
    value = np.where((kind > 0) & (owner >= 0) & (place < _LONGEST), points * _POWERS[np.minimum(place, _LONGEST - 1)], np.uint32(0))
    whole = np.add.reduceat(value.astype(np.uint32), starts, dtype=np.uint32)
    stem = np.add.reduceat(np.where(place < STEM, value, np.uint32(0)).astype(np.uint32), starts, dtype=np.uint32)
    second, third = _shifted(whole, 1), _shifted(whole, 2)
    grams = (
        whole,
        whole * _MIX[0] + second,
        (whole * _MIX[0] + second) * _MIX[1] + third,
        stem ^ np.uint32(0x5BD1E995),
    )
    mixed = np.stack(grams)
    mixed = (mixed ^ (mixed >> np.uint32(15))) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint32(13))) * _MIX[1]
    return Words(starts, mixed >> np.uint32(32 - BITS))


def _shifted(values: Array, by: int) -> Array:
    return np.concatenate([values[by:], np.zeros(min(by, len(values)), np.uint32)])


@dataclass(frozen=True)
class Linear:
    """TF-IDF and a logistic regression in one: a window's score is the weights of its n-grams over the norm of their rarities, plus the bias."""

    weights: Array
    rarity: Array
    bias: float

    @functools.cached_property
    def squares(self) -> Array:
        """Of the rarities."""
        return self.rarity**2

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

    def scores(self, text: str, starts: Sequence[int] | Array, ends: Sequence[int] | Array) -> Array:
        """Log odds of each window [start, end) of characters."""
        found = words(text)
        scores = np.full(len(starts), self.bias)
        for i, (first, last) in enumerate(zip(np.searchsorted(found.starts, starts), np.searchsorted(found.starts, ends), strict=True)):
            buckets = found.between(first, last)
            scores[i] += self.weights[buckets].sum() / max(1e-6, float(self.squares[buckets].sum()) ** 0.5)
        return scores
