"""Describe a `run.json` in plain lines for a terminal or a notebook. It reads no table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.wording import counted
from veritensor_ray.masking.redaction import visible
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.model_verdicts import models_said
from veritensor_ray.results.place_names import shortened

# States of coverage that need no line: nothing is missing, or the artifact's own status and reason say so.
_BY_ARTIFACT = {"complete", "not-applicable", "partial", "missing", "quarantined", "no-reader"}
_SHORTFALLS = {
    "db_missing": "no advisory database for {artifacts}, or none for their ecosystem (veritensor-ray advisories import ZIP)",
    "db_stale": "the advisory database is outdated for {artifacts} (veritensor-ray advisories import ZIP)",
    "unparsable": "{artifacts} with a manifest that cannot be parsed completely",
    "no-reader": "not selected; {artifacts} with images whose text was not read",
}


@dataclass(frozen=True, slots=True)
class Uncovered:
    """One reason why something was not checked. `artifacts` is None if the reason is a sentence about the whole run."""

    status: str
    reason: str
    reason_code: str | None
    artifacts: int | None


_CHANGES = {
    "new": ("{count} new file", "{count} new files"),
    "changed": ("{count} changed file", "{count} changed files"),
    "gone": ("{count} file that is gone", "{count} files that are gone"),
    "unlisted": ("{count} folder that can no longer be listed", "{count} folders that can no longer be listed"),
}
_NAME = 80  # characters
_LEFT_OUT = (ReasonCode.NOT_INCLUDED, ReasonCode.EXCLUDED)


@dataclass(frozen=True, slots=True)
class FullyChecked:
    """How many artifacts of an audit were fully checked: every engine has seen all of them that applies to it, as the ledger says.

    The others were checked in part or not at all. `lacking` are those in part that were read as a whole, but not by every engine. A folder
    that could not be listed counts as an artifact.
    """

    artifacts: int
    fully: int
    partly: int
    lacking: int
    unread: int

    @property
    def short(self) -> int:
        """The number of artifacts that were not fully checked."""
        return self.partly + self.unread

    @property
    def said(self) -> str:
        """A phrase with the artifacts that were fully checked."""
        return f"{self.fully:,} of {counted(self.artifacts, 'artifact')} fully checked"

    @property
    def short_said(self) -> str:
        """A phrase with the artifacts that were not."""
        return f"{self.short:,} of {counted(self.artifacts, 'artifact')} not fully checked"


def fully_checked(run: Mapping[str, Any]) -> FullyChecked:
    """Return the numbers of a run. The run.json of an earlier version has only the statuses and the most frequent reasons to go by."""
    if run.get("checked"):
        return FullyChecked(**run["checked"])
    status: Mapping[str, int] = run["status"]
    lacking = sum(one["artifacts"] for one in run["not_covered"] if one["status"] == "scanned")
    everything, scanned, partial = sum(status.values()), status.get("scanned", 0), status.get("partial", 0)
    return FullyChecked(everything, scanned - lacking, partial + lacking, lacking, everything - scanned - partial)


def heading(run: Mapping[str, Any]) -> str:
    """Return the heading above what was not checked."""
    checked = fully_checked(run)
    none = f"; {checked.unread:,} of them not at all" if checked.unread else ""
    since = "; the corpus has changed since" if run.get("changed_since") else ""
    return f"Not fully checked ({checked.short:,} of {counted(checked.artifacts, 'artifact')}{none}{since})"


def summary_text(run: Mapping[str, Any], rules: bool = True) -> str:
    """Return a run as plain lines, gaps in coverage first."""
    totals = run["totals"]
    lines = [
        f"{counted(totals.get('artifacts', 0), 'artifact')}, {totals.get('bytes', 0):,} bytes · profile {run['profile']}",
        "",
        heading(run),
    ]
    lines += [f"  {one['artifacts']:>8,}  {one['status']:<12} {visible(one['reason'])}" for one in run["not_covered"]]
    lines += [f"  {line}" for line in missing_lines(run)]
    if said := models_said(run):
        lines += ["", "Models", f"  {said}"]
    lines += ["", "Findings"]
    lines += [f"  {count:>8,}  {severity}" for severity, count in run["severity"].items()] or ["  none"]
    if rules and run["rules"]:
        lines += ["", *(f"  {one['count']:>8,}  {one['rule_id']:<44} {visible(one['title'])}" for one in worst_first(run["rules"]))]
    return "\n".join(lines)


def worst_first(rules: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rules of a run.json with the worst severity first, and the most frequent ones first within it."""
    return sorted(rules, key=lambda one: (-SEVERITIES.index(one["severity"]), -one["count"], one["rule_id"]))


