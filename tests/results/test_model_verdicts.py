"""How many models of a run are proven inert, in words."""

from __future__ import annotations

from typing import Any

import pytest

from veritensor_ray.results.model_verdicts import models_said, reason_said


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({}, ""),  # of an earlier version
        ({"models": {}}, ""),
        ({"models": {"inert": 1}}, "1 of 1 model is proven inert"),
        ({"models": {"inert": 43, "unknown": 5, "dangerous": 2}}, "43 of 50 models are proven inert, 2 are dangerous, 5 are unknown"),
        ({"models": {"dangerous": 1}}, "0 of 1 model is proven inert, 1 is dangerous"),
    ],
)
def test_models_said(run: dict[str, Any], said: str) -> None:
    assert models_said(run) == said


def test_a_reason_names_its_member() -> None:
    assert reason_said({"member": "a.pkl", "reason": "imports own.Thing"}) == "a.pkl: imports own.Thing"
    assert reason_said({"member": None, "reason": "imports own.Thing"}) == "imports own.Thing"
