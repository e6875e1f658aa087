"""Matches a pattern around many positions of a text while examining each character only once."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

_AHEAD = 2048
_ALSO_ASCII = "\u0130\u0131\u017f"  # a pattern that ignores case takes these for i and s, but they have other lower-case letters
_BESIDE = 256  # most characters between two adjacent windows: a new search would read as many after its window


def holds_any(words: Sequence[str], text: str) -> bool:
    """Return whether a pattern that ignores case may find one of these words, which are in lower case."""
    low = text.lower()
    return any(map(low.__contains__, words)) or (not low.isascii() and any(map(text.__contains__, _ALSO_ASCII)))


class OnceOver:
    """Searches for a pattern in windows that move forward through a text, without searching their overlap again.

    A short distance to the next window is searched as well, so that adjacent windows are as cheap as overlapping ones. `longest` limits the
    characters of a match, so that one at the end of a window is found whole. `words`, in lower case, are such that every match contains one
    of them: most texts contain none, and looking for words is far cheaper than a pattern that ignores case.
    """

    def __init__(self, pattern: re.Pattern[str], text: str, longest: int = 256, words: Sequence[str] = ("",)) -> None:
        self._pattern, self._text, self._longest, self._words = pattern, text, longest, words
        self._found: deque[re.Match[str]] = deque()
        self._start = self._until = 0  # where the last window began, and how far the text has been searched
        self._done = 0  # where the last match ended

    def within(self, start: int, end: int) -> list[re.Match[str]]:
        """Return the matches in `[start, end)`. A window that begins before the last one is searched from scratch."""
        found = self._found
        follows = self._start <= start <= self._until + _BESIDE and self._until
        if not follows:
            found.clear()
            self._until = self._done = start
        self._start = start
        if end > self._until:
            begin = max(self._until, self._done)
            self._until = end + (_AHEAD if follows else 0)  # if windows overlap, the next one is near
            limit = min(len(self._text), self._until + self._longest)
            if holds_any(self._words, self._text[begin:limit]):
                found.extend(match for match in self._pattern.finditer(self._text, begin, limit) if match.start() < self._until)
            self._done = found[-1].end() if found else begin
        while found and found[0].start() < start:
            found.popleft()
        return [match for match in found if match.end() <= end]
