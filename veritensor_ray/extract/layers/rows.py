"""Rows of a string column seen as one buffer of bytes: where runs of some bytes are, and which rows they belong to; it knows no encoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


def offsets_of(texts: pa.Array) -> Array:
    """Where in the buffer each row begins, and the end of the last."""
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)


def runs(data: Array, among: Array, offsets: Array) -> tuple[Array, Array]:
    """Starts and ends of the longest runs of bytes that the table `among` marks, none of them over the border of two rows."""
    inside = np.concatenate(([False], among[data], [False]))
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    cuts = np.unique(offsets)
    cuts = cuts[(cuts > 0) & (cuts < len(data))]
    cuts = cuts[inside[cuts] & inside[cuts + 1]]  # a row that ends in a run, and one that begins with one
    if len(cuts):
        edges = np.sort(np.concatenate((edges, cuts, cuts)))
    return edges[::2], edges[1::2]


def rows_of(texts: pa.Array, places: Sequence[int]) -> set[int]:
    """Rows that bytes of the buffer belong to."""
    if not len(places):
        return set()
    offsets, at = offsets_of(texts), np.array(places, np.int64)
    inside = at[(at >= offsets[0]) & (at < offsets[-1])]
    return set((np.searchsorted(offsets, inside, side="right") - 1).tolist())
