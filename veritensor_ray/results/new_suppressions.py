"""Decide about many findings at once: turn a scope into one suppression, count what it would hide, and add it to the policy file.

The command line, Python and the live page share this module. It does not depend on a terminal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from glob import escape
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from veritensor_ray.core.config import SEVERITIES, explain
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.timespans import moment
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.policy.judge import Judge, Policy, Suppression, matched
from veritensor_ray.results.grouping import FOLDER
from veritensor_ray.results.policy_place import PolicyPlace
from veritensor_ray.results.results import Results

KINDS = ("finding", "fingerprint", "sha256", "rule-in-artifact", "artifact", "rule-in-folder", "filter")
# The words for them where users choose one for a finding.
BY = {
    "finding": "finding",
    "fingerprint": "fingerprint",
    "sha256": "sha256",
    "rule": "rule-in-artifact",
    "path": "artifact",
    "folder": "rule-in-folder",
}
EXAMPLES = 3
_COLUMNS = f"""finding_id, content_fingerprint, artifact, rule_id, content_id, severity, severity_original, confidence, suppressed_by,
    {NUMBER} AS n, {FOLDER} AS folder,
    severity_rank(severity) AS rank"""
_EXACT = {"finding": "finding_id", "fingerprint": "content_fingerprint", "sha256": "content_id"}
_WILD = re.compile(r"[*?\[]")  # in a glob
_AT_ONCE = 200_000  # rows
_WORST = [("rank", "descending"), ("artifact", "ascending"), ("finding_id", "ascending")]


@dataclass(frozen=True, slots=True)
class Scope:
    """The findings that a decision is about, seen from one finding or described by a condition.

    | kind | the findings | needs |
    | --- | --- | --- |
    | finding | this one | finding |
    | fingerprint | the same content in any artifact | finding |
    | sha256 | everything in artifacts with the same bytes | finding |
    | rule-in-artifact | this rule in this artifact | finding |
    | artifact | everything in this artifact | finding |
    | rule-in-folder | this rule in this folder and the folders below it | finding, or rule and folder |
    | filter | those that meet a SQL condition, or those with these ids | where or ids |

    `finding` is an id, or at least its first six digits.
    """

    kind: str
    finding: str = ""
    rule: str = ""
    folder: str = ""
    where: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a decision hides that counts today. Numbers are those of the summary: a row that only counts further matches stands for all of them.

    `severities` begins with the worst, `rules` and `folders` with the most frequent. `examples` are complete rows, the worst first.
    `already` is the number of further findings that match and are suppressed already; the other fields leave them out.
    """

    findings: int
    artifacts: int
    severities: tuple[tuple[str, int], ...]
    rules: tuple[tuple[str, int], ...]
    folders: tuple[tuple[str, int], ...]
    already: int
    examples: tuple[Mapping[str, Any], ...]


def until(text: str | None, name: str = "--expires", today: date | None = None) -> date | None:
    """Return the first day on which an entry no longer applies, from a day or a time from now such as 90d.

    A time within a day is rounded up to the next day. Raises UsageError; `name` is what the user calls the value.
    """
    if text is None:
        return None
    today = today or _today()
    try:
        at = moment(text, datetime.combine(today, time(), UTC), 1).astimezone(UTC)
        day = (at + timedelta(days=1) - timedelta.resolution).date()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name}: {error}") from None
    if day <= today:
        raise UsageError(f"{name} {day} is not in the future (today is {today} in UTC); give a later day")
    return day


def entry(
    results: Results, scope: Scope, reason: str, owner: str | None = None, expires: date | None = None, policy: Policy | None = None
) -> Suppression:
    """Return the suppression for a scope. One with a condition or ids lists the findings that nothing suppresses yet.

    What suppresses a finding is decided by `policy`, if given, and otherwise by the policy of the run. Raises UsageError for a scope that
    is not valid, that matches nothing, or that would suppress a rule everywhere.
    """
    return suppression(_conditions(results, scope, policy), reason, owner, expires)


def suppression(conditions: Mapping[str, Any], reason: str, owner: str | None = None, expires: date | None = None) -> Suppression:
    """Return an entry with these conditions, the keys of the policy file. Raises UsageError."""
    try:
        return Suppression.model_validate({**conditions, "reason": reason, "owner": owner, "expires": expires})
    except ValidationError as error:
        raise UsageError("\n".join(explain(error, Suppression, "the entry's"))) from None


