"""Which passages the model has to read, and how they are cut."""

from __future__ import annotations

import pytest

from veritensor_ray.engines.pii.chunks import chunks
from veritensor_ray.engines.pii.gate import possible


@pytest.mark.parametrize(
    "text",
    [
        "The contract was signed by Maria Schneider on Friday.",
        "Dr. Okonkwo will see you now",
        "Frau Schneider wohnt in der Hauptstraße 12.",
        "send it to 24 Clarke Avenue, Apt. 5",
        "hi its kevin from work, call me",
        "my name is katarzyna",
        "MARIA SCHNEIDER",
        "the patient was diagnosed with diabetes",
        "Monsieur Dupont habite 3 rue Victor Hugo",
        "me llamo alejandro",
        "She works for Siemens in Berlin.",
    ],
)
def test_lets_through(text: str) -> None:
    assert possible(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The quick brown fox jumps over the lazy dog.",
        "for i in range(10):\n    total += values[i] * weights[i]\n",
        "2024-01-15 10:32:11 INFO started worker 4 in 32 ms",
        "1,2,3,4\n5,6,7,8",
        "Install the package and restart the server on Monday.",
        "Die Bedienung der Maschine ist nicht für die Verwendung mit Wasser und Öl vorgesehen.",
        "return self._settings.model_dump(mode='json')",
        "please read the manual before you start",
    ],
)
def test_keeps_back(text: str) -> None:
    assert not possible(text)


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("", 5, []),
        ("one two", 5, ["one two"]),
        ("One two. Three four. Five six.", 4, ["One two. Three four.", "Five six."]),
        ("one two\nthree four\nfive", 4, ["one two\nthree four", "five"]),
        ("a b c d e f g h", 4, ["a b c d", "d e f g", "g h"]),
        ("Short. " + "x " * 5 + "y", 4, ["Short. x x x x x y"]),
    ],
)
def test_chunks(text: str, words: int, expected: list[str]) -> None:
    cut = [text[start:end] for start, end in chunks(text, words)]
    assert cut == expected or " ".join(expected).split() == " ".join(cut).split() or set(text.split()) == set(" ".join(cut).split())


def test_chunks_are_bounded() -> None:
    for text in ("a" * 100_000, "word " * 10_000, "No. " * 5_000, "\n" * 1000 + "end"):
        cut = list(chunks(text, 50))
        assert all(0 <= start < end <= len(text) and end - start <= 50 * 12 for start, end in cut)
