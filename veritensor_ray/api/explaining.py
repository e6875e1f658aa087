"""Explain what a model file would do when it is loaded. Nothing is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from veritensor_ray.api.inspecting import Inspection, died, planned, run_of, start_of, with_bundle
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard

ENGINE = "modelfiles"


@dataclass(frozen=True)
class Explanation:
    """What is known about a file. `files` are the model files in it, or the file itself, with their effects; the worst come first.

    `left_out` is the number of further model files, which are not listed.
    """

    inspection: Inspection
    files: list[dict[str, Any]]
    left_out: int

    @property
    def verdict(self) -> str | None:
        """The worst verdict on the file and on the files in it; None if there is no model file among them."""
        return next((one["verdict"] for one in self.inspection.ledger["coverage"] if one["engine"] == ENGINE), None)


def explain(path: str, settings: Settings) -> Explanation:
    """Scan one file with the engine for model files, in a process with limits. Raises UsageError for anything but a file."""
    if os.path.isdir(path):  # noqa: PTH112  # names may hold any bytes
        raise UsageError(f"{path} is a folder, and explain-model takes one file; submit judges all the model files of a folder")
    start = start_of(path)
    with Guard(start.uri):
        given, bundle = with_bundle(settings.model_copy(update={"engines": [ENGINE], "sources": []}))
        context, info = run_of(given, bundle, (start,))
        (row,) = planned(given, context.engines, (start,))
        return _explained(context, info, row)


def _explained(context: Any, info: Any, row: Any) -> Explanation:
    from veritensor_ray.findings.collect import Assembled
    from veritensor_ray.pipeline.bounded import process

    table, about = None, dict[str, Any]()
    if not row.status:
        try:
            table, about = process.explain(context, row)
        except process.Died as death:
            table = died(context, [row], death)
    assembled = Assembled(info, context.site_key, [row], table.to_pylist() if table is not None else [])
    findings = list(assembled.findings())
    return Explanation(Inspection(findings, assembled.ledger(len(findings))), about.get("files", []), about.get("left_out", 0))
