"""Weights as an ONNX graph, run by ONNX Runtime on the CPU, a window at a time; it knows no other format."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.engines.words import Array
from veritensor_ray.errors import Malformed, ModelError
from veritensor_ray.formats import onnx
from veritensor_ray.models.model_store import ONNX
from veritensor_ray.models.telemetry import silence

_TOKENS, _SCORE = "input_ids", "score"
_QUIET = 4  # fatal errors only: what goes wrong is raised as well


class OnnxBackend:
    """Takes `input_ids`, int64 of shape [1, tokens], and gives `score`, a float32 of shape [1].

    A quantised graph takes its scale from all that it is given at once. So windows are neither padded nor batched: only then does a
    score belong to its window, and at a hundred tokens each a batch would save nothing.
    """

    exact = True

    def __init__(self, folder: Path, at_once: int = 1) -> None:
        self._file = folder / ONNX
        self._at_once = at_once
        self._refuse_what_lies_elsewhere()
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a window is too small to be shared; see `scores`
        options.log_severity_level = _QUIET
        try:
            self._session = runtime.InferenceSession(str(self._file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  # the library has an exception for each of its codes, and the remedy is the same
            raise ModelError(f"{self._file} cannot be loaded: {str(error)[:200]}. Bring the pinned model again") from None
        takes, gives = ([(one.name, one.type) for one in ports] for ports in (self._session.get_inputs(), self._session.get_outputs()))
        if takes != [(_TOKENS, "tensor(int64)")] or gives != [(_SCORE, "tensor(float)")]:
            raise ModelError(f"{self._file} takes {takes} and gives {gives}, not {_TOKENS} and {_SCORE}. Bring the pinned model again")

    def scores(self, ids: Sequence[Sequence[int]]) -> Array:
        """Log odds of windows, each by itself and `at_once` at a time."""
        if self._at_once == 1 or len(ids) < 2 * self._at_once:
            return np.array([self.alone(one) for one in ids])
        with ThreadPoolExecutor(self._at_once) as pool:
            return np.array(list(pool.map(self.alone, ids)))

    def alone(self, ids: Sequence[int]) -> float:
        """Log odds of one window."""
        try:
            (score,) = self._session.run([_SCORE], {_TOKENS: np.array([ids], np.int64)})
            return float(score[0])
        except Exception as error:  # noqa: BLE001  # as above; a token that the weights do not know, for one
            raise ModelError(f"{self._file} cannot be run: {str(error)[:200]}. Bring the pinned model again") from None

    def _refuse_what_lies_elsewhere(self) -> None:
        """Weights may stand in other files, which nobody has verified."""
        try:
            with self._file.open("rb") as file:
                elsewhere = any(isinstance(found, onnx.Pair) and found.name == "external_data" for found in onnx.texts(file))
        except Malformed as error:
            raise ModelError(f"{self._file} cannot be loaded: {error}. Bring the pinned model again") from None
        if elsewhere:
            raise ModelError(
                f"{self._file} names other files that hold its weights: such models are not loaded. Bring the pinned model again"
            )


def _runtime() -> Any:
    """The library, silent."""
    silence()
    import onnxruntime

    onnxruntime.set_default_logger_severity(_QUIET)
    return onnxruntime
