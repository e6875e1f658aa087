"""Matches a pattern around many positions of a text while examining each character only once."""

from __future__ import annotations

import re
from collections import deque

_AHEAD = 2048
_BESIDE = 64  # most characters between two adjacent windows


class OnceOver:
    """Searches for a pattern in windows that move forward through a text, without searching their overlap again.

    A short distance to the next window is searched as well, so that adjacent windows are as cheap as overlapping ones. `longest` limits the
    characters of a match, so that one at the end of a window is found whole.
    """

    def __init__(self, pattern: re.Pattern[str], text: str, longest: int = 256) -> None:
        self._pattern, self._text, self._longest = pattern, text, longest
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
            ahead = self._pattern.finditer(self._text, begin, min(len(self._text), self._until + self._longest))
            found.extend(match for match in ahead if match.start() < self._until)
            self._done = found[-1].end() if found else begin
        while found and found[0].start() < start:
            found.popleft()
        return [match for match in found if match.end() <= end]
