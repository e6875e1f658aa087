"""What the word tagger sees of a word."""

from __future__ import annotations

import numpy as np
import pytest

from veritensor_ray.engines.pii.free_text.word_features import SIZES, words

WHOLE, BEGINNING, ENDING, FORM, BEFORE = range(5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Maria", "maria", [True, True, True, False, True]),  # letters count in lower case, the form says how they were written
        ("Maria", "Mario", [False, True, False, True, True]),
        ("Maria", "Daria", [False, False, True, True, True]),
        ("Maria", "Lucia Maria"[6:], [True] * 5),
        ("İzmir", "izmir", [True, True, True, False, True]),
        ("x" * 40, "x" * 45, [True] * 5),  # of a long word the first 32 letters and the last three
    ],
)
def test_what_two_words_have_in_common(one: str, other: str, same: list[bool]) -> None:
    assert (words(one).rows == words(other).rows)[:, 0].tolist() == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna", "Anna"),
        ("Anna", "ANNA"),
        ("ANNA", "ANna"),
        ("12", "1a"),
        ("1a", "ab"),
        ("ab", "abc"),
        ("Ana", "Añá"),
        ("A", "a"),
        ("a", "1"),
    ],
)
def test_forms_that_are_told_apart(one: str, other: str) -> None:
    assert words(one).rows[FORM, 0] != words(other).rows[FORM, 0]


def test_what_stands_before_a_word_counts() -> None:
    found = words("a b, c\nd (e) f")
    assert len(set(found.rows[BEFORE, 1:].tolist())) == 5
    assert (found.starts.tolist(), found.ends.tolist()) == ([0, 2, 5, 7, 10, 13], [1, 3, 6, 8, 11, 14])


def test_a_word_sees_nothing_of_the_text_before_its_own() -> None:
    alone = words(" Kay said")
    joined = words("before it \0 Kay said", [0, 11])
    assert (joined.rows[:, 2:] == alone.rows).all()


def test_every_row_is_in_its_table() -> None:
    text = "".join(map(chr, range(1, 0x3000))) + " İ ẞ ǆ 𝐀𝒜 12" + "\ud800"
    found = words(text).rows
    assert found.shape[1] > 400
    assert (found.max(1) < np.array(SIZES)).all()


def test_a_text_without_words_has_none() -> None:
    assert words("").rows.shape == words(" ,.\n").rows.shape == (5, 0)
