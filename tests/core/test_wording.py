"""Pieces of sentences."""

from __future__ import annotations

import pytest

from veritensor_ray.core.wording import counted, nearest


@pytest.mark.parametrize(("number", "expected"), [(0, "0 findings"), (1, "1 finding"), (2, "2 findings"), (12345, "12,345 findings")])
def test_a_number_with_its_noun(number: int, expected: str) -> None:
    assert counted(number, "finding") == expected


@pytest.mark.parametrize(("value", "expected"), [("secret", "secrets"), ("pi", "pii"), ("weather", None), (7, None)])
def test_the_name_that_somebody_probably_meant(value: object, expected: str | None) -> None:
    assert nearest(value, ("secrets", "pii")) == expected
