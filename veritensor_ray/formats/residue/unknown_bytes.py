"""Counts bytes that are neither text nor anything else known, if they are too varied to be padding or the fields of a format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap

_WINDOW = 256
# Different values in so many bytes: about 162 where they are random, as in packed and encrypted data, and fewer than 80 in headers and indexes.
_VARIED = 100


class UnknownBytes:
    """The unknown bytes of one file."""

    def __init__(self) -> None:
        self._count, self._first, self._rest = 0, 0, b""

    def add(self, data: bytes, start: int, known: Iterable[tuple[int, int]]) -> None:
        """Take a piece of the file, whose first byte is at `start`, without the ranges of it that are known."""
        is_left = np.ones(len(data), bool)
        for first, last in known:
            is_left[max(0, first) : max(0, last)] = False
        values = np.concatenate([np.frombuffer(self._rest, np.uint8), np.frombuffer(data, np.uint8)[is_left]])
        whole = len(values) // _WINDOW * _WINDOW
        ordered = np.sort(values[:whole].reshape(-1, _WINDOW), axis=1)
        varied = np.count_nonzero(np.diff(ordered, axis=1), axis=1) >= _VARIED
        if varied.any() and not self._count:
            self._first = start + int(is_left.argmax())
        self._count += _WINDOW * int(varied.sum())
        self._rest = values[whole:].tobytes()

    def gap(self) -> Iterator[Gap]:
        """Yield a gap if there are more than a few of them."""
        if self._count > bounds.UNKNOWN_BYTES:
            where = f"about {self._count:,} bytes, from byte {self._first:,} on,"
            reason = f"{where} belong to no known part of the file, and are neither text nor a known stream"
            yield Gap(reason, f"byte {self._first}", code=ReasonCode.NO_READER)
