"""From the highest score of each clean document to thresholds that hold for every kind of document; it knows no documents and no model.

All scores and thresholds are log odds; a document in which the model had nothing to read scores minus infinity.

A kind with 1/rate documents or more resolves the rate: as many of its documents may reach the threshold as the rate allows. In any other
kind none may. What lies beyond the documents that were seen is extrapolated, for all kinds together and for each that is large enough: the
highest scores of a corpus fall off about exponentially in log odds, so their mean excess over the score below them is the scale of the
tail. It is taken one standard error longer, since false alarms outrank what is missed. The threshold is where that tail reaches the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Scores = Mapping[str, Sequence[float]]  # by kind of document

FEW = 100  # documents: of a kind with fewer, a tail of its own would be a guess
CLEAR = 0.1  # log odds above a score that must stay below: arithmetic on another machine moves scores by less
_TAIL_SHARE, _TAIL_LEAST, _TAIL_MOST = 20, 5, 50  # the twentieth part of a kind is its tail, but no fewer and no more scores than these
_SCALE = 0.5  # log odds; a tail that seems shorter than that is taken for chance
_MEDIUM_LEAST, _HIGH_LEAST = 0.0, math.log(9)  # below even odds, and below nine to one, the model itself does not take it for an attack
_MOST = 30.0  # beyond that a probability has no digits left


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a finding begins to be medium, and where high."""

    medium: float
    high: float


def thresholds(kinds: Scores, medium_rate: float, high_rate: float) -> Thresholds:
    """The lowest thresholds that hold for each kind by itself, and for all together. The rates are shares of documents."""
    medium = max(_threshold(kinds, medium_rate), _MEDIUM_LEAST)
    high = max(_threshold(kinds, high_rate), _HIGH_LEAST, medium)
    return Thresholds(_as_written(medium), _as_written(high))


def without(kinds: Scores, left_out: str, medium_rate: float, high_rate: float) -> Thresholds:
    """The same where one kind was never seen: how they hold for it says what to expect of kinds that nobody brought."""
    return thresholds({kind: scores for kind, scores in kinds.items() if kind != left_out}, medium_rate, high_rate)


def resolves(documents: int, rate: float) -> bool:
    """Whether there are enough documents for a single one to be within the rate."""
    return documents * rate >= 1


def above(scores: Sequence[float], threshold: float) -> int:
    """How many documents reach a threshold."""
    return sum(score >= threshold for score in scores)


def odds(probability: float) -> float:
    """Log odds of a probability between 0 and 1."""
    return math.log(probability / (1 - probability))


def probability(log_odds: float) -> float:
    """A threshold as a configuration states it: a probability, with four significant digits of its distance from 0 or 1."""
    exact = 1 / (1 + math.exp(-log_odds))
    digits = 4 - math.floor(math.log10(min(exact, 1 - exact)))
    return round(exact, digits)


def _threshold(kinds: Scores, rate: float) -> float:
    together = sorted((score for scores in kinds.values() for score in scores), reverse=True)
    return max(_of_kind(together, rate, few=0), *(_of_kind(sorted(scores, reverse=True), rate) for scores in kinds.values()))


def _of_kind(ranked: Sequence[float], rate: float, few: int = FEW) -> float:
    """From scores in descending order."""
    if not ranked:
        return -math.inf
    if resolves(len(ranked), rate):
        allowed = math.floor(len(ranked) * rate)  # fewer than there are: the rate is below 1
        return ranked[allowed] + CLEAR
    return max(ranked[0] + CLEAR, _tail(ranked, rate) if len(ranked) >= few else -math.inf)


def _tail(ranked: Sequence[float], rate: float) -> float:
    """The score that a share `rate` of such documents is expected to reach."""
    count = min(max(len(ranked) // _TAIL_SHARE, _TAIL_LEAST), _TAIL_MOST, sum(map(math.isfinite, ranked)) - 1)
    if count < 1:  # one document with a score, or none: no tail, so it falls off from there as slowly as is assumed at least
        return ranked[0] + _SCALE * -math.log(len(ranked) * rate)
    excess = sum(ranked[:count]) / count - ranked[count]
    scale = max(excess * (1 + 1 / math.sqrt(count)), _SCALE)
    return ranked[count] + scale * math.log(count / (len(ranked) * rate))


def _as_written(threshold: float) -> float:
    """As it will be read again."""
    return odds(probability(min(threshold, _MOST)))
