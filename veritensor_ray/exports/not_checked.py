"""What an audit did not check, with examples: for the report, and for formats that list problems of the tool beside findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.core.wording import counted
from veritensor_ray.exports.described_findings import uncovered_words
from veritensor_ray.results.results import Results
from veritensor_ray.results.run_text import Uncovered, nothing_matched, uncovered

_EXAMPLES = 3
# With these, or if nothing was scanned, `submit` exits with 3; anything else was left out on purpose, or nothing can read it.
_FAILED = frozenset({"partial", "quarantined", "unreadable", "unlisted"})
_ARTIFACTS = f"""SELECT status, coalesce(reason, '') AS reason, min(artifact, {_EXAMPLES}) AS artifacts, count(*) AS number FROM ledger
    WHERE status <> 'scanned' OR reason IS NOT NULL GROUP BY ALL"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Missing:
    """One reason why something was not checked. `failed` means that it should have been; `artifacts` are a few that it applies to.

    The names of artifacts come from the corpus: make them harmless before use.
    """

    reason: Uncovered
    failed: bool
    artifacts: tuple[str, ...]

    @property
    def words(self) -> str:
        """One safe line with the reason and the number of artifacts."""
        return f"Not checked: {uncovered_words(self.reason)}"


def missing(results: Results) -> list[Missing]:
    """Return everything that the run did not check, the most frequent reason first. Empty if nothing is missing."""
    reasons = uncovered(results.run)
    if not reasons:
        return []
    nothing = bool(nothing_matched(results.run))
    examples: dict[str, dict[str, Any]] = {}
    for row in results.records(_ARTIFACTS):
        examples.setdefault(row["reason"], {})[row["status"]] = row
    listed = {one.reason for one in reasons}
    others = [row for words, rows in examples.items() if words not in listed for row in rows.values()]
    found = [Missing(one, nothing or one.status in _FAILED, tuple(_of(one, examples.get(one.reason, {})))) for one in reasons]
    return found + ([_others(others)] if others else [])


def _of(one: Uncovered, by_status: dict[str, Any]) -> list[str]:
    """Return examples for a reason. run.json calls a folder that could not be listed `unlisted`; the ledger does not."""
    row = by_status.get(one.status) or next(iter(by_status.values()), None)
    return row["artifacts"] if row and one.artifacts is not None else []


def _others(rows: Sequence[Mapping[str, Any]]) -> Missing:
    """Return one entry for the reasons that run.json does not list, because it lists only the most frequent ones."""
    number, failed = len(rows), any(row["status"] in _FAILED for row in rows)
    words = f"{counted(number, 'more reason')}; the ledger lists {'them' if number != 1 else 'it'}"
    return Missing(Uncovered("other", words, None, sum(row["number"] for row in rows)), failed, tuple(rows[0]["artifacts"]))
