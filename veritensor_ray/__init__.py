"""veritensor-ray: an audit engine for AI corpora on closed networks. The names below are the public API; they are loaded on first use."""

from veritensor_ray.core.safe_imports import Guard

with Guard():  # before anything else: even `from __future__` looks up a file
    from importlib import import_module
    from importlib.metadata import version
    from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veritensor_ray.api import (
        Audit,
        CleanedCopy,
        Decision,
        Differences,
        Inspection,
        Passage,
        Plots,
        Scanner,
        clean,
        inspect,
        open,
        scan,
    )

__all__ = [
    "Audit",
    "CleanedCopy",
    "Decision",
    "Differences",
    "Inspection",
    "Passage",
    "Plots",
    "Scanner",
    "__version__",
    "clean",
    "inspect",
    "open",
    "scan",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("veritensor-ray")
    if name in __all__:
        with Guard():
            return getattr(import_module("veritensor_ray.api"), name)
    raise AttributeError(f"module 'veritensor_ray' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, which are loaded on first use and would be missing otherwise."""
    return [*__all__, *(name for name in globals() if name.startswith("__") and name not in __all__)]
