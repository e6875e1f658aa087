"""What the audit of a copy still found is divided at the policy's level."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.outputs import finding, written
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.remaining_findings import below, remaining
from veritensor_ray.core.config import SEVERITIES


@pytest.mark.parametrize(
    ("level", "left", "lower"),
    [
        ("critical", ["critical"], ["high", "low", "info"]),
        ("low", ["low", "high", "critical"], ["info"]),
        ("info", ["info", "low", "high", "critical"], []),
    ],
)
def test_findings_are_left_at_the_level_and_counted_below_it(tmp_path: Path, level: str, left: list[str], lower: list[str]) -> None:
    some = ["critical", "high", "low", "info"]
    rows = [finding(number, at={"line": 1}, severity=name, severity_original=name) for number, name in enumerate(some)]
    store, policy = written(tmp_path, rows).store, CleanPolicy.model_validate({"level": level})
    assert sorted((one["severity_original"] for one in remaining(store, policy)), key=SEVERITIES.index) == left
    assert [one["severity"] for one in below(store, policy)] == lower
