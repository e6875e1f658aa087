"""Determines an advisory's severity: the rating in its record, or the base score of its CVSS vectors."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from cvss import CVSS2, CVSS3, CVSS4, CVSSError

from veritensor_ray.core.config import Severity

_WORDS: dict[str, Severity] = {
    "low": "low",
    "moderate": "medium",
    "medium": "medium",
    "important": "high",
    "high": "high",
    "critical": "critical",
}
_VERSIONS = (("CVSS:4.", CVSS4), ("CVSS:3.", CVSS3), ("", CVSS2))  # the newest first; vectors of CVSS 2 do not begin with a version
_MOST = 50  # vectors of one record
_UNMAINTAINED = ("unmaintained", "notice")  # RustSec's notes about a crate, which are not vulnerabilities


@functools.lru_cache(maxsize=16_384)
def base_score(vector: str) -> float | None:
    """Return the base score of a vector of CVSS 2, 3.0, 3.1 or 4.0, or None for an invalid one. Version 4 has one score, with the threat metrics of the vector."""
    try:
        return float(_version(vector)[1](vector.strip()).base_score)
    except CVSSError:
        return None


def _version(vector: str) -> tuple[str, Any]:
    return next(one for one in _VERSIONS if vector.strip().startswith(one[0]))


def rating(score: float) -> Severity:
    """Return the severity for a base score (section 5 of the specification of CVSS 3.1); `info` for a score of zero."""
    steps: tuple[tuple[Severity, float], ...] = (("critical", 9.0), ("high", 7.0), ("medium", 4.0), ("low", 0.1))
    for word, least in steps:
        if score >= least:
            return word
    return "info"


def severity_of(record: Mapping[str, Any], affected: Mapping[str, Any]) -> Severity | None:
    """Return the record's own rating, which its editors may have set in spite of the score, else that of its newest CVSS vectors, else None."""
    for holder in (record, affected):
        for key in ("database_specific", "ecosystem_specific"):
            specific = holder.get(key)
            word = specific.get("severity") if isinstance(specific, dict) else None
            if isinstance(word, str) and word.lower() in _WORDS:
                return _WORDS[word.lower()]
    scores = {vector: score for vector in _vectors(record, affected) if (score := base_score(vector)) is not None}
    for begin, kind in _VERSIONS:
        found = [score for vector, score in scores.items() if _version(vector)[0] == begin]
        if found:
            word = rating(max(found))
            return "high" if kind is CVSS2 and word == "critical" else word  # version 2 knows no critical flaws
    specific = affected.get("database_specific")
    return "info" if isinstance(specific, dict) and specific.get("informational") in _UNMAINTAINED else None


def _vectors(*holders: Mapping[str, Any]) -> Iterator[str]:
    for holder in holders:
        entries = holder.get("severity")
        for entry in entries[:_MOST] if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("score"), str):
                yield entry["score"]
