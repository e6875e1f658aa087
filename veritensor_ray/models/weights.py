"""Load stored arrays, and check that weights are numbers. It does not depend on engines or architectures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.core.errors import ModelError


def stored_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the named arrays of a safetensors file. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
        return {name: arrays[name] for name in names}
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelError(f"{path} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None


def check_finite(tensors: Iterable[tuple[str, Any]], path: Path) -> None:
    """Raise ModelError for a weight that is NaN or infinite.

    Its scores would be NaN too, and would stay below every threshold unnoticed.
    """
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ModelError(f"{path} contains weights that are not numbers ({name}). Reinstall the pinned model")
