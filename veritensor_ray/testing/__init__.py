"""Tools for tests, including those of plugins: the contract that every engine keeps, and engines that misbehave on command."""

from __future__ import annotations

import sys

if "pytest" in sys.modules:  # so that a failed check shows the values that it compared; must come before the import
    import pytest

    pytest.register_assert_rewrite("veritensor_ray.testing.engine_contract")

from veritensor_ray.testing.engine_contract import (
    HARMLESS,
    ODD_FILES,
    ODD_TEXTS,
    EngineContract,
    Obedient,
    ObedientModel,
    ObedientTranscriber,
    SampleFile,
    painted,
    text_batch,
)

__all__ = [
    "HARMLESS",
    "ODD_FILES",
    "ODD_TEXTS",
    "EngineContract",
    "Obedient",
    "ObedientModel",
    "ObedientTranscriber",
    "SampleFile",
    "painted",
    "text_batch",
]
