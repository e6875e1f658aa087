"""The steps that audits and sweeps share: plan, scan, and collecting the results."""

from __future__ import annotations

import asyncio
import json
import math
import platform
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.core.errors import CannotRunError, DeadlineReached
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
from veritensor_ray.findings.schema import LEDGER
from veritensor_ray.findings.shard_commit import committed
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.jobs.run_checks import CheckedRun
from veritensor_ray.jobs.run_reporting import Reporter
from veritensor_ray.jobs.run_requests import Run
from veritensor_ray.jobs.scheduling.placement import Left, Placement, Spent
from veritensor_ray.jobs.scheduling.scheduler import Work, run_shards
from veritensor_ray.jobs.scheduling.shard_progress import RunningShards
from veritensor_ray.masking.redaction import name_safe
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.pipeline.bounded.process import Splitter, descriptions, snapshots
from veritensor_ray.pipeline.cleaning_scans.name_scan import with_renames
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.fingerprint import digest
from veritensor_ray.pipeline.run_description import run_info, write_run_plan
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import check_output

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


def expected(run: Run) -> float:
    """Returns the CPU seconds that the plan of a run expects; the plan of an earlier version may not say."""
    return run.totals.get("effort", math.inf) / 1000


def scan(ready: CheckedRun, run: Run, placement: Placement, known: Callable[[], Known | None] = lambda: None) -> Spent:
    """Scan the shards that are not committed yet."""
    store, report, done = ready.store, ready.report, committed(ready.store, run.id)
    if done:
        report.note(f"resuming run {run.id}: {len(done)} of {run.totals['shards']} shards are committed")
    if len(done) >= run.totals["shards"]:
        return Spent()
    context = _with_renames(ready, run, placement)
    with store.open(plan_key(run.id)) as plan:
        read, spent = planned_work(plan, done) if done else (0, 0.0)
        left = Left(run.totals["shards"] - len(done), run.totals.get("effort", 0) / 1000 - spent)
        with placement.shards(context, store, run.id, known(), left, report.note) as placed:
            running = RunningShards(context.site_key)
            deadline = datetime.fromisoformat(context.settings.deadline) if context.settings.deadline else None
            work = Work(context, run.id, placed, running, report.committed, report.note, deadline)
            entries: Iterator[Shard | PlanRow] = shards_of(read_plan(plan))
            shards = (entry for entry in entries if isinstance(entry, Shard) and entry.id not in done)

            async def scanned() -> None:
                await placed.start(report.stage)
                report.scanning(run.totals["shards"], run.totals["bytes"], len(done), read, left.effort, placed.cpus)
                report.stage("scan")
                await _while(run_shards(work, shards), placed.watch(), _reports(running, report))

            try:
                _run(scanned())
            except DeadlineReached:
                late = f"{run.totals['shards'] - len(committed(store, run.id))} of {run.totals['shards']} shards left"
                raise DeadlineReached(f"the deadline was reached with {late}; the same command resumes with them") from None
            return placed.spent()


def _with_renames(ready: CheckedRun, run: Run, placement: Placement) -> Context:
    """Returns the context with the names that files have in the copy, if the run writes one in which names are replaced: links have to follow."""
    context = ready.context
    if context.cleaning is None or not context.cleaning.renames_files:
        return context
    renames = placement.renames(context, ready.store, run)
    if renames is not None and not renames.complete:
        ready.report.note(
            f"more than {len(renames):,} names of files and folders are replaced (limit renames): references to the others do not follow"
        )
    return with_renames(context, renames)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine to its end, even if a loop is already running, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, work).result()


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


def info(ready: CheckedRun, run: Run, spent: Spent, placement: str) -> RunInfo:
    """Returns the description of the run for its results, with the name of its placement."""
    context, parts = ready.context, ready.parts
    about = {
        "job": context.settings.job,
        "python": platform.python_version(),
        "output": without_credentials(ready.store.uri),
        "started_at": run.started,
        "bundle_id": parts["bundle"],
        **({"advisories": {one.name.lower(): one.dated for one in ready.ages}} if ready.ages else {}),
        "policy_identity": ready.judge.identity,
        "placement": placement,
        "model_cpu_seconds": spent.models,
        "utilisation": spent.utilisation,
        "tables": run.tables,
        "fingerprint_parts": parts,
    }
    return run_info(context, run.id, about, ready.fleet.engines.values())


def collected(ready: CheckedRun, placement: Placement, function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Returns the result of a function that collects the results in the output. Raises CannotRunError."""
    ready.report.stage("collect")
    result: dict[str, Any] = placement.run(f"the results cannot be collected in {ready.store.uri}", function, ready.store, *arguments)
    return result
