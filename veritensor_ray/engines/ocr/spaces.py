"""Adds spaces that the recognizer missed, based on the gaps in the ink of a line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

_PALE = 90  # of 255: a column with less ink than this is a gap
_WIDER = 1.5  # least width of a space, relative to the gaps between letters of the same line
_NEARLY = 0.7  # least width of a space, relative to the gaps that were read as spaces
_FIRST = 0.12  # least width of a space, relative to the line's height
_JOINED = frozenset("@._-/\\:'`|~^")  # in addresses and names, there are gaps around these without a space


def spaced(text: str, places: Sequence[float], line: np.ndarray[Any, Any]) -> tuple[str, list[float]]:
    """Return the text and the positions of its characters (0 to 1) with spaces added. `line` is -1 for ink and 1 for background."""
    if len(text) < 3:
        return text, list(places)
    ink = 127.5 * (1 - line.min(axis=0))
    solid = [i for i, character in enumerate(text) if character != " "]
    gaps = {(i, j): _widest(ink, places[i], places[j]) for i, j in pairwise(solid)}
    between = sorted(gap for (i, j), gap in gaps.items() if j == i + 1)
    seen = [gap for (i, j), gap in gaps.items() if j > i + 1 and gap > 0]
    if not between:
        return text, list(places)
    usual = between[int(0.75 * (len(between) - 1))]
    least = max(_WIDER * usual, _NEARLY * float(np.median(seen)) if seen else 0.0, _FIRST * line.shape[0])
    result, at = text[0], [places[0]]
    for i in range(1, len(text)):
        number = text[i - 1].isdigit() and text[i].isdigit()  # digits are often spaced like columns of a table
        if gaps.get((i - 1, i), 0.0) > least and not number and not _JOINED & {text[i - 1], text[i]}:
            result += " "
            at.append((places[i - 1] + places[i]) / 2)
        result += text[i]
        at.append(places[i])
    return result, at


def _widest(ink: np.ndarray[Any, Any], start: float, end: float) -> float:
    """Return the width, in columns, of the widest gap between two positions."""
    piece = ink[int(start * len(ink)) : int(end * len(ink)) + 1] < _PALE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], piece, [False]]).astype(np.int8)))
    return float(np.max(edges[1::2] - edges[::2])) if len(edges) else 0.0
