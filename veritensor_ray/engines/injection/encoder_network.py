"""Runs the transformer from a model folder, in any supported format, and remembers its scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.injection.windows import TokenWindow
from veritensor_ray.engines.word_forms import Array
from veritensor_ray.models.model_store import ONNX
from veritensor_ray.models.shared_answers import ModelAnswers


class Backend(Protocol):
    """Weights in one format and their runtime. Scores are log odds of an injection.

    `exact` means that the score of a window does not depend on the other windows of its batch.
    """

    exact: bool

    def scores(self, ids: Sequence[Sequence[int]]) -> Array:
        """Return the scores of windows, given as token ids."""

    def alone(self, ids: Sequence[int]) -> float:
        """Return the score of one window computed by itself, which is reproducible."""


class Network:
    """Scores windows. It is created in the process that uses it, and must not be pickled or used across a fork."""

    def __init__(self, folder: Path, token_budget: int, threads: int = 1) -> None:
        self.folder = folder
        self.backend = _backend(folder, token_budget, threads)
        self._known: ModelAnswers[Sequence[int], float] = ModelAnswers("injection", float, float)

    @property
    def exact(self) -> bool:
        """Whether the score of a window does not depend on the other windows of its batch."""
        return self.backend.exact

    def score(self, windows: Sequence[TokenWindow]) -> Array:
        """Return the log odds of each window. Equal windows are computed once while they are remembered."""
        ids = [window.ids for window in windows]
        keys = [hashlib.blake2b(np.asarray(one, np.int32).tobytes(), digest_size=16).digest() for one in ids]
        return np.array(self._known.of(keys, ids, lambda new: self._numbers(self.backend.scores(new)).tolist()))

    def alone(self, window: TokenWindow) -> float:
        """Return the log odds of one window computed by itself."""
        return float(self._numbers(np.array(self.backend.alone(window.ids))))

    def _numbers(self, scores: Array) -> Array:
        if not np.isfinite(scores).all():  # NaN would compare as below any threshold, and the text would pass as clean
            raise ModelError(f"the model in {self.folder} returned scores that are not numbers. Reinstall the pinned model")
        return scores


def _backend(folder: Path, token_budget: int, threads: int) -> Backend:
    from veritensor_ray.engines.injection.onnx_classifier import OnnxBackend
    from veritensor_ray.engines.injection.torch_classifier import TorchBackend

    return OnnxBackend(folder, threads) if (folder / ONNX).exists() else TorchBackend(folder, token_budget, threads)
