"""Thresholds from scores: what they hold for, and how far above the scores they stand where there are few."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest

from veritensor_ray.engines.injection.calibrated_scores import CLEAR, FEW, Rates, above, odds, probability, resolves, thresholds, without

RATES = Rates(0.02, 0.005, 0.0005)


def falling(count: int, top: float, scale: float = 1.0) -> list[float]:
    """Scores of an exponential tail, exactly as they are expected: `top` is reached by one document in `count`."""
    return [top - scale * math.log(rank) for rank in range(1, count + 1)]


def test_a_rate_that_is_resolved_is_what_is_allowed() -> None:
    scores = [*(float(score) for score in range(1, 11)), *[-4.0] * 990]
    found = thresholds({"a": scores}, RATES)
    assert above(scores, found.medium) == 5
    assert found.medium == pytest.approx(5 + CLEAR, abs=1e-3)
    assert found.high > 10
    assert above(scores, found.high) == 0


def test_the_worst_kind_counts_and_not_the_average() -> None:
    calm, wild = falling(2000, 1.0), falling(400, 9.0)
    found = thresholds({"calm": calm, "wild": wild}, RATES)
    assert above(wild, found.medium) / len(wild) <= RATES.medium
    assert above(calm + wild, found.medium) / 2400 < RATES.medium / 5  # by the average far more would have been allowed
    assert without({"calm": calm, "wild": wild}, "wild", RATES) == thresholds({"calm": calm}, RATES)
    assert above(wild, without({"calm": calm, "wild": wild}, "wild", RATES).medium) > len(wild) * RATES.medium


def test_a_kind_holds_whatever_is_put_beside_it() -> None:
    """More kinds never lower a threshold that a kind of its own asks for."""
    worst = {"worst": falling(300, 6.0)}
    alone = thresholds(worst, RATES)
    beside = thresholds(worst | {f"calm {number}": falling(3000, 0.0) for number in range(5)}, RATES)
    assert beside == alone


@pytest.mark.parametrize("scale", [0.6, 1.0, 3.0])
@pytest.mark.parametrize("count", [60, 150])
def test_what_was_not_seen_is_extrapolated(count: int, scale: float) -> None:
    """The threshold stands where the tail reaches the rate, or beyond that, by no more than the error of its scale."""
    scores = falling(count, 4.0, scale)
    found = thresholds({"a": scores}, RATES)
    truth = 4.0 - scale * math.log(count * RATES.high)
    assert max(scores) < truth - scale <= found.high < truth + 4 * scale


def test_few_documents_raise_a_threshold_only_by_what_they_score() -> None:
    many = falling(3000, 2.0)
    calm = thresholds({"many": many}, RATES)
    few = [5.0, *[-4.0] * (FEW - 2)]
    found = thresholds({"many": many, "few": few}, RATES)
    assert calm.medium < found.medium == pytest.approx(5.0 + CLEAR, abs=1e-3)


def test_thresholds_are_never_below_what_the_model_itself_believes() -> None:
    found = thresholds({"a": falling(5000, -9.0, 0.1)}, RATES)
    assert [probability(level) for level in astuple(found)] == [0.25, 0.5, 0.9]
    assert thresholds({"a": [-math.inf] * 80}, RATES) == found


@pytest.mark.parametrize("scores", [[3.0], [3.0] * 60, [3.0, *[-math.inf] * 70], [3.0, 2.9, *[-math.inf] * 300]])
def test_odd_scores(scores: list[float]) -> None:
    found = thresholds({"a": scores}, RATES)
    assert found.high > 3.0
    assert found.high >= found.medium
    assert above(scores, found.high) == 0


def test_a_saturated_model_gets_a_threshold_that_can_be_written() -> None:
    found = thresholds({"a": falling(100, 300.0)}, RATES)
    assert 0 < probability(found.high) < 1
    assert odds(probability(found.high)) == found.high


def test_the_expected_rate_is_not_exceeded_much() -> None:
    """Over many draws of documents from a known distribution: half of them at most exceed the goal at high, and few by much."""
    random = np.random.default_rng(5)
    tail = np.sort(random.logistic(-4, 1, 1_000_000))
    real = np.array([_share(tail, thresholds({"a": random.logistic(-4, 1, 300).tolist()}, RATES).high) for _ in range(100)])
    assert (real > RATES.high).mean() < 0.4
    assert (real > 10 * RATES.high).mean() < 0.05


def _share(ordered: np.ndarray[tuple[int], np.dtype[np.float64]], threshold: float) -> float:
    return 1 - float(np.searchsorted(ordered, threshold)) / len(ordered)


@pytest.mark.parametrize("score", [-12.0, -1.0, 0.0, 0.3, 2.0, 9.0, 25.0, 30.0])
def test_a_probability_leads_back(score: float) -> None:
    assert odds(probability(score)) == pytest.approx(score, abs=2e-3)


def test_resolving() -> None:
    assert resolves(200, RATES.medium)
    assert not resolves(199, RATES.medium)
