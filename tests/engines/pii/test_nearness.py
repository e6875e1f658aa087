"""Identifiers of letters and digits are looked for near what asks for them, and nothing is missed by that."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.engines.pii.helpers import ENGINE
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.pii import nearness
from veritensor_ray.engines.pii.clusters import Near, digits_of
from veritensor_ray.engines.pii.joining import JoinedBatch
from veritensor_ray.engines.pii.number_context import phrases_of
from veritensor_ray.testing import text_batch

REAL = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parents[3] / "docs").glob("*.md"))]
NUMBERS = ["RSSMRA85T10A562S", "GB82 WEST 1234 5698 7654 32", "de89370400440532013000", "QQ 12 34 56 C", "AB123456C", "131052-308T", "S1234567D", "X1234567L", "A123456(3)",
           "12345678Z", "1EG4-TE5-MK73", "C01X00T47", "P1234567", "D1234567890", "abc12def", "0f3a9c77b2e1", "2024-01-02", "v1.2.3", "٣123456Z", "ſ1234567D"]  # fmt: skip


def made(seed: int) -> str:
    chance = random.Random(seed)
    words = [*sorted(phrases_of(nearness._asked())), "passport", "the", "of", "number", "und", "É", "\n", ",", "<b>"]
    return " ".join(chance.choice(NUMBERS if chance.random() < 0.3 else words + ["and"] * 300) for _ in range(1500))


def found(texts: list[str]) -> list[Hit]:
    return ENGINE.scan_text(text_batch(texts))


@pytest.mark.parametrize("seed", range(3))
def test_findings_are_those_of_looking_everywhere(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [made(seed), made(seed + 100).upper(), *made(seed + 200).split("\n")]
    fast = found(texts)
    monkeypatch.setattr(nearness, "places", lambda _: None)
    assert fast == found(texts)
    assert len(fast) > 20


def test_real_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = found(REAL)
    monkeypatch.setattr(nearness, "places", lambda _: None)
    assert fast == found(REAL)


@pytest.mark.parametrize(
    ("begins", "stops", "places", "expected"),
    [
        ([100], [110], [], [False]),
        ([100], [110], [95], [True]),
        ([100], [110], [89], [False]),
        ([100], [110], [115], [True]),
        ([100], [110], [116], [False]),
        ([100, 118, 200], [110, 120, 210], [95], [True, True, False]),
        ([100, 119], [110, 120], [95], [True, False]),
    ],
)
def test_near(begins: list[int], stops: list[int], places: list[int], expected: list[bool]) -> None:
    near = Near(np.array(places, np.int64), 10, 5)
    assert near.mask(np.array(begins), np.array(stops)).tolist() == expected


def test_few_of_the_digits_in_plain_text_are_looked_at() -> None:
    text = "In 2024 the build a1b2 had 12 parts of x86 and y64, see [12]. " * 200
    joined = JoinedBatch.of(text, None)
    places = nearness.places(joined)
    assert places is None or len(places) == 0
    assert len(digits_of(text)) > 2000
