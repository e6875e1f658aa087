"""Recognizes spreadsheet formulas that do more than calculate: they start programs, fetch addresses or send data away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter

from veritensor_ray.formats.office.shared.dde import dde_notice

FIRST = frozenset("=+-@\t\r\n＝＋－＠")
# Signs directly followed by a number, name or bracket. A list item has a blank there and is not a formula.
_FORMULA = re.compile(r"[=＝](?![=＝])|[+\-@＋－＠]+[\w.$(\"']")
_PROGRAM = re.compile(r"[\w.$:\\/-]{1,300}")  # from its end
_TOPIC = re.compile(r"\|\s*(?:'([^'\n]{0,2000}(?:''[^'\n]{0,1000}){0,4})'|([^\s!|'\"]{1,1000}))!\S")
# What a formula quotes: sheets, columns of tables, and texts. Only texts are data.
_QUOTED = re.compile(r"""'[^']*+(?:''[^']*+)*+'|\[(?:[^\[\]']|'.){0,300}+\]|"[^"]*+(?:""[^"]*+)*+\"""")
_DDE_CALL = re.compile(r"\bDDE\(\s*[\"']", re.IGNORECASE)
_FUNCTIONS = re.compile(
    r"\b(?:WEBSERVICE|IMPORT(?:XML|DATA|FEED|HTML|RANGE)|CALL|EXEC|REGISTER(?:\.ID)?|FOPEN|FWRITE|SQL\.REQUEST|SEND\.KEYS)\(", re.IGNORECASE
)
_LINK = re.compile(r"\b(?:HYPERLINK|IMAGE|RTD)\(", re.IGNORECASE)
# The address contains more than fixed text: the content of a cell is sent along.
_CARRIES = re.compile(r"\b(?:HYPERLINK|IMAGE)\([^)]{0,500}(?:&|\bCONCAT(?:ENATE)?\()", re.IGNORECASE)
_LONGEST = 8192  # maximum length in characters of a formula that spreadsheet programs accept
_BARS = 16
_first = itemgetter(0)


def cell_notice(text: str) -> str | None:
    """The notice for the text of a cell that a spreadsheet program would take for a formula; None if it is harmless."""
    if text[:1] not in FIRST or not ("(" in text or "|" in text):
        return None
    body = text[:_LONGEST].strip()
    if not _FORMULA.match(body):
        return None
    if found := _dde(body):
        return found
    return "formula-injection" if "(" in body and (_FUNCTIONS.search(body) or _LINK.search(body)) else None


def formula_notice(formula: str) -> str | None:
    """The same for text that is known to be a formula; there, a link is normal unless it carries data."""
    body = formula[:_LONGEST]
    if found := _dde(body):
        return found
    if "(" not in body:
        return None
    if _FUNCTIONS.search(body):
        return "formula-injection"
    return "formula-link" if _CARRIES.search(body) else None


def _dde(body: str) -> str | None:
    """The notice for the first link to a program in a formula, or for the first that can start one."""
    found = "dde" if "(" in body and _DDE_CALL.search(body) else None
    if "|" not in body or found:
        return found
    body = _QUOTED.sub(lambda quoted: '""' if quoted[0][0] == '"' else quoted[0], body)
    at = body.find("|")
    for _ in range(_BARS):
        if at < 0:
            break
        if (program := _program(body[max(0, at - 300) : at])) and (topic := _TOPIC.match(body, at)):
            found = dde_notice(program, topic[1] if topic[2] is None else topic[2])
            if found == "dde":
                break
        at = body.find("|", at + 1)
    return found


def _program(before: str) -> str:
    """The name in front of a bar, which may be quoted; empty if there is none."""
    bare = before.rstrip(" '\"")
    if bare != before.rstrip():
        return bare.rpartition("'")[2]
    found = _PROGRAM.match(bare[::-1])
    return found[0][::-1] if found and bare[-1:].isalnum() else ""


def cell_notices(texts: Sequence[str]) -> list[str | None] | None:
    """The notices of many non-empty cells, or None if no cell has one. The first line settles nearly all tables."""
    if ("(" not in (joined := "".join(texts)) and "|" not in joined) or FIRST.isdisjoint(map(_first, texts)):
        return None
    found = [cell_notice(text) if text[0] in FIRST and ("(" in text or "|" in text) else None for text in texts]
    return found if any(found) else None
