"""Places the steps of a run on Ray: an embedded one, or a cluster. Shards are extracted by tasks, and read by model actors."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    ObjectRefStreamEndOfStreamError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    TaskPlacementGroupRemoved,
    TaskUnschedulableError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from veritensor_ray.actors.tasks import assembled, commit, extract, gather_renames, rename, step
from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.core.errors import CannotRunError, VeritensorError, told
from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.corpus.stage_times import COMMIT, EXTRACTION, PROCESSES
from veritensor_ray.jobs.cluster import ray_internals
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.cluster.machines import Machines
from veritensor_ray.jobs.cluster.slots import arithmetic
from veritensor_ray.jobs.run_requests import Run
from veritensor_ray.jobs.scheduling.actor_pool import Pool
from veritensor_ray.jobs.scheduling.commit_attempts import finished
from veritensor_ray.jobs.scheduling.cpu_turns import BEGIN, CALL, RESUME, CpuTurns, Places
from veritensor_ray.jobs.scheduling.lost_processes import CLEAN, EXTRACT, StageLost
from veritensor_ray.jobs.scheduling.placement import Left, Spent
from veritensor_ray.jobs.scheduling.shard_progress import RunningShard
from veritensor_ray.jobs.scheduling.utilisation import Meter
from veritensor_ray.pipeline.bounded.process_limits import died
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.extracting import Pass, Step
from veritensor_ray.pipeline.shard import model_stages, split_engines
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore

_NAMES_AT_ONCE = 20_000  # in which one process looks for values
_FEW_SHARDS = 4  # for each CPU
_AHEAD, _AHEAD_BYTES = 2, 16_000_000  # unfinished batches of a shard: this many in any case, and more while they are small
_BEAT, _BEATS = 5.0, 20  # seconds; beats per second from all extractions together
_NO_ARTIFACT = (OutOfMemoryError, ObjectLostError, NodeDiedError, LocalRayletDiedError, TaskUnschedulableError, TaskPlacementGroupRemoved)

Calls = dict[asyncio.Task[list[ray.ObjectRef[Any]]], int]  # the calls for batches, in order, with the bytes of each


class OnRay:
    """A placement on the Ray that this process has joined."""

    name = "Ray"
    assemble = staticmethod(assembled)

    def run(self, failing: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns the result of a step of the whole run, which a task does. Raises VeritensorErrors, among them CannotRunError."""
        return _got(failing, step.remote(function, *arguments))

    def renames(self, context: Context, store: OutputStore, run: Run) -> Renames | None:
        """Returns the names that files get in the copy. Several tasks look for them."""
        reference = ray.put(context)
        shares = max(1, min(int(ray.cluster_resources().get("CPU", 1)), run.totals["artifacts"] // _NAMES_AT_ONCE))
        tables = [rename.remote(reference, store, run.id, share, shares) for share in range(shares)]
        found: Renames | None = _got(f"the names in the corpus cannot be read from the plan in {store.uri}", gather_renames.remote(*tables))
        return found

    @contextlib.contextmanager
    def shards(
        self, context: Context, store: OutputStore, run: str, known: Known | None, left: Left, note: Callable[[str], None]
    ) -> Iterator[_ShardsOnRay]:
        """Hold the CPUs and GPUs of the run, and work on them. The actors end with the block."""
        settings = context.settings
        local, models = split_engines(context)
        stages = [without_weights(context, names) for names in model_stages(context, models)]
        with Claim(settings.resources) as claim:
            slots, found = arithmetic(settings, len(stages), note, claim.take)
            if settings.read_rate:
                context = replace(context, read_rate=settings.read_rate / slots.extract)
            reference = ray.put(context)
            turns = CpuTurns({share.machine: share.cpus for share in slots.shares})
            extractions = Places(turns, {share.machine: share.extract for share in slots.shares})
            pools = [
                Pool(
                    reference,
                    engines,
                    turns,
                    {share.machine: share.actors[stage] for share in slots.shares},
                    slots.call_cpus,
                    settings.resources.model_gpus,
                    claim,
                )
                for stage, engines in enumerate(stages)
            ]
            shards = _ShardsOnRay(
                context=context,
                reference=reference,
                store=store,
                run=run,
                local=local,
                pools=pools,
                turns=turns,
                extractions=extractions,
                claim=claim,
                meter=Meter(turns),
                machines=Machines(settings, found, slots, turns, extractions, pools, claim),
                cpus=slots.cpus,
                long=left.shards > _FEW_SHARDS * slots.cpus,
                known=None if known is None else ray.put(known),
            )
            try:
                yield shards
            finally:
                for pool in pools:
                    pool.close()


def _got(failing: str, reference: ray.ObjectRef[Any]) -> Any:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, VeritensorError):
            raise error.cause from None
        raise CannotRunError(f"{failing}: {error.cause}") from None
    except RayError as error:
        raise CannotRunError(f"{failing}: {type(error).__name__}; repeat the command, and check the logs of the nodes") from None


@dataclass(frozen=True)
class _ShardsOnRay:
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
    machines: Machines
    cpus: int
    long: bool  # enough that a model that does not load should be noticed first
    known: Any = None  # reference to the content that needs no scan

    @property
    def beat(self) -> float:
        """Seconds after which an extraction that has no batch says how far it has come; on a large cluster longer, to spare the driver."""
        return max(_BEAT, self.extractions.count / _BEATS)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the engines with a model."""
        return tuple(name for pool in self.pools for name in pool.names)

    def window(self) -> int:
        """Returns the number of shards that may be open."""
        return max(1, self.extractions.count + sum(pool.size for pool in self.pools))

    async def start(self, stage: Callable[[str], None]) -> None:
        """Load the first actor of each stage, if the run is long."""
        if self.long:
            stage("load models")
            await asyncio.gather(*(pool.start() for pool in self.pools))

    async def watch(self) -> None:
        """Follow the machines until cancelled."""
        await self.machines.watch()

    async def look(self) -> None:
        """Check the machines."""
        await self.machines.look()

    async def scan(self, rows: Sequence[PlanRow], kept_out: Mapping[str, str], progress: RunningShard) -> Pass:
        """Extract rows and run every batch through the model stages. Raises StageLost."""
        wanted = rows[0].engines  # all rows of a shard have the same engines
        pools = [pool for pool in self.pools if pool.stage not in kept_out and set(wanted) & set(pool.names)]
        calls: Calls = {}
        try:
            machine = await self.extractions.take()
            outcomes = await _extracted(self, rows, machine, pools, calls, progress)
            results = [reference for found in await asyncio.gather(*calls) for reference in found]
        except RayError as error:
            raise _lost(error, self.context.settings.limits.artifact_seconds) from None
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        return Pass(outcomes, results, dict(kept_out), machine)

    async def commit(self, shard: Shard, passes: list[Pass], care: Careful | None) -> dict[str, Any]:
        """Commit a shard on the machine that extracted it last: most of its data is there, and a process has just become idle."""
        machine = passes[-1].machine
        cpus = await self.turns.take(machine, CALL)
        try:
            return await _committed(self, shard, passes, machine, care)
        finally:
            self.turns.give(machine, cpus)

    def spent(self) -> Spent:
        """Returns the cost so far."""
        seconds = {pool.stage: round(pool.cpu_seconds, 3) for pool in self.pools}
        called, load = sum(pool.cpu_seconds for pool in self.pools), sum(pool.load_seconds for pool in self.pools)
        for pool in self.pools:
            self.meter.known(pool.stage_seconds)
        return Spent(seconds, self.meter.report(called, load))


async def _extracted(
    work: _ShardsOnRay, rows: Sequence[PlanRow], machine: str, pools: Sequence[Pool], calls: Calls, progress: RunningShard
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
    if isinstance(error, _NO_ARTIFACT):
        return StageLost(EXTRACT, type(error).__name__, strike=False)
    if isinstance(error, WorkerCrashedError):
        return StageLost(EXTRACT, died("reading it", limit))
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, VeritensorError):
        raise cause from None
    return StageLost(EXTRACT, told(cause))


async def _committed(work: _ShardsOnRay, shard: Shard, passes: list[Pass], machine: str, care: Careful | None) -> dict[str, Any]:
    reference = _commit_on(machine).remote(work.reference, work.store, work.run, shard.rows, passes, care)
    call: asyncio.Future[dict[str, Any]] = asyncio.wrap_future(reference.future())  # not a task, which the end of the loop would cancel too
    try:
        numbers: dict[str, Any] = await finished(call)
    except WorkerCrashedError:
        reason = died("rewriting it", work.context.settings.limits.artifact_seconds)
        raise StageLost(CLEAN, reason, strike=work.context.cleaning is not None) from None
    except _NO_ARTIFACT as error:
        raise StageLost("commit", type(error).__name__, strike=False) from None
    except RayTaskError as error:
        if isinstance(error.cause, _NO_ARTIFACT):
            raise StageLost("commit", type(error.cause).__name__, strike=False) from None
        raise error.cause from None
    work.meter.add("commit", numbers["cpu_seconds"], COMMIT, {PROCESSES: numbers["started"]})
    return numbers


@functools.lru_cache(maxsize=4096)
def _commit_on(machine: str) -> Any:
    return commit.options(scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=True)) if machine else commit
