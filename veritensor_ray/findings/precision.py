"""How precise each rule is on this site's data, according to labels, and the confidence that would make it precise enough.

Equal content counts once, however often it occurs, so that one label does not look like many. Suppressed findings count too: leaving out
those that were judged false would make every rule look perfect. It does not depend on who labelled.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.findings.labels import Labels
from veritensor_ray.findings.results import Results

LEAST = 20  # labels before a threshold is derived
KEPT = 10  # labels that must lie above it
_Z = 1.959964  # of a 95 % interval
_FOUND = """
    SELECT f.*, coalesce(i.label, c.label) AS label FROM {source} f
    LEFT JOIN by_finding i ON i.key = f.finding_id LEFT JOIN by_content c ON c.key = f.content_fingerprint WHERE f.location IS NOT NULL"""
_LABELLED = "SELECT rule_id, content_fingerprint, label, max(confidence) AS confidence FROM ({found}) WHERE label IS NOT NULL GROUP BY ALL"
_UNLABELLED = """
    SELECT rule_id, count(DISTINCT content_fingerprint) FILTER (label IS NULL) AS unlabelled, count(DISTINCT confidence) AS grades
    FROM ({found}) GROUP BY rule_id"""
# Within a rule the order of fingerprints, which are keyed digests, is a random sample; rules with few labels come first.
_NEXT = """
    WITH found AS ({found}), done AS (SELECT rule_id, count(DISTINCT content_fingerprint) AS labels FROM found WHERE label IS NOT NULL GROUP BY rule_id),
    one AS (SELECT * FROM found WHERE label IS NULL QUALIFY row_number() OVER (PARTITION BY rule_id, content_fingerprint ORDER BY finding_id) = 1)
    SELECT one.* EXCLUDE (label) FROM one LEFT JOIN done USING (rule_id)
    ORDER BY coalesce(labels, 0) + row_number() OVER (PARTITION BY rule_id ORDER BY content_fingerprint), rule_id LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A confidence below which findings would be off, and how the labels would divide."""

    min_confidence: float
    precision: float
    kept: int  # labels at or above it
    true_lost: int
    false_lost: int


@dataclass(frozen=True, slots=True)
class RulePrecision:
    """What the labels say about a rule. Numbers are of distinct contents.

    `low` and `high` are the 95 % interval of Wilson. `threshold` is the lowest that keeps the target; `why_not` says why there is none.
    """

    rule: str
    true: int
    false: int
    unlabelled: int
    precision: float | None
    low: float | None
    high: float | None
    threshold: Threshold | None
    why_not: str

    @property
    def share(self) -> float:
        """The share of contents that have a label."""
        labelled = self.true + self.false
        return labelled / (labelled + self.unlabelled) if labelled else 0.0


def precision(results: Results, labels: Labels, target: float, where: str = "") -> list[RulePrecision]:
    """Return the precision of each rule that has findings, in the order of their ids. `where` is a condition for `Results.matching`."""
    found = _found(results, where)
    judged: defaultdict[str, list[tuple[float | None, bool]]] = defaultdict(list)
    for row in _records(results, labels, _LABELLED.format(found=found)):
        judged[row["rule_id"]].append((row["confidence"], row["label"]))
    rules = sorted(_records(results, labels, _UNLABELLED.format(found=found)), key=lambda row: str(row["rule_id"]))
    return [_rule(row, judged[row["rule_id"]], target) for row in rules]


def worth_labelling(results: Results, labels: Labels, number: int, where: str = "") -> list[dict[str, Any]]:
    """Return unlabelled findings to label next: those of rules with few labels first, and within a rule a random sample."""
    return _records(results, labels, _NEXT.format(found=_found(results, where)), [number])


def wilson(true: int, labelled: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Wilson, E. B. (1927): Probable inference, the law of succession, and statistical inference."""
    share, square = true / labelled, _Z * _Z
    middle = share + square / (2 * labelled)
    half = _Z * math.sqrt(share * (1 - share) / labelled + square / (4 * labelled * labelled))
    return max(0.0, (middle - half) / (1 + square / labelled)), min(1.0, (middle + half) / (1 + square / labelled))


def lowest(judged: Sequence[tuple[float, bool]], target: float) -> Threshold | None:
    """Return the lowest threshold at or above which the share of true labels reaches the target, with at least KEPT labels there."""
    ordered = sorted(judged)
    true = sum(label for _, label in ordered)
    for index, (confidence, label) in enumerate(ordered):
        kept = len(ordered) - index
        if kept < KEPT:
            return None
        if (not index or ordered[index - 1][0] < confidence) and true / kept >= target:
            lost = sum(one for _, one in ordered[:index])
            return Threshold(_short(ordered[index - 1][0] if index else 0.0, confidence), true / kept, kept, lost, index - lost)
        true -= label
    return None


def _rule(row: Mapping[str, Any], judged: Sequence[tuple[float | None, bool]], target: float) -> RulePrecision:
    true, labelled = sum(label for _, label in judged), len(judged)
    share = true / labelled if labelled else None
    low, high = wilson(true, labelled) if labelled else (None, None)
    threshold = None
    graded = [(confidence, label) for confidence, label in judged if confidence is not None]
    if labelled < LEAST:
        why = f"a threshold takes at least {LEAST} labels, and there {'is' if labelled == 1 else 'are'} {labelled}"
    elif row["grades"] < 2:
        why = "all its findings have the same confidence, so a threshold cannot separate them"
    elif share is not None and share >= target:
        why = "it reaches the target without a threshold"
    else:
        threshold = lowest(graded, target)
        why = "" if threshold else f"no threshold reaches the target with at least {KEPT} labels above it"
    return RulePrecision(row["rule_id"], true, labelled - true, row["unlabelled"], share, low, high, threshold, why)


def _short(below: float, at: float) -> float:
    """Return the number with the fewest decimals that is above `below` and not above `at`."""
    for decimals in range(1, 17):
        short = float(math.floor(at * 10**decimals) / 10**decimals)
        if below < short <= at:
            return short
    return at


def _found(results: Results, where: str) -> str:
    return _FOUND.format(source=results.matching(where) if where else "findings")


def _records(results: Results, labels: Labels, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    with results.connection() as connection:
        for name, table in labels.tables().items():
            connection.register(name, table)
        rows: list[dict[str, Any]] = connection.sql(query, params=list(values)).to_arrow_table().to_pylist()
        return rows
