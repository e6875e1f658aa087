"""Joins many texts into one buffer that is matched once, and maps positions in it back to texts and characters.

Calling a matcher for each text would cost more than the matching itself. Byte matchers need bytes and Python's patterns need characters,
so there are two kinds of buffer.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SEPARATOR = "\n\x1e\n"  # no pattern matches across it, and words end at it
BUFFER = 4 << 20

Lengths = npt.NDArray[np.integer[Any]]


class Joined:
    """Consecutive texts in one buffer. Positions count bytes or characters, depending on the kind of buffer."""

    def __init__(self, lengths: Lengths) -> None:
        self._ends = np.cumsum(lengths + len(SEPARATOR)) - len(SEPARATOR)
        self._starts = self._ends - lengths

    @functools.cached_property
    def starts(self) -> list[int]:
        """Where each text begins. Computed on first use, like `ends`, because most buffers contain no match."""
        starts: list[int] = self._starts.tolist()
        return starts

    @functools.cached_property
    def ends(self) -> list[int]:
        """Where each text ends."""
        ends: list[int] = self._ends.tolist()
        return ends

    def index(self, position: int) -> int:
        """Return the number of the text that contains a position, counted from the buffer's first text."""
        return bisect.bisect_right(self.starts, position) - 1


class JoinedBytes(Joined):
    """A buffer of UTF-8, made of the texts of a column from row `first` on. `lengths` are theirs in bytes, if they are known."""

    def __init__(self, texts: pa.Array, first: int = 0, lengths: Lengths | None = None) -> None:
        self.data: bytes = buffer_of(texts).to_pybytes()
        self.first = first
        super().__init__(byte_lengths(texts) if lengths is None else lengths)

    @staticmethod
    def pieces(texts: pa.Array) -> Iterator[JoinedBytes]:
        """Yield a column of texts as buffers of about four megabytes."""
        lengths = byte_lengths(texts)
        for start, end in cuts(lengths, BUFFER):
            yield JoinedBytes(texts.slice(start, end - start), start, lengths[start:end])

    @functools.cached_property
    def text(self) -> str:
        """The buffer with one character per byte, so that byte matchers and Python's patterns agree about positions."""
        return self.data.decode("latin-1")

    def spans(self, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
        """Yield, for each range of bytes, the row of the text in which it begins, and its first and last character there.

        A range that begins in a separator belongs to the next text (a pattern may require a delimiter before a word). The part beyond the
        text is cut off; first and last are equal if nothing is left. A character that a range covers in part counts as a whole.
        """
        if not ranges:
            return iter(())
        wanted = np.fromiter(chain.from_iterable(ranges), np.int64, 2 * len(ranges)).reshape(-1, 2)
        rows = np.searchsorted(self._starts, wanted[:, 0], side="right") - 1
        rows += (wanted[:, 0] >= self._ends[rows]) & (rows + 1 < len(self._starts))
        begins = self._starts[rows]
        firsts, lasts = np.maximum(wanted[:, 0], begins), np.minimum(wanted[:, 1], self._ends[rows])
        begin, first, last = (places - np.searchsorted(self._inside, places) for places in (begins, firsts + 1, lasts))
        left = lasts > firsts
        return zip((self.first + rows).tolist(), ((first - 1 - begin) * left).tolist(), ((last - begin) * left).tolist(), strict=True)

    @functools.cached_property
    def _inside(self) -> Lengths:
        """The positions of UTF-8 continuation bytes. Every other byte before a position begins a character."""
        if self.data.isascii():
            return np.zeros(0, np.int64)
        return np.flatnonzero(np.frombuffer(self.data, np.uint8) & 0xC0 == 0x80)


class JoinedText(Joined):
    """A buffer of characters, with access to the text around a position."""

    def __init__(self, text: str, lengths: Lengths) -> None:
        self.text = text
        super().__init__(lengths)

    def texts(self) -> Iterator[tuple[int, str]]:
        """Yield each text with the position where it begins."""
        for start, end in zip(self.starts, self.ends, strict=True):
            yield start, self.text[start:end]

    def before(self, start: int, width: int) -> str:
        """Return up to `width` characters before a position, within the same text."""
        return self.text[max(self.starts[self.index(start)], start - width) : start]

    def after(self, end: int, width: int) -> str:
        """Return up to `width` characters after a position, within the same text."""
        return self.text[end : min(self.ends[self.index(max(end - 1, 0))], end + width)]

    def line(self, start: int, end: int, width: int = 160) -> str:
        """Return the line around a range, with at most `width` characters on either side."""
        first, last = self.line_span(start, end, width)
        return self.text[first:last]

    def line_span(self, start: int, end: int, width: int = 160) -> tuple[int, int]:
        """Return where that line begins and ends."""
        left, right = self.before(start, width), self.after(end, width)
        return start - len(left) + left.rfind("\n") + 1, end + len(right.partition("\n")[0])


def cuts(lengths: Lengths, size: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of a column of texts that add up to buffers of about `size`."""
    if lengths.sum() < size:  # as in most batches
        yield from [(0, len(lengths))] if len(lengths) else ()
        return
    marks = np.cumsum(lengths) // size
    for start, end in pairwise([0, *(np.flatnonzero(np.diff(marks)) + 1).tolist(), len(lengths)]):
        if end > start:
            yield start, end


def byte_lengths(texts: pa.Array) -> Lengths:
    """Return the length of each text in bytes, 0 for null."""
    return _numbers(pc.binary_length(texts))


def text_lengths(texts: pa.Array) -> Lengths:
    """Return the length of each text in characters, 0 for null."""
    return _numbers(pc.utf8_length(texts))


def buffer_of(texts: pa.Array) -> pa.Buffer:
    """Return all texts as UTF-8, with separators between them."""
    filled = pc.fill_null(texts, "") if texts.null_count else texts  # even the attempt takes long for a small batch
    return pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(filled)], pa.int32()), filled), SEPARATOR)[0].as_buffer()


def _numbers(counted: pa.Array) -> Lengths:
    numbers: Lengths = (pc.fill_null(counted, 0) if counted.null_count else counted).to_numpy()
    return numbers
