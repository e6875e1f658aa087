"""Where the characters of a text come from that is not the original's own; it knows neither encodings nor identifiers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.int64]]


class Origin(NamedTuple):
    """The characters from `at` on, up to the next origin's, come from `[start, end)` of the original, which begins in `line`.

    Where both are as long, character by character; else each of them stands for the whole range.
    """

    at: int
    start: int
    end: int
    line: int | None = None

    def straight(self, until: int) -> bool:
        """Whether its characters, which end at `until`, are the original's, one by one."""
        return until - self.at == self.end - self.start

    def back(self, until: int, at: int) -> tuple[int, int]:
        """Start and end in the original of its character `at`."""
        if not self.straight(until):
            return self.start, self.end
        start = self.start + at - self.at
        return start, start + 1


def behind(origins: Sequence[Origin], length: int, at: int) -> tuple[Origin, int]:
    """The origin of the character `at` of a text of that length, and where its characters end."""
    index = max(0, bisect_right(origins, at, key=lambda origin: origin.at) - 1)
    return origins[index], origins[index + 1].at if index + 1 < len(origins) else length


def cut_origins(origins: Sequence[Origin], text: str, first: int, last: int) -> list[Origin]:
    """The origins of `text[first:last]`."""
    found = []
    ends = [*(origin.at for origin in origins[1:]), len(text)]
    for origin, until in zip(origins, ends, strict=True):
        begin, end = max(origin.at, first), min(until, last)
        if begin >= end:
            continue
        if origin.straight(until):
            start = origin.start + begin - origin.at
            line = None if origin.line is None else origin.line + text.count("\n", origin.at, begin)
            found.append(Origin(begin - first, start, start + end - begin, line))
        else:
            found.append(origin._replace(at=begin - first))
    return found


class Mapped:
    """`starts` and `ends` have, for each character of `text`, the range of the original that it stands for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts: Array = np.arange(len(text), dtype=np.int64)
        self.ends: Array = self.starts + 1

    def sub(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> None:
        """Replace matches; None leaves one as it is. Every character of a replacement stands for all of its match."""
        parts: list[str] = []
        starts: list[Array] = []
        ends: list[Array] = []
        last = 0
        for match in pattern.finditer(self.text):
            new = replace(match)
            if new is None or new == match.group():
                continue
            a, b = match.span()
            parts += (self.text[last:a], new)
            if len(new) == b - a:  # character by character
                starts += (self.starts[last:a], self.starts[a:b])
                ends += (self.ends[last:a], self.ends[a:b])
            else:
                starts += (self.starts[last:a], np.full(len(new), self.starts[a]))
                ends += (self.ends[last:a], np.full(len(new), self.ends[b - 1]))
            last = b
        if last or parts:
            self.text = "".join([*parts, self.text[last:]])
            self.starts = np.concatenate([*starts, self.starts[last:]])
            self.ends = np.concatenate([*ends, self.ends[last:]])

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original text behind a range of this one."""
        return int(self.starts[start:end].min()), int(self.ends[start:end].max())

    def part(self, start: int, end: int) -> Mapped:
        """A range of it."""
        found = Mapped("")
        found.text, found.starts, found.ends = self.text[start:end], self.starts[start:end], self.ends[start:end]
        return found

    def on(self, parent: Mapped) -> Mapped:
        """The same text, standing for what the characters of `parent`, its original, stand for."""
        found = Mapped("")
        found.text = self.text
        found.starts = parent.starts[self.starts] if len(self.starts) else self.starts
        found.ends = parent.ends[self.ends - 1] if len(self.ends) else self.ends
        return found

    def origins(self, line_of: Callable[[int], int | None] = lambda _: None) -> list[Origin]:
        """The map as origins; `line_of` gives the line of a character of the original."""
        if not len(self.starts):
            return []
        single = self.ends - self.starts == 1
        goes_on = (np.diff(self.starts) == 1) & single[1:] & single[:-1]  # character by character
        same = (np.diff(self.starts) == 0) & (np.diff(self.ends) == 0)  # several for one range
        kind = np.where(goes_on, 1, np.where(same, 2, 0))
        breaks = kind == 0
        breaks[1:] |= (kind[1:] != kind[:-1]) & (kind[:-1] != 0)
        firsts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
        lasts = np.concatenate((firsts[1:], [len(self.starts)])) - 1
        return [
            Origin(int(first), int(self.starts[first]), int(self.ends[last]), line_of(int(self.starts[first])))
            for first, last in zip(firsts, lasts, strict=True)
        ]


def from_origins(text: str, origins: Sequence[Origin]) -> Mapped:
    """The map that a reader gave for a text."""
    found = Mapped(text)
    ends = [*(origin.at for origin in origins[1:]), len(text)]
    for origin, until in zip(origins, ends, strict=True):
        at = slice(origin.at, until)
        if origin.straight(until):
            found.starts[at] = np.arange(origin.start, origin.end)
            found.ends[at] = np.arange(origin.start, origin.end) + 1
        else:
            found.starts[at], found.ends[at] = origin.start, origin.end
    return found
