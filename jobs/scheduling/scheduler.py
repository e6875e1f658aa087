"""One coroutine per shard: extract, model stages, commit. After a death, a shard is narrowed down to single artifacts."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import ObjectRefStreamEndOfStreamError, RayError, RayTaskError, WorkerCrashedError

from veritensor_ray.actors.tasks import Pass, Step, extract
from veritensor_ray.core.errors import CannotRunError, DeadlineReached, VeritensorError
from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.corpus.stage_times import EXTRACTION
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.jobs.cluster import ray_internals
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.scheduling.actor_pool import Pool
from veritensor_ray.jobs.scheduling.commit_attempts import commit_shard
from veritensor_ray.jobs.scheduling.cpu_turns import BEGIN, RESUME, CpuTurns, Places
from veritensor_ray.jobs.scheduling.lost_processes import NO_ARTIFACT, PATIENCE, STRIKES, StageLost, died
from veritensor_ray.jobs.scheduling.shard_progress import RunningShard, RunningShards
from veritensor_ray.jobs.scheduling.utilisation import Meter
from veritensor_ray.pipeline.context import Context
from veritensor_ray.stores.outputs import OutputStore

EXTRACT = "extract"
_AHEAD, _AHEAD_BYTES = 2, 16_000_000  # unfinished batches of a shard: this many in any case, and more while they are small
_BEAT, _BEATS = 5.0, 20  # seconds; beats per second from all extractions together

Calls = dict[asyncio.Task[list[ray.ObjectRef[Any]]], int]  # the calls for batches, in order, with the bytes of each


@dataclass(frozen=True)
class Work:
    """Everything that all shards of a run share."""

    context: Context
    reference: ray.ObjectRef[Any]  # the context in the object store
    store: OutputStore
    run: str
    local: tuple[str, ...]
    pools: Sequence[Pool]
    turns: CpuTurns
    extractions: Places  # no more than the claim holds CPUs, since a waiting extraction keeps its CPU
    claim: Claim
    meter: Meter
    running: RunningShards
    window: Callable[[], int]  # number of shards that may be open
    on_commit: Callable[[dict[str, Any]], None]
    on_note: Callable[[str], None]
    deadline: datetime | None = None  # no shard begins after it
    known: Any = None  # reference to the content that needs no scan
    look: Callable[[], Awaitable[None]] | None = None  # checks the machines if one seems to be lost

    @property
    def beat(self) -> float:
        """Seconds after which an extraction that has no batch says how far it has come; on a large cluster longer, to spare the driver."""
        return max(_BEAT, self.extractions.count / _BEATS)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the engines with a model."""
        return tuple(name for pool in self.pools for name in pool.names)


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
            while active and (len(active) >= work.window() or sum(bytes_active.values()) + shard.bytes > window):
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
                work.meter.done(shard.bytes)
                work.on_commit(numbers | {"read": work.running.read, "effort": round(work.running.effort, 3)})
                return
            except StageLost as lost:
                work.on_note(f"shard {shard.id} is repeated: {lost}")
                if work.look is not None:
                    await work.look()
        raise CannotRunError(f"shard {shard.id} was lost {PATIENCE} times without an artifact to blame; check the logs of the nodes")


async def _passes(work: Work, shard: Shard, progress: RunningShard) -> list[Pass]:
    """Scan all artifacts together; after a death, each one alone, so that the cause is known."""
    try:
        return [await _one_pass(work, shard.rows, {}, progress)]
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
            return await _one_pass(work, [row], kept_out, progress)
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


async def _one_pass(work: Work, rows: Sequence[PlanRow], kept_out: Mapping[str, str], progress: RunningShard) -> Pass:
    """Extract rows and run every batch through the model stages. Raises StageLost."""
    wanted = rows[0].engines  # all rows of a shard have the same engines
    pools = [pool for pool in work.pools if pool.stage not in kept_out and set(wanted) & set(pool.names)]
    calls: Calls = {}
    try:
        machine = await work.extractions.take()
        outcomes = await _extracted(work, rows, machine, pools, calls, progress)
        results = [reference for found in await asyncio.gather(*calls) for reference in found]
    except RayError as error:
        raise _lost(error, work.context.settings.limits.artifact_seconds) from None
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    return Pass(outcomes, results, dict(kept_out), machine)


