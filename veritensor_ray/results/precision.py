"""How precise each rule is on this site's data, according to labels, and the confidence that would make it precise enough.

A finding that somebody labelled counts once, whether it is suppressed, and even if it is gone since: true findings are removed and false
ones suppressed, so leaving these out would distort the result. Findings that have a label only because their content is equal to that of a
labelled one add nothing, so that one label does not look like many. It does not depend on who labelled.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa

from veritensor_ray.core.errors import UsageError
from veritensor_ray.results.labels import Judgment, Labels
from veritensor_ray.results.results import Results

LEAST = 20  # labels before a threshold is derived
KEPT = 10  # labels that must lie above it
_Z = 1.959964  # of a 95 % interval
_FOUND = """
    SELECT f.*, coalesce(i.label, c.label) AS label FROM findings f
    LEFT JOIN by_finding i ON i.key = f.finding_id LEFT JOIN by_content c ON c.key = f.content_fingerprint
    WHERE f.location IS NOT NULL AND f.rule_id GLOB ?"""
_COUNTED = f"SELECT rule_id, count(*) AS findings, count(*) FILTER (label IS NULL) AS unlabelled FROM ({_FOUND}) GROUP BY rule_id"  # noqa: S608
# Within a rule the order of fingerprints, which are keyed digests, is a random sample; rules with few labels come first.
_NEXT = f"""
    WITH one AS (SELECT * FROM ({_FOUND}) WHERE label IS NULL
    QUALIFY row_number() OVER (PARTITION BY rule_id, content_fingerprint ORDER BY finding_id) = 1)
    SELECT one.* EXCLUDE (label, first_seen, last_seen, detected_at) FROM one LEFT JOIN judged USING (rule_id)
    ORDER BY coalesce(labels, 0) + row_number() OVER (PARTITION BY rule_id ORDER BY content_fingerprint), rule_id LIMIT ?"""  # noqa: S608
_JUDGED = pa.schema([("rule_id", pa.string()), ("labels", pa.int64())])


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
    """What the labels say about a rule: how many judged its findings true or false, and how many findings have no label.

    `low` and `high` are the 95 % interval of Wilson. `threshold` is the lowest that keeps the target; `why_not` says why there is none.
    """

    rule: str
    findings: int
    unlabelled: int
    true: int
    false: int
    precision: float | None
    low: float | None
    high: float | None
    threshold: Threshold | None
    why_not: str

    @property
    def share(self) -> float | None:
        """The share of the findings there are now that have a label, their own or that of equal content."""
        return 1 - self.unlabelled / self.findings if self.findings else None


def check_target(target: float, name: str) -> None:
    """Raise UsageError unless a target is a share. `name` is what the user calls it."""
    if not 0 < target <= 1:
        raise UsageError(f"{name} {target}: give a share above 0 and at most 1, such as 0.9")


def precision(results: Results, labels: Labels, target: float, rules: str = "*") -> list[RulePrecision]:
    """Return the precision of each rule that has findings or labels and matches the glob `rules`, in the order of their ids."""
    judged: defaultdict[str, list[Judgment]] = defaultdict(list)
    for one in labels.by_finding.values():
        if fnmatchcase(one.rule, rules):
            judged[one.rule].append(one)
    found = {row["rule_id"]: (row["findings"], row["unlabelled"]) for row in _records(results, labels, _COUNTED, [rules])}
    return [_rule(rule, *found.get(rule, (0, 0)), judged[rule], target) for rule in sorted({*found, *judged})]


def worth_labelling(results: Results, labels: Labels, number: int, rules: str = "*") -> list[dict[str, Any]]:
    """Return unlabelled findings to label next: those of rules with few labels first, and within a rule a random sample."""
    return _records(results, labels, _NEXT, [rules, number])


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


def _rule(rule: str, findings: int, unlabelled: int, judged: Sequence[Judgment], target: float) -> RulePrecision:
    true, labelled = sum(one.label for one in judged), len(judged)
    share = true / labelled if labelled else None
    low, high = wilson(true, labelled) if labelled else (None, None)
    graded = [(one.confidence, one.label) for one in judged if one.confidence is not None]
    threshold = None
    if labelled < LEAST:
        why = f"a threshold takes at least {LEAST} labels, and there {'is' if labelled == 1 else 'are'} {labelled}"
    elif len({confidence for confidence, _ in graded}) < 2:
        why = "all labelled findings have the same confidence, so a threshold cannot separate them"
    elif share is not None and share >= target:
        why = "it reaches the target without a threshold"
    else:
        threshold = lowest(graded, target)
        why = "" if threshold else f"no threshold reaches the target with at least {KEPT} labels above it"
    return RulePrecision(rule, findings, unlabelled, true, labelled - true, share, low, high, threshold, why)


def _short(below: float, at: float) -> float:
    """Return the number with the fewest decimals that is above `below` and not above `at`."""
    for decimals in range(1, 17):
        short = float(math.floor(at * 10**decimals) / 10**decimals)
        if below < short <= at:
            return short
    return at


def _records(results: Results, labels: Labels, query: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    judged = Counter(one.rule for one in labels.by_finding.values())
    with results.connection() as connection:
        for name, table in labels.tables().items():
            connection.register(name, table)
        connection.register("judged", pa.table([list(judged), list(judged.values())], schema=_JUDGED))
        rows: list[dict[str, Any]] = connection.sql(query, params=list(values)).to_arrow_table().to_pylist()
        return rows
