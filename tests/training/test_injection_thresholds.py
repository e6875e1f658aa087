"""Levels stand on what clean documents score, and a text that a package repeats counts once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.documents import Document
from training.injection_thresholds import by_kind, rates, thresholds


def document(kind: str, package: str) -> Document:
    return Document(kind, package, "MIT", "text", may_train=False)


@pytest.mark.parametrize(
    ("packages", "scores", "counted"),
    [
        (["survey"] * 4, [2.5, 2.5, 2.5, 1.0], [2.5, 1.0]),
        (["survey", "forms"], [2.5, 2.5], [2.5, 2.5]),
        (["survey"] * 3, [-math.inf, -math.inf, -30.0], [-math.inf, -math.inf, -30.0]),
    ],
    ids=["fifty translations of one text", "two packages", "texts that were not read"],
)
def test_a_text_that_a_package_repeats_counts_once(packages: list[str], scores: list[float], counted: list[float]) -> None:
    assert by_kind([document("ui", one) for one in packages], np.array(scores))["ui"].tolist() == counted


def test_levels_keep_to_their_rates() -> None:
    kinds = {"mail": np.arange(1000.0), "real: web": np.arange(400.0)}
    levels = thresholds(kinds)
    assert levels == {"low": pytest.approx(985.001), "medium": pytest.approx(996.001), "high": 999.5}
    assert rates(kinds)["mail"] == {"documents": 1000, "low": 14, "medium": 3, "high": 0,
                                    "low left out": 604, "medium left out": 601, "high left out": 600}  # fmt: skip


def test_of_a_large_kind_one_document_in_fifty_may_alarm() -> None:
    assert thresholds({"mail": np.zeros(100_000), "forms": np.arange(100.0)})["medium"] == pytest.approx(97.001)
