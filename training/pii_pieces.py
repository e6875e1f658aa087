"""Text in pieces, each with a label or none, and what belongs together; it knows neither templates nor models."""

from __future__ import annotations

import re
from collections.abc import Sequence

Piece = tuple[str, str]  # text, label (empty: no entity)
_GAP = re.compile(r"\s*[,;/-]?\s+|\n", re.S)
_PLACE = ("address", "location")


def text_of(pieces: Sequence[Piece]) -> str:
    return "".join(text for text, _ in pieces)


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """A street and the city beside it are one address; a run of places without a street stays places; bare numbers are nothing."""
    result: list[Piece] = []
    for text, label in (p for p in pieces if p[0]):
        if (
            label in _PLACE
            and len(result) > 1
            and not result[-1][1]
            and _GAP.fullmatch(result[-1][0])
            and result[-2][1] in _PLACE
            and "address" in (label, result[-2][1])
        ):
            (gap, _), (before, _) = result.pop(), result.pop()
            result.append((before + gap + text, "address"))
        elif label in _PLACE and result and result[-1][1] in _PLACE and "address" in (label, result[-1][1]):
            result[-1] = (result[-1][0] + text, "address")
        elif not label and result and not result[-1][1]:
            result[-1] = (result[-1][0] + text, "")
        else:
            result.append((text, label))
    return [(text, "" if label == "address" and not re.search(r"[^\W\d]{2}", text) else label) for text, label in result]
