"""Wrap the prose of generated pages."""

from __future__ import annotations

import re
from textwrap import fill

_WIDTH = 120
_CODE = re.compile(r"`[^`]+`")


def wrapped(text: str) -> str:
    """Wrap a paragraph or a list item at 120 characters, without breaking inside code."""
    solid = _CODE.sub(lambda found: found.group().replace(" ", "\0"), text)
    indent = "  " if text.startswith("- ") else ""
    return fill(solid, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False).replace("\0", " ")
