"""The mix follows the evidence, and stays with the transformer where there is none."""

from __future__ import annotations

import random

import numpy as np
import pytest

from veritensor_ray.engines.injection.mixing import ALONE, Mix, Pair, combined, fit, undominated

Texts = list[list[Pair]]


def texts(count: int, deep: float, first: float, seed: int = 0) -> Texts:
    """Texts of three passages, of which one is about what is given."""
    chosen = random.Random(seed)
    return [
        [(chosen.gauss(deep - away, 2.0), chosen.gauss(first - away, 2.0)) for away in chosen.sample((0.0, 4.0, 5.0), k=3)]
        for _ in range(count)
    ]


def highest(found: Texts, mix: Mix) -> list[float]:
    return [max(combined(mix, None, *passage) for passage in passages) for passages in found]


def recall(clean: Texts, attacks: Texts, mix: Mix) -> float:
    """Share of the attacks above all but one in twenty of the clean texts."""
    return float(np.mean(np.array(highest(attacks, mix)) > np.quantile(highest(clean, mix), 0.95)))


@pytest.mark.parametrize("seed", range(5))
def test_what_both_know_finds_more_than_what_one_knows(seed: int) -> None:
    clean, attacks = texts(300, 0.0, 5.0, seed), texts(300, 3.0, 8.0, seed + 100)
    mix = fit(clean, attacks)
    assert 0.3 < mix[1] / mix[0] < 3, "they tell equally much, so they count about equally"
    new_clean, new_attacks = texts(2000, 0.0, 5.0, seed + 200), texts(2000, 3.0, 8.0, seed + 300)
    assert recall(new_clean, new_attacks, mix) > recall(new_clean, new_attacks, ALONE) + 0.1


def test_scores_are_log_odds() -> None:
    """Where the two classes are equally many, half of what scores about nothing is an attack."""
    clean, attacks = texts(3000, 0.0, 5.0, 1), texts(3000, 3.0, 8.0, 2)
    mix = fit(clean, attacks)
    between = [sum(-0.5 < score < 0.5 for score in highest(found, mix)) for found in (clean, attacks)]
    assert 0.4 < between[1] / sum(between) < 0.6


@pytest.mark.parametrize(
    ("clean", "attacks"),
    [
        ([], []),
        ([], texts(50, 3.0, 8.0)),
        (texts(50, 0.0, 5.0), [[], []]),
        (texts(100, 0.0, 9.0), texts(100, 4.0, 5.0)),  # the first stage takes clean texts for attacks
        (texts(100, 4.0, 5.0), texts(100, 0.0, 9.0)),  # the transformer does
    ],
    ids=["nothing", "no clean texts", "no passages of attacks", "a first stage that errs", "a transformer that errs"],
)
def test_without_evidence_the_transformer_counts_alone(clean: Texts, attacks: Texts) -> None:
    assert fit(clean, attacks) == ALONE


def test_few_texts_move_it_little() -> None:
    distances = []
    for count in (2, 20, 200):
        mix = fit(texts(count, 0.0, 5.0, 3), texts(300, 3.0, 8.0, 4))
        distances.append(sum(abs(x - y) for x, y in zip(mix, ALONE, strict=True)))
    assert distances == sorted(distances)


def test_texts_that_are_told_apart_without_an_error_have_finite_scores() -> None:
    mix = fit([[(-40.0, -40.0)]] * 90, [[(40.0, 40.0)]] * 90)
    assert np.isfinite(mix).all()
    assert combined(mix, None, -40.0, -40.0) < -5
    assert combined(mix, None, 40.0, 40.0) > 5


def test_beyond_the_ceiling_the_transformer_counts_no_more() -> None:
    clean, attacks = texts(300, 0.0, 5.0), [*texts(270, 3.0, 8.0, 1), *[[(90.0, 5.0)]] * 30]
    capped = [[[(min(deep, 6.0), first) for deep, first in passages] for passages in found] for found in (clean, attacks)]
    assert fit(clean, attacks, 6.0) == fit(capped[0], capped[1]) != fit(clean, attacks)
    assert combined((1.0, 0.5, -1.0), 6.0, 90.0, 2.0) == 6.0


@pytest.mark.parametrize(
    ("passages", "expected"),
    [
        ([], []),
        ([(1.0, 2.0)], [(1.0, 2.0)]),
        ([(1.0, 2.0), (2.0, 1.0)], [(2.0, 1.0), (1.0, 2.0)]),
        ([(1.0, 2.0), (2.0, 2.0), (0.0, 1.0)], [(2.0, 2.0)]),
        ([(1.0, 2.0, "a"), (1.0, 2.0, "b")], [(1.0, 2.0, "a")]),
    ],
)
def test_passages_that_may_be_the_highest(passages: list[Pair], expected: list[Pair]) -> None:
    assert undominated(passages) == expected


def test_the_highest_is_among_them_whatever_the_mix() -> None:
    chosen = random.Random(5)
    for _ in range(200):
        passages = [(chosen.gauss(0, 4), chosen.gauss(0, 4)) for _ in range(40)]
        mix = (chosen.random(), chosen.random(), chosen.gauss(0, 1))
        ceiling = chosen.choice([None, 2.0])
        every, few = (max(combined(mix, ceiling, *one) for one in some) for some in (passages, undominated(passages)))
        assert every == few
