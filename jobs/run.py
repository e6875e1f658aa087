"""What audits and sweeps share: preparation, plan, scan, and the data that a collect needs. It does not know what becomes of results."""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from veritensor_ray.bundle.active import activate
from veritensor_ray.config import Settings, check_apart
from veritensor_ray.corpus.listing import check_source, roots
from veritensor_ray.corpus.planning import Decider, PlanRow, Shard, plan_rows, read_plan, shards_of, write_plan
from veritensor_ray.engines.registry import create
from veritensor_ray.errors import CannotRunError, DeadlineReached, OutputConflict, StoreError, UsageError
from veritensor_ray.findings.commit import committed
from veritensor_ray.findings.keys import key_id, site_key
from veritensor_ray.findings.policy import Judge, load_policy
from veritensor_ray.findings.policy_file import DEFAULT
from veritensor_ray.findings.redact import reason_safe
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.imports import Guard
from veritensor_ray.jobs import cluster, preflight
from veritensor_ray.jobs.deadline import deadline_at
from veritensor_ray.jobs.preflight import Fleet
from veritensor_ray.pipeline.bounded import Splitter
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.fingerprint import describe, differences, digest
from veritensor_ray.pipeline.rescan import Known
from veritensor_ray.pipeline.shard import split_engines
from veritensor_ray.secret_kinds.uris import without_credentials
from veritensor_ray.signing import load_private_key
from veritensor_ray.stores.filesystems import absolute, check_credentials, denied
from veritensor_ray.stores.lease import Lease, lease
from veritensor_ray.stores.outputs import OutputStore, check_output
from veritensor_ray.uris import real_bases


class Reporter(Protocol):
    """Where progress goes; the command line draws it."""

    def stage(self, name: str) -> None:
        """A stage began: plan, start, scan, collect."""

    def planned(self, artifacts: int) -> None:
        """So many artifacts are listed."""

    def scanning(self, shards: int, size: int, done: int) -> None:
        """The plan has so many shards and bytes; `done` shards were committed earlier."""

    def committed(self, numbers: dict[str, Any]) -> None:
        """A shard is committed: shard, artifacts, bytes, severities."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A reporter that says nothing."""

    def stage(self, name: str) -> None: ...
    def planned(self, artifacts: int) -> None: ...
    def scanning(self, shards: int, size: int, done: int) -> None: ...
    def committed(self, numbers: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has a plan. `previous` is the sweep that it was planned against, if there was one; `fresh` that nothing was taken over."""

    id: str
    totals: dict[str, int]
    started: str
    job: str
    previous: str | None = None
    fresh: bool = False


@dataclass(frozen=True)
class Ready:
    """Everything that is looked at before anything is read: what runs, on what, for whom, and that nobody else writes the output."""

    context: Context
    store: OutputStore
    fleet: Fleet
    parts: dict[str, Any]  # of the run's fingerprint
    judge: Judge
    report: Reporter
    lease: Lease

    @property
    def settings(self) -> Settings:
        """Those in force, a bundle's paths among them."""
        return self.context.settings


@contextlib.contextmanager
def ready(given: Settings, report: Reporter) -> Iterator[Ready]:
    """Check settings, policy, output, cluster and engines, and hold the output. Raises UsageError, CannotRunError and their kinds."""
    given = _checked(given)
    store = OutputStore(absolute(str(given.output)), given.stores)
    key = site_key(given.site_key)
    if given.policy is None and Path(DEFAULT).exists():
        check_apart(Path(DEFAULT), given.sources, "--policy", given.follow_links)
    policy = load_policy(given.policy)
    settings, bundle = activate(given)
    bundle_id = bundle.id if bundle else None
    for warning in bundle.warnings if bundle else ():
        report.note(warning)
    starts = tuple(roots(settings.sources, settings.stores))
    with contextlib.ExitStack() as stack:
        stack.enter_context(Guard(*real_bases(settings.sources)))
        _check_foreign(store)
        if settings.address:
            report.stage("join")
            stack.enter_context(cluster.running(settings))
        fleet = preflight.everywhere(given, bundle_id, report.note) if settings.address else preflight.here(settings)
        _check_required(policy.required_engines, fleet)
        held = stack.enter_context(lease(store, report.note))
        parts = describe(given, fleet.fingerprints, key_id(key), bundle_id)
        context = Context(settings, starts, tuple(fleet.engines), key, digest(parts), tuple(fleet.missing.items()), fleet.expected)
        yield Ready(context, store, fleet, parts, Judge(policy, datetime.now(UTC).date()), report, held)


def _checked(settings: Settings) -> Settings:
    """The settings of something that can run, with a deadline that means the same everywhere. Raises UsageError, CannotRunError."""
    if not settings.sources or not settings.output:
        raise UsageError("a run needs at least one source and an output")
    check_credentials(settings)
    if settings.sign_key:
        load_private_key(settings.sign_key)  # a key that is not there must not come out after hours of scanning
    if settings.deadline is None:
        return settings
    at = deadline_at(settings.deadline, datetime.now().astimezone())
    return settings.model_copy(update={"deadline": at.isoformat()})


def _check_required(required: tuple[str, ...], fleet: Fleet) -> None:
    """What a policy demands outranks `engines` and --allow-missing-engines."""
    for name in required:
        if name not in fleet.engines:
            raise UsageError(f"the policy requires the engine {name}, which is not selected; add it to --engines, or change the policy")
        if name in fleet.missing:
            raise CannotRunError(f"the policy requires the engine {name}: {fleet.missing[name]}")


def _check_foreign(store: OutputStore) -> None:
    """Never write into, and never clean, a folder that holds something else."""
    try:
        names = store.names("")
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(store.uri, "list", error)) from None
    if names and not {"_work", "run.json", "latest.json"} & set(names):
        raise UsageError(
            f"the output {store.uri} is not empty and no output of veritensor-ray (it holds {names[0]!r}); choose another --output"
        )


