"""One coroutine per shard: scan and commit. After a death, a shard is narrowed down to single artifacts. Where it runs is a placement's matter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.core.errors import CannotRunError, DeadlineReached
from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.jobs.scheduling.commit_attempts import commit_shard
from veritensor_ray.jobs.scheduling.lost_processes import EXTRACT, PATIENCE, STRIKES, StageLost
from veritensor_ray.jobs.scheduling.placement import PlacedShards
from veritensor_ray.jobs.scheduling.shard_progress import RunningShard, RunningShards
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.extracting import Pass


@dataclass(frozen=True)
class Work:
    """Everything that all shards of a run share."""

    context: Context
    run: str
    placed: PlacedShards
    running: RunningShards
    on_commit: Callable[[dict[str, Any]], None]
    on_note: Callable[[str], None]
    deadline: datetime | None = None  # no shard begins after it


async def run_shards(work: Work, shards: Iterable[Shard]) -> None:
    """Scan and commit every shard, a window of them at a time. The first error that no artifact caused ends the run.

    Raises DeadlineReached once running shards are committed after the deadline, if there is more to do.
    """
    active: set[asyncio.Task[None]] = set()
    bytes_active: dict[asyncio.Task[None], int] = {}
    window = work.context.settings.resources.window_bytes
    late = False
    try:
        for shard in shards:
            while active and (len(active) >= work.placed.window() or sum(bytes_active.values()) + shard.bytes > window):
                active = await _some_done(active, bytes_active)
            if late := work.deadline is not None and datetime.now(UTC) >= work.deadline:
                break
            task = asyncio.ensure_future(_shard(work, shard))
            active.add(task)
            bytes_active[task] = shard.bytes
        while active:
            active = await _some_done(active, bytes_active)
        if late:
            raise DeadlineReached("the deadline was reached")
    finally:
        for task in active:
            task.cancel()
        await asyncio.gather(*active, return_exceptions=True)


async def _some_done(active: set[asyncio.Task[None]], sizes: dict[asyncio.Task[None], int]) -> set[asyncio.Task[None]]:
    done, pending = await asyncio.wait(active, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        del sizes[task]
        task.result()
    return pending


async def _shard(work: Work, shard: Shard) -> None:
    with work.running.shard(shard) as progress:
        for _ in range(PATIENCE):
            try:
                passes = await _passes(work, shard, progress)
                numbers = await commit_shard(work, shard, passes)
                progress.committed()
                work.placed.meter.done(shard.bytes)
                work.on_commit(numbers | {"read": work.running.read, "effort": round(work.running.effort, 3)})
                return
            except StageLost as lost:
                work.on_note(f"shard {shard.id} is repeated: {lost}")
                await work.placed.look()
        raise CannotRunError(f"shard {shard.id} was lost {PATIENCE} times without an artifact to blame; check the logs of the nodes")


async def _passes(work: Work, shard: Shard, progress: RunningShard) -> list[Pass]:
    """Scan all artifacts together; after a death, each one alone, so that the cause is known."""
    try:
        return [await work.placed.scan(shard.rows, {}, progress)]
    except StageLost as lost:
        if not lost.strike:
            raise
        work.on_note(f"shard {shard.id}: {lost}; its artifacts are tried one by one")
    return [await _solo(work, row, progress) for row in shard.rows]


async def _solo(work: Work, row: PlanRow, progress: RunningShard) -> Pass:
    """Scan one artifact alone. After the second death in a stage it is kept out of that stage; the other stages still see it."""
    strikes: Counter[str] = Counter()
    kept_out: dict[str, str] = {}
    while True:
        try:
            return await work.placed.scan([row], kept_out, progress)
        except StageLost as lost:
            if not lost.strike:
                raise
            strikes[lost.stage] += 1
            if strikes[lost.stage] < STRIKES:
                continue
            kept_out[lost.stage] = lost.reason
            work.on_note(f"{work.running.shown(row.artifact)} is quarantined in {lost.stage}: {lost.reason}")
            if lost.stage == EXTRACT:
                return Pass([Outcome(row.artifact, row.part, 0)], [], kept_out)
