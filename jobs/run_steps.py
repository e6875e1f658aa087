"""The steps that audits and sweeps share: plan, scan, and collecting the results."""

from __future__ import annotations

import asyncio
import json
import platform
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, DeadlineReached, VeritensorError
from veritensor_ray.corpus.changed_since_audit import changes, of_ledger, of_listing
from veritensor_ray.corpus.datasets.dataset_folders import NotingDatasets
from veritensor_ray.corpus.listing import check_source, read_as_now, read_loosely
from veritensor_ray.corpus.planning import (
    Decider,
    PlanRow,
    Shard,
    listed_entries,
    plan_key,
    planned_work,
    read_plan,
    shards_of,
)
from veritensor_ray.corpus.tables.table_kinds import Noting
from veritensor_ray.engines.base import Engine
from veritensor_ray.findings.schema import LEDGER
from veritensor_ray.findings.shard_commit import committed
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.cluster.machines import Machines
from veritensor_ray.jobs.cluster.slots import Slots, arithmetic
from veritensor_ray.jobs.run_checks import CheckedRun
from veritensor_ray.jobs.run_reporting import Reporter
from veritensor_ray.jobs.run_requests import Run
from veritensor_ray.jobs.scheduling.cpu_turns import CpuTurns, Places
from veritensor_ray.jobs.scheduling.shard_progress import RunningShards
from veritensor_ray.jobs.scheduling.utilisation import Meter
from veritensor_ray.masking.redaction import name_safe
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.pipeline.bounded.process import Splitter, descriptions, snapshots
from veritensor_ray.pipeline.cleaning_scans.name_scan import with_renames
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.fingerprint import digest
from veritensor_ray.pipeline.run_description import run_info, write_run_plan
from veritensor_ray.pipeline.shard import split_engines
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore, check_output

if TYPE_CHECKING:
    from veritensor_ray.jobs.scheduling.actor_pool import Pool
    from veritensor_ray.jobs.scheduling.scheduler import Work

_NAMES_AT_ONCE = 20_000  # in which one process looks for values
_FEW_SHARDS = 4  # for each CPU
_NAMES = ("table", "dataset", "read_loosely")  # what the corpus gives names to
_EVERY = 2.0  # seconds between reports of how far a run has come


def plan(ready: CheckedRun, previous: str | None = None, decide: Decider | None = None, elsewhere: str | None = None) -> Run:
    """List the corpus, pack shards and write the plan. The request beside it, written last, makes it valid."""
    settings, store, parts, report = ready.settings, ready.store, ready.parts, ready.report
    check_output(store)
    for root in ready.context.roots:
        check_source(root, settings.stores)
    loose = list(read_loosely(ready.context.roots, settings.stores))
    for part in loose:
        report.note(part.said)
    for said in read_as_now(ready.context.roots, settings.stores, settings.as_of):
        report.note(said)
    report.stage("plan")
    run, now = _next_id(digest(parts)[:6], previous)
    opener, describe = Noting(snapshots(settings)), NotingDatasets(descriptions(settings))
    with Splitter(settings) as split:
        totals = write_run_plan(ready.context, store, run, split, decide, report.planned, opener, describe)
    tables: list[dict[str, Any]] = [*opener.tables, *describe.tables, *(part.noted for part in loose)]
    for one in tables:
        one |= {name: name_safe(str(one[name])) for name in _NAMES if one.get(name)}
    started = now.isoformat(timespec="seconds")
    planned = Run(run, totals, started, settings.job, previous, settings.fresh, elsewhere, tables)
    request: dict[str, Any] = {"fingerprint_parts": parts, "totals": totals, "started_at": started, "job": planned.job}
    request |= {"previous": previous, "fresh": planned.fresh, "elsewhere": elsewhere, "tables": tables}
    store.put(f"_work/{run}/request.json", json.dumps(request, indent=2).encode())
    return planned


def changed_since(ready: CheckedRun) -> dict[str, Any]:
    """List the corpus again, and return how it differs from the ledger of the finished audit: nothing, or the key `changed_since` for its result."""
    settings, roots = ready.settings, ready.context.roots
    for root in roots:
        check_source(root, settings.stores)
    ready.report.stage("plan")
    columns = ["artifact", "size", "etag", "mtime", "reason_code"]
    batches = ready.store.dataset("ledger", LEDGER).to_batches(columns=columns)
    ledger = of_ledger(row for batch in batches for row in batch.to_pylist())
    found = changes(
        ledger,
        of_listing(
            listed_entries(
                settings,
                roots,
                ready.context.own_output(ready.store),
                ready.report.planned,
                snapshots(settings),
                descriptions(settings),
            )
        ),
    )
    names = {kind: [name_safe(name) for name in some] for kind, some in found.names.items()}
    return {"changed_since": {"counts": found.counts, "names": names}} if found.counts else {}


