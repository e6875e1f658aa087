"""The transformer of a folder, whatever its format, and a memory of what it was asked; it knows no texts, thresholds or hits."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from veritensor_ray.engines.injection.windows import TokenWindow
from veritensor_ray.engines.words import Array
from veritensor_ray.errors import ModelError
from veritensor_ray.models.model_store import ONNX

_KNOWN = 1 << 17  # scores of windows seen before: corpora repeat themselves


class Backend(Protocol):
    """Weights of one format, and what runs them. Scores are log odds of an injection.

    `exact`: the score of a window is the same whatever it is computed with.
    """

    exact: bool

    def scores(self, ids: Sequence[Sequence[int]]) -> Array:
        """Of windows, given as the ids of their tokens."""

    def alone(self, ids: Sequence[int]) -> float:
        """Of one window by itself, the same wherever it is computed."""


class Network:
    """Scores windows. It is made in the process that uses it, and neither pickled nor carried through a fork."""

    def __init__(self, folder: Path, token_budget: int, threads: int = 1) -> None:
        self.folder = folder
        self.backend = _backend(folder, token_budget, threads)
        self._known: OrderedDict[bytes, float] = OrderedDict()

    @property
    def exact(self) -> bool:
        """Whether a score is the same whatever it is computed with."""
        return self.backend.exact

    def score(self, windows: Sequence[TokenWindow]) -> Array:
        """Log odds of each window. Equal windows are computed once, in a call and, while they are remembered, in later ones."""
        keys = [hashlib.blake2b(np.asarray(window.ids, np.int32).tobytes(), digest_size=16).digest() for window in windows]
        new = {key: window.ids for key, window in zip(keys, windows, strict=True) if key not in self._known}
        self._known.update(zip(new, self._numbers(self.backend.scores(list(new.values()))).tolist(), strict=True))
        for key in keys:
            self._known.move_to_end(key)
        scores = np.array([self._known[key] for key in keys])
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return scores

    def alone(self, window: TokenWindow) -> float:
        """The log odds of one window by itself."""
        return float(self._numbers(np.array(self.backend.alone(window.ids))))

    def _numbers(self, scores: Array) -> Array:
        if not np.isfinite(scores).all():  # compared with a threshold, one that is none would be below, and the text clean
            raise ModelError(f"the scores of the model in {self.folder} are no numbers. Bring the pinned model again")
        return scores


def _backend(folder: Path, token_budget: int, threads: int) -> Backend:
    from veritensor_ray.engines.injection.onnx_backend import OnnxBackend
    from veritensor_ray.engines.injection.torch_backend import TorchBackend

    return OnnxBackend(folder, threads) if (folder / ONNX).exists() else TorchBackend(folder, token_budget, threads)
