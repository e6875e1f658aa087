"""Words are told from letters drawn by chance, and the table that does so is what its maker writes."""

from __future__ import annotations

import random
import string
from collections import Counter
from pathlib import Path

import pytest

from training.letters import KINDS, surprises, words, written
from veritensor_ray.engines.secrets import likelihood

_CHANCE = random.Random(5)
DRAWN = ["".join(_CHANCE.choice(string.ascii_lowercase) for _ in range(9)) for _ in range(200)]


@pytest.mark.parametrize(
    "word", ["swordfish", "warehouse", "supergeheim", "contrasena", "administrator", "wachtwoord", "dodatkowe", "kubernetes", "middleware"]
)
def test_a_word_is_natural(word: str) -> None:
    assert likelihood.naturalness(word) == 1


def test_letters_drawn_by_chance_are_rare() -> None:
    assert sum(likelihood.rarity(drawn) > 4.7 for drawn in DRAWN) >= 190


def test_a_name_of_words_is_natural_and_a_key_is_not() -> None:
    assert likelihood.naturalness("getUserAccountName") > 0.9
    assert likelihood.naturalness("k3Jd82mQ9xPz71LwT5") < 0.2


def test_the_table_holds_what_follows_what(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / KINDS[0]).mkdir(exist_ok=True)
        (tmp_path / KINDS[0] / f"{n}.txt").write_text(f"the theBanana {'rare' if n else 'odd'}", encoding="utf-8")
    known = words(tmp_path)
    assert known == Counter({"the": 3, "banana": 3})
    table = surprises(known)
    assert min(range(27), key=table["an"].__getitem__) == 0  # an a behind an
    assert len(written(table).splitlines()) == len(table) + 1
