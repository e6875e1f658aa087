"""The audit: plan once, scan what is not committed yet, collect. The same call again goes on where the last one ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from veritensor_ray.bundle.active import activate
from veritensor_ray.config import Settings
from veritensor_ray.corpus.listing import Root, check_source, roots
from veritensor_ray.corpus.planning import PlanRow, Shard, plan_rows, read_plan, shards_of, write_plan
from veritensor_ray.corpus.stores import OutputStore, absolute, check_output, denied, is_local
from veritensor_ray.engines.registry import create
from veritensor_ray.errors import CannotRunError, DeadlineReached, LeaseHeld, OutputConflict, StoreError, UsageError
from veritensor_ray.findings.attestation import attest
from veritensor_ray.findings.collect import RunInfo
from veritensor_ray.findings.commit import committed
from veritensor_ray.findings.keys import key_id, site_key
from veritensor_ray.findings.redact import without_credentials
from veritensor_ray.jobs import cluster, preflight
from veritensor_ray.jobs.deadline import deadline_at
from veritensor_ray.jobs.preflight import Fleet
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.fingerprint import describe, differences, digest
from veritensor_ray.pipeline.shard import split_engines
from veritensor_ray.pipeline.splitting import splitter
from veritensor_ray.signing import load_private_key

RESULTS = ("findings", "ledger", "rollup", "run.json", "attestation.json", "_work")


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


@dataclass(frozen=True)
class _Run:
    id: str
    totals: dict[str, int]
    started: str


def audit(settings: Settings, reporter: Reporter | None = None) -> dict[str, Any]:
    """Run or resume an audit; returns the content of run.json. Raises UsageError, CannotRunError, DeadlineReached and their kinds."""
    report = reporter or Silent()
    given = _checked(settings)
    store = OutputStore(absolute(str(given.output)), given.stores)
    key = site_key(given.site_key)
    settings, bundle = activate(given)
    bundle_id = bundle.id if bundle else None
    for warning in bundle.warnings if bundle else ():
        report.note(warning)
    starts = tuple(roots(settings.sources, settings.stores))
    with contextlib.ExitStack() as stack:
        _check_foreign(store)
        if settings.address:
            report.stage("join")
            stack.enter_context(cluster.running(settings))
        fleet = preflight.everywhere(given, bundle_id, report.note) if settings.address else preflight.here(settings)
        stack.enter_context(_lease(store))
        parts = describe(given, fleet.fingerprints, key_id(key), bundle_id)
        context = Context(settings, starts, tuple(fleet.engines), key, digest(parts), tuple(fleet.missing.items()), fleet.expected)
        result = _result(context, store, fleet, parts, report)
        if settings.sign_key:
            attest(store, settings.sign_key, result)
            report.note(f"signed with {settings.sign_key}; to check: veritensor-ray verify {settings.output}")
        return result


def _checked(settings: Settings) -> Settings:
    """The settings of something that can run, with a deadline that means the same everywhere. Raises UsageError, CannotRunError."""
    if not settings.sources or not settings.output:
        raise UsageError("an audit needs at least one source and an output")
    if settings.job != "audit":
        raise UsageError(f"job {settings.job} is not available in this version; use --job audit")
    if settings.sign_key:
        load_private_key(settings.sign_key)  # a key that is not there must not come out after hours of scanning
    if settings.deadline is None:
        return settings
    at = deadline_at(settings.deadline, datetime.now().astimezone())
    return settings.model_copy(update={"deadline": at.isoformat()})


def _result(context: Context, store: OutputStore, fleet: Fleet, parts: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """What the output holds already, or what a scan leaves there."""
    settings = context.settings
    if settings.fresh:
        for name in RESULTS:
            store.delete(name)
    finished = _finished(store, parts)
    if finished is not None:
        report.note(
            f"{settings.output} already holds this audit, finished {finished['finished_at']}; nothing was scanned (--fresh scans again)"
        )
        return finished
    check_output(store)
    for root in context.roots:
        check_source(root, settings.stores)
    run = _resumable(store, parts) or _plan(settings, store, parts, report)
    return _scan(context, store, run, fleet, parts, report)


def _check_foreign(store: OutputStore) -> None:
    """Never write into, and never clean, a folder that holds something else."""
    try:
        names = store.names("")
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(store.uri, "list", error)) from None
    if names and not {"_work", "run.json"} & set(names):
        raise UsageError(
            f"the output {store.uri} is not empty and no output of veritensor-ray (it holds {names[0]!r}); choose another --output"
        )


@contextlib.contextmanager
def _lease(store: OutputStore) -> Iterator[None]:
    """Keeps two runs on this machine from writing one output; ends with the process, however it ends."""
    folder = store.local
    if folder is None:
        yield
        return
    try:
        (folder / "_work").mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(folder / "_work" / ".lease", timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        raise LeaseHeld(f"another run is writing {folder}; wait for it, or choose another --output") from None
    except OSError as error:
        raise CannotRunError(f"the output {folder} is not writable: {error.strerror}; choose another --output") from None
    with lock:
        yield


def _finished(store: OutputStore, parts: dict[str, Any]) -> dict[str, Any] | None:
    data = store.read("run.json")
    if data is None:
        return None
    result: dict[str, Any] = json.loads(data)
    _check_same(store, parts, result["fingerprint_parts"])
    return result


def _check_same(store: OutputStore, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    different = differences(mine, theirs)
    if "sources" in different:
        raise OutputConflict(
            f"the output {store.uri} holds the audit of another corpus, {', '.join(theirs['sources'])}; choose another --output, or --fresh to replace it"
        )
    if different:
        raise OutputConflict(
            f"the output {store.uri} holds an audit that differs in {', '.join(different)}; choose another --output, or --fresh to replace it"
        )


def _resumable(store: OutputStore, parts: dict[str, Any]) -> _Run | None:
    """The run in this output that has a plan but no end."""
    for name in store.names("_work"):
        data = None if name.startswith(".") else store.read(f"_work/{name}/request.json")
        if data is not None:
            request = json.loads(data)
            _check_same(store, parts, request["fingerprint_parts"])
            return _Run(name, request["totals"], request["started_at"])
    return None


def _plan(settings: Settings, store: OutputStore, parts: dict[str, Any], report: Reporter) -> _Run:
    """List, pack and write the plan; the request beside it, written last, makes it valid."""
    report.stage("plan")
    now = datetime.now(UTC)
    run = f"{now:%Y%m%dT%H%M%SZ}-{digest(parts)[:6]}"
    rows = plan_rows(settings, parts["engines"], splitter(settings), report.planned, own_output=store.uri)
    with store.writer(f"_work/{run}/plan.parquet") as file:
        totals = write_plan(rows, file)
    request: dict[str, Any] = {"fingerprint_parts": parts, "totals": totals, "started_at": now.isoformat(timespec="seconds")}
    store.put(f"_work/{run}/request.json", json.dumps(request, indent=2).encode())
    return _Run(run, totals, request["started_at"])


def _scan(context: Context, store: OutputStore, run: _Run, fleet: Fleet, parts: dict[str, Any], report: Reporter) -> dict[str, Any]:
    done = committed(store, run.id)
    if done:
        report.note(f"resuming run {run.id}: {len(done)} of {run.totals['shards']} shards are committed")
    report.stage("start")
    with cluster.running(context.settings):
        model_seconds = _run(_work(context, store, run, done, report))
        report.stage("collect")
        return _collect(context, store, run, fleet, parts, model_seconds)


def _run(work: Coroutine[Any, Any, dict[str, float]]) -> dict[str, float]:
    """Run to the end, also where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()


