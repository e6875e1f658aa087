"""Suppress findings from Python. Counting, matching and writing are those of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from veritensor_ray.api.arguments import described, one_of
from veritensor_ray.api.frames import escaped, html_table
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import counted
from veritensor_ray.masking.redaction import visible
from veritensor_ray.policy.policy_file import Policy, Suppression
from veritensor_ray.results.new_suppressions import BY, Preview, Scope, add, covered, entry, preview, until
from veritensor_ray.results.place_names import place
from veritensor_ray.results.policy_place import PolicyPlace, place_for
from veritensor_ray.results.results import Results

_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, repr=False)
class Decision:
    """What `Audit.suppress` did, or what it would do.

    `preview` has the numbers of findings by severity, rule and folder, and three examples. `entry` is the suppression, or None if all the
    findings are suppressed already. `policy` is the path or URI of the policy file, and `written` says whether it was changed. If it was
    not, `covered_by` is the earlier suppression that made it unnecessary, if there is one.
    """

    preview: Preview
    entry: Suppression | None
    policy: str
    written: bool
    covered_by: Suppression | None = None

    def __repr__(self) -> str:
        return f"<Decision: {self._counted()}; {self._outcome()}>"

    def _counted(self) -> str:
        seen = self.preview
        more = f", and {seen.already:,} that {'is' if seen.already == 1 else 'are'} already suppressed" if seen.already else ""
        return f"{counted(seen.findings, 'finding')} in {counted(seen.artifacts, 'artifact')}{more}"

    def _outcome(self) -> str:
        file = visible(self.policy)
        if self.entry is None or self.covered_by:
            by = f" by {self.covered_by.name}" if self.covered_by else ""
            return f"{file} is unchanged, because everything is suppressed already{by}"
        if not self.written:
            return f"{file} is unchanged (dry_run)"
        until = f" until {self.entry.expires}" if self.entry.expires else ""
        return f"{self.entry.name} was added to {file}{until} and applies from the next run on"

    def _repr_html_(self) -> str:
        seen = self.preview
        examples = [
            (row["severity"], row["rule_id"], place(row["artifact"], row["location"], row["member"]), row["evidence"])
            for row in seen.examples
        ]
        tables = (
            (("severity", "findings"), seen.severities),
            (("rule", "findings"), seen.rules),
            (("folder", "findings"), [(name or "(no folder)", count) for name, count in seen.folders]),
            (("severity", "rule", "example", "evidence"), examples),
        )
        return f"<p>{escaped(self._counted())}; {escaped(self._outcome())}</p>" + "".join(html_table(*one) for one in tables if one[1])


def decide(
    results: Results,
    finding: str | Iterable[str] | None,
    where: str | None,
    by: str,
    why: tuple[str, str | None, str | date | None],
    file: str | None,
    dry_run: bool,
    settings: Settings,
) -> Decision:
    """Add a suppression; see `Audit.suppress`. `why` is the reason, the owner and the day on which it ends."""
    results.check()
    place = place_for(results, file or settings.policy)
    known, scope = place.load(), _scope(results, finding, where, by)
    reason, owner, ends = why
    ending = until(ends.isoformat() if isinstance(ends, date) else ends, "expires")
    if scope.kind == "filter" and (seen := preview(results, scope, known)).already and not seen.findings:
        return Decision(seen, None, str(place), written=False)
    one = entry(results, scope, reason, owner, ending, known)
    return _written(results, preview(results, scope if scope.kind == "filter" else one, known), one, place, known, dry_run)


def _written(results: Results, seen: Preview, one: Suppression, place: PolicyPlace, known: Policy, dry_run: bool) -> Decision:
    covering = covered(known, one, results) if dry_run else add(place, one, results)
    return Decision(seen, one, str(place), not dry_run and covering is None, covering)


def _scope(results: Results, finding: Any, where: str | None, by: str) -> Scope:
    kind = BY[one_of(by, BY, "by")]
    if (finding is None) == (where is None):
        raise UsageError("name findings by their ids, or describe them with where=CONDITION; exactly one of the two")
    if isinstance(finding, str):
        return Scope(kind, finding)
    if kind != "finding":
        raise UsageError(f"by={by!r} goes with the id of a single finding; suppress several findings with by='finding'")
    return Scope("filter", where=where) if where is not None else Scope("filter", ids=_ids(results, finding))


def _ids(results: Results, given: Any) -> tuple[str, ...]:
    """Return complete ids without duplicates. Raises UsageError if one of them is not in these results."""
    if not isinstance(given, Iterable) or hasattr(given, "columns"):
        raise UsageError(f"ids must be text or a list of texts, not {described(given)}; of a table, pass the column finding_id")
    ids = [one.lower() if isinstance(one, str) else one for one in dict.fromkeys(given)]
    for one in ids:
        if not isinstance(one, str) or not _ID.fullmatch(one):
            raise UsageError(f"{one!r} is not the complete id of a finding; in a list, each id needs all 32 digits")
    if not ids:
        raise UsageError("the list of ids is empty, so there is nothing to suppress")
    [missing] = results.records(
        "SELECT count(*) AS n, min(id) AS id FROM (SELECT unnest(?::VARCHAR[]) AS id) WHERE id NOT IN (SELECT finding_id FROM findings)",
        [ids],
    )
    if missing["n"]:
        raise UsageError(
            f"{missing['n']:,} of {len(ids):,} ids are not in {results.store.uri}, such as {missing['id']}; take them from these results"
        )
    return tuple(ids)
