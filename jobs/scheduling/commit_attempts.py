"""The last step of a shard: its commit. If the worker dies while it rewrites an artifact, that artifact is found and held back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from veritensor_ray.cleaning.clean_shard import Careful, rewriting_key
from veritensor_ray.corpus.planning import Shard
from veritensor_ray.jobs.scheduling.lost_processes import CLEAN, PATIENCE, STRIKES, StageLost
from veritensor_ray.pipeline.extracting import Pass

if TYPE_CHECKING:
    from veritensor_ray.jobs.scheduling.scheduler import Work

_LAST_COMMITS = 20.0  # seconds


async def commit_shard(work: Work, shard: Shard, passes: list[Pass]) -> dict[str, Any]:
    """Commit a shard.

    If the process dies while it rewrites an artifact, it is tried again and leaves a note before each one. An artifact at which it dies
    twice more is held back as it is.
    """
    care, strikes = None, Counter[int]()
    while True:
        try:
            return await work.placed.commit(shard, passes, care)
        except StageLost as lost:
            if not lost.strike or work.context.cleaning is None:
                raise
            care = _careful(work, shard, care, strikes, lost)


def _careful(work: Work, shard: Shard, care: Careful | None, strikes: Counter[int], lost: StageLost) -> Careful:
    """Return how to try once more after a process died while it rewrote an artifact of a shard. Raises StageLost if none is to blame."""
    if care is None or work.context.cleaning is None:
        return Careful({})
    note = work.context.cleaning.store.read(rewriting_key(work.context.cleaning.work(work.run), shard.id))
    if note is None or sum(strikes.values()) >= PATIENCE + STRIKES * len(shard.rows):
        raise StageLost(CLEAN, lost.reason, strike=False)
    number = int(note)
    strikes[number] += 1
    if strikes[number] < STRIKES:
        return care
    work.on_note(f"{work.running.shown(shard.rows[number].artifact)} is held back: {lost.reason}")
    return Careful({**care.held, number: lost.reason})


async def finished(call: asyncio.Future[Any]) -> Any:
    """Returns the result of a commit. If it is no longer wanted, this waits for a while: it is writing, so any clean-up of the run has to wait."""
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        until = time.monotonic() + _LAST_COMMITS
        while not call.done() and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(asyncio.CancelledError):  # both the end of the loop and the end of `run_shards` cancel
                await asyncio.wait([call], timeout=left)
        raise
