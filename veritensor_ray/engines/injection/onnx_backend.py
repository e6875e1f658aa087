"""Weights as an ONNX graph, run by ONNX Runtime on the CPU, a window at a time; it knows no other format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veritensor_ray.engines.words import Array
from veritensor_ray.models.model_store import ONNX
from veritensor_ray.models.onnx_graph import OnnxGraph, Tokens

_TOKENS, _SCORE = "input_ids", "score"


class OnnxBackend:
    """Takes `input_ids`, int64 of shape [1, tokens], and gives `score`, a float32 of shape [1]."""

    exact = True

    def __init__(self, folder: Path, at_once: int = 1) -> None:
        self._graph = OnnxGraph(folder / ONNX, (_TOKENS,), _SCORE, at_once)

    def scores(self, ids: Sequence[Sequence[int]]) -> Array:
        """Log odds of windows, each by itself and `at_once` at a time."""
        return np.array([float(score[0]) for score in self._graph.answers([_window(one) for one in ids])])

    def alone(self, ids: Sequence[int]) -> float:
        """Log odds of one window."""
        return float(self._graph.answer(_window(ids))[0])


def _window(ids: Sequence[int]) -> dict[str, Tokens]:
    return {_TOKENS: np.array([ids], np.int64)}
