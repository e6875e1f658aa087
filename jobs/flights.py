"""How far the shards in progress have come, for the display of a run. It holds small numbers and names, no data."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.findings.redact import name_safe, tagged
from veritensor_ray.jobs.reporting import Reading
from veritensor_ray.pipeline.position import Position

MODELS = "models"


class Flight:
    """A shard in progress. Bytes count as read once the models have read their text, too."""

    def __init__(self, flights: Flights, shard: Shard) -> None:
        self._flights, self._shard = flights, shard
        self._rows: Sequence[PlanRow] = ()
        self._starts: list[int] = []
        self._latest = Position()
        self._waiting: dict[asyncio.Future[Any], Position] = {}  # batches at the models, each with the position at which it was made
        self._row, self.since = -1, 0.0
        self.read = 0

    def begin(self, rows: Sequence[PlanRow]) -> None:
        """A pass over some artifacts of the shard begins."""
        before = 0
        for row in self._shard.rows:
            if row is rows[0]:
                break
            before += row.bytes
        self._rows, self._starts, self._row = rows, list(accumulate((row.bytes for row in rows), initial=before)), -1
        self._waiting.clear()
        self.reached(Position())

    def reached(self, position: Position) -> None:
        """The extraction has come to this position."""
        self._latest = position
        self._update()

    def handed(self, call: asyncio.Future[Any], position: Position) -> None:
        """A batch that was made at this position goes to the models."""
        self._waiting[call] = position
        call.add_done_callback(self._answered)
        self.reached(position)

    def _answered(self, call: asyncio.Future[Any]) -> None:
        if self._waiting.pop(call, None):
            self._update()

    @property
    def position(self) -> Position:
        """The position up to which everything has been read."""
        return next(iter(self._waiting.values()), self._latest)

    @property
    def now(self) -> tuple[PlanRow, Position] | None:
        """The artifact that is being read, with the position in it; None before the first pass. After the last artifact it stays the last."""
        if not self._rows:
            return None
        position = self.position
        if position.row < len(self._rows):
            return self._rows[position.row], position
        last = self._rows[-1]
        return last, Position(position.row, last.bytes, at=last.bytes, of=last.bytes)

    @property
    def waits(self) -> bool:
        """Whether models have not answered yet."""
        return bool(self._waiting)

    def _update(self) -> None:
        position = self.position
        within = 0
        if position.row < len(self._rows):
            row = self._rows[position.row]
            within = min(max(0, position.read - (row.part * row.bytes if row.kind == "rowgroups" else 0)), row.bytes)
        self.count(self._starts[min(position.row, len(self._rows))] + within)
        if position.row != self._row:
            self._row, self.since = position.row, time.monotonic()

    def count(self, read: int) -> None:
        """Set the number of bytes read."""
        self._flights.read += read - self.read
        self.read = read

    def landed(self) -> None:
        """The shard has been committed."""
        self.count(self._shard.bytes)

    def lost(self) -> None:
        """The shard will not be committed in this run."""
        self._waiting.clear()
        self.count(0)


class Flights:
    """All shards in progress. `read` is the number of bytes that this run has read of the plan, finished shards included."""

    def __init__(self, site_key: bytes) -> None:
        self.read = 0
        self._open: dict[int, Flight] = {}
        self.shown = functools.lru_cache(maxsize=1024)(lambda name: tagged(name_safe(name), name, site_key))

    @contextlib.contextmanager
    def flight(self, shard: Shard) -> Iterator[Flight]:
        """Follow a shard until it is committed or lost."""
        flight = self._open[shard.id] = Flight(self, shard)
        try:
            yield flight
        except BaseException:
            flight.lost()
            raise
        finally:
            del self._open[shard.id]

    def reading(self) -> Reading:
        """Returns the totals, and the artifact that has been read for the longest time."""
        begun = [(flight.since, now, flight.waits) for flight in self._open.values() if (now := flight.now)]
        if not begun:
            return Reading(self.read, len(self._open))
        since, (row, position), waits = min(begun, key=lambda one: one[0])
        doing, took = MODELS if waits else position.doing, time.monotonic() - since
        return Reading(self.read, len(self._open), self.shown(row.artifact), doing, position.at, position.of, took)
