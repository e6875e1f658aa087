"""What the audit of a copy still found: at or above the policy's level, and below it. It reads the audit's findings and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
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
    """Count the findings below the level, and their places, by rule and severity, except those that a rule of the policy decides about."""
    counts, places = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for one in _found(after, [name for name in SEVERITIES if not policy.counts(name)]):
        if policy.ruled(mark_of(one), one["category"], one["artifact"]) is None:
            kind = one["rule_id"], one["severity_original"]
            counts[kind] += number(one)
            places[kind] += int(one["count"])
    return [
        {"rule": rule, "severity": severity, "count": n, "places": places[rule, severity]} for (rule, severity), n in counts.most_common()
    ]


def number(finding: dict[str, Any]) -> int:
    """Return the number of findings that a row stands for, as every summary counts them: one, in however many places."""
    return 1 if finding["location"] else int(finding["count"])


def _found(after: OutputStore, severities: Sequence[str]) -> Iterator[dict[str, Any]]:
    table = results(after)[0].dataset("findings", FINDINGS)
    wanted = pa.array(severities, pa.string())  # there may be none, and an empty list has no type
    for batch in table.to_batches(columns=_OF_FINDINGS, filter=pc.field("severity_original").isin(wanted)):
        yield from batch.to_pylist()
