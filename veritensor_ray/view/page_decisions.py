"""What people decide on the page: suppressions, which go to the policy file, and labels. It does not depend on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from veritensor_ray.core.errors import UsageError
from veritensor_ray.policy.judge import COLUMNS, Suppression, matched
from veritensor_ray.results import new_suppressions
from veritensor_ray.results.labels import Labels, labels, put_labels
from veritensor_ray.results.policy_place import PolicyPlace
from veritensor_ray.view.http_requests import LabelRequest, SuppressionRequest, Target
from veritensor_ray.view.queries import Queries
from veritensor_ray.view.table_copy import Copy

_LISTED = 20  # rules and folders of a preview


@dataclass(frozen=True, slots=True)
class Deciding:
    """Decisions about the findings of a copy. `place` is where suppressions are kept."""

    copy: Copy
    queries: Queries
    labels: Labels
    place: PolicyPlace

    def start(self) -> None:
        """Hide what the policy file suppresses by now, but did not when the results were written."""
        known = {one.get("id") for one in (self.copy.run.get("policy") or {}).get("suppressions") or ()}
        for one in self.place.load().suppressions:
            if one.name not in known and not one.expired(datetime.now(UTC).date()):
                self._hide(one)

    def preview(self, cursor: Any, asked: SuppressionRequest) -> dict[str, Any]:
        """Return the numbers of a decision."""
        seen = new_suppressions.preview(self.copy, self._scope(cursor, asked.scope), self.place.load())
        return {
            "findings": seen.findings,
            "artifacts": seen.artifacts,
            "severities": seen.severities,
            "rules": seen.rules[:_LISTED],
            "folders": seen.folders[:_LISTED],
            "more": {"rules": max(0, len(seen.rules) - _LISTED), "folders": max(0, len(seen.folders) - _LISTED)},
            "already": seen.already,
            "policy": str(self.place),
        }

    def suppress(self, cursor: Any, asked: SuppressionRequest) -> dict[str, Any]:
        """Add an entry to the policy file. The page hides its findings at once; the results count them until the next run."""
        if not asked.reason.strip():
            raise UsageError("A suppression needs a reason, which appears in the policy file and in run.json.")
        known = self.place.load()
        ends = new_suppressions.until(asked.expires or None, "The day")
        one = new_suppressions.entry(
            self.copy, self._scope(cursor, asked.scope), asked.reason.strip(), (asked.owner or "").strip() or None, ends, policy=known
        )
        covering = new_suppressions.add(self.place, one, self.copy)
        if covering:
            raise UsageError(f"{self.place} is unchanged: these findings are already suppressed by {covering.name} ({covering.reason}).")
        return {"policy": str(self.place), "entry": one.name, "expires": one.expires and str(one.expires), "findings": self._hide(one)}

    def label(self, cursor: Any, asked: LabelRequest) -> dict[str, Any]:
        """Label findings as true or false, or remove their labels."""
        label = None if asked.label is None else asked.label == "true"
        scope = self._scope(cursor, asked.scope)
        count = put_labels(self.copy, scope, label)
        if not count:
            raise UsageError("No finding was labelled: a row that only counts further matches has no label.")
        fresh = labels(self.copy.store)
        self.labels.by_finding, self.labels.by_content = fresh.by_finding, fresh.by_content
        return {"findings": count}

    def _scope(self, cursor: Any, target: Target) -> new_suppressions.Scope:
        if target.kind != "filter" or target.filter is None:
            return new_suppressions.Scope(target.kind, target.finding_id or "", target.rule, target.folder)
        ids = self.queries.ids(cursor, target.filter)
        if not ids:
            raise UsageError("No finding matches the filter, so there is nothing to decide.")
        return new_suppressions.Scope("filter", ids=ids)

    def _hide(self, one: Suppression) -> int:
        """Hide the findings that an entry matches, and return the number of those that were not hidden before."""
        exact = {
            column: [value] if isinstance(value, str) else list(value)
            for name, column in (("finding", "finding_id"), ("fingerprint", "content_fingerprint"), ("sha256", "content_id"))
            if (value := getattr(one, name)) is not None
        }
        where = " AND ".join(f"{column} IN (SELECT unnest(?::VARCHAR[]))" for column in exact) or "true"
        values: Sequence[Any] = list(exact.values())
        rows = self.copy.rows(f"SELECT n, suppressed_by, {', '.join(COLUMNS)} FROM numbered WHERE {where}", values)  # noqa: S608  # constants
        count, name = 0, one.name  # which takes a while for many ids
        for batch in rows:
            for row in matched(one, pa.Table.from_batches([batch])).select(["n", "suppressed_by"]).to_pylist():
                if row["suppressed_by"] is None and row["n"] not in self.copy.hidden_now:
                    self.copy.hidden_now[row["n"]] = name
                    count += 1
        return count
