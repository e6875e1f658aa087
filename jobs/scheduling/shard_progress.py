"""How far the shards in progress have come, for the display of a run. It holds small numbers and names, no data."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.jobs.run_reporting import Reading
from veritensor_ray.masking.redaction import name_safe, tagged
from veritensor_ray.pipeline.reading_progress import Position

MODELS = "models"


class RunningShard:
    """A shard in progress. Bytes count as read once the models have read their text, too."""

    def __init__(self, running: RunningShards, shard: Shard) -> None:
        self._running, self._shard = running, shard
        self._rows: Sequence[PlanRow] = ()
        self._starts: list[int] = []
        self._latest = Position()
        self._waiting: dict[asyncio.Future[Any], int] = {}  # batches at the models, each with the bytes up to which those before it go
        self._handed = self._whole = 0  # bytes up to which text has been handed to the models: at all, and with the last whole batch
        self._midway = False  # more of the same batch is to come
        self._row: PlanRow | None = None
        self._ends = list(accumulate(row.bytes for row in shard.rows))
        self._efforts = list(accumulate((row.effort for row in shard.rows), initial=0.0))
        self.since = 0.0
        self.read = 0
        self.effort = 0.0

    def begin(self, rows: Sequence[PlanRow]) -> None:
        """A pass over some artifacts of the shard begins."""
        before = 0
        for row in self._shard.rows:
            if row is rows[0]:
                break
            before += row.bytes
        self._rows, self._starts, self._row = rows, list(accumulate((row.bytes for row in rows), initial=before)), None
        self._waiting.clear()
        self._handed = self._whole = before
        self._midway = False
        self.reached(Position())

    def reached(self, position: Position) -> None:
        """The extraction has come to this position."""
        self._latest = position
        self._update()

    def handed(self, call: asyncio.Future[Any], position: Position, share: float) -> None:
        """A batch goes to the models. With it, `share` of the text between the last whole batch and this position is there."""
        self._waiting[call] = self._handed
        reached = self._bytes(position)
        self._handed = int(self._whole + share * max(0, reached - self._whole))
        self._midway = share < 1.0
        if not self._midway:
            self._whole = self._handed
        call.add_done_callback(self._answered)
        self.reached(position)

    def _answered(self, call: asyncio.Future[Any]) -> None:
        if self._waiting.pop(call, None) is not None:
            self._update()

    @property
    def now(self) -> tuple[PlanRow, str, int, int] | None:
        """The artifact that is being read, what happens to it, and the position in it; None before the first pass."""
        if not self._rows:
            return None
        latest = self._latest
        if not self._waiting and latest.row < len(self._rows):
            return self._rows[latest.row], latest.doing, latest.at, latest.of
        row = min(max(0, bisect_right(self._starts, self.read) - 1), len(self._rows) - 1)
        doing = MODELS if self._waiting else latest.doing
        return self._rows[row], doing, min(self.read - self._starts[row], self._rows[row].bytes), self._rows[row].bytes

    def _bytes(self, position: Position) -> int:
        """Returns how many bytes of the shard lie before a position."""
        within = 0
        if position.row < len(self._rows):
            row = self._rows[position.row]
            within = min(max(0, position.read - (row.part * row.bytes if row.kind == "rowgroups" else 0)), row.bytes)
        return self._starts[min(position.row, len(self._rows))] + within

    def _update(self) -> None:
        self.count(next(iter(self._waiting.values()), self._handed if self._midway else self._bytes(self._latest)))
        row = self.now[0] if self.now else None
        if row is not self._row:
            self._row, self.since = row, time.monotonic()

    def count(self, read: int) -> None:
        """Set the number of bytes read."""
        self._running.read += read - self.read
        self.read = read
        done = self._effort()
        self._running.effort += done - self.effort
        self.effort = done

    def _effort(self) -> float:
        """Returns the effort that went into the bytes read. That of an artifact is spread evenly over its bytes."""
        row = bisect_right(self._ends, self.read) if self.read else 0
        if row == len(self._ends):
            return self._efforts[-1]
        start, of = self._ends[row - 1] if row else 0, self._shard.rows[row].bytes
        within = (self.read - start) / of if of else 0.0
        return self._efforts[row] + within * (self._efforts[row + 1] - self._efforts[row])

    def committed(self) -> None:
        """The shard has been committed."""
        self.count(self._shard.bytes)
        self._running.effort += self._efforts[-1] - self.effort  # also that of empty files
        self.effort = self._efforts[-1]

    def lost(self) -> None:
        """The shard will not be committed in this run."""
        self._waiting.clear()
        self.count(0)


class RunningShards:
    """All shards in progress.

    `read` is the number of bytes that this run has read of the plan, finished shards included, and `effort` the CPU seconds that the plan
    expects for them.
    """

    def __init__(self, site_key: bytes) -> None:
        self.read, self.effort = 0, 0.0
        self._open: dict[int, RunningShard] = {}
        self.shown = functools.lru_cache(maxsize=1024)(lambda name: tagged(name_safe(name), name, site_key))

    @contextlib.contextmanager
    def shard(self, shard: Shard) -> Iterator[RunningShard]:
        """Follow a shard until it is committed or lost."""
        progress = self._open[shard.id] = RunningShard(self, shard)
        try:
            yield progress
        except BaseException:
            progress.lost()
            raise
        finally:
            del self._open[shard.id]

    def reading(self) -> Reading:
        """Returns the totals, and the artifact that has been read for the longest time."""
        begun = [(progress.since, now) for progress in self._open.values() if (now := progress.now)]
        if not begun:
            return Reading(self.read, len(self._open), effort=self.effort)
        since, (row, doing, at, of) = min(begun, key=lambda one: one[0])
        return Reading(
            self.read,
            len(self._open),
            artifact=self.shown(row.artifact),
            doing=doing,
            at=at,
            of=of,
            seconds=time.monotonic() - since,
            effort=self.effort,
        )
