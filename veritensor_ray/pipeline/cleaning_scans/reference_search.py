"""Looks in texts for names of files and folders that have other names in the copy, so that links and columns of paths can follow.

It is an engine for cleaning alone: its hits leave marks, and no findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.core.detection import Hit
from veritensor_ray.engines.base import Onlooker
from veritensor_ray.formats.editing.marks import REFERENCE
from veritensor_ray.pipeline.context import Context

_NAME = "references"
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_JOINED = frozenset("_.@~+-")  # characters that make a name and what stands before it one name
_GOES_ON = frozenset(".@+-")  # the same for what follows it, if a letter or digit comes next
_SEPARATORS = frozenset("/\\")
Numbers = np.ndarray[Any, np.dtype[Any]]
_LINE_BREAKS = frozenset(("\\n", "\\r", "\\t"))  # as source code writes them


class _Spot(NamedTuple):
    """Bytes of a column of texts, which follow each other without anything between them."""

    row: int
    start: int
    end: int


class References(Onlooker):
    """An engine that finds the names of a table as parts of paths, also where they are written with the escapes of URLs."""

    name = _NAME

    def __init__(self, renames: Renames) -> None:
        self._renames = renames

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return where the names are."""
        column = texts.column("text")
        limits = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
        data = bytes(memoryview(column.buffers()[2] or b"")[limits[0] : limits[-1]])
        limits = limits - limits[0]
        spots = [*self._spots(data, limits)]
        if escapes := [found.start() for found in _ESCAPE.finditer(data)]:
            spots += self._behind_escapes(data, limits, np.array(escapes))
        if not spots:
            return []
        raw = np.frombuffer(data, np.uint8)
        characters = np.concatenate(([0], np.cumsum((raw & 0xC0) != 0x80)))  # before each byte
        return [Hit(REFERENCE, *_characters(one, characters, limits), one.row, severity="info") for one in _disjoint(spots)]

    def _spots(self, data: bytes, limits: Numbers) -> Iterator[_Spot]:
        for start, end, bare in self._renames.found(data):
            row = int(np.searchsorted(limits, start, "right")) - 1
            first, last = int(limits[row]), int(limits[row + 1])
            if end <= last and _is_part(data, first, start, end, last, bare):
                yield _Spot(row, start, end)

    def _behind_escapes(self, data: bytes, limits: Numbers, at: Numbers) -> Iterator[_Spot]:
        """Yield the names in texts without their escapes, as bytes of the texts with them."""
        at = at[np.searchsorted(limits, at, "right") == np.searchsorted(limits, at + 2, "right")]  # the others are in two texts
        raw = np.frombuffer(data, np.uint8).copy()
        kept = np.ones(len(raw), np.bool_)
        kept[at + 1] = kept[at + 2] = False
        raw[at] = [int(data[one + 1 : one + 3], 16) for one in at.tolist()]
        back = np.append(np.flatnonzero(kept), len(raw))
        for row, start, end in self._spots(raw[kept].tobytes(), np.searchsorted(back, limits)):
            yield _Spot(row, int(back[start]), int(back[end]))


def _disjoint(spots: Iterable[_Spot]) -> Iterator[_Spot]:
    """Yield the first of those that overlap, and of those that begin together, the longest."""
    until = 0
    for one in sorted(spots, key=lambda spot: (spot.start, -spot.end)):
        if one.start >= until:
            until = one.end
            yield one


def _characters(spot: _Spot, characters: Numbers, limits: Numbers) -> tuple[int, int]:
    first = characters[limits[spot.row]]
    return int(characters[spot.start] - first), int(characters[spot.end] - first)


def _is_part(data: bytes, first: int, start: int, end: int, last: int, bare: bool) -> bool:
    """Return whether a name in a text, which lies between two bytes, is all of a part of a path, and not the end of another name.

    One that is not `bare` has a slash beside it, and is not a user in front of a host.
    """
    before = data[max(first, start - 8) : start].decode("utf-8", "ignore")[-2:]
    after = data[end : min(last, end + 8)].decode("utf-8", "ignore")[:2]
    if before and (before[-1].isalnum() or before[-1] in _JOINED) and before not in _LINE_BREAKS:
        return False
    if after and (after[0].isalnum() or after[0] in "_~" or (after[0] in _GOES_ON and after[1:].isalnum())):
        return False
    return bare or (before != "//" and not _SEPARATORS.isdisjoint((before[-1:], after[:1])))


def references(context: Context) -> tuple[References, ...]:
    """Return what looks for renamed files in the texts of a run, if it cleans and files have other names in its copy."""
    renames = context.cleaning.renames if context.cleaning else None
    return () if renames is None else (References(renames),)
