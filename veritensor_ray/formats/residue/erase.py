"""Removes what was found in the residue of a file: the bytes become zeros, so nothing moves, and no program reads them."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO, cast

from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.residue.strings import VIEW


def erased(source: Source, orders: Orders, *, written_anew: bool = False) -> Source:
    """Return the file without the residue that has orders, which are accounted for. One that is `written_anew` stays as it is until then."""
    found = [order for order in orders if order.mark.view == VIEW and order.mark.member == orders.member and not _unit(order.mark)]
    if not found:
        return source
    for order in found:
        orders.tick(order)
    if written_anew:
        return source
    ranges = _merged(sorted((order.mark.start, order.mark.end) for order in found))
    file = io.BufferedReader(_Erased(source.file, ranges))
    return replace(source, file=cast("BinaryIO", file), directory=None)


def _unit(mark: Mark) -> str | int | None:
    """Return what the place of a finding counts from, if that is not the first byte of the file. Such bytes are elsewhere."""
    return mark.part or mark.column or mark.page


def _merged(ascending: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in ascending:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


class _Erased(io.RawIOBase):
    """A seekable file in which ranges, which ascend and do not touch, read as zeros."""

    def __init__(self, file: BinaryIO, ranges: Sequence[tuple[int, int]]) -> None:
        self._file, self._ranges, self._at = file, ranges, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        self._at = self._file.seek(offset, whence) if base is None else base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        self._file.seek(self._at)
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        end = self._at + len(data)
        for number in range(max(0, bisect_right(self._ranges, (self._at, self._at)) - 1), len(self._ranges)):
            start, stop = self._ranges[number]
            if start >= end:
                break
            first, last = max(start, self._at) - self._at, min(stop, end) - self._at
            if first < last:
                buffer[first:last] = bytes(last - first)
        self._at = end
        return len(data)
