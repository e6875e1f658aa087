"""Name a location in a few words, for tables, reports and exports. The words contain names from the corpus: make them harmless before use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MEMBER, _NAME = 32, 64  # minimum characters for a member; maximum for artifact and member together
_SHEETS = re.compile(r"\.(?:xls[xmb]?|xlt[xm]?|ods|ots|fods)$", re.IGNORECASE)
_LETTERS = re.compile("[A-Z]{1,3}")
_PLAIN = re.compile(r"(?!\d)[\w.]+")


def place(artifact: str, location: Mapping[str, Any] | None, member: str | None = None) -> str:
    """Return an artifact, its member and the location inside, as short as is still clear.

    A cell of a spreadsheet is named as spreadsheets name it: `book.xlsx Sheet1!B12`. Where a line is known, an editor can find it, so it is
    named in place of the row: `people.csv:3 email`.
    """
    name = f"{artifact}!/{shortened(member, max(_MEMBER, _NAME - len(artifact)))}" if member else artifact
    at = location or {}
    if at.get("line") is not None and at.get("page") is None and not at.get("part"):
        return f"{name}:{at['line']}" + "".join(f" {word}" for word in (at.get("column"), _key(at)) if word)
    return " ".join([name, *_words(at, member or artifact)])


def within(row: Mapping[str, Any]) -> str:
    """Return only the location inside the file of a finding's row, such as "page 3, line 12"; empty if it is not known."""
    return ", ".join(_words(row["location"] or {}, row.get("member") or row.get("artifact") or ""))


def _words(at: Mapping[str, Any], name: str) -> list[str]:
    if cell := _cell(at, name):
        return [cell]
    words = [f"page {at['page']}"] if at.get("page") is not None else []
    words += [at["part"]] if at.get("part") else []
    words += [f"paragraph {at['paragraph']}"] if at.get("paragraph") is not None else []
    if at.get("line") is not None:
        words += [f"line {at['line']}"]
    elif at.get("row") is not None:
        words += [f"row {at['row']}"]
    words += [word for word in (at.get("column"), _key(at)) if word]
    if at.get("view") == "residue":  # text outside of what programs show
        return [*(words or [f"byte {at.get('start') or 0}"]), "residue"]
    return words or ([f"byte {at['byte_offset']}"] if at.get("byte_offset") else [])


def _key(at: Mapping[str, Any]) -> str | None:
    """Return the values of the row's key columns in brackets."""
    return f"({at['key']})" if at.get("key") else None


def _cell(at: Mapping[str, Any], name: str) -> str | None:
    """Return a spreadsheet's own name for one of its cells, or None for anything else. Spreadsheets count rows from 1."""
    part, row, column = at.get("part"), at.get("row"), at.get("column")
    if row is None or not part or not column or not _LETTERS.fullmatch(column) or not _SHEETS.search(name):
        return None
    sheet = part if _PLAIN.fullmatch(part) else "'" + part.replace("'", "''") + "'"
    return f"{sheet}!{column}{row + 1}"


def shortened(text: str, most: int) -> str:
    """Return the text with at most `most` characters; the middle is cut out, since the ends of a path say the most."""
    if len(text) <= most:
        return text
    head = (most - 1) // 3
    return f"{text[:head]}…{text[head + 1 - most :]}"