def preview(results: Results, what: Suppression | Scope, policy: Policy | None = None) -> Preview:
    """Count what an entry, or the entry for a scope, would hide in these results. `policy` is that of `entry`."""
    rows = _matching(results, what) if isinstance(what, Suppression) else chosen(results, what)
    rules, folders, severities, already = Counter[str](), Counter[str](), Counter[str](), 0
    artifacts: set[str] = set()
    worst: pa.Table | None = None
    for part in _judged(rows, policy):
        already += pc.sum(part.filter(pc.field("suppressed_by").is_valid())["n"]).as_py() or 0
        counting = part.filter(pc.field("suppressed_by").is_null())
        for column, counts in (("rule_id", rules), ("folder", folders), ("severity", severities)):
            _count(counting, column, counts)
        artifacts.update(pc.unique(counting["artifact"]).to_pylist())
        worst = (counting if worst is None else pa.concat_tables([worst, counting])).sort_by(_WORST).slice(0, EXAMPLES)
    return Preview(
        rules.total(),
        len(artifacts),
        tuple((name, severities[name]) for name in reversed(SEVERITIES) if severities[name]),
        _most(rules),
        _most(folders),
        already,
        _rows(results, [] if worst is None else worst["finding_id"].to_pylist()),
    )


def covered(policy: Policy, one: Suppression, results: Results | None = None, today: date | None = None) -> Suppression | None:
    """Return a suppression that already matches the same findings; for a single finding also one that matches more and lasts as long."""
    today = today or _today()
    live = [other for other in policy.suppressions if not other.expired(today)]
    same = next((other for other in live if other.match == one.match), None)
    if same or results is None or set(one.match) != {"finding"} or not isinstance(one.finding, str):
        return same
    long = [other for other in live if other.expires is None or (one.expires is not None and other.expires >= one.expires)]
    rows = [part for part in _matching(results, one) if part.num_rows]
    return next((other for other in long if any(matched(other, part).num_rows for part in rows)), None)


def add(place: PolicyPlace, one: Suppression, results: Results | None = None) -> Suppression | None:
    """Add an entry to the policy, completely or not at all, or return the entry that makes it unnecessary.

    Raises UsageError if the layout of the policy does not allow it, and CannotRunError if it cannot be written.
    """
    covering = covered(place.load(), one, results)
    if covering is None:
        place.add(one)
    return covering


def chosen(results: Results, scope: Scope, columns: str = _COLUMNS) -> Iterator[pa.Table]:
    """Yield the rows of a scope with at least the columns of suppressions, whether they are suppressed or not."""
    if scope.kind == "filter":
        yield from _filtered(results, scope, columns)
    else:
        yield from _matching(results, suppression(_conditions(results, scope, None), "chosen"), columns)


def _today() -> date:
    return datetime.now(UTC).date()


def _conditions(results: Results, scope: Scope, policy: Policy | None) -> dict[str, Any]:
    """Return the keys of the entry. A rule is never suppressed everywhere; that takes an edit of the policy file."""
    if scope.kind not in KINDS:
        raise UsageError(f"unknown scope {scope.kind!r}; choose from {', '.join(KINDS)}")
    if scope.kind == "filter":
        return {"finding": _open(results, scope, policy)}
    if scope.kind == "rule-in-folder" and not scope.finding:
        return _rule_in_folder(scope.rule, scope.folder)
    row = results.finding(scope.finding)
    if scope.kind == "sha256":
        return {"sha256": _sha256(results, row["artifact"])}
    if scope.kind == "rule-in-folder":
        return _rule_in_folder(row["rule_id"], row["artifact"].rpartition("/")[0])
    return {
        "finding": {"finding": row["finding_id"]},
        "fingerprint": {"fingerprint": row["content_fingerprint"]},
        "rule-in-artifact": {"rule": escape(row["rule_id"]), "path": _exactly(row["artifact"])},
        "artifact": {"path": _exactly(row["artifact"])},
    }[scope.kind]


def _open(results: Results, scope: Scope, policy: Policy | None) -> list[str]:
    """Return the ids of the findings of a filter that nothing suppresses yet."""
    ids: list[str] = []
    seen = 0
    for part in _judged(_filtered(results, scope, _COLUMNS), policy):
        seen += part.num_rows
        ids += part.filter(pc.field("suppressed_by").is_null())["finding_id"].to_pylist()
    if not ids:
        why = f"all findings that meet the condition ({seen:,}) are already suppressed" if seen else "no finding meets the condition"
        raise UsageError(f"{why}, so there is nothing to suppress")
    return ids


