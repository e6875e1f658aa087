"""Map hits from offsets in a segment to lines, characters and bytes of the original. It does not depend on any engine."""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa

from veritensor_ray.core.detection import CONTEXT, EVIDENCE, Hit
from veritensor_ray.core.origins import Origins

_LINE_END = re.compile("\n")
_LOCATION = ("row", "column", "page", "paragraph", "part", "view", "decoded_via", "line", "byte_offset", "key")
_COLUMNS = (*_LOCATION, "member", "notice", "owned", "start", "boxes")


class Columns:
    """The positions of the rows of a batch that have hits. Each column is fetched once for all of them."""

    def __init__(self, batch: pa.RecordBatch, rows: Iterable[int]) -> None:
        self._number = {row: number for number, row in enumerate(sorted(set(rows)))}
        some = batch.select(("artifact", *_COLUMNS, "text", "origins")).take(pa.array(self._number, pa.int64()))
        self._artifacts: list[int] = some.column("artifact").to_pylist()
        self._values = [dict(zip(_COLUMNS, values, strict=True)) for values in zip(*map(_items, some.columns[1:-2]), strict=True)]
        self._texts = some.column("text")
        self._origins = _OriginColumns(some.column("origins"))
        self._place: Place | None = None

    def artifact(self, row: int) -> int:
        """Return the artifact that a row belongs to."""
        return self._artifacts[self._number[row]]

    def at(self, row: int) -> Place:
        """Return the text of a row and its position. Hits come sorted, so keeping one at a time is enough."""
        if self._place is None or self._place.row != row:
            number = self._number[row]
            self._place = Place(row, self._values[number], self._texts[number].as_py() or "", self._origins.of(number))
        return self._place


def _items(column: pa.Array) -> list[Any]:
    items: list[Any] = (column.dictionary_decode() if pa.types.is_dictionary(column.type) else column).to_pylist()
    return items


class Place:
    """A text of a batch and its position.

    Hits must come in order, because counting resumes at the previous one.
    """

    def __init__(self, row: int, values: Mapping[str, Any], text: str, origins: Origins | None) -> None:
        self.row, self.values, self.text = row, values, text
        owned = values["owned"]
        self.owned = 1 << 62 if owned is None else int(owned)
        self._start = int(values["start"] or 0)
        self._origins = origins
        self._counted = self._bytes = 0

    @functools.cached_property
    def number(self) -> int:
        """The number of a derived text."""
        return crc32(self.text.encode("utf-8", "replace"))

    @functools.cached_property
    def _line_ends(self) -> list[int]:
        return [found.start() for found in _LINE_END.finditer(self.text)]

    @property
    def of_file(self) -> bool:
        """Whether characters are counted from the beginning of a file of lines."""
        line = self._origins[0].line if self._origins else self.values["line"]
        return line is not None and self.values["row"] is None

    @property
    def first(self) -> int:
        """The first character of the original that the text stands for."""
        return self.span(Hit("", 0, 0))[0]

    @property
    def is_original(self) -> bool:
        """Whether the text stands in the file as it is, character by character."""
        return not self._origins

    def span(self, hit: Hit) -> tuple[int, int]:
        """Return the characters of the original that a hit stands for."""
        return next(self.spans((hit,)))

    def spans(self, hits: Sequence[Hit]) -> Iterator[tuple[int, int]]:
        """Yield the same for each of many hits."""
        if self._origins is None:
            return ((self._start + hit.start, self._start + hit.end) for hit in hits)
        starts, ends = (np.fromiter((hit[i] for hit in hits), np.int64, len(hits)) for i in (1, 2))
        firsts, lasts = self._origins.all_back(len(self.text), np.concatenate((starts, np.maximum(starts, ends - 1))))
        return zip(firsts[: len(hits)].tolist(), lasts[len(hits) :].tolist(), strict=True)

    def derived(self, hit: Hit) -> dict[str, Any]:
        """Return, for a derived text, its number, the hit in it, and the original's characters behind the three fields."""
        origins = self._origins
        if not origins:
            return {}
        shown = min(hit.end, hit.start + EVIDENCE)
        edges = (max(0, hit.start - CONTEXT), hit.start, shown, min(len(self.text), shown + CONTEXT))
        fields = tuple(self._extent(origins, first, last) for first, last in pairwise(edges))
        return {"text": self.number, "start": hit.start, "end": hit.end, "fields": fields}

    def location(self, hit: Hit) -> dict[str, Any]:
        """Return the location of a hit in the original: lines, characters and bytes counted from the beginning of its unit."""
        found = {name: self.values[name] for name in _LOCATION}
        found["start"], found["end"] = self.span(hit)
        if self._origins:
            number = self._origins.number(hit.start)
            origin = self._origins[number]
            straight = origin.straight(self._origins.until(number, len(self.text)))
            below = self._line_ends_in(origin.at, hit.start) if straight else 0
            return found | {"line": None if origin.line is None else origin.line + below, "byte_offset": None}
        if found["line"] is not None:
            found["line"] += self._line_ends_in(0, hit.start)
        if found["byte_offset"] is not None:
            found["byte_offset"] += self._bytes_before(hit.start)
        if boxes := self.values["boxes"]:
            found["box"] = _union(_inside(boxes, hit) or boxes)
        return found

    def boxes(self, hit: Hit) -> Sequence[Mapping[str, int]]:
        """Return the boxes of the words of an image that a hit lies in; none for other texts."""
        return () if self._origins else _inside(self.values["boxes"] or (), hit)

    def _line_ends_in(self, first: int, last: int) -> int:
        return bisect_left(self._line_ends, last) - (bisect_left(self._line_ends, first) if first else 0)

    def _bytes_before(self, at: int) -> int:
        if self.text.isascii():
            return at
        if at < self._counted:
            self._counted = self._bytes = 0
        self._bytes += len(self.text[self._counted : at].encode("utf-8", "replace"))
        self._counted = at
        return self._bytes

    def _extent(self, origins: Origins, first: int, last: int) -> tuple[int, int]:
        """Return the characters of the original that a range of the text comes from."""
        if first >= last:
            return 0, 0
        return origins.back(len(self.text), first)[0], origins.back(len(self.text), last - 1)[1]


class _OriginColumns:
    """Origins of many texts. They stay columns, because there may be one per character."""

    def __init__(self, column: pa.ListArray) -> None:
        self._offsets: list[int] = column.offsets.to_pylist()
        numbers = (column.values.field(name).fill_null(-1).to_numpy() for name in ("at", "start", "end", "line"))
        self._all = Origins(*(number.astype(np.int64) for number in numbers))

    def of(self, number: int) -> Origins | None:
        """Return the origins of a derived text, or None."""
        first, last = self._offsets[number : number + 2]
        return self._all[first:last] if last > first else None


def _inside(boxes: Sequence[Mapping[str, int]], hit: Hit) -> list[Mapping[str, int]]:
    """Return the boxes of the words that a hit lies in."""
    begins = [0, *(box["end"] for box in boxes)]
    return [box for box, begin in zip(boxes, begins, strict=False) if begin < max(hit.end, hit.start + 1) and hit.start < box["end"]]


def _union(boxes: Sequence[Mapping[str, int]]) -> list[int]:
    """Return left, top, right and bottom of the part of the image that holds boxes."""
    edges = ((min, "left"), (min, "top"), (max, "right"), (max, "bottom"))
    return [int(pick(box[edge] for box in boxes)) for pick, edge in edges]
