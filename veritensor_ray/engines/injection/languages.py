"""Recognizes the language of a passage by its commonest words, and says how much weaker the first stage's evidence is in that language.

Most attacks that the first stage has learnt from are English. In another language its scores are lower for attacks and harmless texts alike,
so one gate for all would let next to nothing pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.word_forms import Array
from veritensor_ray.models.weights import stored_arrays

_TYPES = {"hashes": "uint32", "spoken": "uint8", "ease": "float32", "codes": "uint8"}
FEWEST = 3  # common words of a language by which it is recognized


@dataclass(frozen=True)
class Languages:
    """Common words, as sorted hashes, with the number of the language of each; `ease`, in log odds, is added in that language.

    `codes` holds the two letters of each language, shape (languages, 2), as bytes.
    """

    hashes: Array
    spoken: Array
    ease: Array
    codes: Array

    @classmethod
    def load(cls, path: Path) -> Languages:
        """Load a safetensors file with a tensor for each field. Raises ModelError."""
        found = cls(**stored_arrays(path, _TYPES))
        known, count = found.hashes.shape, found.ease.size
        right = (
            {name: str(getattr(found, name).dtype) for name in _TYPES} == _TYPES
            and (found.spoken.shape, found.ease.shape, found.codes.shape) == (known, (count,), (count, 2))
            and len(known) == 1
            and min(*known, count) > 0
            and bool((np.diff(found.hashes.astype(np.int64)) > 0).all() and (found.spoken < count).all() and np.isfinite(found.ease).all())
        )
        if not right:
            raise ModelError(f"{path} does not contain the common words of languages. Reinstall the pinned model")
        return found

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        from safetensors.numpy import save_file

        save_file({name: getattr(self, name) for name in _TYPES}, path)

    def counts(self, hashes: Array, groups: Array, number: int) -> Array:
        """Return how many common words of each language each group of words has, shape (number, languages), given the group of each word."""
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        common = np.flatnonzero(self.hashes[at] == hashes)
        size = len(self.ease)
        return np.bincount(groups[common] * size + self.spoken[at[common]], minlength=number * size).reshape(number, size)

    def likeliest(self, counts: Array) -> Array:
        """Return the number of the language of each group; -1 where too few of its words are common ones."""
        best = counts.argmax(1)
        return np.where(counts[np.arange(len(counts)), best] >= FEWEST, best, -1)

    def eased(self, counts: Array) -> Array:
        """Return what is added to the log odds of each group."""
        return np.append(self.ease, np.float32(0))[self.likeliest(counts)]