def check_same(store: OutputStore, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raises OutputConflict where an output holds what another corpus or another fingerprint left."""
    different = differences(mine, theirs)
    if "sources" in different:
        raise OutputConflict(
            f"the output {store.uri} holds the audit of another corpus, {', '.join(theirs['sources'])}; choose another --output, or --fresh to replace it"
        )
    if different:
        raise OutputConflict(
            f"the output {store.uri} holds an audit that differs in {', '.join(different)}; choose another --output, or --fresh to replace it"
        )


def requests(store: OutputStore) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Runs that have a plan in this output, each with the parts of its fingerprint; the request beside a plan makes it valid."""
    for name in store.names("_work"):
        data = None if name.startswith(".") else store.read(f"_work/{name}/request.json")
        if data is not None:
            about = json.loads(data)
            rest = about.get("job", "audit"), about.get("previous"), about.get("fresh", False)
            yield Run(name, about["totals"], about["started_at"], *rest), about["fingerprint_parts"]


def plan(ready: Ready, previous: str | None = None, decide: Decider | None = None) -> Run:
    """List, pack and write the plan; the request beside it, written last, makes it valid."""
    settings, store, parts, report = ready.settings, ready.store, ready.parts, ready.report
    check_output(store)
    for root in ready.context.roots:
        check_source(root, settings.stores)
    report.stage("plan")
    run, now = _next_id(digest(parts)[:6], previous)
    with Splitter(settings) as split, store.writer(f"_work/{run}/plan.parquet") as file:
        rows = plan_rows(settings, parts["engines"], split, report.planned, store.uri, decide)
        totals = write_plan((row if row.reason is None else replace(row, reason=reason_safe(row.reason)) for row in rows), file)
    started = now.isoformat(timespec="seconds")
    planned = Run(run, totals, started, settings.job, previous, settings.fresh)
    request: dict[str, Any] = {"fingerprint_parts": parts, "totals": totals, "started_at": started, "job": planned.job}
    request |= {"previous": previous, "fresh": planned.fresh}
    store.put(f"_work/{run}/request.json", json.dumps(request, indent=2).encode())
    return planned


def _next_id(suffix: str, previous: str | None) -> tuple[str, datetime]:
    """A name that sorts by time, behind that of the sweep before. Raises CannotRunError where the clock says otherwise."""
    while True:
        now = datetime.now(UTC)
        stamp = f"{now:%Y%m%dT%H%M%SZ}"
        if previous is None or stamp > previous[: len(stamp)]:
            return f"{stamp}-{suffix}", now
        if previous[: len(stamp)] > f"{datetime.fromtimestamp(now.timestamp() + 60, UTC):%Y%m%dT%H%M%SZ}":
            raise CannotRunError(f"this machine's clock ({stamp}) is behind the last sweep ({previous}); set it, and submit again")
        time.sleep(0.2)


def scan(ready: Ready, run: Run, known: Callable[[], Known | None] = lambda: None) -> dict[str, float]:
    """Scan what is not committed yet; returns the CPU seconds of the model actors, by stage. Ray has to be running."""
    done = committed(ready.store, run.id)
    if done:
        ready.report.note(f"resuming run {run.id}: {len(done)} of {run.totals['shards']} shards are committed")
    if len(done) >= run.totals["shards"]:
        return {}
    return _run(_work(ready.context, ready.store, run, done, ready.report, known()))


def _run(work: Coroutine[Any, Any, dict[str, float]]) -> dict[str, float]:
    """Run to the end, also where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()


async def _work(context: Context, store: OutputStore, run: Run, done: set[int], report: Reporter, known: Known | None) -> dict[str, float]:
    """Scan what is not committed; returns the CPU seconds of the model actors, by stage."""
    import ray

    from veritensor_ray.jobs.pool import Pool
    from veritensor_ray.jobs.scheduler import Work, run_shards

    settings = context.settings
    local, models = split_engines(context)
    engines = without_weights(context, models)
    groups = [engines] if settings.resources.model_pools == "shared" else [(engine,) for engine in engines]
    slots = cluster.arithmetic(settings, len(groups) if models else 0, report.note)
    if settings.read_rate:
        context = replace(context, read_rate=settings.read_rate / slots.extract)
    reference = ray.put(context)
    options = {"num_cpus": slots.model_cpus, "num_gpus": settings.resources.model_gpus, "scheduling_strategy": "SPREAD"}
    pools = [Pool(reference, group, slots.actors, options) for group in groups if group]
    try:
        for pool in pools:
            report.stage("load models")
            await pool.start()
        report.scanning(run.totals["shards"], run.totals["bytes"], len(done))
        report.stage("scan")
        window = slots.extract + slots.actors * max(1, len(pools))
        threads = ThreadPoolExecutor(window, thread_name_prefix="stream")
        work = Work(
            context,
            reference,
            store,
            run.id,
            dict(context.expected),
            local,
            pools,
            asyncio.Semaphore(slots.extract),
            threads,
            window,
            report.committed,
            report.note,
            datetime.fromisoformat(settings.deadline) if settings.deadline else None,
            None if known is None else ray.put(known),
        )
        with store.open(f"_work/{run.id}/plan.parquet") as plan:
            entries: Iterator[Shard | PlanRow] = shards_of(read_plan(plan))
            await run_shards(work, (entry for entry in entries if isinstance(entry, Shard) and entry.id not in done))
    except DeadlineReached:
        left = run.totals["shards"] - len(committed(store, run.id))
        raise DeadlineReached(
            f"the deadline was reached with {left} of {run.totals['shards']} shards left; the same command goes on with them"
        ) from None
    finally:
        for pool in pools:
            pool.close()
    return {pool.stage: round(pool.cpu_seconds, 3) for pool in pools}


def info(ready: Ready, run: Run, model_seconds: dict[str, float]) -> RunInfo:
    """What the run says about itself in its results."""
    context, fleet, parts = ready.context, ready.fleet, ready.parts
    present = [name for name in fleet.engines if name not in fleet.missing]
    described: dict[str, dict[str, Any]] = {
        name: {"version": engine.version, "fingerprint": engine.fingerprint, "model": engine.model}
        for name, engine in fleet.engines.items()
        if name in present
    }
    described |= {name: {"version": None, "fingerprint": None, "model": None, "missing": reason} for name, reason in fleet.missing.items()}
    about = {
        "job": context.settings.job,
        "package_version": version("veritensor-ray"),
        "python": platform.python_version(),
        "profile": context.settings.profile,
        "sources": parts["sources"],
        "output": without_credentials(ready.store.uri),
        "started_at": run.started,
        "site_key_id": parts["site_key"],
        "bundle_id": parts["bundle"],
        "policy_identity": ready.judge.identity,
        "model_cpu_seconds": model_seconds,
        "fingerprint_parts": parts,
    }
    rules = {rule.id: rule for engine in create(context.settings, present) for rule in engine.rules()}
    return RunInfo(run.id, context.fingerprint, context.roots, rules, described, about, context.settings.limits.hits_per_rule)


def collected(ready: Ready, task: Any, *arguments: Any) -> dict[str, Any]:
    """The result of a collecting task. Raises CannotRunError."""
    import ray

    ready.report.stage("collect")
    try:
        result: dict[str, Any] = ray.get(task.remote(ready.store, *arguments))
    except ray.exceptions.RayTaskError as error:
        raise CannotRunError(f"the results cannot be collected in {ready.store.uri}: {error.cause}") from None
    return result
