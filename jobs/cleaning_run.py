"""The cleaning: an audit that also writes a copy of the corpus without its findings, then an audit of that copy.

`DEST/before` and `DEST/after` are the outputs of the two audits, or the states of two sweeps. Repeating the call resumes an interrupted
cleaning, in whichever of its steps it stopped.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.cleaning.amend import amend
from veritensor_ray.cleaning.cleaning_context import AGAIN, Cleaning, pseudonym_key
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy, load_clean_policy
from veritensor_ray.cleaning.copy_manifest import AFTER, BEFORE, CORPUS, MANIFEST_NAME, QUARANTINE, ROWS_NAME, Result
from veritensor_ray.cleaning.copy_publishing import publish
from veritensor_ray.cleaning.copy_statement import attest_copy, run_of
from veritensor_ray.cleaning.names.late_names import late_names
from veritensor_ray.cleaning.names.new_names import new_names
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.cleaning.remaining_findings import below, number, remaining
from veritensor_ray.core.config import SEVERITIES, Settings
from veritensor_ray.core.errors import IncompleteOutput, OutputConflict, StoreError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.signing import load_private_key
from veritensor_ray.core.uris import real_bases
from veritensor_ray.corpus.listing import roots
from veritensor_ray.engines.registry import available, rules_of
from veritensor_ray.findings.run_file import CLEAN_KIND
from veritensor_ray.findings.sweep_state import SWEEPS, results
from veritensor_ray.jobs.audit_run import audit
from veritensor_ray.jobs.cluster import connection
from veritensor_ray.jobs.copy_destination import check_clean, check_destination
from veritensor_ray.jobs.run_reporting import Reporter, Silent
from veritensor_ray.jobs.scheduling.placement import Placement, placed
from veritensor_ray.jobs.sweep_run import sweep
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.attestation import NAME as ATTESTATION
from veritensor_ray.results.attestation import RUN, results_digest
from veritensor_ray.stores.filesystems import absolute
from veritensor_ray.stores.lease import Lease, lease
from veritensor_ray.stores.outputs import OutputStore, make_folder

_LEASE = ".lease"
_INCOMPLETE = ("partial", "quarantined", "unreadable", "unlisted")
# What the first audit left out is not in the copy, so the second one reads everything there.
_EVERYTHING: dict[str, Any] = {"include": [], "exclude": [], "max_size": None, "since": None, "sample": None}


def clean(
    settings: Settings,
    policy: str | CleanPolicy | None = None,
    reporter: Reporter | None = None,
    dry_run: bool = False,
    level: str | None = None,
    reveal: bool = False,
) -> dict[str, Any]:
    """Write a cleaned copy of the corpus to `settings.output`; returns the content of its run.json.

    `policy` is a cleaning policy or its path; None means the defaults. `level` takes the place of the policy's. With `dry_run` nothing is written, and the result has the counts and
    some samples, but no second audit; with `reveal`, the samples hold values. Raises UsageError, CannotRunError, DeadlineReached and their subclasses.
    """
    report = reporter or Silent()
    check_clean(settings, dry_run)
    rules = policy if isinstance(policy, CleanPolicy) else load_clean_policy(policy)
    rules = rules.at_level(level) if level else rules
    known, _ = activate(settings, thorough=False)
    rules.check_rules(rules_of(known, available(known)))
    with Guard(*real_bases(settings.sources)):
        if not dry_run:
            return _Cleaning(settings, rules, report).run()
        with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
            alone = settings.model_copy(update={"output": folder, "job": "audit", "sign_key": None})
            return _Cleaning(alone, rules, report, True, reveal).run()


class _Cleaning:
    def __init__(self, settings: Settings, policy: CleanPolicy, report: Reporter, dry_run: bool = False, reveal: bool = False) -> None:
        self._settings, self._policy, self._report, self._dry_run = settings, policy, report, dry_run
        self._sweeps = settings.job == "sweep"
        self._store = OutputStore(absolute(str(settings.output)), settings.stores)
        self._cleaning = Cleaning(policy, self._store, pseudonym_key(policy, settings.site_key), dry_run, reveal=reveal)
        self._again = replace(self._cleaning, again=True)

    def run(self) -> dict[str, Any]:
        roots(
            self._settings.sources, self._settings.stores, self._settings.inventory, self._settings.as_of
        )  # a source that does not exist is an error before anything is written
        check_destination(self._store)
        if self._settings.sign_key:
            load_private_key(self._settings.sign_key)  # a missing key must not be noticed only after hours
        if self._store.local is not None:
            make_folder(self._store.local)
        with lease(self._store, self._report.note) as held:
            before = self._earlier()
            if before is not None:
                return before
            with connection.kept(self._settings):
                return self._cleaned(held)

    def _cleaned(self, held: Lease) -> dict[str, Any]:
        if self._sweeps:
            self._publish_pending(held)
        before = self._first()
        if self._sweeps and not self._dry_run:
            self._say_new_names(before["scan_id"], held)
        summary = self._publish(before["scan_id"], held)
        if self._dry_run:
            return self._result(before, None, summary)
        self._look_for_late_names(before["scan_id"], held)
        after = self._second(summary)
        while after is not None and (changed := self._amended(before["scan_id"], summary.get("rounds", 0) + 1, held)):
            summary = changed
            after = self._second(summary)
        result = self._result(before, after, summary)
        held.check()
        self._finish(result)
        return _with_changes(result, before)

    def _finish(self, result: Mapping[str, Any]) -> None:
        """Sign the copy, and write run.json, which makes it complete. Then remove the leftovers of all runs."""
        data = json.dumps(result, indent=2, ensure_ascii=True).encode()
        if self._settings.sign_key:
            attest_copy(self._store, self._settings.sign_key, result, data)
            self._report.note(f"signed with {self._settings.sign_key}; to check it: veritensor-ray clean verify {self._settings.output}")
        self._store.put(RUN, data)
        for name in self._store.names("_work"):
            if name != _LEASE:
                self._store.delete(f"_work/{name}")

    def _earlier(self) -> dict[str, Any] | None:
        """Return the result that the destination already holds, unless it is to be made anew or is a sweep.

        Raises OutputConflict if it is another one.
        """
        if self._sweeps:
            if self._store.exists(f"{BEFORE}/{RUN}"):
                raise OutputConflict(f"{self._store.uri} holds a copy that was not made by sweeps; choose another --to")
            return None
        if self._settings.fresh:
            self._clear()
            return None
        data = self._store.read(RUN)
        if data is None:
            return None
        run = run_of(data, self._store.uri)
        if run.get("job") != self._settings.job:
            raise OutputConflict(f"{self._store.uri} holds a copy that sweeps made; add --job sweep, or choose another --to")
        mine = self._cleaning.describe()
        sources = [without_credentials(absolute(source)) for source in self._settings.sources]
        if (run.get("clean"), run.get("sources")) != (mine, sources):
            raise OutputConflict(
                f"{self._store.uri} holds the copy of another corpus, or one made with another policy or key; choose another --to, or replace "
                "it with --fresh"
            )
        before = self._first()  # it is there already, unless other settings differ
        if before["scan_id"] != run["before"]["scan_id"]:
            raise OutputConflict(f"{self._store.uri}/{BEFORE} is not the audit of this copy; replace the copy with --fresh")
        self._report.note(
            f"{self._settings.output} already holds this copy, finished {run['finished_at']}; nothing was done (--fresh cleans again)"
        )
        if self._settings.sign_key and not self._store.exists(ATTESTATION):
            attest_copy(self._store, self._settings.sign_key, run, data)
        return _with_changes(run, before)

    def _clear(self) -> None:
        """Remove an earlier copy. What says that something is complete goes first, so that a part of it never counts."""
        self._store.remove([RUN, ATTESTATION])
        for name in (BEFORE, AFTER):
            self._store.remove([f"{name}/{RUN}"])
        for name in (BEFORE, AFTER, CORPUS, QUARANTINE, *(f"_work/{name}" for name in self._store.names("_work") if name != _LEASE)):
            self._store.delete(name)
        self._store.remove([MANIFEST_NAME, ROWS_NAME])

    def _first(self) -> dict[str, Any]:
        """Run the audit that cleans."""
        fresh = self._settings.fresh
        if self._sweeps and not fresh and (before := self._last()) is not None:
            theirs = before["fingerprint_parts"].get("clean")
            if fresh := theirs != self._cleaning.describe() or not self._store.exists(MANIFEST_NAME):
                self._report.note(
                    "the cleaning policy or its key has changed since the last sweep, or the manifest is gone: everything is cleaned again"
                )
        if fresh:
            for name in self._store.names("_work"):
                if name.startswith(AGAIN):
                    self._store.delete(f"_work/{name}")
        first = {"output": f"{self._store.uri}/{BEFORE}", "fail_on": None, "fresh": fresh}
        job = sweep if self._sweeps else audit
        try:
            return job(self._settings.model_copy(update=first), self._report, self._cleaning)
        except OutputConflict as error:
            raise OutputConflict(str(error).replace("another --output", "another --to")) from None  # which is what this command calls it

    def _last(self) -> dict[str, Any] | None:
        try:
            return results(self._store.under(BEFORE))[1]
        except IncompleteOutput:
            return None

    def _publish_pending(self, held: Lease) -> None:
        """Publish the copies of a sweep that was interrupted after it was complete; those of one that was not are made again or resumed.

        What is left of a copy that has its run.json only waits to be removed: of its tables, the last ones may be gone already.
        """
        last = self._last()
        finished = None
        with contextlib.suppress(StoreError):  # it is not there, or damaged
            finished = run_of(self._store.read(RUN) or b"", self._store.uri)["before"]["scan_id"]
        for name in self._store.names("_work"):
            if last is None or name == _LEASE:
                continue
            if name == last["scan_id"] != finished:
                self._publish(name, held)
            elif name <= last["scan_id"]:
                self._store.delete(f"_work/{name}")

    def _publish(self, run: str, held: Lease) -> dict[str, Any]:
        """Put the copies of a run in their places; returns counts for run.json."""
        self._report.stage("publish")
        where = self._store.under(BEFORE)
        ledger = where.under(f"{SWEEPS}/{run}") if self._sweeps else where
        summary: dict[str, Any] = self._run(held, lambda placement: (publish, self._assembler(run), ledger, placement.assemble))
        return summary

    def _say_new_names(self, run: str, held: Lease) -> None:
        """Say how many links a sweep may have left behind: in files that have not changed, and were not read again."""
        if count := self._run(held, lambda _: (new_names, self._assembler(run))):
            have = "1 file gets a new name" if count == 1 else f"{count:,} files get new names"
            self._report.note(
                f"{have} in the copy: links to the old name in files that have not changed since the last sweep stay; --fresh reads all files"
            )

    def _look_for_late_names(self, run: str, held: Lease) -> None:
        """Let the audit of the copy look for names that were known too late for references to follow. It then has to read every file."""
        late = self._run(held, lambda _: (late_names, self._assembler(run))) if self._cleaning.renames_files else None
        if late is not None:
            are = "name of a file is" if len(late) == 1 else "names of files are"
            self._report.note(
                f"{len(late):,} {are} given away by the content alone: all of the copy is read again, so that references follow"
            )
            self._again = replace(self._again, renames=late)

    def _assembler(self, run: str) -> Assembler:
        return Assembler(
            self._cleaning,
            self._settings,
            tuple(roots(self._settings.sources, self._settings.stores, self._settings.inventory, self._settings.as_of)),
            run,
        )

    def _run(self, held: Lease, step: Callable[[Placement], tuple[Any, ...]]) -> Any:
        """Run a function with arguments that changes the copy. Raises CannotRunError and other VeritensorErrors."""
        held.check()
        with placed(self._settings) as placement:
            return placement.run(f"the copy cannot be put together in {self._store.uri}", *step(placement))

    def _amended(self, run: str, number: int, held: Lease) -> dict[str, Any] | None:
        """Clean files again in whose copies the audit found something, or hold them back, in a round with a number.

        Returns the new counts, or None if nothing is done.
        """
        rules: dict[str, set[str]] = {}
        for one in remaining(self._store.under(AFTER), self._policy):
            rules.setdefault(f"{CORPUS}/{one['artifact']}", set()).add(one["rule_id"])
        if not rules and self._again.renames is None:
            return None
        if rules:
            has = "copy still has" if len(rules) == 1 else "copies still have"
            self._report.note(f"{len(rules):,} {has} findings: cleaning again, and holding back what that does not help")
        reasons = {path: f"the audit of its copy still found {', '.join(sorted(some)[:3])}" for path, some in rules.items()}
        settings = self._settings_of_copy()
        copies = Assembler(self._again, settings, tuple(roots(settings.sources, settings.stores)), "")
        changed: dict[str, Any] | None = self._run(
            held, lambda placement: (amend, self._assembler(run), copies, reasons, number, placement.assemble)
        )
        return changed

    def _second(self, summary: Mapping[str, Any]) -> dict[str, Any] | None:
        """Audit the copy; None if it has no file. This audit is a sweep, so that it reads only what changed when it is repeated.

        Files with the content of an original take over its results, unless references in them have to be found first. What remains to be
        removed from the others is removed too, but only `_amended` puts that into the copy.
        """
        if not any(summary["results"].get(name) for name in (Result.COPIED, Result.CLEANED)):
            self._store.delete(AFTER)  # which would be about files that have left the copy
            return None
        self._report.note("auditing the copy")
        elsewhere = self._store.under(BEFORE) if self._again.renames is None else None
        return sweep(self._settings_of_copy(), self._report, self._again, elsewhere)

    def _settings_of_copy(self) -> Settings:
        second = {
            "sources": [f"{self._store.uri}/{CORPUS}"],
            "inventory": [],
            "output": f"{self._store.uri}/{AFTER}",
            "job": "sweep",
            "fail_on": None,
            "policy": None,
        }
        return self._settings.model_copy(update=_EVERYTHING | second)

    def _result(self, before: Mapping[str, Any], after: Mapping[str, Any] | None, summary: Mapping[str, Any]) -> dict[str, Any]:
        left: Counter[str] = Counter()
        for one in remaining(self._store.under(AFTER), self._policy) if after else ():
            left[one["severity_original"]] += number(one)
        missed = {name: after["status"][name] for name in _INCOMPLETE if after["status"].get(name)} if after else {}
        return {
            "kind": CLEAN_KIND,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "package_version": version("veritensor-ray"),
            "job": self._settings.job,
            "profile": self._settings.profile,
            "sources": before["sources"],
            "destination": without_credentials(self._store.uri),
            "policy": {"file": self._policy.file, "digest": self._policy.digest()},
            "clean": self._cleaning.describe(),
            "before": _of_run(before) | {"sha256": results_digest(self._store.under(BEFORE))},
            "after": _of_run(after) | {"sha256": results_digest(self._store.under(AFTER))} if after else None,
            **summary,
            "level": self._policy.level,
            "left": {name: left[name] for name in reversed(SEVERITIES) if left[name]},
            "below": below(self._store.under(AFTER), self._policy) if after else [],
            "not_checked": missed,
            "verdict": "dry-run" if self._dry_run else _verdict(bool(left), after is None, bool(missed or summary["not_copied"])),
        }


def _verdict(left: bool, empty: bool, incomplete: bool) -> str:
    """Returns the worst that is true of a copy: findings are left, it has no file, or something was not checked or copied."""
    if left:
        return "findings-left"
    if empty:
        return "empty"
    return "incomplete" if incomplete else "clean"


def _with_changes(run: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result for the caller. If the corpus has changed since the audit before the copy, it adds how, and the copy is not clean."""
    if "changed_since" not in before:
        return run
    return run | {
        "changed_since": before["changed_since"],
        "verdict": "incomplete" if run["verdict"] in ("clean", "empty") else run["verdict"],
    }


def _of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    names = ("scan_id", "fingerprint", "finished_at", "bundle_id", "site_key_id", "placement", "totals", "status", "severity")
    return {name: run.get(name) for name in names}


__all__ = ["clean"]
