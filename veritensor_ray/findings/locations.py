"""Name a location in a few words, for tables, reports and exports. The words contain names from the corpus: make them harmless before use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEMBER, _NAME = 32, 64  # minimum characters for a member; maximum for artifact and member together


def place(artifact: str, location: Mapping[str, Any] | None, member: str | None = None) -> str:
    """Return an artifact, its member and the location inside, as short as is still clear."""
    name = f"{artifact}!/{shortened(member, max(_MEMBER, _NAME - len(artifact)))}" if member else artifact
    at = location or {}
    if at.get("line") is not None and at.get("row") is None and at.get("page") is None and not at.get("part"):
        return f"{name}:{at['line']}" + (f" {at['column']}" if at.get("column") else "")
    return " ".join([name, *_words(at)])


def within(location: Mapping[str, Any] | None) -> str:
    """Return only the location inside the file, such as "page 3, line 12"; empty if it is not known."""
    return ", ".join(_words(location or {}))


def _words(at: Mapping[str, Any]) -> list[str]:
    words = [f"page {at['page']}"] if at.get("page") is not None else []
    words += [at["part"]] if at.get("part") else []
    if at.get("row") is not None:
        words += [f"row {at['row']}"]
    elif at.get("line") is not None:
        words += [f"line {at['line']}"]
    words += [at["column"]] if at.get("column") else []
    return words or ([f"byte {at['byte_offset']}"] if at.get("byte_offset") else [])


def shortened(text: str, most: int) -> str:
    """Return the text with at most `most` characters; the middle is cut out, since the ends of a path say the most."""
    if len(text) <= most:
        return text
    head = (most - 1) // 3
    return f"{text[:head]}…{text[head + 1 - most :]}"
