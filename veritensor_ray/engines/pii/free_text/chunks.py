"""Cuts text at lines and sentences into chunks that a model reads at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(r"\n+|(?<=[.!?])[\"')\]]?\s+(?=[^\s\da-z])")
_WORD = re.compile(r"\S+")
_LONGEST = 12  # most characters per word on average, so that a text without spaces is cut too


def chunks(text: str, words: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most `words` words, in order. Lines and sentences stay whole if they fit."""
    start = end = count = 0
    for begin, stop in _sentences(text):
        length = len(text[begin:stop].split())
        if count and (count + length > words or stop - start > words * _LONGEST):
            yield start, end
            count = 0
        if not count:
            start = begin
        if length > words or stop - begin > words * _LONGEST:
            yield from _hard(text, begin, stop, words)
            count = 0
            continue
        end = stop
        count += length
    if count:
        yield start, end


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in _END.finditer(text):
        if match.start() > at:
            yield at, match.start()
        at = match.end()
    if at < len(text):
        yield at, len(text)


def _hard(text: str, begin: int, stop: int, words: int) -> Iterator[tuple[int, int]]:
    """Yield pieces of a sentence that is too long. They overlap by a few words, so that no name is cut in two."""
    spans = [match.span() for match in _WORD.finditer(text, begin, stop)]
    spans = [(a, min(a + words * _LONGEST, b)) if b - a > words * _LONGEST else (a, b) for a, b in spans]
    overlap = min(8, words // 4)
    i = 0
    while i < len(spans):
        j = i
        while j < len(spans) and j - i < words and spans[j][1] - spans[i][0] <= words * _LONGEST:
            j += 1
        j = max(j, i + 1)
        yield spans[i][0], spans[j - 1][1]
        if j >= len(spans):
            return
        i = max(j - overlap, i + 1)
