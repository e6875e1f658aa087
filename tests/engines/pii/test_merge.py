"""Overlapping candidates: which one stays."""

from __future__ import annotations

import itertools

import pytest

from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.engines.pii.merge import merged

CARD, PHONE = PiiSpan("payment-card", 0, 16, 0.99), PiiSpan("phone", 0, 16, 0.9)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        ([PHONE, CARD], [CARD]),
        ([PiiSpan("person", 0, 4, 0.99), PiiSpan("email", 0, 20, 0.97)], [PiiSpan("email", 0, 20, 0.97)]),
        ([PiiSpan("iban", 0, 22, 0.99), PiiSpan("payment-card", 3, 19, 0.99)], [PiiSpan("iban", 0, 22, 0.99)]),
        ([PiiSpan("phone", 0, 8, 0.6), PiiSpan("phone", 0, 12, 0.6)], [PiiSpan("phone", 0, 12, 0.6)]),
        ([PiiSpan("person", 0, 5, 0.9), PiiSpan("address", 5, 20, 0.8)], [PiiSpan("person", 0, 5, 0.9), PiiSpan("address", 5, 20, 0.8)]),
        ([PiiSpan("person", 0, 0, 0.9)], []),
        ([PiiSpan("national-id", 0, 11, 0.97), PiiSpan("phone", 0, 11, 0.88)], [PiiSpan("national-id", 0, 11, 0.97)]),
    ],
)
def test_merges(candidates: list[PiiSpan], expected: list[PiiSpan]) -> None:
    for order in itertools.permutations(candidates):
        assert merged(order) == expected
