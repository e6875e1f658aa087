"""The sweep: an audit of the changes since the last complete one, published as the newest sweep of a state, the folder with all sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, OutputConflict, SignatureError
from veritensor_ray.core.signing import load_private_key, public_bytes, trust, trust_list
from veritensor_ray.corpus.listing import Listed
from veritensor_ray.engines.registry import create
from veritensor_ray.findings.sweep_collecting import collect_sweep
from veritensor_ray.findings.sweep_publishing import link, prune, publish
from veritensor_ray.findings.sweep_state import SWEEPS, Night, folder_of, latest, missed, night, results, surplus
from veritensor_ray.jobs.run_checks import CheckedRun, ready
from veritensor_ray.jobs.run_reporting import Reporter, Silent
from veritensor_ray.jobs.run_requests import Run, requests
from veritensor_ray.jobs.run_steps import collected, expected, info, plan, scan
from veritensor_ray.jobs.scheduling.placement import placed
from veritensor_ray.pipeline.fingerprint import differences
from veritensor_ray.pipeline.sweep_rescan import Known, Previous, ThisSweep
from veritensor_ray.results.attestation import NAME as ATTESTATION
from veritensor_ray.results.attestation import attest, check_output
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.outputs import OutputStore


def sweep(
    settings: Settings, reporter: Reporter | None = None, cleaning: Cleaning | None = None, elsewhere: OutputStore | None = None
) -> dict[str, Any]:
    """Run or resume a sweep; returns the content of its run.json. Raises UsageError, CannotRunError, DeadlineReached and their subclasses.

    `fresh` scans everything again, but keeps the history. `elsewhere` is another output, made with the same settings: artifacts are read, and
    not scanned if their content is in its ledger.
    """
    report = reporter or Silent()
    with ready(settings, report, cleaning) as prepared:
        return _swept(prepared, _complete(elsewhere) if elsewhere is not None else None)


def _complete(output: OutputStore) -> Night:
    folder, run = results(output)
    return Night(run["scan_id"], folder, run)


def _swept(ready: CheckedRun, elsewhere: Night | None) -> dict[str, Any]:
    before = _last(ready)
    run = _resumable(ready, before, elsewhere)
    fresh = ready.settings.fresh if run is None else run.fresh
    if before is not None and ready.settings.sign_key and not fresh:
        _check_signed(ready, before, ready.settings.sign_key)
    reading = _Reading(ready, None if fresh else before, elsewhere)
    if run is None:
        run = plan(ready, before.id if before else None, reading.decide, elsewhere.id if elsewhere else None)
        _say_planned(ready, run, before)
    else:
        ready.report.note(f"sweep {run.id} did not end: resuming its plan of {run.started}")
    _check_mounted(ready, run, before)
    ready.report.stage("start")
    with placed(ready.settings, expected(run)) as placement:
        spent = scan(ready, run, placement, reading.known)
        ready.lease.check()  # a run that took the lease over may have published this very sweep
        taken = elsewhere.store if elsewhere else None
        about = info(ready, run, spent, placement.name)
        result = collected(ready, placement, collect_sweep, about, ready.context.site_key, ready.judge, run.previous, taken)
    _conclude(ready, run, result)
    return result


def _last(ready: CheckedRun) -> Night | None:
    """Returns the last complete sweep of this state. Raises OutputConflict if the folder holds something else, or sweeps of another corpus."""
    store = ready.store
    if store.exists("run.json"):
        raise OutputConflict(
            f"the output {store.uri} holds an audit, and a sweep needs a separate folder for its state; choose another --output"
        )
    last = latest(store)
    if last is None:
        return None
    before = night(store, last)
    if problem := link(store, last):
        ready.report.note(problem)
    theirs = before.run["fingerprint_parts"]
    if theirs["sources"] != ready.parts["sources"]:
        raise OutputConflict(
            f"the state {store.uri} belongs to another corpus, {', '.join(theirs['sources'])}; choose another --output for this one"
        )
    if theirs["site_key"] != ready.parts["site_key"]:
        raise OutputConflict(
            f"the state {store.uri} was made with another site key ({theirs['site_key']}; this one is {ready.parts['site_key']}), so "
            "no finding would be recognized. Set site_key to that key, or choose another --output"
        )
    if gap := missed(before.started, datetime.now(UTC), ready.settings.sweep.every):
        ready.report.note(f"{gap} sweep{'s were' if gap > 1 else ' was'} missed: the last complete one began at {before.run['started_at']}")
    return before


def _check_signed(ready: CheckedRun, before: Night, sign_key: str) -> None:
    """Refuse to sign unverified results: the last sweep must have been signed by this key, or by a trusted one. Raises SignatureError."""
    if not before.store.exists(ATTESTATION):
        raise SignatureError(
            f"nothing can be reused from the last sweep: {before.store.uri} is not signed. If that is expected, because this is the first sweep "
            "with --sign-key, give --fresh once: it scans everything again and keeps the history"
        )
    try:
        trusted = trust(trust_list(ready.settings.trusted_keys), public_bytes(load_private_key(sign_key)), "of this run")
        check_output(ready.store, trusted)
    except SignatureError as error:
        raise SignatureError(f"nothing can be reused from the last sweep: {error}") from None


def _resumable(ready: CheckedRun, before: Night | None, elsewhere: Night | None) -> Run | None:
    """Returns an interrupted sweep that can be resumed, or None; leftovers of other sweeps are removed."""
    found = None
    fresh = ready.settings.fresh
    for run, parts in requests(ready.store):
        if run.job != "sweep":
            raise OutputConflict(f"the output {ready.store.uri} holds an audit that did not end; choose another --output")
        same = (run.previous, run.elsewhere) == (before.id if before else None, elsewhere.id if elsewhere else None)
        if same and parts == ready.parts and (run.fresh or not fresh):
            found = run
            continue
        if before is None or run.id != before.id:
            changed = differences(parts, ready.parts)
            why = "--fresh reuses nothing" if fresh else "another sweep has ended since"
            why = f"{', '.join(changed)} changed since" if changed else why
            ready.report.note(f"sweep {run.id} did not end and is planned again: {why}")
            ready.store.delete(f"{SWEEPS}/{run.id}")
        ready.store.delete(f"_work/{run.id}")
    return found


class _Reading:
    """The last complete sweep, read on first use, and the other run whose results are taken over."""

    def __init__(self, ready: CheckedRun, before: Night | None, elsewhere: Night | None) -> None:
        self._ready, self._before, self._elsewhere = ready, before, elsewhere
        self._previous: Previous | None = None
        # with nothing to reuse, every engine runs on everything
        self.decide = self._decide if before else None

    def known(self) -> Known | None:
        """Returns the content that need not be scanned. A run that cleans has to see every artifact from which it might remove something."""
        cleaning = self._ready.context.cleaning
        if self._elsewhere is not None:
            return self._opened(self._elsewhere).known(cleaning.policy.level if cleaning else None)
        return self._read().known() if self.decide and cleaning is None else None

    def _decide(self, entry: Listed) -> tuple[tuple[str, ...], str | None]:
        """Returns the engines to run on an artifact. To clean it, all findings are needed, so either all engines run or none."""
        engines, carried = self._read().decide(entry)
        return (tuple(self._ready.fleet.engines), None) if engines and self._ready.context.cleaning is not None else (engines, carried)

    def _read(self) -> Previous:
        if self._previous is None:
            assert self._before is not None  # noqa: S101  # there is something to decide by
            self._previous = self._opened(self._before)
        return self._previous

    def _opened(self, night: Night) -> Previous:
        trust = self._ready.settings.sweep.trust
        return Previous(night.store, _tonight(self._ready, night.run), trust, _same_reading(self._ready.parts, night.run))


def _same_reading(parts: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether the last sweep read files in the same way and wrote the same columns: with the same version, the same formats of plug-ins and the same limits."""
    theirs = before["fingerprint_parts"]
    same = all(parts.get(name) == theirs.get(name) for name in ("version", "schema", "formats"))
    return bool(same and parts["settings"]["limits"] == theirs["settings"]["limits"])


