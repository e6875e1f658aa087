"""Texts that remember their bytes, through everything that readers do with texts."""

from __future__ import annotations

import pytest

from veritensor_ray.formats.office.shared.traced import Spot, TextRun, Traced, joined


def piece(text: str, at: int) -> Traced:
    return Traced(text, (), ("a.xml", at, ""))


TEXT = joined([piece("  one", 10), "\t", piece("two ", 30)])


def runs(text: str) -> list[tuple[int | None, str]]:
    assert isinstance(text, Traced)
    return [(run.spot and run.spot.at, run.whole[run.first : run.last]) for run in text.runs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, [(10, "  one"), (None, "\t"), (30, "two ")]),
        (TEXT.strip(), [(10, "one"), (None, "\t"), (30, "two")]),
        (TEXT[3:7], [(10, "ne"), (None, "\t"), (30, "t")]),
        (TEXT[3:7][1:], [(10, "e"), (None, "\t"), (30, "t")]),
        (joined([TEXT[:2], TEXT[-1:]]), [(10, "  "), (30, " ")]),
        (joined([piece("alone", 5)]), [(5, "alone")]),
        (joined(iter(["plain"])), [(None, "plain")]),
    ],
)
def test_runs(text: str, expected: list[tuple[int | None, str]]) -> None:
    assert runs(text) == expected
    assert text == "".join(part for _, part in expected)


def test_a_slice_knows_where_in_its_piece_it_lies() -> None:
    assert list(piece("abcdef", 7).between(2, 4)) == [TextRun(Spot("a.xml", 7, ""), "abcdef", 2, 4)]


def test_it_is_a_string_for_everything_else() -> None:
    assert TEXT[2] == "o"
    assert hash(TEXT) == hash("  one\ttwo ")
    assert (TEXT[0:0], joined([])) == ("", "")
    assert type(TEXT.upper()) is str
