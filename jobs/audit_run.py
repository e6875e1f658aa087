"""The audit: plan once, scan what is not committed yet, collect. Repeating the call resumes an interrupted audit."""

from __future__ import annotations

import json
from typing import Any

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import OutputConflict
from veritensor_ray.findings.collect import collect
from veritensor_ray.findings.sweep_state import LATEST
from veritensor_ray.jobs.run_checks import CheckedRun, check_same, ready
from veritensor_ray.jobs.run_reporting import Reporter, Silent
from veritensor_ray.jobs.run_requests import Run, requests
from veritensor_ray.jobs.run_steps import changed_since, collected, expected, info, plan, scan
from veritensor_ray.jobs.scheduling.placement import placed
from veritensor_ray.results.attestation import attest
from veritensor_ray.stores.outputs import OutputStore

# Not `rules`, whose one file is replaced: somebody may keep rules of their own in a folder of this name.
RESULTS = ("findings", "ledger", "rollup", "run.json", "attestation.json")


def audit(settings: Settings, reporter: Reporter | None = None, cleaning: Cleaning | None = None) -> dict[str, Any]:
    """Run or resume an audit; returns the content of run.json.

    If the audit was complete already, and the corpus has changed since, the key `changed_since` is added. Raises UsageError, CannotRunError,
    DeadlineReached and their subclasses.
    """
    report = reporter or Silent()
    with ready(settings, report, cleaning) as prepared:
        result, changed = _result(prepared)
        if settings.sign_key:
            attest(prepared.store, settings.sign_key, result)
            report.note(f"signed with {settings.sign_key}; to check it: veritensor-ray verify {settings.output}")
        return result | changed


def _result(ready: CheckedRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the results that the output already holds, or those of a scan, and how the corpus has changed since they were complete."""
    settings, store, parts, report = ready.settings, ready.store, ready.parts, ready.report
    if store.exists(LATEST):
        raise OutputConflict(f"the output {store.uri} holds sweeps; use --job sweep, or choose another --output")
    if settings.fresh:
        for name in (*RESULTS, *(f"_work/{name}" for name in store.names("_work") if name != ".lease")):
            store.delete(name)  # everything except the lease that this run holds
    finished, run = _finished(store, parts), _resumable(store, parts)
    if finished is not None:
        if finished.get("policy_identity") == ready.judge.identity:
            report.note(
                f"{settings.output} already holds this audit, finished {finished['finished_at']}; nothing was scanned (--fresh scans again)"
            )
            return finished, changed_since(ready)
        rest = "nothing is scanned" if run else "everything is scanned again, since _work/ is gone"
        report.note(f"the policy has changed since these results: they are rewritten, and {rest}")
    changed = changed_since(ready) if finished and run else {}
    return _scanned(ready, run or plan(ready)), changed


def _finished(store: OutputStore, parts: dict[str, Any]) -> dict[str, Any] | None:
    data = store.read("run.json")
    if data is None:
        return None
    result: dict[str, Any] = json.loads(data)
    check_same(store, parts, result["fingerprint_parts"])
    return result


def _resumable(store: OutputStore, parts: dict[str, Any]) -> Run | None:
    """Returns the run whose plan and commits this output holds, or None."""
    for run, theirs in requests(store):
        if run.job != "audit":
            raise OutputConflict(f"the output {store.uri} holds a sweep that did not end; use --job sweep, or choose another --output")
        check_same(store, parts, theirs)
        return run
    return None


def _scanned(ready: CheckedRun, run: Run) -> dict[str, Any]:
    ready.report.stage("start")
    with placed(ready.settings, expected(run)) as placement:
        spent = scan(ready, run, placement)
        ready.lease.check()
        return collected(ready, placement, collect, info(ready, run, spent, placement.name), ready.context.site_key, ready.judge)


def default_output(sources: list[str], job: str = "audit") -> str:
    """Returns the output to use if none is given: in the working directory, named after the corpus; always the same, so that a run resumes."""
    base = sources[0].rstrip("/").rsplit("/", 1)[-1]
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in base).strip("-.") or "corpus"
    return f"{job}-{name}"


__all__ = ["RESULTS", "audit", "default_output"]
