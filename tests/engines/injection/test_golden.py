"""The embedded model in eight bits says what it said in full precision when it was trained: golden.json has that, written by the training."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.injection import Injection
from veritensor_ray.models.model_store import ModelStore

GOLDEN = Path(__file__).with_name("golden.json")
ROUNDING = (
    1.2  # log odds that eight bits may move a score by; what the feed-forward layers hand on has outliers, which cost the others digits
)
ON_AVERAGE = 0.3  # and that they may move scores by on average

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not GOLDEN.exists(), reason="the training has not written golden.json yet")]


@pytest.fixture(scope="module")
def engine() -> Injection:
    made = Injection(Settings())
    made.load(ModelStore("embedded"))
    return made


def recorded() -> list[dict[str, Any]]:
    """Texts and their scores, as mixed log odds."""
    texts: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["texts"] if GOLDEN.exists() else []
    return texts


def verdict(engine: Injection, score: float) -> int:
    """0 below all thresholds, 1 low, 2 medium, 3 high."""
    return sum(score >= threshold for threshold in astuple(engine.thresholds()))


@pytest.mark.parametrize("row", recorded(), ids=lambda row: row["text"][:40])
def test_scores_and_verdicts_are_as_recorded(engine: Injection, row: dict[str, Any]) -> None:
    assert engine._scorer is not None
    score = engine._scorer.highest(row["text"])
    assert score == pytest.approx(row["score"], abs=ROUNDING)
    if min(abs(row["score"] - threshold) for threshold in astuple(engine.thresholds())) > ROUNDING:
        assert verdict(engine, score) == verdict(engine, row["score"])


def test_most_scores_hardly_move_and_no_more_than_one_verdict_in_twenty_does(engine: Injection) -> None:
    assert engine._scorer is not None
    here = [engine._scorer.highest(row["text"]) for row in recorded()]
    there = [row["score"] for row in recorded()]
    assert sum(abs(one - other) for one, other in zip(here, there, strict=True)) / len(here) < ON_AVERAGE
    assert sum(verdict(engine, one) != verdict(engine, other) for one, other in zip(here, there, strict=True)) <= len(here) / 20


def test_the_record_has_texts_of_each_verdict(engine: Injection) -> None:
    verdicts = [verdict(engine, row["score"]) for row in recorded()]
    assert len(verdicts) >= 50
    assert len(set(verdicts)) == 1 + len(set(astuple(engine.thresholds())))
