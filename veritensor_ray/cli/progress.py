"""Progress of a run: a bar on a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.cli.render import console, duration, safe, size

_EVERY = 10.0  # seconds between plain lines
_STAGES = {
    "plan": "listing the corpus",
    "join": "joining the cluster",
    "start": "starting Ray",
    "load models": "loading models",
    "scan": "scanning",
    "collect": "collecting results",
}


class _Counting:
    """The counters that all displays share."""

    def __init__(self) -> None:
        self.shards = self.bytes = self.done = self.scanned = self.artifacts = 0
        self.severities: Counter[str] = Counter()
        self.began = time.monotonic()

    def scanning(self, shards: int, size: int, done: int) -> None:
        """Start counting. `shards` and `size` (bytes) are the plan's; `done` shards were committed earlier."""
        self.shards, self.bytes, self.done = shards, size, done
        self.first, self.began = done, time.monotonic()

    def count(self, numbers: dict[str, Any]) -> None:
        self.done += 1
        self.artifacts += numbers["artifacts"]
        self.scanned += numbers["bytes"]
        self.severities.update(numbers["severities"])

    def line(self) -> str:
        """Returns shards, bytes, throughput, findings by severity and time left."""
        took = max(time.monotonic() - self.began, 0.001)
        new = self.done - self.first
        left = f"about {duration((self.shards - self.done) * took / new)} left" if new else "time left unknown"
        found = ", ".join(f"{n} {s}" for s, n in self.severities.most_common()) or "none"
        rate = f"{size(self.scanned / took)}/s"
        return f"{self.done}/{self.shards} shards · {size(self.scanned)} · {rate} · findings: {found} · {left}"


class PlainProgress(_Counting):
    """Plain lines, for logs."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__()
        self._verbose, self._last = verbose, 0.0

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {safe(text)}\n")
        sys.stderr.flush()

    def stage(self, name: str) -> None:
        self._say(_STAGES.get(name, name))

    def planned(self, artifacts: int) -> None:
        if time.monotonic() - self._last > _EVERY:
            self._last = time.monotonic()
            self._say(f"artifacts listed: {artifacts:,}")

    def committed(self, numbers: dict[str, Any]) -> None:
        self.count(numbers)
        if self._verbose or time.monotonic() - self._last > _EVERY or self.done == self.shards:
            self._last = time.monotonic()
            self._say(self.line())

    def note(self, text: str) -> None:
        self._say(text)


class Json(_Counting):
    """One JSON object per line."""

    def _say(self, event: str, **fields: Any) -> None:
        sys.stderr.write(json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}) + "\n")
        sys.stderr.flush()

    def stage(self, name: str) -> None:
        self._say("stage", stage=name)

    def planned(self, artifacts: int) -> None:
        self._say("planned", artifacts=artifacts)

    def scanning(self, shards: int, size: int, done: int) -> None:
        super().scanning(shards, size, done)
        self._say("scanning", shards=shards, bytes=size, done=done)

    def committed(self, numbers: dict[str, Any]) -> None:
        self.count(numbers)
        self._say("committed", **numbers, done=self.done, shards=self.shards)

    def note(self, text: str) -> None:
        self._say("note", text=text)


class Bar(_Counting):
    """A progress bar, redrawn in place."""

    def __init__(self) -> None:
        super().__init__()
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._out = console(stderr=True)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[numbers]}", markup=False),
        )
        self._progress = Progress(*columns, console=self._out, transient=True)
        self._task = self._progress.add_task("starting", total=None, numbers="")
        self._progress.start()

    def stage(self, name: str) -> None:
        self._progress.update(self._task, description=_STAGES.get(name, name), numbers="" if name != "scan" else self.line())

    def planned(self, artifacts: int) -> None:
        self._progress.update(self._task, numbers=f"{artifacts:,} artifacts")

    def scanning(self, shards: int, size: int, done: int) -> None:
        super().scanning(shards, size, done)
        self._progress.update(self._task, total=shards, completed=done, numbers=self.line())

    def committed(self, numbers: dict[str, Any]) -> None:
        self.count(numbers)
        self._progress.update(self._task, completed=self.done, numbers=self.line())

    def note(self, text: str) -> None:
        self._progress.console.print(safe(text))

    def close(self) -> None:
        """Remove the bar from the terminal."""
        self._progress.stop()
