"""Undoes how people write identifiers around patterns, with the way back to the original characters; it knows no identifiers.

What hides any text (invisible and look-alike characters, base64) has been undone before: `extract/layers`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote

from veritensor_ray.origins import Mapped

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
_SPACED = re.compile(r"(?<![\w.,-])(?:[0-9]([ .\-_])(?:[0-9]\1){7,17}[0-9])(?![\w]|[ .,\-][0-9])")
_SPACED_MAIL = re.compile(r"(?<!\w)\w(?: [\w.]){1,40} @ \w(?: [\w.]){2,40}(?!\w)")

# Cheap: whether anything of the above may be there at all.
_SUSPECT = re.compile(
    r"[(\[{<]\s?(?:at|@|dot|\.|punkt|punto)\s?[)\]}>]| dot [a-z]|&(?:#|commat|period|nbsp|shy|plus|ZeroW)|%[2-7][0-9A-Fa-f](?![0-9]*%\w?\b)",
    re.IGNORECASE,
)


def suspect(text: str) -> bool:
    """Whether normalising may change the text: one cheap look."""
    if not text.isascii() and (_WIDE.search(text) or _OTHER_DIGITS.search(text)):
        return True
    if _has_marks(text) and _SUSPECT.search(text):
        return True
    return _SPACED.search(text) is not None or (" @ " in text and _SPACED_MAIL.search(text) is not None)


def _has_marks(text: str) -> bool:
    return any(mark in text for mark in ("(", "[", "{", " dot ", " DOT ", "&", "%"))


def normalised(text: str) -> Mapped | None:
    """The text as a reader sees it, or None where that is the text itself."""
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
