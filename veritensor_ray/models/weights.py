"""Check that loaded weights are numbers. It does not depend on engines or architectures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from veritensor_ray.core.errors import ModelError


def check_finite(tensors: Iterable[tuple[str, Any]], path: Path) -> None:
    """Raise ModelError for a weight that is NaN or infinite.

    Its scores would be NaN too, and would stay below every threshold unnoticed.
    """
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ModelError(f"{path} contains weights that are not numbers ({name}). Reinstall the pinned model")
