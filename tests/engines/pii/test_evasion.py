"""Identifiers that are hidden from patterns: found, and placed in the original text."""

from __future__ import annotations

import re

import pytest

from tests.cases import each
from tests.engines.pii.helpers import found
from veritensor_ray.core.origins import Mapped


@each(
    ("text", "expected"),
    [
        ("anna.becker (at) posteo [dot] de", [("email", "anna.becker (at) posteo [dot] de")]),
        ("anna.becker[at]posteo.de", [("email", "anna.becker[at]posteo.de")]),
        ("anna.becker at posteo dot de", [("email", "anna.becker at posteo dot de")]),
        ("anna.becker&#64;posteo&#x2e;de", [("email", "anna.becker&#64;posteo&#x2e;de")]),
        ("?q=anna.becker%40posteo.de", [("email", "anna.becker%40posteo.de")]),
        ("card \uff14\uff15\uff13\uff12 \uff10\uff11\uff15\uff11 \uff11\uff12\uff18\uff13 \uff10\uff13\uff16\uff16",
         [("payment-card", "\uff14\uff15\uff13\uff12 \uff10\uff11\uff15\uff11 \uff11\uff12\uff18\uff13 \uff10\uff13\uff16\uff16")]),
        ("card 4 5 3 2 0 1 5 1 1 2 8 3 0 3 6 6", [("payment-card", "4 5 3 2 0 1 5 1 1 2 8 3 0 3 6 6")]),
        ("SSN 536\u201122\u20118726", [("us-ssn", "536\u201122\u20118726")]),
        ("IBAN DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", [("iban", "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000")]),
        # what stands in the open is found once, as it stands
        ("a\u200bb anna.becker@posteo.de", [("email", "anna.becker@posteo.de")]),
        ("\u0661\u0662\u0663 nothing", []),
    ],
)  # fmt: skip
def test_finds(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        "look at the dot",
        "f(at)",
        "100% of 50%",
        "a & b",
        "привет мир",
        "über 漢字",
        "get_user_by_identifier_and_name",
        "deadbeef" * 5,
    ],
)
def test_leaves_ordinary_text_alone(text: str) -> None:
    assert found(text) == []


def test_maps_back() -> None:
    mapped = Mapped("a&amp;b\u200bc")
    mapped.sub(re.compile("&amp;"), lambda _: "&")
    mapped.sub(re.compile("\u200b"), lambda _: "")
    assert mapped.text == "a&bc"
    assert [mapped.original(i, i + 1) for i in range(4)] == [(0, 1), (1, 6), (6, 7), (8, 9)]
    assert mapped.original(0, 4) == (0, 9)
