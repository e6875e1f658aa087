"""One coroutine per shard: extract, model stages, commit; deaths narrow a shard down to single artifacts. It moves references, never data."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from veritensor_ray.actors.tasks import Pass, Step, commit, extract
from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.errors import CannotRunError, DeadlineReached, VeritensorError
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.jobs.pool import Pool, StageLost
from veritensor_ray.pipeline.context import Context
from veritensor_ray.stores.outputs import OutputStore

EXTRACT = "extract"
_STRIKES = 2  # deaths at one artifact in one stage, each in a run of its own
_PATIENCE = 20  # losses of a shard that no artifact is to blame for
_LAST_COMMITS = 20.0  # seconds
_NOT_ITS_FAULT = (OutOfMemoryError, ObjectLostError, NodeDiedError, LocalRayletDiedError)


@dataclass(frozen=True)
class Work:
    """What all shards of a run share."""

    context: Context
    reference: ray.ObjectRef[Any]  # the same, in the object store
    store: OutputStore
    run: str
    fingerprints: Mapping[str, str]
    local: tuple[str, ...]
    pools: Sequence[Pool]
    extractions: asyncio.Semaphore  # a waiting extraction keeps its CPU: more of them at once could take the one a new actor needs
    threads: Executor  # for waits that Ray offers only as blocking calls
    window_shards: int
    on_commit: Callable[[dict[str, Any]], None]
    on_note: Callable[[str], None]
    deadline: datetime | None = None  # after it no shard begins
    known: Any = None  # reference to the contents that need no scan

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the engines with a model."""
        return tuple(name for pool in self.pools for name in pool.names)


async def run_shards(work: Work, shards: Iterable[Shard]) -> None:
    """Scan and commit every shard; a window of them at a time. The first error that is no artifact's fault ends the run.

    Raises DeadlineReached when what was under way at the deadline is committed and there is more to do.
    """
    active: set[asyncio.Task[None]] = set()
    bytes_active: dict[asyncio.Task[None], int] = {}
    window = work.context.settings.resources.window_bytes
    late = False
    try:
        for shard in shards:
            while active and (len(active) >= work.window_shards or sum(bytes_active.values()) + shard.bytes > window):
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
    for _ in range(_PATIENCE):
        try:
            passes = await _passes(work, shard)
            work.on_commit(await _commit(work, shard, passes))
            return
        except StageLost as lost:
            work.on_note(f"shard {shard.id} again: {lost}")
    raise CannotRunError(f"shard {shard.id} was lost {_PATIENCE} times without an artifact to blame; look at the nodes' logs")


async def _passes(work: Work, shard: Shard) -> list[Pass]:
    """All artifacts together; after a death each by itself, so that the one to blame is known."""
    try:
        return [await _one_pass(work, shard.rows, {})]
    except StageLost as lost:
        if not lost.strike:
            raise
        work.on_note(f"shard {shard.id}: {lost}; its artifacts are tried one by one")
    return [await _solo(work, row) for row in shard.rows]


async def _solo(work: Work, row: PlanRow) -> Pass:
    """One artifact alone. The second death in a stage keeps it out of that stage; the others still see it."""
    strikes: Counter[str] = Counter()
    kept_out: dict[str, str] = {}
    while True:
        try:
            return await _one_pass(work, [row], kept_out)
        except StageLost as lost:
            if not lost.strike:
                raise
            strikes[lost.stage] += 1
            if strikes[lost.stage] < _STRIKES:
                continue
            kept_out[lost.stage] = lost.reason
            work.on_note(f"{row.artifact} is quarantined in {lost.stage}: {lost.reason}")
            if lost.stage == EXTRACT:
                return Pass([Outcome(row.artifact, row.part, 0)], [], kept_out)


async def _one_pass(work: Work, rows: Sequence[PlanRow], kept_out: Mapping[str, str]) -> Pass:
    """Extract rows and run every batch through the model stages. Raises StageLost."""
    wanted = rows[0].engines  # of a shard all rows have the same
    pools = [pool for pool in work.pools if pool.stage not in kept_out and set(wanted) & set(pool.names)]
    results: list[ray.ObjectRef[Any]] = []
    async with work.extractions:
        stream = extract.remote(work.reference, list(rows), work.local, work.models, work.known)
        try:
            while (reference := await _next(work, stream)) is not None:
                step: Step = await reference
                payload = await _next(work, stream)
                if payload is None:
                    break
                if step.end:
                    return Pass(payload, results, dict(kept_out))
                texts = [payload]
                if step.images:
                    texts = await _read_images(pools, payload, results)
                for handover in texts:
                    for pool in pools:
                        if pool.reads_text:
                            results.append(await pool.scan(handover, wanted))
        except RayError as error:
            raise _lost(error, work.context.settings.limits.artifact_seconds) from None
    raise StageLost(EXTRACT, "the worker's stream ended early")


async def _read_images(pools: Sequence[Pool], images: ray.ObjectRef[Any], results: list[ray.ObjectRef[Any]]) -> list[ray.ObjectRef[Any]]:
    """References to the text in a batch of images, of those transcribers that found some."""
    texts = []
    for pool in pools:
        if pool.reads_images:
            result, found = await pool.read_images(images)
            results.append(result)
            texts += [found] if found is not None else []
    return texts


async def _next(work: Work, stream: Any) -> Any:
    """The next reference of a stream, None at its end. Awaiting the stream itself would fetch the object into the driver."""
    return await asyncio.get_running_loop().run_in_executor(work.threads, next, stream, None)


def _lost(error: RayError, limit: float) -> StageLost:
    """What a failed extraction means; most specific first, since Ray's errors are also instances of their cause."""
    if isinstance(error, _NOT_ITS_FAULT):
        return StageLost(EXTRACT, f"{type(error).__name__}", strike=False)
    if isinstance(error, WorkerCrashedError):
        return StageLost(EXTRACT, f"the worker died while reading it (a crash, or no progress for {limit:g} s)")
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, VeritensorError):
        raise cause from None
    return StageLost(EXTRACT, f"{type(cause).__name__}: {cause}"[:200])


async def _commit(work: Work, shard: Shard, passes: list[Pass]) -> dict[str, Any]:
    reference = commit.remote(work.reference, work.store, work.run, shard.rows, passes, work.fingerprints)
    call: asyncio.Future[dict[str, Any]] = asyncio.wrap_future(reference.future())  # no task: the loop's end would cancel that too
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        until = time.monotonic() + _LAST_COMMITS  # it is writing: who cleans up after this run must come later
        while not call.done() and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(asyncio.CancelledError):  # the end of the loop cancels, and so does the end of `run_shards`
                await asyncio.wait([call], timeout=left)
        raise
    except (WorkerCrashedError, *_NOT_ITS_FAULT) as error:
        raise StageLost("commit", type(error).__name__, strike=False) from None
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, _NOT_ITS_FAULT):
            raise StageLost("commit", type(cause).__name__, strike=False) from None
        if isinstance(cause, VeritensorError):
            raise cause from None
        raise CannotRunError(f"shard {shard.id} cannot be committed to {work.store.uri}: {type(cause).__name__}: {cause}") from None
