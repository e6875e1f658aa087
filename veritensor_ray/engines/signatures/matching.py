"""Many cells in one buffer, matched once, offsets mapped back: a call per cell would cost more than the matching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.engines.base import Hit

if TYPE_CHECKING:
    from veritensor_ray.engines.signatures.ruleset import RuleSet

SEPARATOR = "\n\x1e\n"  # no rule's pattern crosses it, and words end at it
BUFFER = 4 << 20


class Joined:
    """Consecutive rows of a text column as one buffer."""

    def __init__(self, texts: pa.Array, first: int = 0) -> None:
        self._first = first
        self._data: bytes = pc.binary_join(_as_list(texts), SEPARATOR)[0].as_buffer().to_pybytes()
        lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy()
        self._starts = np.concatenate(([0], np.cumsum(lengths[:-1] + len(SEPARATOR)))) if len(lengths) else lengths
        self._ends = self._starts + lengths

    @staticmethod
    def pieces(texts: pa.Array) -> Iterator[Joined]:
        """The column in buffers of about four megabytes."""
        lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy()
        marks = np.cumsum(lengths) // BUFFER
        cuts = [0, *(np.flatnonzero(np.diff(marks)) + 1).tolist(), len(texts)]
        for start, end in pairwise(cuts):
            if end > start:
                yield Joined(texts.slice(start, end - start), start)

    def hits(self, rules: RuleSet) -> list[Hit]:
        """Matches with character offsets in the row that they begin in; what lies beyond it is cut off."""
        found = sorted(rules.match(self._data), key=lambda m: m[1])
        if not found:
            return []
        rows = np.searchsorted(self._starts, [start for _, start, _ in found], side="right") - 1
        hits: list[Hit] = []
        index = _CharIndex(self._data)
        for (rule, start, end), row in zip(found, rows.tolist(), strict=True):
            if start >= self._ends[row] and row + 1 < len(self._starts):
                row += 1  # it begins in the separator: a rule that wants something else before a word
            begin = int(self._starts[row])
            first, last = max(start, begin), min(end, int(self._ends[row]))
            if last > first:
                hits.append(Hit(rule, *index.span(begin, first, last), row + self._first))
        return distinct(hits)


def _as_list(texts: pa.Array) -> pa.Array:
    filled = pc.fill_null(texts, "")
    return pa.ListArray.from_arrays(pa.array([0, len(filled)], pa.int32()), filled)


class _CharIndex:
    """Characters between a row's beginning and a byte in it; asked in rising order, so that no byte is counted twice.

    A rule may match within a character (`[^\\x00-\\x7f]` does): it then counts whole, at both ends of the match.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._begin = self._byte = self._char = 0

    def span(self, begin: int, start: int, end: int) -> tuple[int, int]:
        if begin != self._begin or start < self._byte:
            self._begin = self._byte = begin
            self._char = 0
        self._char += self._leads(self._byte, start)
        self._byte = start
        inside = _continues(self._data[start])
        return self._char - inside, self._char + self._leads(start, end)

    def _leads(self, start: int, end: int) -> int:
        """Characters that begin in a range."""
        piece = self._data[start:end]
        return len(piece) if piece.isascii() else int(np.count_nonzero(np.frombuffer(piece, np.uint8) & 0xC0 != 0x80))


def _continues(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def distinct(hits: Iterable[Hit]) -> list[Hit]:
    """Hits of one rule that overlap are one hit: several strings of a rule often see the same words."""
    kept: list[Hit] = []
    ends: dict[tuple[int | None, str], int] = {}
    for hit in sorted(hits, key=lambda h: (h.row or 0, h.start, -h.end)):
        key = (hit.row, hit.rule)
        if hit.start < ends.get(key, -1):
            continue
        ends[key] = hit.end
        kept.append(hit)
    return kept
