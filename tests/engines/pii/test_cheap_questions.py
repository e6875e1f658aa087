"""What is asked before dearer questions: it never changes their answers, and spares most of the work."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.engines.pii import emails, patterns, systems
from veritensor_ray.engines.pii.clusters import around_clusters, clusters, codes_of, digits_of, dotted
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan, words_of
from veritensor_ray.engines.pii.number_context import BIRTH
from veritensor_ray.engines.pii.onceover import OnceOver


def of(*pieces: str, most: int = 80) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), max_size=most).map("".join)


@given(of("1", "23", ".", "1.", "256.", "a", " ", "ä"))
def test_three_full_stops_between_digits(text: str) -> None:
    places = dotted(codes_of(text), digits_of(text)).tolist()
    for match in re.finditer(r"(?=[0-9](\.)[0-9]{1,3}\.[0-9]{1,3}\.[0-9])", text):
        assert match.start(1) in places
    assert all(text[at] == "." and text.count(".", at, at + 9) >= 3 for at in places)


@given(of("1", "23", "4567", " ", "   ", "word", "ä"), st.integers(1, 4), st.integers(1, 6), st.integers(0, 12), st.integers(0, 12))
def test_surroundings_of_clusters(text: str, apart: int, least: int, before: int, behind: int) -> None:
    ranges = list(around_clusters(digits_of(text), apart, least, before, behind))
    inside = {at for start, end in ranges for at in range(start, end + 1)}
    wanted = clusters(digits_of(text), apart, least)
    assert inside == {at for start, end in wanted for at in range(max(0, start - before), end + behind + 1)}
    assert all(first[1] < second[0] for first, second in itertools.pairwise(ranges))


_DATED = of("born ", "date of birth", "of birth: ", "née le ", "DOB", " geb. ", "12.03.1980 ", "1.2.80", " 3 May 1974 ", "May 3, 1974", "19800211 ", " 1980-02-11,",
            "99.99.1999 ", "word ", "and so on in a sentence ", "\n", ". The ", "7 ", "2.5 ", "x" * 30, "é")  # fmt: skip


def _everywhere(joined: JoinedBatch) -> Iterator[PiiSpan]:
    """Every word for birth in the text, and all dates around it."""
    text = joined.text
    for cue in BIRTH.finditer(text):
        end = min(len(text), cue.end() + patterns._AFTER)
        behind = _all_dates(text, cue.end(), end)[:1]
        ahead = _all_dates(text, max(0, cue.start() - patterns._BEFORE), cue.start())[:1]
        for date in (*behind, *ahead):
            between = text[cue.end() : date.start()] or text[date.end() : cue.start()]
            words = len(words_of(between))
            if words <= patterns._WORDS and not patterns._OTHER.search(between):
                yield PiiSpan("date-of-birth", *date.span(), round(0.95 - 0.01 * words, 3))
                break


def _all_dates(text: str, start: int, end: int) -> list[re.Match[str]]:
    forms = (patterns._NUMERIC_DATE, patterns._WORDED, patterns._MONTH_FIRST, patterns._COMPACT)
    some = [match for form in forms for match in form.finditer(text, start, end + patterns._SEEN) if match.end() <= end]
    numbers = (patterns._NUMERIC_DATE, patterns._COMPACT)
    held = [match for match in some if match.re not in numbers or patterns._calendar(match.group())]
    return sorted(held, key=lambda match: (match.start(), -match.end()))


@given(_DATED)
def test_dates_of_birth_are_those_of_looking_everywhere(text: str) -> None:
    joined = JoinedBatch.of(text, None)
    assert list(patterns._births(joined)) == list(_everywhere(joined))


def test_words_for_birth_far_from_digits_are_not_looked_at() -> None:
    text = "She was born in a village; the date of birth is not known. " * 200
    assert not list(patterns._cues(JoinedBatch.of(text, None)))
    assert len(list(patterns._cues(JoinedBatch.of(text + "In 1980 " + text, None)))) <= 4


@given(of("Jane ", "Miller", "name: ", "by ", "e-mail: ", "email=", "- ", ",", ".", "<", '"', "_", "d'", "’", "7", "é", "\n", " ", most=24))
def test_a_line_with_many_words_is_no_list_of_authors(text: str) -> None:
    assert emails._is_listed(text) == (emails._LISTED.fullmatch(text) is not None)


@given(of("Copyright ", "(C)", "©", "SPDX-x", "@author", "authors", "mails", ": ", "=", "moduleauthor ", "maintainer", "maintained by", "Co-Authored-By",
          "signed-off", "reported-by", "written by", "patches by", "inspired by", "wrote this file", " ", "x", "ſ", most=12))  # fmt: skip
def test_lines_of_authors(text: str) -> None:
    assert emails._is_signed(text) == (emails._SIGNED.search(text) is not None)


@given(
    of(
        "isbn",
        "-13",
        "ISBN-10",
        "expires_",
        "expir",
        "12",
        "arXiv",
        "cas no",
        ".",
        "§",
        "page",
        "build",
        " ",
        "\xa0",
        ": ",
        "=",
        "(",
        '"',
        "_at",
        "time",
        "9",
        "é",
        most=8,
    )
)
def test_a_word_that_names_a_number_ends_before_it(left: str) -> None:
    if systems._NAMED.search(left) or systems._TIMED.search(left):
        assert systems._may_be_named(left)


@pytest.mark.parametrize(
    ("left", "expected"), [("030 1234567 ", False), ("", False), ("+49 ", False), ("isbn-13: ", True), ("page 3, p.", True)]
)
def test_few_numbers_may_be_named(left: str, expected: bool) -> None:
    assert systems._may_be_named(left) is expected


@given(of("{", ";", "::", "->", "0x1", "x0x", "at a.b", "at x", "that x.", " ", "word", "é", most=10))
def test_lines_of_code(line: str) -> None:
    assert patterns._is_code(line) == (re.search(r"[{};=<>|\\]|\b0x|::|->|\bat \w+\.", line) is not None)


class _Counting:
    looked = 0

    def finditer(self, text: str, start: int, end: int) -> Iterator[re.Match[str]]:
        self.looked += end - start
        return re.finditer("licence", text[start:end])


def test_lines_side_by_side_are_looked_through_once() -> None:
    pattern, text = _Counting(), "a line of the licence\n" * 2000
    over = OnceOver(pattern, text)  # type: ignore[arg-type]
    for at in range(0, len(text), 22):
        over.within(at, at + 21)
    assert pattern.looked < 1.5 * len(text)
