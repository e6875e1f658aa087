"""Determines an advisory's severity: the rating in its record, or the base score of its CVSS vectors."""

from __future__ import annotations

from collections.abc import Mapping
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
_VERSIONS = (("CVSS:4.", CVSS4), ("CVSS:3.", CVSS3), ("", CVSS2))  # vectors of CVSS 2 do not begin with a version


def base_score(vector: str) -> float | None:
    """Return the base score of a vector of CVSS 2, 3.0, 3.1 or 4.0, or None for an invalid one."""
    text = vector.strip()
    kind = next(kind for begin, kind in _VERSIONS if text.startswith(begin))
    try:
        return float(kind(text).base_score)
    except CVSSError:
        return None


def rating(score: float) -> Severity:
    """Return the severity for a base score (section 5 of the specification of CVSS 3.1); `info` for a score of zero."""
    steps: tuple[tuple[Severity, float], ...] = (("critical", 9.0), ("high", 7.0), ("medium", 4.0), ("low", 0.1))
    for word, least in steps:
        if score >= least:
            return word
    return "info"


def severity_of(record: Mapping[str, Any], affected: Mapping[str, Any]) -> Severity | None:
    """Return the record's own rating, which its editors may have set in spite of the score, else that of its CVSS vectors, else None."""
    for holder in (record, affected):
        for key in ("database_specific", "ecosystem_specific"):
            specific = holder.get(key)
            word = specific.get("severity") if isinstance(specific, dict) else None
            if isinstance(word, str) and word.lower() in _WORDS:
                return _WORDS[word.lower()]
    scores = [
        score
        for holder in (affected, record)
        for entry in holder.get("severity") or ()
        if isinstance(entry, dict) and isinstance(entry.get("score"), str) and (score := base_score(entry["score"])) is not None
    ]
    return rating(max(scores)) if scores else None
