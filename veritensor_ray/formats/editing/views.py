"""The hidden texts, comments and metadata of a file, as its reader sees them, with all characters that belong to each."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Reader, Source
from veritensor_ray.formats.editing.edits import Order
from veritensor_ray.formats.editing.spans import UNSEEN_VIEWS, Range


class Views:
    """The texts of a file that readers do not see. The file is read again only if they are asked for."""

    def __init__(self, source: Source, reader: Reader) -> None:
        self._source, self._reader = source, reader

    @functools.cached_property
    def _texts(self) -> dict[tuple[str, str | None], _HiddenTexts]:
        found: dict[tuple[str, str | None], list[Sequence[Range]]] = {}
        self._source.file.seek(0)
        for item in self._reader(self._source):
            if isinstance(item, Block) and item.view in UNSEEN_VIEWS and item.origins is not None:
                for number, origins in enumerate(item.origins):
                    if ranges := _ranges(origins):
                        found.setdefault((item.view, _item(item.column, number)), []).append(ranges)
        self._source.file.seek(0)
        return {key: _HiddenTexts(texts) for key, texts in found.items()}

    def whole(self, order: Order) -> Sequence[Range]:
        """Return all characters of the text that the mark of an order lies in: the shortest, if there are several."""
        mark = order.mark
        texts = self._texts.get((mark.view, mark.column))
        return texts.around(mark.start, mark.end) if texts else ()

    def all_of(self, view: str) -> Iterator[Sequence[Range]]:
        """Yield the characters of each text of a view."""
        for (own, _), texts in self._texts.items():
            if own == view:
                yield from texts.ranges


class _HiddenTexts:
    """The characters of texts, in order of their beginning."""

    def __init__(self, texts: list[Sequence[Range]]) -> None:
        self.ranges = sorted(texts, key=lambda ranges: ranges[0][0])
        self._starts = [ranges[0][0] for ranges in self.ranges]
        self._ends = [*itertools.accumulate((ranges[-1][1] for ranges in self.ranges), max)]  # of a text or of one before it

    def around(self, start: int, end: int) -> Sequence[Range]:
        """Return the shortest text that reaches from `start` to `end`; empty if there is none."""
        found: Sequence[Range] = ()
        number = bisect.bisect_right(self._starts, start) - 1
        while number >= 0 and self._ends[number] >= end:
            ranges = self.ranges[number]
            if ranges[-1][1] >= end and (not found or _length(ranges) < _length(found)):
                found = ranges
            number -= 1
        return found


def _length(ranges: Sequence[Range]) -> int:
    return ranges[-1][1] - ranges[0][0]


def _ranges(origins: Sequence[Origin]) -> list[Range]:
    """Return the characters that a text comes from, as ranges that do not touch."""
    ranges: list[Range] = []
    for _, start, end, _ in sorted(origins, key=lambda one: one[1:3]):
        if start >= end:
            continue
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def _item(value: Any, number: int) -> str | None:
    found: str | None = value if value is None or isinstance(value, str) else value[number]
    return found
