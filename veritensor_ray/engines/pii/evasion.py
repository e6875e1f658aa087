"""Normalizes spellings with which people hide identifiers from patterns, and maps the result back to the original characters.

Techniques that hide any text (invisible and look-alike characters, base64) have already been undone by `formats/encoded_text`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from veritensor_ray.core.origins import Mapped
from veritensor_ray.engines.pii.clusters import Positions, clusters

_WIDE = re.compile(
    r"[\uff01-\uff5e\U0001d400-\U0001d7ff\u2460-\u24ff\u2070-\u209f\u00b2\u00b3\u00b9\u2010-\u2015\u2212\u00a0\u2000-\u200a\u202f\u3000]"
)
_OTHER_DIGITS = re.compile(r"[^\x00-\x7f](?<=\d)")
_AT = re.compile(
    r"(?<=[\w.])\s{0,2}[(\[{<]\s?(?:at|@|æt)\s?[)\]}>]\s{0,2}(?=\w)|(?<=[a-z0-9]) (?:AT|at) (?=\w+(?: dot | DOT |[(\[{]dot))", re.IGNORECASE
)
_DOT = re.compile(
    r"(?<=\w)\s{0,2}[(\[{<]\s?(?:dot|\.|punkt|point|punto)\s?[)\]}>]\s{0,2}(?=\w)|(?<=\w) (?:dot|DOT) (?=[a-z]{2,12}\b)", re.IGNORECASE
)
_ENTITY = re.compile(
    r"&(?:#\d{1,6}|#[xX][0-9A-Fa-f]{1,5}|commat|period|nbsp|amp|lt|gt|quot|apos|shy|plus|lowbar|hyphen|dash|lpar|rpar|colon|ZeroWidthSpace);"
)
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SPACED = re.compile(r"[0-9](?<![\w.,-].)([ .\-_])(?:[0-9]\1){7,17}[0-9](?![\w]|[ .,\-][0-9])")
_SPACED_MAIL = re.compile(r"(?<!\w)\w(?: [\w.]){1,40} @ \w(?: [\w.]){2,40}(?!\w)")

# Marks where one of the above may match. Common characters such as dashes and spaces count only between digits.
_MARKS = re.compile(
    r"[(\[{<&%](?:(?<=[(\[{<])\s?(?:at|AT|At|@|æt|dot|DOT|Dot|\.|punkt|point|punto)\s?[)\]}>]"
    r"|(?<=&)(?:#(?!0?39;|34;|x27;|x22;|160;|8\d{3};)|commat|period|lowbar|plus|hyphen|dash|shy|Zero|nbsp;[0-9])|(?<=%)(?:40|2[0BDEFbdef]|3[0-9]|[46][0-9A-Fa-f]))"
)
_SPACES, _HIGH = r"\u2010-\u2015\u2212\u00a0\u2000-\u200a\u202f\u3000", r"\u2460-\u24ff\u2070-\u209f\u00b2\u00b3\u00b9"
_LETTERS, _DIGITS = (
    r"\uff10-\uff19\uff20-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff",
    r"\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59",
)
_WIDE_MARKS = re.compile(
    f"[{_SPACES}{_HIGH}{_LETTERS}{_DIGITS}](?:(?<=[{_LETTERS}])|(?<=[{_HIGH}])[{_HIGH}]|(?<=[{_DIGITS}])[{_DIGITS}]{{2}}|(?<=[0-9A-Z).][{_SPACES}])(?=[(+0-9]))"
)
_SPELT = (" dot ", " DOT ", " @ ")
_AROUND = 160  # characters on both sides: enough for an identifier and the words that indicate its meaning


def places(text: str, digits: Positions) -> Iterator[tuple[int, int]]:
    """Yield ranges that may read differently once normalized, with their surroundings, in ascending order and without overlaps."""
    marks = [match.start() for match in _MARKS.finditer(text)]
    for word in _SPELT:
        at = text.find(word)
        while at >= 0:
            marks.append(at)
            at = text.find(word, at + 1)
    if not text.isascii():
        marks += [match.start() for match in _WIDE_MARKS.finditer(text)]
    marks += [match.start() for first, end in clusters(digits, 2, 9) for match in _SPACED.finditer(text, first, end + 2)]
    begin = end = -1
    for mark in sorted(marks):
        if begin >= 0 and mark - _AROUND > end:
            yield begin, end
            begin = -1
        begin, end = (max(0, mark - _AROUND) if begin < 0 else begin), mark + _AROUND
    if begin >= 0:
        yield begin, end


def normalised(text: str) -> Mapped | None:
    """Return the text as a reader sees it, or None if normalization changes nothing."""
    mapped = Mapped(text)
    mapped.sub(_ENTITY, lambda m: html.unescape(m.group()))
    mapped.sub(_PERCENT, lambda m: _printable(unquote(m.group(), errors="replace")))
    if not mapped.text.isascii():
        mapped.sub(_WIDE, lambda m: _ascii(m.group()))
        mapped.sub(_OTHER_DIGITS, lambda m: str(unicodedata.digit(m.group(), m.group())))
    mapped.sub(_AT, lambda _: "@")
    mapped.sub(_DOT, lambda _: ".")
    mapped.sub(_SPACED, lambda m: re.sub(r"\D", "", m.group()))
    mapped.sub(_SPACED_MAIL, lambda m: m.group().replace(" ", ""))
    return mapped if mapped.text != text else None


def _ascii(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    if character in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212":
        return "-"
    return unicodedata.normalize("NFKC", character)


def _printable(text: str) -> str | None:
    return text if text.isprintable() and "\ufffd" not in text else None
