"""Resolves overlapping candidates deterministically."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from veritensor_ray.engines.pii.joining import PiiSpan

# Candidates proven by a checksum or a distinctive form take precedence over those based on a model or a nearby word.
_RANK = {
    name: rank
    for rank, names in enumerate(
        (
            ("email", "mail-header", "iban", "crypto-address"),
            ("payment-card", "us-ssn", "mac-address"),
            ("national-id", "medical", "ip-address", "passport", "date-of-birth"),
            ("phone",),
            ("address", "person", "organization"),
        )
    )
    for name in names
}


def _key(found: PiiSpan) -> tuple[float, int, int, int, str]:
    strong = 0 if found.rule.startswith("custom-") else 1 if found.score >= 0.85 else 2 if found.score >= 0.6 else 3
    free = _RANK.get(found.rule, 2) == 4
    return (strong if not free else 4, _RANK.get(found.rule, 0), found.start - found.end, found.start, found.rule)


def merged(candidates: Iterable[PiiSpan]) -> list[PiiSpan]:
    """Return the strongest of any candidates that overlap, in order. Adjacent ones stay separate; among equals, the longer wins."""
    kept: list[PiiSpan] = []
    for group in _groups(candidates):
        taken: list[PiiSpan] = []
        for found in sorted(group, key=_key):
            if not any(found.start < other.end and other.start < found.end for other in taken):
                taken.append(found)
        kept += sorted(taken, key=lambda f: f.start)
    return kept


def _groups(candidates: Iterable[PiiSpan]) -> Iterator[list[PiiSpan]]:
    """Yield groups of candidates that are connected by overlaps, which keeps merging linear."""
    group: list[PiiSpan] = []
    end = -1
    for found in sorted({f for f in candidates if f.end > f.start}, key=lambda f: (f.start, f.end, f.rule, f.score)):
        if group and found.start >= end:
            yield group
            group = []
            end = -1
        group.append(found)
        end = max(end, found.end)
    if group:
        yield group