def _filtered(results: Results, scope: Scope, columns: str) -> Iterator[pa.Table]:
    if bool(scope.where) == bool(scope.ids):
        raise UsageError("a filter needs either a condition or ids; give one of them")
    source = results.matching(scope.where) if scope.where else "findings"
    query = f"SELECT {columns} FROM {source}" + (" WHERE finding_id IN (SELECT unnest(?::VARCHAR[]))" if scope.ids else "")  # noqa: S608  # checked
    for batch in results.rows(query, [list(scope.ids)] if scope.ids else []):
        yield pa.Table.from_batches([batch])


def _matching(results: Results, one: Suppression, columns: str = _COLUMNS) -> Iterator[pa.Table]:
    """Yield the rows that an entry matches. The query only narrows them; what matches is decided as in a run."""
    conditions, values = ["true"], list[Any]()
    for name, column in _EXACT.items():
        value = getattr(one, name)
        if isinstance(value, str):
            conditions.append(f"{column} = {_quoted(value)}")  # a constant, which DuckDB hands to the reader of the table
        elif value is not None:
            conditions.append(f"{column} IN (SELECT unnest(?::VARCHAR[]))")
            values.append(list(value))
    if one.rule and not _WILD.search(one.rule):
        conditions.append(f"rule_id = {_quoted(one.rule)}")
    if one.path and "/" in one.path:  # a glob without a folder matches in every folder
        conditions.append("starts_with(artifact, ?)")
        values.append(_WILD.split(one.path.removeprefix("/"), maxsplit=1)[0])
    for batch in results.rows(f"SELECT {columns} FROM findings WHERE {' AND '.join(conditions)}", values):  # noqa: S608  # quoted
        yield matched(one, pa.Table.from_batches([batch]))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _judged(parts: Iterator[pa.Table], policy: Policy | None) -> Iterator[pa.Table]:
    """Yield the rows as this policy judges them today; without one, as they are."""
    judge = None if policy is None else Judge(policy, _today())
    for part in parts if judge is None else _together(parts):
        if part.num_rows:
            yield part if judge is None else judge.apply(part)


def _together(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield fewer and larger tables, because a policy with many ids looks all of them up in each table."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(one.num_rows for one in waiting) >= _AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _count(part: pa.Table, column: str, counts: Counter[str]) -> None:
    for row in part.group_by(column).aggregate([("n", "sum")]).to_pylist():
        counts[row[column]] += row["n_sum"]


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _rows(results: Results, ids: list[str]) -> tuple[Mapping[str, Any], ...]:
    found = (
        {row["finding_id"]: row for row in results.records("SELECT * FROM findings WHERE list_contains(?, finding_id)", [ids])}
        if ids
        else {}
    )
    return tuple(found[one] for one in ids if one in found)


def _sha256(results: Results, artifact: str) -> str:
    found = results.records("SELECT content_id FROM ledger WHERE artifact = ? AND content_id_kind = 'sha256'", [artifact])
    if not found:
        raise UsageError("the SHA-256 of the whole artifact was not computed; suppress the finding or the artifact instead")
    return str(found[0]["content_id"])


def _rule_in_folder(rule: str, folder: str) -> dict[str, str]:
    if not rule:
        raise UsageError("a rule in a folder needs the id of the rule")
    if not folder:
        raise UsageError(
            f"the top folder is the whole corpus, so {rule} would be suppressed everywhere; choose its artifact, or add a rule with "
            "`severity: off` to the policy file"
        )
    return {"rule": escape(rule), "path": f"{_exactly(f'{folder}/')}*"}


def _exactly(artifact: str) -> str:
    """Return a glob that matches only this name. A glob without a folder would match in every folder, so it gets a leading slash."""
    return escape(artifact) if "/" in artifact and not artifact.startswith("/") else f"/{escape(artifact)}"


__all__ = [
    "BY",
    "EXAMPLES",
    "KINDS",
    "Preview",
    "Scope",
    "add",
    "chosen",
    "covered",
    "entry",
    "preview",
    "suppression",
    "until",
]
