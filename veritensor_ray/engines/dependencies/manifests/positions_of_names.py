"""Locates names in a text that were found by a parser without positions, in one pass for any number of names."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace

from veritensor_ray.engines.dependencies.advisory_model import Dependency, Index, Item, Unread
from veritensor_ray.engines.dependencies.manifests.line_positions import LineNumbers, offsets

TOKEN = re.compile(r"(?<![A-Za-z0-9@/._-])[@A-Za-z0-9_][A-Za-z0-9@/._-]*")
LOCK_NAME = re.compile(r"""^[ \t]*(?:\{[ \t]*)?name[ \t]*=[ \t]*["']([^"'\n]+)""", re.MULTILINE)
_SEARCHED = 1000  # most words that are not tokens, such as addresses: each needs its own search
KEY = re.compile(r'"([^"\\]*)"\s*+:')


def placed(text: str, items: Iterable[tuple[str, Item]], pattern: re.Pattern[str] = TOKEN) -> Iterator[Item]:
    """Yield items (in the order of the text) with the position of their word: the first after the previous item, or else the first of all.

    A word ends with the item's name. Of a part that could not be parsed, only the line is told. An item whose word does not occur in the text, because it is written with escapes, is left unchanged.
    """
    pairs = list(items)
    wanted = {word: offsets(()) for word, _ in pairs}
    group = 1 if pattern.groups else 0
    for match in pattern.finditer(text):
        found = wanted.get(match[group])
        if found is not None:
            found.append(match.start(group))
    missing = [word for word, starts in wanted.items() if word and not starts and group == 0]
    for word in missing[:_SEARCHED]:
        wanted[word] = offsets(_starts(text, word))
    cursor, lines = 0, LineNumbers(text)
    for word, item in pairs:
        starts = wanted[word]
        if starts:
            at = bisect_left(starts, cursor)
            cursor = starts[at] if at < len(starts) else starts[0]
        if starts and isinstance(item, Unread):
            yield replace(item, line=lines.of(cursor))
        elif starts and isinstance(item, (Dependency, Index)):
            end = cursor + len(word)
            length = len(item.name) if isinstance(item, Dependency) and word.endswith(item.name) else len(word)
            yield replace(item, start=end - length, end=end)
        else:
            yield item


def _starts(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))
