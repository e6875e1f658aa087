"""Progress of a run: a bar on a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.cli.render import console, duration, safe, size
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.jobs.run_reporting import Reading
from veritensor_ray.jobs.scheduling.time_left import Pace

_EVERY = 10.0  # seconds between plain lines
_LONG = 5.0  # seconds after which an artifact is named
_NAME = 60  # characters of a name in a line
_STAGES = {
    "plan": "listing the corpus",
    "join": "joining the cluster",
    "start": "starting workers",
    "load models": "loading models",
    "scan": "scanning",
    "collect": "collecting results",
    "publish": "putting the copy together",
}


class _Counting:
    """The counters that all displays share."""

    def __init__(self) -> None:
        self.shards = self.bytes = self.done = self.artifacts = 0
        self.earlier = 0  # shards that earlier runs committed
        self.effort, self._pace = 0.0, Pace(0.0, 1)
        self.before = self.read = 0  # bytes of the plan: read by an earlier run of it, and by this one
        self.now: Reading | None = None
        self.severities: Counter[str] = Counter()
        self.began = self._last = time.monotonic()

    def scanning(self, shards: int, size: int, done: int, read: int, effort: float, cpus: int) -> None:
        """Start counting. `shards` and `size` (bytes) are the plan's; `done` shards with `read` bytes were committed earlier.

        The plan expects `effort` CPU seconds for the others, on `cpus` CPUs.
        """
        self._pace, self.effort = Pace(effort, cpus), 0.0
        self.shards, self.bytes, self.done, self.earlier, self.before, self.read = shards, size, done, done, read, 0
        self.began = time.monotonic()
        self.artifacts = 0
        self.severities.clear()  # those of an earlier scan, such as the first of a cleaning
        self._last = self.began

    def take(self, reading: Reading) -> None:
        """Note how far the reading has come."""
        self.now, self.read, self.effort = reading, reading.read, reading.effort

    def count(self, numbers: dict[str, Any]) -> None:
        self.done += 1
        self.artifacts += numbers["artifacts"]
        self.read, self.effort = numbers["read"], numbers["effort"]
        self.severities.update(numbers["severities"])

    def _due(self) -> bool:
        """Whether it is time for a line again."""
        if time.monotonic() - self._last < _EVERY:
            return False
        self._last = time.monotonic()
        return True

    def line(self) -> str:
        """Returns shards, bytes, throughput, findings by severity and time left."""
        return " · ".join(filter(None, (self._done(), self._read(), self._found(), self._left())))

    def _done(self) -> str:
        return f"{self.done}/{self.shards} shards"

    def _read(self) -> str:
        rate = self.read / max(time.monotonic() - self.began, 0.001)
        return f"{size(self.before + self.read)} of {size(self.bytes)} · {size(rate)}/s"

    def _found(self) -> str:
        found = [f"{self.severities[name]:,} {name}" for name in reversed(SEVERITIES) if self.severities[name]]
        return f"findings so far: {', '.join(found) or 'none'}"

    def _left(self) -> str:
        """Returns the time left, by the effort that the plan expects for what is left; empty as long as nobody can tell."""
        left = self._seconds_left()
        return "" if left is None else f"about {duration(left)} left"

    def _seconds_left(self) -> float | None:
        return self._pace.promised(self.effort, time.monotonic(), self.done - self.earlier, self.shards - self.earlier)

    def longest(self) -> str:
        """Returns what is being read for a long time, and how far it has come; empty if nothing is."""
        now = self.now
        if now is None or not now.artifact or now.seconds < _LONG:
            return ""
        far = f": {size(now.at)} of {size(now.of)}" if now.of else ""
        return f"{now.doing} {_short(safe(now.artifact))}{far}, {duration(now.seconds)}"


def _short(name: str) -> str:
    """Returns the end of a long name, which is where names in one folder differ."""
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"


class PlainProgress(_Counting):
    """Plain lines, for logs."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__()
        self._verbose = verbose
        self._last = 0.0

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {safe(text)}\n")
        sys.stderr.flush()

    def stage(self, name: str) -> None:
        self._say(_STAGES.get(name, name))

    def planned(self, artifacts: int) -> None:
        if self._due():
            self._say(f"artifacts listed: {artifacts:,}")

    def reading(self, reading: Reading) -> None:
        self.take(reading)
        if self._due():
            self._say(" · ".join(filter(None, (self.line(), self.longest()))))

    def committed(self, numbers: dict[str, Any]) -> None:
        self.count(numbers)
        if self._due() or self._verbose or self.done == self.shards:
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

    def scanning(self, shards: int, size: int, done: int, read: int, effort: float, cpus: int) -> None:
        super().scanning(shards, size, done, read, effort, cpus)
        self._say("scanning", shards=shards, bytes=size, done=done, read=read)

    def reading(self, reading: Reading) -> None:
        self.take(reading)
        if self._due():
            left = self._seconds_left()
            numbers = asdict(reading) | {"read": self.before + reading.read, "seconds": round(reading.seconds, 1)}
            numbers |= {"effort": round(reading.effort, 1), "left": left and round(left)}
            self._say("progress", done=self.done, shards=self.shards, bytes=self.bytes, severities=dict(self.severities), **numbers)

    def committed(self, numbers: dict[str, Any]) -> None:
        self.count(numbers)
        self._say("committed", **numbers | {"read": self.before + self.read}, done=self.done, shards=self.shards)

    def note(self, text: str) -> None:
        self._say("note", text=text)


class Bar(_Counting):
    """A progress bar, redrawn in place, with a line below it for findings and one for what takes long."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Group, RenderableType
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column
        from rich.text import Text

        self._scans, below = False, self._below

        class WithLines(Progress):
            def get_renderable(self) -> RenderableType:
                return Group(super().get_renderable(), *(Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in below()))

        self._out = console(stderr=True)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[numbers]}", markup=False, table_column=Column(no_wrap=True)),
        )
        self._progress = WithLines(*columns, console=self._out, transient=True)
        self._task = self._progress.add_task("starting", total=None, numbers="")
        self._progress.start()

    def _below(self) -> list[str]:
        """Returns the lines below the bar. None is wider than the terminal: the end of a longer one is cut off."""
        return list(filter(None, (f"{self._done()} · {self._found()}", self.longest()))) if self._scans else []

    def stage(self, name: str) -> None:
        self._scans = name == "scan"
        self._progress.update(self._task, description=_STAGES.get(name, name), numbers="" if not self._scans else self._bytes_and_time())

    def planned(self, artifacts: int) -> None:
        self._progress.update(self._task, numbers=f"{artifacts:,} artifacts")

    def scanning(self, shards: int, size: int, done: int, read: int, effort: float, cpus: int) -> None:
        super().scanning(shards, size, done, read, effort, cpus)
        self._draw()

    def reading(self, reading: Reading) -> None:
        self.take(reading)
        self._draw()

    def committed(self, numbers: dict[str, Any]) -> None:
        self.count(numbers)
        self._draw()

    def _draw(self) -> None:
        total, completed = (self.bytes, self.before + self.read) if self.bytes else (self.shards, self.done)
        self._progress.update(self._task, total=total, completed=completed, numbers=self._bytes_and_time())

    def _bytes_and_time(self) -> str:
        return " · ".join(filter(None, (self._read(), self._left())))

    def note(self, text: str) -> None:
        self._progress.console.print(safe(text))

    def close(self) -> None:
        """Remove the bar from the terminal."""
        self._progress.stop()
