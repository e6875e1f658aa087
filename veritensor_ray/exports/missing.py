"""What an audit did not check, with examples, for formats that list problems of the tool beside findings."""

from __future__ import annotations

from dataclasses import dataclass

from veritensor_ray.exports.described import uncovered_words
from veritensor_ray.findings.results import Results
from veritensor_ray.findings.run_text import Uncovered, uncovered

_EXAMPLES = 5
# With these, `submit` exits with 3; without them, something was left out on purpose or has no reader.
_FAILED = frozenset({"partial", "quarantined", "unreadable", "unlisted", "engine"})
_ARTIFACTS = f"""SELECT status, coalesce(reason, '') AS reason, min(artifact, {_EXAMPLES}) AS artifacts FROM ledger
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
    examples: dict[str, dict[str, list[str]]] = {}
    for row in results.records(_ARTIFACTS):
        examples.setdefault(row["reason"], {})[row["status"]] = row["artifacts"]
    return [Missing(one, one.status in _FAILED, tuple(_of(one, examples.get(one.reason, {})))) for one in reasons]


def _of(one: Uncovered, by_status: dict[str, list[str]]) -> list[str]:
    """Return examples for a reason; run.json calls a folder that could not be listed `unlisted`, the ledger does not."""
    if one.artifacts is None:
        return []
    return by_status.get(one.status) or next(iter(by_status.values()), [])
