"""What is asked about many places of a text: the answers of a search at each of them, for the work of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.engines.pii.onceover import OnceOver

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
