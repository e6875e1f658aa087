"""Describe the location of a finding inside its file in a few words. It does not depend on where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def location_text(location: Mapping[str, Any] | None) -> str:
    """Return a location as words, such as "page 3" or "line 12"; empty if it is not known. The words may hold names from the corpus."""
    at = location or {}
    words = [f"page {at['page']}"] if at.get("page") is not None else []
    words += [at["part"]] if at.get("part") else []
    if at.get("row") is not None:
        words += [f"row {at['row']}"]
    elif at.get("line") is not None:
        words += [f"line {at['line']}"]
    words += [at["column"]] if at.get("column") else []
    if not words and at.get("byte_offset") is not None:
        words = [f"byte {at['byte_offset']}"]
    return ", ".join(words)
