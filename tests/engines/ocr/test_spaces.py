"""Spaces are those for which the ink of a line has room, and digits are read where an account number has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.cases import each
from veritensor_ray.engines.ocr.misread_digits import with_digits
from veritensor_ray.engines.ocr.spaces import settled, spaced

HIGH, LETTER, DOT = 64, 12, 5
Gap = int | tuple[int, int]  # columns without ink, or those on both sides of a dot


def line(text: str, gaps: Sequence[Gap]) -> tuple[list[float], np.ndarray]:
    """The places of the characters of a text, and a picture in which each letter is a block."""
    columns = [np.ones(HIGH)] * 4
    letter, low, blank = (np.ones(HIGH) for _ in range(3))
    letter[10:54] = low[46:54] = -1
    middles = []
    for _, gap in zip(text.replace(" ", ""), [*gaps, 4], strict=True):
        middles.append(len(columns) + LETTER / 2)
        columns += [letter] * LETTER
        columns += [blank] * gap if isinstance(gap, int) else [blank] * gap[0] + [low] * DOT + [blank] * gap[1]
    places: list[float] = []
    for at, character in enumerate(text):
        if character == " ":
            after = len(text[:at].replace(" ", ""))
            places.append((middles[after - 1] + middles[after]) / 2 / len(columns))
        else:
            places.append(middles[len(text[:at].replace(" ", ""))] / len(columns))
    return places, np.stack(columns, axis=1)


@each(
    ("text", "gaps", "mark", "expected"),
    [
        pytest.param("ab cd", (3, 14, 3), "", "ab cd", id="a space"),
        pytest.param("ab cd ef", (3, 14, 3, 9, 3), "", "ab cd ef", id="a narrow space"),
        pytest.param("ab cd ef", (3, 14, 3, 13, 3), ".", "ab cd ef", id="a space in place of which the network might have read a dot"),
        pytest.param("ab cd ef", (3, 14, 3, (4, 4), 3), "", "ab cd.ef", id="a dot"),
        pytest.param("ab cd", (3, (4, 4), 3), "", "ab.cd", id="a dot in a line without spaces"),
        pytest.param("ab cd ef", (3, 14, 3, (4, 4), 3), "-", "ab cd.ef", id="a dot that the network takes for something else"),
        pytest.param("ab cd ef", (8, 30, 8, (12, 12), 8), "", "ab cd.ef", id="a dot between letters that stand far apart"),
        pytest.param("ab cd ef", (3, 14, 3, 6, 3), "-", "ab cd-ef", id="a mark that touches a letter"),
        pytest.param("abcd", (3, (4, 4), 3), "", "ab.cd", id="a dot that was not read"),
        pytest.param("a.cd", (3, 3, 3), "", "a.cd", id="a dot that was read"),
        pytest.param("ab,cd", (3, (4, 1), 3, 3), "", "ab,cd", id="the ink of a comma"),
        pytest.param("ab cd _", (3, 14, 3, 5), "", "ab cd _", id="a mark that the network reads in place of the end of a sentence"),
        pytest.param("a 55 01", (14, 3, 10, 3), ".", "a 55 01", id="groups of digits"),
        pytest.param("a 55 01", (14, 3, (4, 4), 3), "", "a 55.01", id="a dot between digits"),
        pytest.param("ab c d", (3, 14, 2), "", "ab cd", id="no gap"),
        pytest.param("ab cd @ef", (3, 14, 3, 5, 3, 3), "", "ab cd@ef", id="a gap beside a character of an address"),
        pytest.param("ab cd. ef", (3, 14, 3, 2, 5, 3), ".", "ab cd.ef", id="a gap beside a dot that was read"),
    ],
)
def test_a_space_without_room_is_none(text: str, gaps: Sequence[Gap], mark: str, expected: str) -> None:
    places, picture = line(text, gaps)
    found, kept = settled(text, places, picture, [mark if character == " " else "" for character in text])
    assert found == expected
    assert len(kept) == len(found)
    assert kept == sorted(kept)
    assert spaced(found, kept, picture)[0] == expected


def test_a_missing_space_is_added() -> None:
    places, picture = line("abcd", (3, 14, 3))
    assert spaced("abcd", places, picture)[0] == "ab cd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paid with DEO6 3704 0044 0242 8863 03 today", "Paid with DE06 3704 0044 0242 8863 03 today"),
        ("(DEIS370400440242)", "(DE15370400440242)"),
        ("DEl2 3704 0044 6651, DEZB 3704 0044 6651", "DE12 3704 0044 6651, DE28 3704 0044 6651"),
        ("DEO6 and 3704 0044 0242", "DEO6 and 3704 0044 0242"),
        ("SIDEO6 3704 0044 0242", "SIDEO6 3704 0044 0242"),
        ("CODE 3704 0044 0242", "CODE 3704 0044 0242"),
    ],
)
def test_digits_are_read_where_an_account_number_has_them(text: str, expected: str) -> None:
    assert with_digits(text) == expected
