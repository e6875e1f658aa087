"""The Ray actor that hosts model engines: loads once, scans many batches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import ray

from veritensor_ray.core.errors import ModelError
from veritensor_ray.corpus.stage_times import StageTimes
from veritensor_ray.pipeline.bounded.process_limits import Watchdog
from veritensor_ray.pipeline.context import Context, Workbench, workbench
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import StageResult, read_images, scan_texts


@ray.remote(max_restarts=0, max_task_retries=0)
class ModelActor:
    """Hosts engines with a model, in a process of their own. The driver gives it one call at a time."""

    def __init__(self, context: Context, names: tuple[str, ...]) -> None:
        self._context, self._names = context, names
        self._bench: Workbench | None = None
        self._took = 0.0

    def ready(self) -> dict[str, float]:
        """Load weights and run the self-tests, once; returns the CPU seconds so far. Raises ModelError, which reaches the driver unchanged."""
        if self._bench is None:
            self._bench = workbench(self._context, self._names)
            self._took = time.process_time()
        return {"cpu_seconds": self._took}

    def scan(self, handover: Handover, names: tuple[str, ...]) -> tuple[dict[str, Any], StageResult]:
        """Scan a batch. Returns small numbers for the driver, and the findings of the engines, which the driver never looks at."""
        with self._working() as (numbers, bench, pulse, times):
            result = scan_texts(self._context, bench.only(names), handover, pulse, times)
        return numbers, result

    def read_images(self, handover: Handover) -> tuple[dict[str, Any], StageResult, Handover | None]:
        """Transcribe a batch. The text in its images is returned too, for the other stages; the number `texts` counts it."""
        with self._working() as (numbers, bench, pulse, times):
            texts, result = read_images(self._context, bench, handover.batch, pulse, times)
        numbers["texts"] = 0 if texts is None else texts.batch.num_rows
        return numbers, result, texts

    @contextlib.contextmanager
    def _working(self) -> Iterator[tuple[dict[str, Any], Workbench, Callable[[], None], StageTimes]]:
        """Runs a call under the watchdog. The numbers are filled in at its end."""
        if self._bench is None:
            raise ModelError("this model actor was called before it was ready")
        started = time.process_time()
        watchdog = Watchdog(self._context.settings.limits.artifact_seconds)
        watchdog.pulse()
        numbers, times = dict[str, Any](), StageTimes()
        try:
            yield numbers, self._bench, watchdog.pulse, times
        finally:
            watchdog.rest()
        numbers |= {"cpu_seconds": time.process_time() - started, "stages": times.take()}
