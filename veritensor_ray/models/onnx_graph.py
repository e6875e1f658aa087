"""An ONNX graph of a verified folder, run by ONNX Runtime on the CPU, a window at a time; it knows no engine and no architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veritensor_ray.errors import Malformed, ModelError
from veritensor_ray.formats import onnx
from veritensor_ray.models.telemetry import silence

_QUIET = 4  # fatal errors only: what goes wrong is raised as well

Tokens = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]


class OnnxGraph:
    """Takes tensors of int64 by the names given, and gives one of float32.

    A quantised graph takes its scale from all that it is given at once. So windows are neither padded nor batched: only then does an
    answer belong to its window, and at a hundred tokens each a batch would save nothing.
    """

    def __init__(self, file: Path, takes: Sequence[str], gives: str, at_once: int = 1) -> None:
        self._file, self._gives, self._at_once = file, gives, at_once
        self._refuse_what_lies_elsewhere()
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a window is too small to be shared; see `answers`
        options.log_severity_level = _QUIET
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  # the library has an exception for each of its codes, and the remedy is the same
            raise ModelError(f"{file} cannot be loaded: {str(error)[:200]}. Bring the pinned model again") from None
        ports = [[(one.name, one.type) for one in ports] for ports in (self._session.get_inputs(), self._session.get_outputs())]
        if ports != [[(name, "tensor(int64)") for name in takes], [(gives, "tensor(float)")]]:
            raise ModelError(
                f"{file} takes {ports[0]} and gives {ports[1]}, not {', '.join(takes)} and {gives}. Bring the pinned model again"
            )

    def answers(self, windows: Sequence[Mapping[str, Tokens]]) -> list[Numbers]:
        """Of windows, each by itself and `at_once` at a time."""
        if self._at_once == 1 or len(windows) < 2 * self._at_once:
            return [self.answer(one) for one in windows]
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(self.answer, windows))

    def answer(self, window: Mapping[str, Tokens]) -> Numbers:
        """Of one window. Raises ModelError."""
        try:
            (found,) = self._session.run([self._gives], dict(window))
        except Exception as error:  # noqa: BLE001  # as above; a token that the weights do not know, for one
            raise ModelError(f"{self._file} cannot be run: {str(error)[:200]}. Bring the pinned model again") from None
        if not np.isfinite(found).all():  # compared with a threshold, one that is none would be below, and the text clean
            raise ModelError(f"the scores of the model in {self._file.parent} are no numbers. Bring the pinned model again")
        return np.asarray(found, np.float32)

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
