"""The last step of a shard: its commit. If the worker dies while it rewrites an artifact, that artifact is found and held back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayTaskError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from veritensor_ray.actors.tasks import Pass, commit
from veritensor_ray.cleaning.clean_shard import Careful, rewriting_key
from veritensor_ray.core.errors import CannotRunError, VeritensorError
from veritensor_ray.corpus.planning import Shard
from veritensor_ray.corpus.stage_times import COMMIT, PROCESSES
from veritensor_ray.jobs.scheduling.cpu_turns import CALL
from veritensor_ray.jobs.scheduling.lost_processes import NO_ARTIFACT, PATIENCE, STRIKES, StageLost, died

if TYPE_CHECKING:
    from veritensor_ray.jobs.scheduling.scheduler import Work

CLEAN = "clean"
_LAST_COMMITS = 20.0  # seconds


async def commit_shard(work: Work, shard: Shard, passes: list[Pass]) -> dict[str, Any]:
    """Commit a shard on the machine that extracted it last: most of its data is there, and a process has just become idle.

    If the process dies while it rewrites an artifact, it is tried again and leaves a note before each one. An artifact at which it dies
    twice more is held back as it is.
    """
    machine, care, strikes = passes[-1].machine, None, Counter[int]()
    while True:
        cpus = await work.turns.take(machine, CALL)
        try:
            return await _committed(work, shard, passes, machine, care)
        except StageLost as lost:
            if not lost.strike or work.context.cleaning is None:
                raise
            care = _careful(work, shard, care, strikes, lost)
        finally:
            work.turns.give(machine, cpus)


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


async def _committed(work: Work, shard: Shard, passes: list[Pass], machine: str, care: Careful | None) -> dict[str, Any]:
    reference = _commit_on(machine).remote(work.reference, work.store, work.run, shard.rows, passes, care)
    call: asyncio.Future[dict[str, Any]] = asyncio.wrap_future(reference.future())  # not a task, which the end of the loop would cancel too
    try:
        numbers = await asyncio.shield(call)
        work.meter.add("commit", numbers["cpu_seconds"], COMMIT, {PROCESSES: numbers["started"]})
        return numbers
    except asyncio.CancelledError:
        until = time.monotonic() + _LAST_COMMITS  # it is writing, so any clean-up of this run has to wait
        while not call.done() and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(asyncio.CancelledError):  # both the end of the loop and the end of `run_shards` cancel
                await asyncio.wait([call], timeout=left)
        raise
    except WorkerCrashedError:
        reason = died("rewriting it", work.context.settings.limits.artifact_seconds)
        raise StageLost(CLEAN, reason, strike=work.context.cleaning is not None) from None
    except NO_ARTIFACT as error:
        raise StageLost("commit", type(error).__name__, strike=False) from None
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, NO_ARTIFACT):
            raise StageLost("commit", type(cause).__name__, strike=False) from None
        if isinstance(cause, VeritensorError):
            raise cause from None
        raise CannotRunError(f"shard {shard.id} cannot be committed to {work.store.uri}: {type(cause).__name__}: {cause}") from None


@functools.lru_cache(maxsize=4096)
def _commit_on(machine: str) -> Any:
    return commit.options(scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=True)) if machine else commit
