"""Derives thresholds that hold for every kind of document from the highest score of each clean document.

All scores and thresholds are log odds. A document in which the model had nothing to read scores minus infinity.

A kind with at least 1/rate documents resolves the rate: as many of its documents may reach the threshold as the rate allows. In any other
kind, none may. Beyond the observed documents, scores are extrapolated, for all kinds together and for each kind that is large enough. The
highest scores of a corpus fall off roughly exponentially in log odds, so their mean excess over the next lower score is the scale of the
tail. The scale is increased by one standard error, because a false positive costs more than a miss. The threshold is where the tail
reaches the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Scores = Mapping[str, Sequence[float]]  # by kind of document

FEW = 100  # documents: with fewer of one kind, its own tail would be a guess
CLEAR = 0.1  # log odds above a score that must stay below the threshold: arithmetic on other machines shifts scores by less
_TAIL_SHARE, _TAIL_LEAST, _TAIL_MOST = 20, 5, 50  # one twentieth of a kind's scores is its tail, within these limits
_SCALE = 0.5  # log odds; a shorter tail is considered a coincidence
_LEAST = (-math.log(3), 0.0, math.log(9))  # three to one against, even odds, nine to one: below these, the model itself does not suspect it
_MOST = 30.0  # beyond this, a probability has no digits left


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The log odds from which a finding is low, medium and high, in ascending order."""

    low: float
    medium: float
    high: float


class Rates(NamedTuple):
    """The shares of clean documents that may reach each threshold, in descending order."""

    low: float
    medium: float
    high: float


def thresholds(kinds: Scores, rates: Rates) -> Thresholds:
    """Return the lowest thresholds that hold for each kind by itself and for all kinds together."""
    found: list[float] = []
    for rate, least in zip(rates, _LEAST, strict=True):
        found.append(_as_written(max(_threshold(kinds, rate), least, *found[-1:])))
    return Thresholds(*found)


def without(kinds: Scores, left_out: str, rates: Rates) -> Thresholds:
    """Return the thresholds without one kind. How well they hold for that kind indicates what to expect for unseen kinds."""
    return thresholds({kind: scores for kind, scores in kinds.items() if kind != left_out}, rates)


def resolves(documents: int, rate: float) -> bool:
    """Return whether there are enough documents for a single one to be within the rate."""
    return documents * rate >= 1


def above(scores: Sequence[float], threshold: float) -> int:
    """Return how many documents reach a threshold."""
    return sum(score >= threshold for score in scores)


def odds(probability: float) -> float:
    """Return the log odds of a probability between 0 and 1."""
    return math.log(probability / (1 - probability))


def probability(log_odds: float) -> float:
    """Convert log odds to a probability as written in a configuration, with four significant digits of its distance from 0 or 1."""
    exact = 1 / (1 + math.exp(-log_odds))
    digits = 4 - math.floor(math.log10(min(exact, 1 - exact)))
    return round(exact, digits)


def _threshold(kinds: Scores, rate: float) -> float:
    together = sorted((score for scores in kinds.values() for score in scores), reverse=True)
    return max(_of_kind(together, rate, few=0), *(_of_kind(sorted(scores, reverse=True), rate) for scores in kinds.values()))


def _of_kind(ranked: Sequence[float], rate: float, few: int = FEW) -> float:
    """Return the threshold for scores in descending order."""
    if not ranked:
        return -math.inf
    if resolves(len(ranked), rate):
        allowed = math.floor(len(ranked) * rate)  # less than the number of scores, since the rate is below 1
        return ranked[allowed] + CLEAR
    return max(ranked[0] + CLEAR, _tail(ranked, rate) if len(ranked) >= few else -math.inf)


def _tail(ranked: Sequence[float], rate: float) -> float:
    """Return the score that a share `rate` of such documents is expected to reach."""
    count = min(max(len(ranked) // _TAIL_SHARE, _TAIL_LEAST), _TAIL_MOST, sum(map(math.isfinite, ranked)) - 1)
    if count < 1:  # at most one document has a score, so there is no tail: assume the minimum scale
        return ranked[0] + _SCALE * -math.log(len(ranked) * rate)
    excess = sum(ranked[:count]) / count - ranked[count]
    scale = max(excess * (1 + 1 / math.sqrt(count)), _SCALE)
    return ranked[count] + scale * math.log(count / (len(ranked) * rate))


def _as_written(threshold: float) -> float:
    """Round a threshold to the value that will be read back."""
    return odds(probability(min(threshold, _MOST)))
