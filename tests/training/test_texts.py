"""Our own training texts are whole, and the model card counts them right."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from training.injection_grammar import GRAMMAR
from training.texts import choose, expand, lines, written

ROOT = Path(__file__).resolve().parents[2]


def test_every_alternative_is_closed() -> None:
    chosen = random.Random(1)
    assert not [line.text for line in lines() if re.search(r"\[\[|\]\]", choose(chosen, line.text))]


def test_the_model_card_counts_the_lines_and_their_languages() -> None:
    own = list(lines())
    languages = ", ".join(sorted({line.language for line in own}))
    assert f"({len(own)} lines, {languages})" in (ROOT / "veritensor_ray/models/embedded/injection/README.md").read_text()


def test_texts_written_one_by_one_are_whole_and_differ() -> None:
    found = list(written())
    assert [one.text for one in found if not 8 <= len(one.text) <= 1500 or re.search(r"[⟦⟧\t]", one.text)] == []
    assert all((one.span is not None) == one.attack and (one.span is None or one.text[slice(*one.span)].strip()) for one in found)
    assert len({one.text for one in found}) == len(found)
    apart = {(one.language, one.style) for one in found if one.kept_apart}
    assert apart
    assert not apart & {(one.language, one.style) for one in found if not one.kept_apart}


@pytest.mark.parametrize("name", GRAMMAR)
def test_every_entry_of_the_grammar_comes_to_an_end(name: str) -> None:
    chosen = random.Random(1)
    assert not [text for entry in GRAMMAR[name] if re.search(r"@[A-Z]+\b|[{}]", text := expand(chosen, entry))]
