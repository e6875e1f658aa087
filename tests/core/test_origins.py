"""Maps back to the original: the fast ones are what a loop over characters says, and grow with what they give."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.core.origins import Mapped, Origin, Origins, cut_origins, from_origins

_TEXTS = st.text("abc1\n%&;é", max_size=60)


def _plain_sub(mapped: Mapped, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> Mapped:
    """Character by character."""
    text, starts, ends, last = [], [], [], 0

    def keep(first: int, until: int) -> None:
        for i in range(first, until):
            text.append(mapped.text[i])
            starts.append(int(mapped.starts[i]))
            ends.append(int(mapped.ends[i]))

    for match in pattern.finditer(mapped.text):
        new = replace(match)
        if new is None:
            continue
        first, until = match.span()
        keep(last, first)
        for i, character in enumerate(new):
            a, b = (first + i, first + i) if len(new) == until - first else (first, until - 1)
            text.append(character)
            starts.append(int(mapped.starts[a]))
            ends.append(int(mapped.ends[b]))
        last = until
    keep(last, len(mapped.text))
    found = Mapped("".join(text))
    found.starts, found.ends = np.array(starts, np.int64), np.array(ends, np.int64)
    return found


def _same(one: Mapped, other: Mapped) -> None:
    assert (one.text, one.starts.tolist(), one.ends.tolist()) == (other.text, other.starts.tolist(), other.ends.tolist())


@given(_TEXTS, st.sampled_from(["", "x", "yz", "uvw"]))
def test_replacing_is_what_a_loop_says(text: str, new: str) -> None:
    mapped, plain = Mapped(text), Mapped(text)
    for pattern in (re.compile("a+|1"), re.compile("[b%]{1,2}")):
        plain = _plain_sub(plain, pattern, lambda _: new)
        mapped.sub(pattern, lambda _: new)
        _same(mapped, plain)


@st.composite
def _read(draw: st.DrawFn) -> tuple[str, list[Origin]]:
    """A text and where a reader says that it comes from."""
    text, origins, at, start = draw(_TEXTS), [], 0, 0
    while at < len(text):
        size = draw(st.integers(1, len(text) - at))
        wide = draw(st.integers(0, 3))
        origins.append(Origin(at, start, start + size + wide, draw(st.one_of(st.none(), st.integers(1, 9)))))
        at, start = at + size, start + size + wide + draw(st.integers(0, 2))
    return text, origins


@given(_read())
def test_a_map_of_origins_is_what_each_of_them_says(read: tuple[str, list[Origin]]) -> None:
    text, origins = read
    mapped, columns = from_origins(text, origins), Origins.of(origins)
    for number, origin in enumerate(origins):
        until = columns.until(number, len(text))
        for at in range(origin.at, until):
            assert (int(mapped.starts[at]), int(mapped.ends[at])) == origin.back(until, at) == columns.back(len(text), at)
            assert columns.number(at) == number
    if origins:
        starts, ends = columns.all_back(len(text), np.arange(len(text)))
        assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [columns.back(len(text), at) for at in range(len(text))]
    assert list(columns) == origins == columns


@given(_read(), st.data())
def test_a_part_of_a_text_has_the_part_of_its_origins(read: tuple[str, list[Origin]], data: st.DataObject) -> None:
    text, origins = read
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, len(text)))
    part = cut_origins(origins, text, first, last)
    whole, cut = from_origins(text, origins), from_origins(text[first:last], part)
    for number, origin in enumerate(part):
        until = part[number + 1].at if number + 1 < len(part) else last - first
        of = Origins.of(origins)[Origins.of(origins).number(first + origin.at)]
        straight = of.straight(Origins.of(origins).until(Origins.of(origins).number(first + origin.at), len(text)))
        if straight:
            assert cut.starts[origin.at : until].tolist() == whole.starts[first + origin.at : first + until].tolist()
            line = None if of.line is None else of.line + text.count("\n", of.at, first + origin.at)
            assert origin.line == line
        else:
            assert origin == of._replace(at=origin.at)


@given(_read())
def test_lines_are_counted_within_what_stands_there_as_it_was(read: tuple[str, list[Origin]]) -> None:
    text, origins = read
    columns, line_ends = Origins.of(origins), np.array([at for at, c in enumerate(text) if c == "\n"], np.int64)
    lines = columns.lines_at(np.arange(len(text)), len(text), line_ends).tolist()
    for at in range(len(text)):
        origin = columns[columns.number(at)]
        straight = origin.straight(columns.until(columns.number(at), len(text)))
        below = text.count("\n", origin.at, at) if straight else 0
        assert lines[at] == (-1 if origin.line is None else origin.line + below)


class _Counted(str):
    """A text that says how many characters were counted through."""

    looked = 0

    def count(self, sub: str, first: int | None = 0, last: int | None = None) -> int:  # type: ignore[override]
        type(self).looked += (len(self) if last is None else last) - (first or 0)
        return super().count(sub, first, last)


def test_cutting_a_text_of_many_origins_looks_at_each_character_once() -> None:
    looked = []
    for size in (4_000, 16_000):
        text = _Counted("a\n" * (size // 2))
        origins = Origins.of([Origin(at, 3 * at, 3 * at + 100, 1 + at // 2) for at in range(0, size, 100)])
        _Counted.looked = 0
        pieces = [origins.cut(text, at, at + 150) for at in range(0, size, 150)]
        assert sum(map(len, pieces)) <= size // 100 * 2 + 2
        looked.append(_Counted.looked)
    assert looked[1] <= 4.5 * looked[0] <= 4.5 * 4_000
