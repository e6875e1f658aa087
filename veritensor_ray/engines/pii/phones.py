"""Telephone numbers: which runs of digits are one, by the plans of the countries; it knows no rule."""

from __future__ import annotations

import functools
import re

import phonenumbers

_NANP = re.compile(r"(?:\+?1[-. ]{1,2})?(?:\([2-9]\d\d\)[-. ]{0,3}|[2-9]\d\d[-. ]{1,3})[2-9]\d\d[-. ]{1,2}\d{4}")
_TRUNK = re.compile(r"\(?0\d{1,5}\)?(?:[ /.-]{1,3}\d{2,8}){1,5}")
_INTERNATIONAL = re.compile(r"(?:\+|00)\s?\(?[1-9]")
_EXTENSION = re.compile(r"[ ,]{0,2}(?:x|ext\.?|extension|durchwahl|poste) ?\d{1,6}\b", re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)\d\d([-/. ])(?:0[1-9]|1[0-2])\1(?:[0-2]\d|3[01])|(?:[0-2]?\d|3[01])([-/.])(?:[0-2]?\d|3[01])\2(?:19|20)\d\d")
_FLOAT = re.compile(r"\d*\.\d+$|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$")
_DATED = re.compile(r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?!\d)")
_ZIP = re.compile(r"\d{5}-\d{4}")
_REPEATED = re.compile(r"(\d)\1{5,}")


@functools.lru_cache(8192)
def _valid(text: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(number))


def score(text: str, near: int | None, prose: bool, regions: tuple[str, ...]) -> float:
    """Confidence that this run of digits is a telephone number; 0 for none. `near` is the distance of a word that says so."""
    digits = re.sub(r"\D", "", text)
    if (
        not 6 <= len(digits) <= 15
        or _DATE.match(text)
        or _DATED.search(text)
        or _FLOAT.fullmatch(text)
        or _REPEATED.search(digits)
        or digits in "01234567890123456789"
    ):
        return 0.0
    if _INTERNATIONAL.match(text):
        if len(digits) >= 8 and _valid("+" + digits if text[0] == "+" else "+" + digits[2:], None):
            return 0.97 if near is not None else 0.9 if text[0] == "+" else 0.6 if prose else 0.0
        return 0.6 if near is not None and near <= 6 else 0.0
    if _NANP.fullmatch(text) and _valid(text, "US"):
        return 0.95 if near is not None else 0.8 if "-" in text or "(" in text else 0.6 if prose else 0.0
    if _ZIP.fullmatch(text) and (near is None or near > 1):
        return 0.0
    if near is not None and len(digits) >= 7 and any(_valid(text, region) for region in regions):
        return 0.9 - 0.01 * near
    if near is not None and near <= 5 and (len(digits) >= 7 or (near <= 1 and (" " in text or "-" in text))):
        return 0.6
    if prose and len(digits) >= 9 and _TRUNK.fullmatch(text) and any(_valid(text, region) for region in regions):
        return 0.6
    return 0.0


def extension(behind: str) -> int:
    """Characters of an extension that follows a number."""
    match = _EXTENSION.match(behind)
    return match.end() if match else 0