async def _extracted(
    work: Work, rows: Sequence[PlanRow], machine: str, pools: Sequence[Pool], calls: Calls, progress: RunningShard
) -> ray.ObjectRef[Any]:
    """Returns a reference to the outcomes. Between two batches the extraction pauses and holds no CPU, so that waiting models get one."""
    cpus, stream = 0.0, None
    try:
        cpus = await work.turns.take(machine, BEGIN)
        work.meter.begin()
        progress.begin(rows)
        stream = _extract_in(work.claim.on(machine)).remote(work.reference, list(rows), work.local, work.models, work.known, work.beat)
        while True:
            payload, described = ray_internals.peek(stream)
            step = await _unless(work.extractions.loss(machine), _step(payload, described))
            progress.reached(step.position)
            if step.beat:  # it does not pause
                ray_internals.advance(stream)
                continue
            work.meter.add("extract", step.cpu_seconds, EXTRACTION, step.stages)
            if step.end:
                ray_internals.advance(stream)
                stream = None
                return payload
            work.turns.give(machine, cpus)
            cpus = 0.0
            call = asyncio.ensure_future(_scanned(pools, payload, step.images, rows[0].engines, machine))
            calls[call] = step.bytes
            progress.handed(call, step.position, step.share)
            await _few(calls)
            cpus = await work.turns.take(machine, RESUME)
            ray_internals.advance(stream)
    finally:
        if stream is not None:
            ray.cancel(stream)  # a task whose results nobody takes would wait forever, and keep its CPU
        work.turns.give(machine, cpus)
        work.extractions.give(machine)


@functools.lru_cache(maxsize=4096)
def _extract_in(there: Any) -> Any:
    """Returns the task for what the run holds on a machine. After each object and its step, it pauses until both are taken."""
    return extract.options(scheduling_strategy=there, **ray_internals.PAUSING)


async def _step(payload: ray.ObjectRef[Any], described: ray.ObjectRef[Any]) -> Step:
    try:
        step: Step = await described
    except ObjectRefStreamEndOfStreamError:
        await payload  # raises the error of the worker
        raise StageLost(EXTRACT, "the worker's stream ended early") from None
    return step


async def _unless(lost: asyncio.Future[None], step: Coroutine[Any, Any, Step]) -> Step:
    """Returns the step, unless the machine is lost first: Ray never fails a task that waits for a machine when that machine is lost."""
    task = asyncio.ensure_future(step)
    try:
        await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise StageLost(EXTRACT, "the machine was lost", strike=False)
    finally:
        task.cancel()


async def _few(calls: Calls) -> None:
    """Wait until few enough batches of a shard are ahead of the models. Raises the error of any of them."""
    while len(pending := [call for call in calls if not call.done()]) >= _AHEAD and sum(calls[call] for call in pending) > _AHEAD_BYTES:
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    for call in calls:
        if call.done():
            call.result()


async def _scanned(
    pools: Sequence[Pool], batch: ray.ObjectRef[Any], images: bool, wanted: tuple[str, ...], machine: str
) -> list[ray.ObjectRef[Any]]:
    """Returns references to the findings of the model stages in a batch."""
    results: list[ray.ObjectRef[Any]] = []
    texts = await _read_images(pools, batch, results, machine) if images else [batch]
    for handover in texts:
        for pool in pools:
            if pool.reads_text:
                results.append(await pool.scan(handover, wanted, machine))  # one stage after the other
    return results


async def _read_images(
    pools: Sequence[Pool], images: ray.ObjectRef[Any], results: list[ray.ObjectRef[Any]], machine: str
) -> list[ray.ObjectRef[Any]]:
    """Returns references to the texts that transcribers found in a batch of images."""
    texts = []
    for pool in pools:
        if pool.reads_images:
            result, found = await pool.read_images(images, machine)
            results.append(result)
            texts += [found] if found is not None else []
    return texts


def _lost(error: RayError, limit: float) -> StageLost:
    """Returns the meaning of a failed extraction. The most specific error comes first, since Ray's errors are also instances of their cause."""
    if isinstance(error, NO_ARTIFACT):
        return StageLost(EXTRACT, type(error).__name__, strike=False)
    if isinstance(error, WorkerCrashedError):
        return StageLost(EXTRACT, died("reading it", limit))
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, VeritensorError):
        raise cause from None
    return StageLost(EXTRACT, f"{type(cause).__name__}: {cause}"[:200])
