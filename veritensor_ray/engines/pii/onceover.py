"""Matches of a pattern around many places of a text, each character of which is looked at once; it knows no pattern."""

from __future__ import annotations

import re
from collections import deque

_AHEAD = 2048
_BESIDE = 64  # characters between two windows that are side by side


class OnceOver:
    """Looks for a pattern in windows that move on through a text: what two windows share is not looked through again.

    A short way to the next window is looked through as well, so that windows side by side are as cheap as those that overlap. `longest` bounds the characters of a match, so that one at the end of a window is seen whole.
    """

    def __init__(self, pattern: re.Pattern[str], text: str, longest: int = 256) -> None:
        self._pattern, self._text, self._longest = pattern, text, longest
        self._found: deque[re.Match[str]] = deque()
        self._start = self._until = 0  # where the last window began, and up to where matches were looked for
        self._done = 0  # where the last match ended

    def within(self, start: int, end: int) -> list[re.Match[str]]:
        """Those that lie in `[start, end)`. A window that begins before the last one is looked through anew."""
        found = self._found
        follows = self._start <= start <= self._until + _BESIDE and self._until
        if not follows:
            found.clear()
            self._until = self._done = start
        self._start = start
        if end > self._until:
            begin = max(self._until, self._done)
            self._until = end + (_AHEAD if follows else 0)  # where windows overlap, the next one is near
            ahead = self._pattern.finditer(self._text, begin, min(len(self._text), self._until + self._longest))
            found.extend(match for match in ahead if match.start() < self._until)
            self._done = found[-1].end() if found else begin
        while found and found[0].start() < start:
            found.popleft()
        return [match for match in found if match.end() <= end]
