"""Combines what both models say of a passage, and fits how much each of them counts. It does not depend on either of them.

A passage is described by two numbers, both log odds: what the transformer says, and what the first stage says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from veritensor_ray.engines.word_forms import Array

Mix = tuple[float, float, float]  # a, b and c of a · transformer + b · first stage + c
Pair = tuple[float, float]  # transformer, first stage
_Passage = TypeVar("_Passage", bound=tuple[Any, ...])

ALONE: Mix = (1.0, 0.0, 0.0)  # the transformer's score as it is
_ROUNDS = 5  # which passage of a text is its highest depends on the mix, so it is chosen and fitted again
_STEPS, _STILL = 5000, 1e-6
_DIGITS = 4


def combined(mix: Mix, ceiling: float | None, deep: float, first: float) -> float:
    """Return the log odds of a passage. The transformer's are capped at the ceiling, if there is one."""
    a, b, c = mix
    return float(a * (deep if ceiling is None else min(deep, ceiling)) + b * first + c)


def undominated(passages: Iterable[_Passage]) -> list[_Passage]:
    """Return the passages that no other exceeds in both numbers. These are the first two items of a passage.

    One of them has the highest score of all, whatever the mix, as long as neither a nor b is negative.
    """
    kept: list[_Passage] = []
    for passage in sorted(passages, key=itemgetter(0, 1), reverse=True):
        if not kept or passage[1] > kept[-1][1]:
            kept.append(passage)
    return kept


def fit(clean: Sequence[Sequence[Pair]], attacks: Sequence[Sequence[Pair]], ceiling: float | None = None) -> Mix:
    """Return the mix that best tells attacks from clean texts, each given as its passages; ALONE if none does.

    The fewer texts there are, the closer it stays to the transformer's own score.
    """
    mix = ALONE
    for _ in range(_ROUNDS):
        mix = _fitted(*([_highest(text, mix, ceiling) for text in texts if text] for texts in (clean, attacks)))
    return mix if min(mix[:2]) >= 0 else ALONE


def _highest(text: Sequence[Pair], mix: Mix, ceiling: float | None) -> Pair:
    deep, first = max(text, key=lambda passage: combined(mix, ceiling, *passage))
    return min(deep, math.inf if ceiling is None else ceiling), first


def _fitted(clean: Sequence[Pair], attacks: Sequence[Pair]) -> Mix:
    """Logistic regression with a penalty on the distance from ALONE, where both classes count equally.

    Each step uses an upper bound on the curvature in place of the curvature, so it never overshoots, even if no text is on the wrong side.
    """
    if not clean or not attacks:
        return ALONE
    rows = np.array([(*pair, 1.0) for pair in (*clean, *attacks)])
    labels = np.repeat([0.0, 1.0], [len(clean), len(attacks)])
    fewer = min(len(clean), len(attacks))
    weights = np.where(labels, fewer / len(attacks), fewer / len(clean))
    prior = mix = np.array(ALONE)
    bound = np.linalg.inv(rows.T @ (rows * weights[:, None]) / 4 + np.eye(3))
    for _ in range(_STEPS):
        step = bound @ (rows.T @ (weights * (labels - _share(rows @ mix))) - (mix - prior))
        mix = mix + step
        if np.abs(step).max() < _STILL:
            break
    a, b, c = (round(float(number), _DIGITS) for number in mix)
    return a, b, c


def _share(log_odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -500, 500))))
