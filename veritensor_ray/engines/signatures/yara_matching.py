"""Converts rule matches in a joined buffer to hits in its texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from veritensor_ray.engines.base import Hit

if TYPE_CHECKING:
    from veritensor_ray.engines.joined import JoinedBytes
    from veritensor_ray.engines.signatures.ruleset import RuleSet


def hits(joined: JoinedBytes, rules: RuleSet) -> list[Hit]:
    """Return matches with character offsets in the row where they begin. The part beyond that row is cut off."""
    found = sorted(rules.match_text(joined.data), key=lambda m: m[1])
    spans = joined.spans([(start, end) for _, start, end in found])
    return distinct(Hit(rule, first, last, row) for (rule, _, _), (row, first, last) in zip(found, spans, strict=True) if last > first)


def distinct(hits: Iterable[Hit]) -> list[Hit]:
    """Drop a hit that overlaps an earlier one of the same rule: several strings of a rule often match the same words."""
    kept: list[Hit] = []
    ends: dict[tuple[int | None, str], int] = {}
    for hit in sorted(hits, key=lambda h: (h.row or 0, h.start, -h.end)):
        key = (hit.row, hit.rule)
        if hit.start < ends.get(key, -1):
            continue
        ends[key] = hit.end
        kept.append(hit)
    return kept
