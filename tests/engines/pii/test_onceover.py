"""What is asked about many places of a text: the answers of a search at each of them, for the work of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.engines.pii.onceover import _ALSO_ASCII, OnceOver

_WORDS = re.compile(r"\b(?:licence|as is\b|warrant)", re.IGNORECASE)


@given(
    st.lists(st.sampled_from(["licence ", "as is ", "warranty, ", "x", " ", "\n", "and so on "]), max_size=200).map("".join),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), max_size=30),
    st.booleans(),
)
def test_windows_have_the_matches_that_lie_in_them(text: str, windows: list[tuple[int, int]], ascend: bool) -> None:
    over = OnceOver(_WORDS, text)
    for start, size in sorted(windows) if ascend else windows:
        found = [match.span() for match in over.within(start, start + size)]
        assert found == [match.span() for match in _WORDS.finditer(text) if start <= match.start() and match.end() <= start + size]


class _Counting:
    """A pattern that says how much it looked through."""

    def __init__(self) -> None:
        self.looked = 0

    def finditer(self, text: str, start: int, end: int) -> Iterator[re.Match[str]]:
        self.looked += end - start
        return _WORDS.finditer(text, start, end)


@given(
    st.lists(
        st.sampled_from(["licence ", "LICENCE ", "l\u0131cence ", "As \u0130s ", "warran\u017fty ", "x", "\n", "and so on "]), max_size=60
    ).map("".join),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=20).map(sorted),
)
def test_words_that_every_match_has_change_nothing(text: str, windows: list[tuple[int, int]]) -> None:
    plain, by_words = OnceOver(_WORDS, text), OnceOver(_WORDS, text, words=("licence", "as is", "warrant"))
    for start, size in windows:
        spans = [[match.span() for match in over.within(start, start + size)] for over in (plain, by_words)]
        assert spans[0] == spans[1]


def test_letters_that_a_pattern_takes_for_ascii_ones_are_known() -> None:
    """Of those whose lower case is not ASCII: a word may be written with them."""
    letters = re.compile("[a-z]", re.IGNORECASE)
    odd = {c for c in map(chr, range(0x80, 0x110000)) if letters.match(c) and not c.lower().isascii()}
    assert odd == set(_ALSO_ASCII)


def test_overlapping_windows_are_looked_through_once() -> None:
    looked = []
    for size in (10_000, 40_000):
        pattern = _Counting()
        over = OnceOver(pattern, "licence or not " * (size // 15))  # type: ignore[arg-type]
        for at in range(0, size, 20):
            over.within(max(0, at - 400), at + 400)
        looked.append(pattern.looked)
    assert looked[0] <= 2 * 10_000
    assert looked[1] <= 4.5 * looked[0]
