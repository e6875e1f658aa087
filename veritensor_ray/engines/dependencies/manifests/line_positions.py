"""Tells lines and offsets of a text. It does not depend on any format."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator


class LineNumbers:
    """The line of any offset of a text, for the price of a search among the ends of lines. It holds four bytes for each line."""

    def __init__(self, text: str) -> None:
        self._ends = offsets(match.start() for match in re.finditer("\n", text))

    def of(self, at: int) -> int:
        """Return the number of the line that an offset is in."""
        return bisect_left(self._ends, at) + 1


def offsets(found: Iterable[int]) -> array[int]:
    """Return offsets of a text as four bytes each: a hostile text may have millions, which as objects would take ten times as much."""
    return array("I", found)


def lines_of(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield number, offset and text of each line."""
    at = 0
    for number, line in enumerate(text.split("\n"), 1):
        yield number, at, line.rstrip("\r")
        at += len(line) + 1