def _next_id(suffix: str, previous: str | None) -> tuple[str, datetime]:
    """Returns a run id that sorts by time, after that of the previous sweep. Raises CannotRunError if the clock is behind it."""
    while True:
        now = datetime.now(UTC)
        stamp = f"{now:%Y%m%dT%H%M%SZ}"
        if previous is None or stamp > previous[: len(stamp)]:
            return f"{stamp}-{suffix}", now
        if previous[: len(stamp)] > f"{datetime.fromtimestamp(now.timestamp() + 60, UTC):%Y%m%dT%H%M%SZ}":
            raise CannotRunError(f"this machine's clock ({stamp}) is behind the last sweep ({previous}); set the clock, and submit again")
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of a scan: CPU seconds in calls of model actors, by stage, and how busy the CPUs were."""

    models: dict[str, float] = field(default_factory=dict)
    utilisation: dict[str, Any] = field(default_factory=dict)


def scan(ready: CheckedRun, run: Run, known: Callable[[], Known | None] = lambda: None) -> Spent:
    """Scan the shards that are not committed yet. Ray must be running."""
    done = committed(ready.store, run.id)
    if done:
        ready.report.note(f"resuming run {run.id}: {len(done)} of {run.totals['shards']} shards are committed")
    if len(done) >= run.totals["shards"]:
        return Spent()
    context = _with_renames(ready, run)
    with Claim(ready.settings.resources) as claim:
        return _run(_work(context, ready.store, run, done, ready.report, known(), claim))


def _with_renames(ready: CheckedRun, run: Run) -> Context:
    """Returns the context with the names that files have in the copy, if the run writes one in which names are replaced: links have to follow."""
    context = ready.context
    if context.cleaning is None or not context.cleaning.renames_files:
        return context
    import ray

    from veritensor_ray.actors.tasks import gather_renames, rename

    reference = ray.put(context)
    shares = max(1, min(int(ray.cluster_resources().get("CPU", 1)), run.totals["artifacts"] // _NAMES_AT_ONCE))
    tables = [rename.remote(reference, ready.store, run.id, share, shares) for share in range(shares)]
    try:
        renames: Renames | None = ray.get(gather_renames.remote(*tables))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, VeritensorError):
            raise error.cause from None
        raise CannotRunError(f"the names in the corpus cannot be read from the plan in {ready.store.uri}: {error.cause}") from None
    if renames is not None and not renames.complete:
        ready.report.note(
            f"more than {len(renames):,} names of files and folders are replaced (limit renames): references to the others do not follow"
        )
    return with_renames(context, renames)


def _run(work: Coroutine[Any, Any, Spent]) -> Spent:
    """Run the coroutine to its end, even if a loop is already running, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()


async def _work(
    context: Context, store: OutputStore, run: Run, done: set[int], report: Reporter, known: Known | None, claim: Claim
) -> Spent:
    """Scan the shards that are not committed yet."""
    import ray

    from veritensor_ray.jobs.scheduling.scheduler import Work

    settings = context.settings
    local, models = split_engines(context)
    stages = _stages(context, models)
    slots, found = arithmetic(settings, len(stages), report.note, claim.take)
    if settings.read_rate:
        context = replace(context, read_rate=settings.read_rate / slots.extract)
    reference = ray.put(context)
    turns = CpuTurns({share.machine: share.cpus for share in slots.shares})
    extractions = Places(turns, {share.machine: share.extract for share in slots.shares})
    pools = _pools(reference, stages, settings, turns, slots, claim)
    machines = Machines(settings, found, slots, turns, extractions, pools, claim)
    work = Work(
        context=context,
        reference=reference,
        store=store,
        run=run.id,
        local=local,
        pools=pools,
        turns=turns,
        extractions=extractions,
        meter=Meter(turns),
        running=RunningShards(context.site_key),
        window=lambda: max(1, extractions.count + sum(pool.size for pool in pools)),
        on_commit=report.committed,
        on_note=report.note,
        deadline=datetime.fromisoformat(settings.deadline) if settings.deadline else None,
        known=None if known is None else ray.put(known),
        look=machines.look,
        claim=claim,
    )
    try:
        await _scanned(work, machines, run, done, report, slots.cpus)
    finally:
        for pool in pools:
            pool.close()
    seconds = {pool.stage: round(pool.cpu_seconds, 3) for pool in pools}
    called, load = sum(pool.cpu_seconds for pool in pools), sum(pool.load_seconds for pool in pools)
    for pool in pools:
        work.meter.known(pool.stage_seconds)
    return Spent(seconds, work.meter.report(called, load))


