"""Scores a passage by the meaning of its words: the second half of the first stage of `injection`.

Words, pairs of words and stems have vectors in a space that is common to all languages. A small network judges the mean of a few words
beside that of the passage around them, so it recognizes orders in wording that it has never seen. The order of the words does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.word_forms import Array
from veritensor_ray.models.weights import stored_arrays

SLOTS = 19  # bits of a hash that choose a vector
WIDTH = 24  # numbers of a vector
SHORT, STEP = 12, 6  # words that are judged together, within a passage


def slots_of(hashes: Array) -> Array:
    """Return the slots that hashes have in the table."""
    return np.asarray(hashes >> np.uint32(32 - SLOTS))


def check_of(hashes: Array) -> Array:
    """Return the eight bits by which a hash is recognized in its slot. Zero stands for an empty slot."""
    return np.asarray(np.maximum(hashes & np.uint32(255), np.uint32(1)), np.uint8)


@dataclass(frozen=True)
class WordVectors:
    """A table of vectors (int8, in units of `scale`) with the check of the word in each slot, and a network with one hidden layer.

    `mix` holds a, b and c of the first stage's log odds: a · linear model + b · network + c.
    """

    vectors: Array
    checks: Array
    scale: Array
    inner: Array
    inner_bias: Array
    outer: Array
    outer_bias: Array
    mix: Array

    @classmethod
    def load(cls, path: Path) -> WordVectors:
        """Load a safetensors file with a tensor for each field. Raises ModelError."""
        found = cls(**stored_arrays(path, (one.name for one in fields(cls))))
        hidden = found.outer.shape[:1]
        shapes = {
            "vectors": (1 << SLOTS, WIDTH), "checks": (1 << SLOTS,), "scale": (1,), "inner": (2 * WIDTH, *hidden), "inner_bias": hidden,
            "outer": hidden, "outer_bias": (1,), "mix": (3,),
        }  # fmt: skip
        kinds = {"vectors": np.int8, "checks": np.uint8}
        right = all(getattr(found, name).shape == shape for name, shape in shapes.items()) and all(
            getattr(found, name).dtype == kinds.get(name, np.float32) and np.isfinite(getattr(found, name)).all() for name in shapes
        )
        if not right:
            raise ModelError(
                f"{path} does not contain {1 << SLOTS:,} vectors of {WIDTH} numbers and their network. Reinstall the pinned model"
            )
        return found

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        from safetensors.numpy import save_file

        save_file({one.name: getattr(self, one.name) for one in fields(self)}, path)

    def of(self, hashes: Array) -> Array:
        """Return the sum of the vectors for each column of hashes, shape (n-grams, words), as int16. Unknown n-grams add nothing."""
        result = np.zeros((hashes.shape[1], WIDTH), np.int16)
        for row in hashes:
            slots = slots_of(row)
            known = np.flatnonzero(self.checks[slots] == check_of(row))
            result[known] += self.vectors[slots[known]]
        return result

    def scores(self, hashes: Array, first: Array, last: Array) -> Array:
        """Return the log odds of passages, given as ranges of words, of the hashes of a text, shape (n-grams, words).

        A passage has the score of its most telling words.
        """
        total = np.zeros((hashes.shape[1] + 1, WIDTH), np.int32)  # as integers, sums are exact however long the text is
        np.cumsum(self.of(hashes), 0, out=total[1:])
        # In float64, a row's products do not depend on how many rows there are; in float32 they do, by the last digits.
        inner, outer = self.inner.astype(np.float64), self.outer.astype(np.float64)
        around = self._means(total, first, last) @ inner[WIDTH:] + self.inner_bias
        result = np.full(len(first), -np.inf)
        for skipped in range(0, int(max(1, (last - first).max(initial=0) - STEP)), STEP):
            some = np.flatnonzero(first + skipped < np.maximum(last - STEP, first + 1))
            begin = first[some] + skipped
            hidden = self._means(total, begin, np.minimum(begin + SHORT, last[some])) @ inner[:WIDTH] + around[some]
            result[some] = np.maximum(result[some], np.maximum(hidden, 0) @ outer + self.outer_bias[0])
        return result.astype(np.float32)

    def _means(self, total: Array, first: Array, last: Array) -> Array:
        return np.asarray((total[last] - total[first]) * (np.float64(self.scale[0]) / np.maximum(last - first, 1)[:, None]))
