"""Undoes what hides identifiers from patterns, with the way back to the original characters; it knows no identifiers."""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import numpy as np

Array = np.ndarray[Any, np.dtype[np.int64]]

_ENCODED = 4096  # characters of a base64 token; longer ones are files
_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef"
_HIDDEN = re.compile(f"[{_INVISIBLE}]+")
_WIDE = re.compile(
    r"[\uff01-\uff5e\U0001d400-\U0001d7ff\u2460-\u24ff\u2070-\u209f\u00b2\u00b3\u00b9\u2010-\u2015\u2212\u00a0\u2000-\u200a\u202f\u3000]"
)
_OTHER_DIGITS = re.compile(r"[^\x00-\x7f](?<=\d)")
_LOOK_ALIKES = dict(
    zip("аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧονιακρυ", "aeopcyxijsdhqwABEKMHOPCTXIJSABEZHIKMNOPTYXoviakpu", strict=True)
)
_TOKEN = re.compile(r"[\w.@-]{3,320}")
_LATIN = re.compile(r"[A-Za-z0-9@]")
_GREEK_OR_CYRILLIC = re.compile("[\u0370-\u03ff\u0400-\u052f]")
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
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-](?<![\w+/=%-].)[A-Za-z0-9+/_-]{{15,{_ENCODED - 1}}}={{0,2}}(?![\w+/=])")
_WORTH = re.compile(r"@|\d{4}|\d[ -]\d")

# Cheap: whether anything of the above may be there at all.
_SUSPECT = re.compile(
    r"[(\[{<]\s?(?:at|@|dot|\.|punkt|punto)\s?[)\]}>]| dot [a-z]|&(?:#|commat|period|nbsp|shy|plus|ZeroW)|%[2-7][0-9A-Fa-f](?![0-9]*%\w?\b)",
    re.IGNORECASE,
)


class Mapped:
    """A text under change: each of its characters knows the range of the original that it stands for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts: Array = np.arange(len(text), dtype=np.int64)
        self.ends: Array = self.starts + 1

    def sub(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> None:
        """Replace matches; None leaves one as it is. Every character of a replacement stands for all of its match."""
        parts: list[str] = []
        starts: list[Array] = []
        ends: list[Array] = []
        last = 0
        for match in pattern.finditer(self.text):
            new = replace(match)
            if new is None or new == match.group():
                continue
            a, b = match.span()
            parts += (self.text[last:a], new)
            if len(new) == b - a:  # character by character
                starts += (self.starts[last:a], self.starts[a:b])
                ends += (self.ends[last:a], self.ends[a:b])
            else:
                starts += (self.starts[last:a], np.full(len(new), self.starts[a]))
                ends += (self.ends[last:a], np.full(len(new), self.ends[b - 1]))
            last = b
        if last or parts:
            self.text = "".join([*parts, self.text[last:]])
            self.starts = np.concatenate([*starts, self.starts[last:]])
            self.ends = np.concatenate([*ends, self.ends[last:]])

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original text behind a range of this one."""
        return int(self.starts[start:end].min()), int(self.ends[start:end].max())


def suspect(text: str) -> bool:
    """Whether normalising may change the text: one cheap look."""
    if not text.isascii() and (
        _HIDDEN.search(text)
        or _WIDE.search(text)
        or _OTHER_DIGITS.search(text)
        or (_GREEK_OR_CYRILLIC.search(text) and _LATIN.search(text) and any(_unmixed(m) for m in _TOKEN.finditer(text)))
    ):
        return True
    if _has_marks(text) and _SUSPECT.search(text):
        return True
    if _SPACED.search(text) or (" @ " in text and _SPACED_MAIL.search(text)):
        return True
    return any(_decoded(match) is not None for match in _BASE64.finditer(text))


def _has_marks(text: str) -> bool:
    return any(mark in text for mark in ("(", "[", "{", " dot ", " DOT ", "&", "%"))


def normalised(text: str) -> Mapped | None:
    """The text as a reader sees it, or None where that is the text itself."""
    mapped = Mapped(text)
    mapped.sub(_BASE64, _decoded)
    mapped.sub(_ENTITY, lambda m: html.unescape(m.group()))
    mapped.sub(_PERCENT, lambda m: _printable(unquote(m.group(), errors="replace")))
    if not mapped.text.isascii():
        mapped.sub(_HIDDEN, lambda _: "")
        mapped.sub(_WIDE, lambda m: _ascii(m.group()))
        mapped.sub(_OTHER_DIGITS, lambda m: str(unicodedata.digit(m.group(), m.group())))
        if _GREEK_OR_CYRILLIC.search(mapped.text):
            mapped.sub(_TOKEN, _unmixed)
    mapped.sub(_AT, lambda _: "@")
    mapped.sub(_DOT, lambda _: ".")
    mapped.sub(_SPACED, lambda m: re.sub(r"\D", "", m.group()))
    mapped.sub(_SPACED_MAIL, lambda m: m.group().replace(" ", ""))
    return mapped if mapped.text != text else None


def _unmixed(match: re.Match[str]) -> str | None:
    """A token of Latin and look-alike letters in Latin alone."""
    token = match.group()
    if token.isascii() or not (_GREEK_OR_CYRILLIC.search(token) and _LATIN.search(token)):
        return None
    return "".join(_LOOK_ALIKES.get(c, c) for c in token)


def _ascii(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    if character in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212":
        return "-"
    return unicodedata.normalize("NFKC", character)


def _printable(text: str) -> str | None:
    return text if text.isprintable() and "\ufffd" not in text else None


def _decoded(match: re.Match[str]) -> str | None:
    """The text inside a token that decodes to printable text and may hold an identifier."""
    token = match.group().rstrip("=").replace("-", "+").replace("_", "/")
    if len(token) % 4 == 1 or token.isdigit() or not any(c.isupper() for c in token) or not any(c.islower() for c in token):
        return None
    try:
        head = base64.b64decode(token[:16])
        if any(byte < 9 or 13 < byte < 32 or byte == 127 for byte in head):
            return None
        text = base64.b64decode(token + "=" * (-len(token) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    good = sum(c.isprintable() or c in "\n\r\t" for c in text)
    return text if good >= 0.95 * len(text) and _WORTH.search(text) else None
