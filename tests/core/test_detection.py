"""A rule whose severity or category does not exist fails where it is made, and says what was probably meant."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import pytest

from veritensor_ray.core.config import SEVERITIES, Severity
from veritensor_ray.core.detection import CATEGORIES, Category, Rule
from veritensor_ray.core.errors import UsageError


def rule(severity: Any = "medium", category: Any = "malware") -> Rule:
    return Rule("mine.word", "A word", "The word.", category, severity, "Remove it.")


@pytest.mark.parametrize(
    ("given", "nearest"), [("meduim", "; did you mean 'medium'?"), ("HIGH", "; did you mean 'high'?"), ("5", ""), (None, ""), (5, "")]
)
def test_a_severity_that_does_not_exist(given: object, nearest: str) -> None:
    with pytest.raises(UsageError) as raised:
        rule(severity=given)
    assert str(raised.value) == f"rule mine.word: severity {given!r} is not one of info, low, medium, high, critical{nearest}"


def test_a_category_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match=r"^rule mine.word: category 'secrets' is not one of .*; did you mean 'secret'\?$"):
        rule(category="secrets")


def test_all_others_exist() -> None:
    assert (get_args(Severity), get_args(Category)) == (SEVERITIES, CATEGORIES)
    rules = [rule(severity, category) for severity in SEVERITIES for category in CATEGORIES]
    assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301  # our own bytes
