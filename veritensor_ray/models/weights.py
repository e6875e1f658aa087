"""Weights as they were loaded: made of numbers, or refused; it knows no engine and no architecture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from veritensor_ray.errors import ModelError


def check_finite(tensors: Iterable[tuple[str, Any]], path: Path) -> None:
    """Raises ModelError for a weight that is no number: its scores would be none either, and would pass every threshold unseen."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ModelError(f"{path} holds weights that are no numbers ({name}). Bring the pinned model again")