async def _work(context: Context, store: OutputStore, run: _Run, done: set[int], report: Reporter) -> dict[str, float]:
    """Scan what is not committed; returns the CPU seconds of the model actors, by stage."""
    import ray

    from veritensor_ray.jobs.pool import Pool
    from veritensor_ray.jobs.scheduler import Work, run_shards

    if len(done) >= run.totals["shards"]:
        return {}
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


def _collect(
    context: Context,
    store: OutputStore,
    run: _Run,
    fleet: Fleet,
    parts: dict[str, Any],
    model_seconds: dict[str, float],
) -> dict[str, Any]:
    import ray

    from veritensor_ray.actors.tasks import collect_run

    present = [name for name in fleet.engines if name not in fleet.missing]
    described: dict[str, dict[str, Any]] = {
        name: {"version": engine.version, "fingerprint": engine.fingerprint, "model": engine.model}
        for name, engine in fleet.engines.items()
        if name in present
    }
    described |= {name: {"version": None, "fingerprint": None, "model": None, "missing": reason} for name, reason in fleet.missing.items()}
    about = {
        "package_version": version("veritensor-ray"),
        "python": platform.python_version(),
        "profile": context.settings.profile,
        "sources": parts["sources"],
        "output": without_credentials(store.uri),
        "started_at": run.started,
        "site_key_id": parts["site_key"],
        "bundle_id": parts["bundle"],
        "model_cpu_seconds": model_seconds,
        "fingerprint_parts": parts,
    }
    rules = {rule.id: rule for engine in create(context.settings, present) for rule in engine.rules()}
    info = RunInfo(run.id, context.fingerprint, context.roots, rules, described, about, context.settings.limits.hits_per_rule)
    try:
        result: dict[str, Any] = ray.get(collect_run.remote(store, info, context.site_key))
    except ray.exceptions.RayTaskError as error:
        raise CannotRunError(f"the results cannot be collected in {store.uri}: {error.cause}") from None
    return result


def local_folder(uri: str) -> Path | None:
    """The folder of a local output."""
    return Path(absolute(uri)) if is_local(uri) else None


def default_output(sources: list[str]) -> str:
    """Where an audit goes when nobody says: beside the user, named after the corpus; the same every time, so that it resumes."""
    base = sources[0].rstrip("/").rsplit("/", 1)[-1]
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in base).strip("-.") or "corpus"
    return f"audit-{name}"


__all__ = ["RESULTS", "Reporter", "Root", "Silent", "audit", "default_output"]