def missing_lines(run: Mapping[str, Any]) -> list[str]:
    """Return sentences about what was not checked, besides the reasons of artifacts. If nothing is missing, one says so."""
    return _sentences(run) or ([] if run["not_covered"] else ["nothing: every applicable engine has seen every byte"])


def _sentences(run: Mapping[str, Any]) -> list[str]:
    if nothing_matched(run):
        return [*changed_lines(run), nothing_matched(run)]
    lines = [*changed_lines(run), *(f"{visible(engine)}: {_shortfall(status, count)}" for engine, status, count in _short(run))]
    short = fully_checked(run).short
    if lines or run["not_covered"] or not short:
        return lines
    return [f"{counted(short, 'artifact')} with parts that some engine has not seen (see coverage and gaps in the ledger)"]


def changed_lines(run: Mapping[str, Any], results: str = "audit") -> list[str]:
    """Return what has changed in the corpus since the results were complete, and the remedies; empty if nothing has, or nobody looked."""
    changed = run.get("changed_since")
    if not changed:
        return []
    counts, names = changed["counts"], changed["names"]
    said = [_CHANGES[kind][counts[kind] != 1].format(count=f"{counts[kind]:,}") for kind in _CHANGES if counts.get(kind)]
    lines = [f"the corpus has changed: {' and '.join(filter(None, (', '.join(said[:-1]), said[-1])))} since this {results}"]
    for kind in _CHANGES:
        if some := names.get(kind):
            more = ", …" if counts[kind] > len(some) else ""
            lines.append(f"  {kind}: {', '.join(visible(shortened(name, _NAME)) for name in some)}{more}")
    return [*lines, f"  --fresh replaces this {results}; --job sweep, with another output, keeps up with a corpus that changes"]


def _short(run: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return engine, state and number of artifacts for each state of coverage that has a line."""
    return [
        (engine, status, count)
        for engine, counts in run["coverage"].items()
        for status, count in counts.items()
        if count and status not in (_BY_ARTIFACT if engine in run["engines"] else _BY_ARTIFACT - {"no-reader"})
    ]


def uncovered(run: Mapping[str, Any]) -> list[Uncovered]:
    """Return what a run did not cover, the most frequent reason first, for reports and exports. Empty if nothing is missing.

    Sentences that are not about a status of artifacts have the status `engine`, and no number.
    """
    rows = [Uncovered(one["status"], one["reason"], one.get("reason_code"), one["artifacts"]) for one in run["not_covered"]]
    missing = [f"engine {name} did not run: {about['missing']}" for name, about in run["engines"].items() if about.get("missing")]
    return rows + [Uncovered("engine", line, None, None) for line in missing + _sentences(run)]


def _shortfall(status: str, count: int) -> str:
    said = _SHORTFALLS.get(status, "{status} in {artifacts} (see coverage in the ledger)")
    return said.format(artifacts=counted(count, "artifact"), status=visible(status))


def nothing_matched(run: Mapping[str, Any]) -> str:
    """Return a sentence if the corpus is empty, or if `include` and `exclude` leave nothing of it."""
    codes: Mapping[str, int] = run.get("reason_codes", {})  # outputs before schema 2 have none
    left_out = sum(codes.get(code, 0) for code in _LEFT_OUT)
    if left_out + codes.get(ReasonCode.OWN_OUTPUT, 0) < run["totals"].get("artifacts", 0):
        return ""
    where = visible(without_credentials(", ".join(run["sources"])))
    if left_out:
        return f"include and exclude leave no artifact in {where}; nothing was scanned"
    return f"no artifact was found in {where}; nothing was scanned"
