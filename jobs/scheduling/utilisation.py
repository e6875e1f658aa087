"""How busy a run kept its CPUs, from the first extraction to the last commit."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from veritensor_ray.jobs.scheduling.cpu_turns import CpuTurns


class Meter:
    """Adds up CPU seconds by what they were spent on."""

    def __init__(self, turns: CpuTurns) -> None:
        self._turns = turns
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._began = self._ended = 0.0
        self._before = self._after = (0.0, 0.0)

    def begin(self) -> None:
        """Note that work begins; the time before the first call does not count."""
        if not self._began:
            self._began, self._before = time.monotonic(), self._turns.counted()

    def add(self, what: str, seconds: float) -> None:
        """Add the CPU seconds of work that has ended."""
        self._seconds[what] += seconds
        self._ended, self._after = time.monotonic(), self._turns.counted()

    def report(self, models: float, load: float) -> dict[str, Any]:
        """Returns shares and seconds for run.json. `models` and `load` are the CPU seconds of the model actors. Empty if nothing ran."""
        given, offered = (after - before for after, before in zip(self._after, self._before, strict=True))
        if offered <= 0:
            return {}
        seconds = dict(self._seconds) | {"models": models, "load": load}
        return {
            "cpus": round(offered / (self._ended - self._began), 2),
            "seconds": round(self._ended - self._began, 3),
            "cpu_seconds": {name: round(value, 3) for name, value in sorted(seconds.items())},
            "busy": round(sum(seconds.values()) / offered, 4),
            "given": round(given / offered, 4),
        }
