"""Spreadsheet formulas that do more than calculate: start programs, fetch addresses, carry data away; it knows no file format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter

FIRST = frozenset("=+-@\t\r\n＝＋－＠")
# Signs and a number, name or bracket at once behind them; a list item has a blank there and is no formula.
_FORMULA = re.compile(r"[=＝](?![=＝])|[+\-@＋－＠]+[\w.$(\"']")
_TOPIC = re.compile(r"\|\s*(?:'[^'\n]{0,2000}(?:''[^'\n]{0,1000}){0,4}'|[^\s!|'\"]{1,1000})!\S")
_DDE_CALL = re.compile(r"\bDDE\(\s*[\"']", re.IGNORECASE)
_FUNCTIONS = re.compile(
    r"\b(?:WEBSERVICE|IMPORT(?:XML|DATA|FEED|HTML|RANGE)|CALL|EXEC|REGISTER(?:\.ID)?|FOPEN|FWRITE|SQL\.REQUEST|SEND\.KEYS)\(", re.IGNORECASE
)
_LINK = re.compile(r"\b(?:HYPERLINK|IMAGE|RTD)\(", re.IGNORECASE)
# Something other than a fixed text in the address: a cell whose content goes along.
_CARRIES = re.compile(r"\b(?:HYPERLINK|IMAGE)\([^)]{0,500}(?:&|\bCONCAT(?:ENATE)?\()", re.IGNORECASE)
_LONGEST = 8192  # characters of a formula that spreadsheet programs take
_BARS = 16
_first = itemgetter(0)


def cell_notice(text: str) -> str | None:
    """What the text of a cell does where a spreadsheet program takes it for a formula; None for nothing worse than a sum."""
    if text[:1] not in FIRST or not ("(" in text or "|" in text):
        return None
    body = text[:_LONGEST].strip()
    if not _FORMULA.match(body):
        return None
    if _is_dde(body):
        return "dde"
    return "formula-injection" if "(" in body and (_FUNCTIONS.search(body) or _LINK.search(body)) else None


def formula_notice(formula: str) -> str | None:
    """The same for what is a formula already: a link is ordinary there unless it carries data."""
    body = formula[:_LONGEST]
    if _is_dde(body):
        return "dde"
    if "(" not in body:
        return None
    if _FUNCTIONS.search(body):
        return "formula-injection"
    return "formula-link" if _CARRIES.search(body) else None


def _is_dde(body: str) -> bool:
    """A program and what it is told, as in =cmd|'/C calc'!A0."""
    at = body.find("|")
    for _ in range(_BARS):
        if at < 0:
            break
        if body[max(0, at - 300) : at].rstrip(" '\"")[-1:].isalnum() and _TOPIC.match(body, at):
            return True
        at = body.find("|", at + 1)
    return "(" in body and _DDE_CALL.search(body) is not None


def cell_notices(texts: Sequence[str]) -> list[str | None] | None:
    """The notices of many cells, none of them empty; None where no cell has one. Nearly all tables are done with the first line."""
    if ("(" not in (joined := "".join(texts)) and "|" not in joined) or FIRST.isdisjoint(map(_first, texts)):
        return None
    found = [cell_notice(text) if text[0] in FIRST and ("(" in text or "|" in text) else None for text in texts]
    return found if any(found) else None
