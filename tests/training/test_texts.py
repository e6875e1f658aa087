"""Our own training texts are whole, and the model card counts them right."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from training.injection_grammar import GRAMMAR
from training.texts import choose, expand, lines

ROOT = Path(__file__).resolve().parents[2]


def test_every_alternative_is_closed() -> None:
    chosen = random.Random(1)
    assert not [line.text for line in lines() if re.search(r"\[\[|\]\]", choose(chosen, line.text))]


def test_the_model_card_counts_the_lines_and_their_languages() -> None:
    own = list(lines())
    languages = ", ".join(sorted({line.language for line in own}))
    assert f"({len(own)} lines, {languages})" in (ROOT / "veritensor_ray/models/embedded/injection/README.md").read_text()


@pytest.mark.parametrize("name", GRAMMAR)
def test_every_entry_of_the_grammar_comes_to_an_end(name: str) -> None:
    chosen = random.Random(1)
    assert not [text for entry in GRAMMAR[name] if re.search(r"@[A-Z]+\b|[{}]", text := expand(chosen, entry))]
