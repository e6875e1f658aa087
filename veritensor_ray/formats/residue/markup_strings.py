"""Finds every string of XML or HTML, as it stands in the text: names, values, comments, declarations, instructions, texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.formats.residue.strings import SHORTEST

_PIECE = re.compile(r"<!--(.*?)(?:-->|\Z)|<([!?][^<>]*)|</?([^<>]*)|([^<>]+)", re.DOTALL)
_IN_TAG = re.compile(r"""[^\s"'=/>][^\s"'=>]*|"([^"]*)"?|'([^']*)'?""")


def markup_strings(text: str) -> Iterator[str]:
    """Yield the strings of at least 8 characters, in order."""
    for found in _PIECE.finditer(text):
        if (tag := found[3]) is not None:
            if len(tag) >= SHORTEST:
                yield from (piece for one in _IN_TAG.finditer(tag) if len(piece := (one[1] or one[2] or one[0]).strip()) >= SHORTEST)
        elif len(piece := (found[1] or found[2] or found[4] or "").strip()) >= SHORTEST:
            yield piece
