"""The Ray actor that hosts model engines: loads once, scans many batches."""

from __future__ import annotations

import os
import time
from typing import Any

import pyarrow as pa
import ray

from veritensor_ray.actors.limits import Watchdog
from veritensor_ray.errors import ModelError
from veritensor_ray.pipeline.context import Context, Workbench, load
from veritensor_ray.pipeline.shard import StageResult, model_stage


@ray.remote(max_restarts=0, max_task_retries=0)
class ModelActor:
    """Engines with a model, in a process of their own. The driver gives it one call at a time."""

    def __init__(self, context: Context, names: tuple[str, ...]) -> None:
        self._context, self._names = context, names
        self._bench: Workbench | None = None

    def ready(self) -> dict[str, Any]:
        """Load weights and run the self-tests. Raises ModelError, which reaches the driver as it is."""
        if self._bench is None:
            self._bench = load(self._context.settings, self._names)
        return {"pid": os.getpid(), "cpu_seconds": time.process_time()}

    def scan(self, batch: pa.RecordBatch) -> tuple[dict[str, float], StageResult]:
        """Small numbers for the driver, and the findings, which it never looks at."""
        if self._bench is None:
            raise ModelError("this actor was asked to scan before it was ready")
        started = time.process_time()
        watchdog = Watchdog(self._context.settings.limits.artifact_seconds)
        watchdog.pulse()
        try:
            result = model_stage(self._context, self._bench, batch, watchdog.pulse)
        finally:
            watchdog.rest()
        return {"rows": batch.num_rows, "cpu_seconds": time.process_time() - started}, result
