"""Run an ONNX graph from a verified folder with ONNX Runtime on the CPU, one window at a time.

It does not depend on engines or architectures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veritensor_ray.core.errors import Malformed, ModelError
from veritensor_ray.formats.model_files.onnx.structure import SCHEMA
from veritensor_ray.formats.model_files.wire_texts import Pair, texts
from veritensor_ray.models.telemetry import silence

_QUIET = 4  # fatal errors only: every error is also raised

Tokens = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]


class OnnxGraph:
    """A graph that takes int64 tensors by the given names and returns one float32 tensor.

    A quantized graph derives its scale from everything it is given at once. So windows are neither padded nor batched: only then does an
    answer depend on its window alone, and at a hundred tokens each a batch would save nothing.
    """

    def __init__(self, file: Path, takes: Sequence[str], gives: str, at_once: int = 1) -> None:
        self._file, self._gives, self._at_once = file, gives, at_once
        self._refuse_what_lies_elsewhere()
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a window is too small to be split; see `answers`
        options.log_severity_level = _QUIET
        options.add_session_config_entry("session.x64quantprecision", "1")  # or sums of large products overflow on processors without VNNI
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  # the library has an exception for each error code, and the remedy is the same
            raise ModelError(f"{file} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None
        ports = [[(one.name, one.type) for one in ports] for ports in (self._session.get_inputs(), self._session.get_outputs())]
        if ports != [[(name, "tensor(int64)") for name in takes], [(gives, "tensor(float)")]]:
            raise ModelError(
                f"{file} takes {ports[0]} and returns {ports[1]}, not {', '.join(takes)} and {gives}. Reinstall the pinned model"
            )

    def answers(self, windows: Sequence[Mapping[str, Tokens]]) -> list[Numbers]:
        """Return the answers for windows, each computed alone, `at_once` in parallel."""
        if self._at_once == 1 or len(windows) < 2 * self._at_once:
            return [self.answer(one) for one in windows]
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(self.answer, windows))

    def answer(self, window: Mapping[str, Tokens]) -> Numbers:
        """Return the answer for one window. Raises ModelError."""
        try:
            (found,) = self._session.run([self._gives], dict(window))
        except Exception as error:  # noqa: BLE001  # as above; for example, a token that the weights do not have
            raise ModelError(f"{self._file} cannot be run: {str(error)[:200]}. Reinstall the pinned model") from None
        if not np.isfinite(found).all():  # NaN would be below every threshold, so the text would look clean
            raise ModelError(f"the model in {self._file.parent} returned scores that are not numbers. Reinstall the pinned model")
        return np.asarray(found, np.float32)

    def _refuse_what_lies_elsewhere(self) -> None:
        """Refuse weights in other files, which have not been verified."""
        try:
            with self._file.open("rb") as file:
                found = texts(file, SCHEMA, "Model")
                elsewhere = any(isinstance(one, Pair) and one.name == "external_data" for one in found)
        except Malformed as error:
            raise ModelError(f"{self._file} cannot be loaded: {error}. Reinstall the pinned model") from None
        if elsewhere:
            raise ModelError(f"{self._file} stores weights in other files. Such models are not loaded. Reinstall the pinned model")


def _runtime() -> Any:
    """Return the library with its telemetry off."""
    silence()
    import onnxruntime

    onnxruntime.set_default_logger_severity(_QUIET)
    return onnxruntime
