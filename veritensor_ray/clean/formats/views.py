"""The hidden texts, comments and metadata of a file, as its reader sees them, with all characters that belong to each."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import Any

from veritensor_ray.clean.formats.placing import HIDING, Range
from veritensor_ray.clean.orders import Order
from veritensor_ray.extract.source import Reader, Source
from veritensor_ray.origins import Origin
from veritensor_ray.segments import Block


class Views:
    """The texts of a file that readers do not see, found by reading it again."""

    def __init__(self, source: Source, reader: Reader) -> None:
        self._texts: dict[str, list[tuple[int, int, str | None, list[Range]]]] = {view: [] for view in HIDING}
        source.file.seek(0)
        for item in reader(source):
            if isinstance(item, Block) and item.view in self._texts and item.origins is not None:
                for number, origins in enumerate(item.origins):
                    if ranges := _ranges(origins):
                        self._texts[item.view].append((ranges[0][0], ranges[-1][1], _item(item.column, number), ranges))
        source.file.seek(0)
        for texts in self._texts.values():
            texts.sort(key=lambda text: text[:2])

    def whole(self, order: Order) -> Sequence[Range]:
        """Return all characters of the text that the mark of an order lies in: the shortest, if several have the same column."""
        mark = order.mark
        texts = self._texts.get(mark.view, [])
        found = [
            text
            for text in texts[: bisect.bisect_right(texts, mark.start, key=lambda text: text[0])]
            if text[1] >= mark.end and text[2] == mark.column
        ]
        return min(found, key=lambda text: text[1] - text[0])[3] if found else ()

    def all_of(self, view: str) -> Iterator[Sequence[Range]]:
        """Yield the characters of each text of a view."""
        return (text[3] for text in self._texts[view])


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
