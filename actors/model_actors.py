"""The Ray actor that hosts model engines: loads once, scans many batches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import ray

from veritensor_ray.core.errors import ModelError
from veritensor_ray.corpus.stage_times import StageTimes
from veritensor_ray.models.shared_answers import Place, share
from veritensor_ray.pipeline.bounded.process_limits import Watchdog
from veritensor_ray.pipeline.context import Context, Workbench, models_by_input, workbench
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import StageResult, read_images, scan_texts


@ray.remote(max_restarts=0, max_task_retries=0)
class ModelActor:
    """Hosts engines with a model, in a process of their own. The driver gives it one call at a time."""

    def __init__(self, context: Context, names: tuple[str, ...]) -> None:
        self._context, self._names = context, names
        self._benches: dict[bool, Workbench] = {}  # by whether their engines read images
        self._took = 0.0

    def ready(self, images: bool, answers: Place | None) -> dict[str, Any]:
        """Load the engines that read images, or else those that read text, and run their self-tests, once.

        `answers` is where another actor of this machine shares what its models answered, if there is one. Returns where this one does, and
        the CPU seconds that loading has taken so far, with the start of the process. Raises ModelError, which reaches the driver unchanged.
        """
        if images not in self._benches:
            began = time.process_time() if self._benches else 0.0
            reading_text, reading_images = models_by_input(self._context, self._names)
            self._benches[images] = workbench(self._context, reading_images if images else reading_text)
            self._took += time.process_time() - began
        # shared only now: a self-test has to ask the weights of this process
        return {"cpu_seconds": self._took, "answers": share(answers)}

    def scan(self, handover: Handover, names: tuple[str, ...]) -> tuple[dict[str, Any], StageResult]:
        """Scan a batch. Returns small numbers for the driver, and the findings of the engines, which the driver never looks at."""
        with self._working(images=False) as (numbers, bench, pulse, times):
            result = scan_texts(self._context, bench.only(names), handover, pulse, times)
        return numbers, result

    def read_images(self, handover: Handover) -> tuple[dict[str, Any], StageResult, Handover | None]:
        """Transcribe a batch. The text in its images is returned too, for the other stages; the number `texts` counts it."""
        with self._working(images=True) as (numbers, bench, pulse, times):
            texts, result = read_images(self._context, bench, handover.batch, pulse, times)
        numbers["texts"] = 0 if texts is None else texts.batch.num_rows
        return numbers, result, texts

    @contextlib.contextmanager
    def _working(self, images: bool) -> Iterator[tuple[dict[str, Any], Workbench, Callable[[], None], StageTimes]]:
        """Runs a call under the watchdog. The numbers are filled in at its end."""
        bench = self._benches.get(images)
        if bench is None:
            raise ModelError("this model actor was called before it was ready")
        started = time.process_time()
        watchdog = Watchdog(self._context.settings.limits.artifact_seconds)
        watchdog.pulse()
        numbers, times = dict[str, Any](), StageTimes()
        try:
            yield numbers, bench, watchdog.pulse, times
        finally:
            watchdog.rest()
        numbers |= {"cpu_seconds": time.process_time() - started, "stages": times.take()}
