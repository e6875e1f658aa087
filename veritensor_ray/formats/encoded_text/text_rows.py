"""The rows of a string column as one byte string: finds the row of a position, and the tokens in the text."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BETWEEN = "\n"  # a token never crosses it


class JoinedRows:
    """The bytes of a column, with a line end between two rows. A null is an empty row."""

    def __init__(self, texts: pa.Array) -> None:
        filled = pc.fill_null(texts, "") if texts.null_count else texts
        self._lengths = pc.binary_length(filled).to_numpy()
        whole = pa.ListArray.from_arrays(pa.array([0, len(filled)], pa.int32()), filled)
        self.data: bytes = pc.binary_join(whole, _BETWEEN)[0].as_buffer().to_pybytes()

    @functools.cached_property
    def _ends(self) -> list[int]:
        ends: list[int] = np.cumsum(self._lengths + len(_BETWEEN)).tolist()
        return ends

    def row(self, at: int) -> int:
        """The row that contains a byte."""
        return bisect_right(self._ends, at)

    def span(self, row: int) -> tuple[int, int]:
        """The start and end of a row."""
        end = self._ends[row] - len(_BETWEEN)
        return end - int(self._lengths[row]), end


def runs(classes: bytes, mark: bytes, gap: bytes = b" ") -> Iterator[tuple[int, int]]:
    """Yield each run without `gap` that contains `mark`, once. `classes` has one byte for the class of each byte or character of a text."""
    at = classes.find(mark)
    while at >= 0:
        end = classes.find(gap, at)
        end = len(classes) if end < 0 else end
        yield classes.rfind(gap, 0, at) + 1, end
        at = classes.find(mark, end)


def table(among: bytes, mark: bytes = b"a", over: bytes = b" " * 256) -> bytes:
    """A table for `bytes.translate` that maps the bytes in `among` to `mark`, and all others as `over` does."""
    return bytes(mark[0] if byte in among else over[byte] for byte in range(256))
