"""Our own lists of words, one a line in `pii/lists/`; it knows nothing of what they mean."""

from __future__ import annotations

import functools
from pathlib import Path

_FOLDER = Path(__file__).parent / "pii" / "lists"


@functools.cache
def words(name: str) -> tuple[str, ...]:
    """The lines of a list."""
    return tuple(line for line in (_FOLDER / f"{name}.txt").read_text("utf-8").splitlines() if line)
