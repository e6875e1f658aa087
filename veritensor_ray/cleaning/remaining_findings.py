"""What the audit of a copy still found: at or above the policy's level, and below it. It reads the audit's findings and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.compute as pc

from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.findings.schema import FINDINGS
from veritensor_ray.findings.sweep_state import results
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.marks import mark_of
from veritensor_ray.stores.outputs import OutputStore

_OF_FINDINGS = ["artifact", "rule_id", "category", "severity_original", "location", "count"]


def remaining(after: OutputStore, policy: CleanPolicy) -> list[dict[str, Any]]:
    """Return the findings at or above the level, except those that a rule of the policy keeps."""
    found = _found(after, [name for name in SEVERITIES if policy.counts(name)])
    return [one for one in found if policy.decide(mark_of(one), one["category"], one["artifact"]).action is not Action.KEEP]


def below(after: OutputStore, policy: CleanPolicy) -> list[dict[str, Any]]:
    """Count the findings below the level, by rule and severity, except those that a rule of the policy decides about."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in _found(after, [name for name in SEVERITIES if not policy.counts(name)]):
        if policy.ruled(mark_of(one), one["category"], one["artifact"]) is None:
            counts[one["rule_id"], one["severity_original"]] += places(one)
    return [{"rule": rule, "severity": severity, "count": count} for (rule, severity), count in counts.most_common()]


def places(finding: dict[str, Any]) -> int:
    """Return the number of places that a row of the findings stands for."""
    return 1 if finding["location"] else int(finding["count"])


def _found(after: OutputStore, severities: Sequence[str]) -> Iterator[dict[str, Any]]:
    table = results(after)[0].dataset("findings", FINDINGS)
    for batch in table.to_batches(columns=_OF_FINDINGS, filter=pc.field("severity_original").isin(severities)):
        yield from batch.to_pylist()
