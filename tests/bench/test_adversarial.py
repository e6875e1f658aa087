"""Texts that are made to be slow: there are many of them, and what they cost grows with their size and not with its square."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import adversarial
from bench.adversarial_texts import TEXTS, HostileText, plain

SIZE = 3_000  # characters, and four times as many


@pytest.fixture(scope="module")
def stages() -> dict[str, adversarial.Stage]:
    """Engines loaded once."""
    return adversarial.stages()


def _calls(function: Callable[[], Any]) -> int:
    """Of Python functions and of those in C."""
    made = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return made


def _of_size(stage: adversarial.Stage, hostile: HostileText, size: int, folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    adversarial.write(folder, hostile.suffix, hostile.make(size))
    return _calls(lambda: stage(folder))


@pytest.mark.parametrize("stage", ["static", "injection", "pii"])
@pytest.mark.parametrize("hostile", TEXTS, ids=lambda hostile: hostile.name.replace(" ", "-"))
def test_work_grows_with_the_size_of_a_text(stages: dict[str, adversarial.Stage], hostile: HostileText, stage: str, tmp_path: Path) -> None:
    """Calls that are made for each file alone make the ratio smaller, never larger."""
    small, large = (_of_size(stages[stage], hostile, size, tmp_path / str(size)) for size in (SIZE, 4 * SIZE))
    assert large <= 4.5 * small


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("AWS keys", 25.0),  # each has a row of its own
        ("passwords", 24.6),
        ("dotted tokens", 16.0),
        ("runs of four tag characters", 20.5),
        ("words with two scripts", 3.6),
        ("base64 in lines", 3.6),
        ("the letter a and a right-to-left override", 20.5),
    ],
)
def test_a_hit_among_many_costs_few_calls(stages: dict[str, adversarial.Stage], name: str, most: float, tmp_path: Path) -> None:
    """Of each further character, so that what a file costs by itself does not count."""
    (hostile,) = (one for one in TEXTS if one.name == name)
    small, large = (_of_size(stages["static"], hostile, size, tmp_path / str(size)) for size in (5_000, 20_000))
    assert large - small <= most * 15_000


def test_there_are_texts_for_everything_and_they_are_what_they_say() -> None:
    assert len({hostile.name for hostile in TEXTS}) == len(TEXTS) >= 40
    assert {".txt", ".html", ".xml", ".csv", ".json", ".jsonl", ".eml", ".rtf"} <= {hostile.suffix for hostile in TEXTS}
    for hostile in TEXTS:
        text = hostile.make(5_000)
        assert text == hostile.make(5_000)
        assert 3_000 <= len(text) <= 5_200, hostile.name
    assert len(plain(5_000)) == 5_000


def test_a_text_that_does_not_end_is_told(tmp_path: Path) -> None:
    def never(_: Path) -> float:
        while True:
            pass

    stages: dict[str, adversarial.Stage] = {"static": lambda _: 0.5, "injection": lambda _: 0.25, "pii": never}
    row = adversarial.measured(stages, TEXTS[0], 1_000, cap=1)
    assert row["hostile"] == {"static": None, "injection": None, "pii": None}
    results = {
        "machine": {"cpu": "a processor", "cpus": 2, "python": "3.11"},
        "characters": 1_000,
        "rows": [{**row, "plain": {"static": 1.0, "injection": 1.0, "pii": 1.0}}],
    }
    assert f"The slowest text is **{TEXTS[0].name}**" in adversarial.report(results)
    assert "ended" in adversarial.report(results)