def _stages(context: Context, models: tuple[str, ...]) -> list[Sequence[Engine]]:
    """Returns the engines with a model of each stage; the weights stay where they are."""
    engines = without_weights(context, models)
    if context.settings.resources.model_pools == "shared":
        return [engines] if engines else []
    return [(engine,) for engine in engines]


def _pools(
    reference: Any, stages: Sequence[Sequence[Engine]], settings: Settings, turns: CpuTurns, slots: Slots, claim: Claim
) -> list[Pool]:
    """Returns the pool of each stage. None of their actors is started yet."""
    from veritensor_ray.jobs.scheduling.actor_pool import Pool

    return [
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


async def _scanned(work: Work, machines: Machines, run: Run, done: set[int], report: Reporter, cpus: int) -> None:
    """Scan the shards of the plan that are not `done`. Raises DeadlineReached with the number of those that are left."""
    from veritensor_ray.jobs.scheduling.scheduler import run_shards

    shards = run.totals["shards"]
    if shards - len(done) > _FEW_SHARDS * cpus:  # long enough that a model that does not load should be noticed first
        report.stage("load models")
        await asyncio.gather(*(pool.start() for pool in work.pools))
    try:
        with work.store.open(plan_key(run.id)) as plan:
            read, spent = planned_work(plan, done) if done else (0, 0.0)
            report.scanning(shards, run.totals["bytes"], len(done), read, run.totals.get("effort", 0) / 1000 - spent, cpus)
            report.stage("scan")
            entries: Iterator[Shard | PlanRow] = shards_of(read_plan(plan))
            open_shards = (entry for entry in entries if isinstance(entry, Shard) and entry.id not in done)
            await _while(run_shards(work, open_shards), machines.watch(), _reports(work.running, report))
    except DeadlineReached:
        left = shards - len(committed(work.store, run.id))
        raise DeadlineReached(f"the deadline was reached with {left} of {shards} shards left; the same command resumes with them") from None


async def _reports(running: RunningShards, report: Reporter) -> None:
    """Report every few seconds how far the run has come."""
    while True:
        await asyncio.sleep(_EVERY)
        report.reading(running.reading())


async def _while(work: Coroutine[Any, Any, None], *watches: Coroutine[Any, Any, None]) -> None:
    """Do the work, unless one of its watchers raises first."""
    tasks = [asyncio.ensure_future(one) for one in (work, *watches)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await (tasks[0] if tasks[0] in done else done.pop())
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def info(ready: CheckedRun, run: Run, spent: Spent) -> RunInfo:
    """Returns the description of the run for its results."""
    context, parts = ready.context, ready.parts
    about = {
        "job": context.settings.job,
        "python": platform.python_version(),
        "output": without_credentials(ready.store.uri),
        "started_at": run.started,
        "bundle_id": parts["bundle"],
        **({"advisories": {one.name.lower(): one.dated for one in ready.ages}} if ready.ages else {}),
        "policy_identity": ready.judge.identity,
        "model_cpu_seconds": spent.models,
        "utilisation": spent.utilisation,
        "tables": run.tables,
        "fingerprint_parts": parts,
    }
    return run_info(context, run.id, about, ready.fleet.engines.values())


def collected(ready: CheckedRun, task: Any, *arguments: Any) -> dict[str, Any]:
    """Returns the result of a collecting task. Raises CannotRunError."""
    import ray

    ready.report.stage("collect")
    try:
        result: dict[str, Any] = ray.get(task.remote(ready.store, *arguments))
    except ray.exceptions.RayTaskError as error:
        raise CannotRunError(f"the results cannot be collected in {ready.store.uri}: {error.cause}") from None
    return result
