"""Corrects the spaces that the recognizer read, based on the gaps in the ink of a line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

Line = np.ndarray[Any, Any]

_PALE = 90  # of 255: a column with less ink than this is a gap
_WIDER = 1.5  # least width of a space, relative to the gaps between letters of the same line
_NEARLY = 0.7  # least width of a space, relative to the gaps that were read as spaces
_FIRST = 0.12  # least width of a space, relative to the line's height
_JOINED = frozenset("@._-/\\:'`|~^")  # in addresses and names, there are gaps around these without a space
_LINKS = frozenset("@.-/")  # what links the parts of an address
_TIGHT, _LEAST = 2.5, 0.16  # width, relative to the gaps between letters and to the line's height, up to which a space may be none ...
_FALSE, _BESIDE = 0.4, 0.7  # ... and relative to the other spaces, below which it is none: anywhere, and beside a character of an address
_DOT = 0.2  # width of the dot of an address, relative to the line's height
_NEXT = 1e-6  # by which a dot follows the letter before it: its real place does not matter within a word
_INKED = 0.0  # a point darker than this belongs to a letter


def settled(text: str, places: Sequence[float], line: Line, instead: Sequence[str]) -> tuple[str, list[float]]:
    """Return the text and the positions of its characters without spaces for which the ink has no room, and with dots that stand there.

    The recognizer reads many a dot within an address as a space, or not at all. `instead` has, for each character, the mark that it would have read if
    there were no spaces, or nothing. `line` is -1 for ink and 1 for background.
    """
    gaps = _gaps(text, places, line)
    seen = [gap for (i, j), gap in gaps.items() if j > i + 1 and gap > 0] or [0.0]
    between = sorted(gap for (i, j), gap in gaps.items() if j == i + 1)
    if not between:
        return text, list(places)
    tight = max(_TIGHT * _usual(between), _LEAST * line.shape[0])
    letters = list(text)
    for (i, j), gap in gaps.items():
        if gap > tight:
            continue
        within = text[i].isalnum() and text[j].isalnum()  # beside other characters, the ink may be theirs
        dot = within and _is_dot(line, places[i], places[j])
        if j == i + 1 and dot:
            letters[i] += "."
        if j == i + 2:
            number = text[i].isdigit() and text[j].isdigit()
            mark = "." if dot else instead[i + 1] if within and not number else ""
            if mark or gap < (_BESIDE if _LINKS & {text[i], text[j]} else _FALSE) * float(np.median(seen)):
                letters[i + 1] = mark
    found = [(letter, place + number * _NEXT) for part, place in zip(letters, places, strict=True) for number, letter in enumerate(part)]
    return "".join(letter for letter, _ in found), [place for _, place in found]


def _is_dot(line: Line, start: float, end: float) -> bool:
    """Return whether something low and narrow stands by itself between two positions."""
    piece = line[:, int(start * line.shape[1]) : int(end * line.shape[1]) + 1]
    edges = _empty(piece)
    if len(edges) < 4 or edges[2] - edges[1] > _DOT * line.shape[0]:
        return False
    inked: Any = (piece[:, edges[1] : edges[2]] < _INKED).any(axis=1)
    return bool(inked[len(inked) // 2 :].any() and not inked[: len(inked) // 2].any())


def spaced(text: str, places: Sequence[float], line: Line) -> tuple[str, list[float]]:
    """Return the text and the positions of its characters (0 to 1) with the spaces added that the recognizer missed."""
    if len(text) < 3:
        return text, list(places)
    gaps = _gaps(text, places, line)
    between = sorted(gap for (i, j), gap in gaps.items() if j == i + 1)
    seen = [gap for (i, j), gap in gaps.items() if j > i + 1 and gap > 0]
    if not between:
        return text, list(places)
    least = max(_WIDER * _usual(between), _NEARLY * float(np.median(seen)) if seen else 0.0, _FIRST * line.shape[0])
    result, at = text[0], [places[0]]
    for i in range(1, len(text)):
        number = text[i - 1].isdigit() and text[i].isdigit()  # digits are often spaced like columns of a table
        if gaps.get((i - 1, i), 0.0) > least and not number and not _JOINED & {text[i - 1], text[i]}:
            result += " "
            at.append((places[i - 1] + places[i]) / 2)
        result += text[i]
        at.append(places[i])
    return result, at


def _gaps(text: str, places: Sequence[float], line: Line) -> dict[tuple[int, int], float]:
    """Return the width, in columns, of the widest gap between each two characters that follow each other, apart from spaces."""
    solid = [i for i, character in enumerate(text) if character != " "]
    gaps = {}
    for i, j in pairwise(solid):
        edges = _empty(line[:, int(places[i] * line.shape[1]) : int(places[j] * line.shape[1]) + 1])
        gaps[i, j] = float(np.max(edges[1::2] - edges[::2])) if len(edges) else 0.0
    return gaps


def _usual(between: Sequence[float]) -> float:
    """Return the width of most gaps between letters, which are in order."""
    return between[int(0.75 * (len(between) - 1))]


def _empty(piece: Line) -> np.ndarray[Any, Any]:
    """Return where the columns without ink begin and end."""
    blank = 127.5 * (1 - piece.min(axis=0)) < _PALE
    return np.flatnonzero(np.diff(np.concatenate([[False], blank, [False]]).astype(np.int8)))
