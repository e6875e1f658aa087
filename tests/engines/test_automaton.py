"""The automaton: what it reports, of any bytes, and that work grows with the text."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.engines.automaton import Automaton, Pattern, available

pytestmark = pytest.mark.skipif(not available(), reason="there is no Hyperscan for this machine")
PATTERNS = [Pattern(0, b"key"), Pattern(1, b"key", True), Pattern(2, rb"\bab[\s]*c"), Pattern(3, b"\xe2\x80\xae"), Pattern(1, b"token")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"key", [(0, 3), (1, 3)]),
        (b"KEYkey", [(0, 6), (1, 3), (1, 6)]),
        (b"ab  c xab c", [(2, 5)]),
        (b"token", [(1, 5)]),
        (b"\x00\xff\xe2\x80\xae\xe2\x80", [(3, 5)]),
        (b"\xc3key\x80", [(0, 4), (1, 4)]),
    ],
)
def test_ends(data: bytes, expected: list[tuple[int, int]]) -> None:
    assert sorted(Automaton(PATTERNS).ends(data)) == expected


WORDS = (b"a", b"ab", b"ba", b"bab", b"\x00", b"\xff\x80")
SCANNER = Automaton(Pattern(n, b"".join(b"\\x%02x" % c for c in word)) for n, word in enumerate(WORDS)) if available() else None


@given(st.lists(st.sampled_from([b"a", b"b", b"\x00", b"\xff", b"\x80", b"c"]), max_size=60).map(b"".join))
def test_every_word_is_found_wherever_it_stands(data: bytes) -> None:
    assert SCANNER is not None
    expected = [(n, found.start() + len(word)) for n, word in enumerate(WORDS) for found in re.finditer(b"(?=%b)" % re.escape(word), data)]
    assert sorted(SCANNER.ends(data)) == sorted(expected)


def test_threads_share_one() -> None:
    scanner = Automaton(PATTERNS)
    texts = [b"key " * count for count in range(1, 200)]
    with ThreadPoolExecutor(4) as pool:
        assert [len(found) for found in pool.map(scanner.ends, texts)] == [2 * count for count in range(1, 200)]


def test_a_pattern_that_cannot_be_compiled_raises() -> None:
    with pytest.raises(Exception, match=r"[Rr]epeat|operator"):
        Automaton([Pattern(0, b"*")])