def _tonight(ready: CheckedRun, before: Mapping[str, Any]) -> ThisSweep:
    return ThisSweep.of(create(ready.settings, ready.fleet.engines), ready.fleet.fingerprints, before["engines"])


def _check_mounted(ready: CheckedRun, run: Run, before: Night | None) -> None:
    """Refuse a corpus that is suddenly empty: more likely it is not mounted, and its findings must not all become resolved."""
    if before is not None and before.run["totals"]["artifacts"] and not run.totals["artifacts"] and not run.fresh:
        ready.store.delete(f"_work/{run.id}")
        raise CannotRunError(
            f"nothing is in {', '.join(ready.parts['sources'])}, where the last sweep saw {before.run['totals']['artifacts']:,} artifacts; "
            "check that it is mounted. If it is empty on purpose, give --fresh"
        )


def _say_planned(ready: CheckedRun, run: Run, before: Night | None) -> None:
    if before is not None:
        ready.report.note(
            f"since {before.id}: {run.totals['carried']:,} of {run.totals['artifacts']:,} artifacts are unchanged; "
            f"{run.totals['again']:,} of the others are scanned by some engines only"
        )


def _conclude(ready: CheckedRun, run: Run, result: dict[str, Any]) -> None:
    """Sign, publish, and remove leftovers. Once the sweep is published, nothing makes the run fail any more."""
    settings, store = ready.settings, ready.store
    if settings.sign_key:
        attest(folder_of(store, run.id), settings.sign_key, result)
        ready.report.note(f"signed with {settings.sign_key}; to check it: veritensor-ray verify {settings.output}")
    ready.lease.check()
    if problem := publish(store, result):
        ready.report.note(problem)
    try:
        prune(store, surplus(store, settings.sweep.keep))
        for name in store.names("_work"):
            if name != ".lease":
                store.delete(f"_work/{name}")  # including leftovers of interrupted runs
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        ready.report.note(f"old sweeps were not removed: {denied(store.uri, 'write', error)}; the next sweep tries again")


__all__ = ["sweep"]
