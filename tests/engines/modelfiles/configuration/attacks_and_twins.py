"""Judges a file by the worst severity of its findings, so that each attack stands beside a benign twin in one row."""

from __future__ import annotations

import json
from typing import Any

from tests.engines.modelfiles.building import scan
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import Hit
from veritensor_ray.engines.modelfiles.modelfile_rules import RULES

_RULES = {rule.id: rule.severity for rule in RULES}


def content(value: Any) -> bytes:
    """The bytes of a file: JSON of anything that is not bytes or text."""
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()


def worst(name: str, value: Any) -> tuple[str, str]:
    """The severity and rule of the worst finding; `none` if there is none."""
    hits = [hit for hit in scan(content(value), name) if isinstance(hit, Hit)]
    graded = sorted(
        ((hit.severity or _RULES[hit.rule], hit.rule.removeprefix("modelfiles.")) for hit in hits), key=lambda one: rank(one[0])
    )
    return graded[-1] if graded else ("none", "")


def rank(severity: str) -> int:
    """The place of a severity among all, from `info` on."""
    order = sorted(SEVERITIES, key=("info", "low", "medium", "high", "critical").index)
    return -1 if severity == "none" else order.index(severity)  # type: ignore[arg-type]  # any severity


def alarms(name: str, value: Any) -> bool:
    """Whether a file has a finding above `low`."""
    return rank(worst(name, value)[0]) > rank("low")
