"""Our own training texts are whole, and the model card counts them right."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from training.injection_grammar import GRAMMAR
from training.texts import FOLDER, choose, expand, lines, withdrawn, written

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


def test_orders_that_withdraw_a_task_are_made_in_every_language_of_our_written_texts() -> None:
    parts = [line.split("\t") for line in (FOLDER / "injection/withdrawn.tsv").read_text("utf-8").splitlines()]
    chosen = random.Random(1)
    assert {len(row) for row in parts} == {3}
    assert {(part, text.count("%s")) for _, part, text in parts} == {
        ("both", 1),
        ("say", 1),
        ("drop", 0),
        ("twin", 0),
        ("form", 0),
        ("follow", 0),
    }
    assert not [text for *_, text in parts if re.search(r"[{}|@]", expand(chosen, text))]
    needed = {language for language, *_ in parts}
    assert all(
        {(language, part) for part in ("both", "drop", "say", "twin")} <= {(one, part) for one, part, _ in parts} for language in needed
    )
    assert needed == {one.language for one in written()} & needed


def test_orders_that_withdraw_a_task_say_where_they_begin_and_have_harmless_twins() -> None:
    found = withdrawn(random.Random(1), 2)
    assert sum(one.attack for one in found) == 2 * len(
        {line.split("\t")[0] for line in (FOLDER / "injection/withdrawn.tsv").read_text("utf-8").splitlines()}
    )
    assert sum(not one.attack for one in found) > sum(one.attack for one in found)
    assert all(
        one.text[one.start :].strip() and "%s" not in one.text and "{" not in one.text[one.start : one.start + 20]
        for one in found
        if one.attack
    )
    assert found == withdrawn(random.Random(1), 2)
