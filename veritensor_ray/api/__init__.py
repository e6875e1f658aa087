"""The Python interface for notebooks and scripts: scan or clean a corpus, open results, inspect one text or file, scan many texts."""

from __future__ import annotations

from veritensor_ray.api.audit_object import Audit
from veritensor_ray.api.cleaned_copy import CleanedCopy, clean
from veritensor_ray.api.differences import Differences
from veritensor_ray.api.inspecting import Inspection, inspect
from veritensor_ray.api.plots import Plots
from veritensor_ray.api.scanner import Scanner
from veritensor_ray.api.scanning import open, scan
from veritensor_ray.api.suppressing import Decision
from veritensor_ray.pipeline.passages.passage import Passage

__all__ = [
    "Audit",
    "CleanedCopy",
    "Decision",
    "Differences",
    "Inspection",
    "Passage",
    "Plots",
    "Scanner",
    "clean",
    "inspect",
    "open",
    "scan",
]
