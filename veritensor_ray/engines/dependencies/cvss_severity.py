"""Determines an advisory's severity: the rating in its record, or the base score of CVSS 3.0 and 3.1 by the public formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from veritensor_ray.core.config import Severity

_WORDS: dict[str, Severity] = {
    "low": "low",
    "moderate": "medium",
    "medium": "medium",
    "important": "high",
    "high": "high",
    "critical": "critical",
}
_WEIGHTS = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def base_score(vector: str) -> float | None:
    """Return the base score of a vector such as `CVSS:3.1/AV:N/…`, or None for other CVSS versions and invalid vectors.

    Source: FIRST, CVSS v3.1 specification, section 7.1.
    """
    head, *parts = vector.strip().split("/")
    if head not in ("CVSS:3.0", "CVSS:3.1"):
        return None
    metrics = dict(part.partition(":")[::2] for part in parts)
    try:
        weight = {name: values[metrics[name]] for name, values in _WEIGHTS.items()}
        changed = metrics["S"] == "C"
        privileges = _PRIVILEGES[metrics["S"]][metrics["PR"]]
    except KeyError:
        return None
    inner = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (inner - 0.029) - 3.25 * (inner - 0.02) ** 15 if changed else 6.42 * inner
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min(1.08 * (impact + exploitability) if changed else impact + exploitability, 10))


def _rounded_up(score: float) -> float:
    """Round up to one decimal without floating-point noise (appendix A of the specification)."""
    scaled = round(score * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (math.floor(scaled / 10_000) + 1) / 10


def rating(score: float) -> Severity:
    """Return the severity for a base score (section 5 of the specification); `info` for a score of zero."""
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
