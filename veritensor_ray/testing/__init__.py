"""Tools for tests, including those of plug-ins: the contracts that engines, readers, rewriters and exports keep, and engines that misbehave on command."""

from __future__ import annotations

import sys

if "pytest" in sys.modules:  # so that a failed check shows the values that it compared; must come before the import
    import pytest

    for module in ("engine_contract", "format_contract", "reader_contract", "rewriter_contract", "export_contract"):
        pytest.register_assert_rewrite(f"veritensor_ray.testing.{module}")

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
from veritensor_ray.testing.export_contract import ExportContract
from veritensor_ray.testing.format_contract import SampleDocument
from veritensor_ray.testing.reader_contract import ReaderContract
from veritensor_ray.testing.rewriter_contract import RewriterContract

__all__ = [
    "HARMLESS",
    "ODD_FILES",
    "ODD_TEXTS",
    "EngineContract",
    "ExportContract",
    "Obedient",
    "ObedientModel",
    "ObedientTranscriber",
    "ReaderContract",
    "RewriterContract",
    "SampleDocument",
    "SampleFile",
    "painted",
    "text_batch",
]
