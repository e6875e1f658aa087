"""Overlapping candidates: which one stays."""

from __future__ import annotations

import itertools

import pytest

from veritensor_ray.engines.pii.joining import Found
from veritensor_ray.engines.pii.merge import merged

CARD, PHONE = Found("payment-card", 0, 16, 0.99), Found("phone", 0, 16, 0.9)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        ([PHONE, CARD], [CARD]),
        ([Found("person", 0, 4, 0.99), Found("email", 0, 20, 0.97)], [Found("email", 0, 20, 0.97)]),
        ([Found("iban", 0, 22, 0.99), Found("payment-card", 3, 19, 0.99)], [Found("iban", 0, 22, 0.99)]),
        ([Found("phone", 0, 8, 0.6), Found("phone", 0, 12, 0.6)], [Found("phone", 0, 12, 0.6)]),
        ([Found("person", 0, 5, 0.9), Found("address", 5, 20, 0.8)], [Found("person", 0, 5, 0.9), Found("address", 5, 20, 0.8)]),
        ([Found("person", 0, 0, 0.9)], []),
        ([Found("national-id", 0, 11, 0.97), Found("phone", 0, 11, 0.88)], [Found("national-id", 0, 11, 0.97)]),
    ],
)
def test_merges(candidates: list[Found], expected: list[Found]) -> None:
    for order in itertools.permutations(candidates):
        assert merged(order) == expected
