"""How busy a run kept its CPUs, from the first extraction to the last commit."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from veritensor_ray.corpus.stage_times import LOADING, PROCESSES
from veritensor_ray.jobs.scheduling.cpu_turns import CpuTurns

_LEAST = 0.0005  # CPU seconds of a stage that is worth telling


class Meter:
    """Adds up CPU seconds by what they were spent on."""

    def __init__(self, turns: CpuTurns) -> None:
        self._turns = turns
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._stages: defaultdict[str, float] = defaultdict(float)
        self._bytes = 0
        self._began = self._ended = 0.0
        self._before = self._after = (0.0, 0.0)

    def begin(self) -> None:
        """Note that work begins; the time before the first call does not count."""
        if not self._began:
            self._began, self._before = time.monotonic(), self._turns.counted()

    def add(self, what: str, seconds: float, stage: str, known: Mapping[str, float] | None = None) -> None:
        """Add the CPU seconds of work that has ended. Those that are not `known` by stage went into `stage`."""
        self._seconds[what] += seconds
        self._stages[stage] += seconds - sum((known or {}).values())
        for name, value in (known or {}).items():
            self._stages[name] += value
        self._ended, self._after = time.monotonic(), self._turns.counted()

    def done(self, size: int) -> None:
        """Count the bytes of a shard that is committed."""
        self._bytes += size

    def _speed(self, seconds: float) -> dict[str, float]:
        return {"cpu_seconds": round(seconds, 3), "mb_per_cpu_second": round(self._bytes / 1e6 / seconds, 3)}

    def known(self, calls: Mapping[str, float]) -> None:
        """Add what is known by stage of the CPU seconds of model calls."""
        for name, seconds in calls.items():
            self._stages[name] += seconds
            self._stages[PROCESSES] -= seconds

    def report(self, models: float, load: float) -> dict[str, Any]:
        """Returns shares and seconds for run.json. `models` and `load` are the CPU seconds of the model actors. Empty if nothing ran."""
        given, offered = (after - before for after, before in zip(self._after, self._before, strict=True))
        if offered <= 0:
            return {}
        seconds = dict(self._seconds) | {"models": models, "load": load}
        stages = self._stages | {LOADING: load, PROCESSES: self._stages[PROCESSES] + models}
        return {
            "cpus": round(offered / (self._ended - self._began), 2),
            "seconds": round(self._ended - self._began, 3),
            "cpu_seconds": {name: round(value, 3) for name, value in sorted(seconds.items())},
            "bytes": self._bytes,
            "stages": {name: self._speed(value) for name, value in sorted(stages.items()) if value >= _LEAST},
            "busy": round(sum(seconds.values()) / offered, 4),
            "given": round(given / offered, 4),
        }
