"""Runs an ONNX graph with ONNX Runtime on the CPU, one window at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veritensor_ray.engines.word_forms import Array
from veritensor_ray.models.model_store import ONNX
from veritensor_ray.models.onnx_graph import OnnxGraph, Tokens

_TOKENS, _SCORE = "input_ids", "score"


class OnnxBackend:
    """A graph that takes `input_ids` (int64, shape [1, tokens]) and returns `score` (float32, shape [1])."""

    exact = True

    def __init__(self, folder: Path, at_once: int = 1) -> None:
        self._graph = OnnxGraph(folder / ONNX, (_TOKENS,), _SCORE, at_once)

    def scores(self, ids: Sequence[Sequence[int]]) -> Array:
        """Return the log odds of windows, each computed by itself, `at_once` of them in parallel."""
        return np.array([float(score[0]) for score in self._graph.answers([_window(one) for one in ids])])

    def alone(self, ids: Sequence[int]) -> float:
        """Return the log odds of one window."""
        return float(self._graph.answer(_window(ids))[0])


def _window(ids: Sequence[int]) -> dict[str, Tokens]:
    return {_TOKENS: np.array([ids], np.int64)}
