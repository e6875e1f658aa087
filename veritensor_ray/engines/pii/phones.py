"""Decides which runs of digits are phone numbers, by national numbering plans."""

from __future__ import annotations

import functools
import re

import phonenumbers

from veritensor_ray.engines.pii.reserved import phone_of_no_plan

_ALIKE = re.compile(r"(?:\+?1[-. ]{1,2})?(?:\([2-9]\d\d\)[-. ]{0,3}[2-9]\d\d[-. ]{1,2}|[2-9]\d\d(?:([-. ])[2-9]\d\d\1| [2-9]\d\d-))\d{4}")
_NANP = re.compile(r"(?:\+?1[-. ]{1,2})?(?:\([2-9]\d\d\)[-. ]{0,3}|[2-9]\d\d[-. ]{1,3})[2-9]\d\d[-. ]{1,2}\d{4}")
_TRUNK = re.compile(r"\(?0\d{1,5}\)?(?:[ /.-]{1,3}\d{2,8}){1,5}")
_INTERNATIONAL = re.compile(r"(?:\+|00)\s?\(?[1-9]")
_EXTENSION = re.compile(r"[ ,]{0,2}(?:x|ext\.?|extension|durchwahl|poste) ?\d{1,6}\b", re.IGNORECASE)
_DATE = re.compile(
    r"(?:1[89]|20)\d\d([-/. ])(?:0[1-9]|1[0-2])\1(?:[0-2]\d|3[01])|(?:[0-2]?\d|3[01])([-/.])(?:[0-2]?\d|3[01])\2(?:1[89]|20)\d\d"
)
_FLOAT = re.compile(r"\d*\.\d+$|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$")
_DATED = re.compile(r"(?<!\d)(?:1[89]|20)\d\d-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?!\d)")
_DAY = re.compile(r"(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_YEAR = re.compile(r"\(?(?:19|20)\d\d\)?\Z")
_SINGLE = re.compile(r"(?<!\d)\d(?!\d)")
_ZIP = re.compile(r"\d{5}-\d{4}")
_REGION = r"(?:0\d\d|1(?:4[235]|5[0145])|202|419)"  # a number of a part of the world in UN M.49, as CLDR lists them
_REGIONS = re.compile(rf"{_REGION}(?: {_REGION}){{2,}}")
_REPEATED = re.compile(r"(\d)\1{5,}")


@functools.lru_cache(8192)
def _valid(text: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(number))


def possible(text: str) -> bool:
    """Return whether a run of digits may be a phone number at all, regardless of its context."""
    digits = re.sub(r"\D", "", text)
    return 6 <= len(digits) <= 15 and not _is_else(text, digits)


def score(text: str, near: int | None, prose: bool, regions: tuple[str, ...], sure: bool = True) -> float:
    """Return the confidence that a `possible` run of digits is a phone number; 0 if it is not.

    `near` is the distance of a word that indicates a phone number, and `sure` is whether that word is unambiguous.
    """
    if near is None and _REGIONS.fullmatch(text):
        return 0.0
    digits = re.sub(r"\D", "", text)
    if _INTERNATIONAL.match(text):
        if len(digits) >= 8 and _valid("+" + digits if text[0] == "+" else "+" + digits[2:], None):
            return 0.97 if near is not None else 0.9 if text[0] == "+" else 0.6 if prose else 0.0
        return 0.6 if sure and near is not None and near <= 6 else 0.0
    if _NANP.fullmatch(text) and _valid(text, "US") and (near is not None or _ALIKE.fullmatch(text)):
        return 0.95 if near is not None else 0.8 if "-" in text or "(" in text else 0.6 if prose else 0.0
    if _ZIP.fullmatch(text) and (near is None or near > 1):
        return 0.0
    valid = len(digits) >= 7 and (near is not None or prose) and any(_valid(text, region) for region in regions)
    if near is not None and valid:
        return 0.9 - 0.01 * near
    grouped = " " in text or "-" in text
    if near is not None and ((sure and near <= 5 and len(digits) >= 7) or (grouped and near <= (1 if sure else 2))):
        return 0.6
    return 0.6 if prose and valid and len(digits) >= 9 and (_TRUNK.fullmatch(text) or (text.isdigit() and len(text) <= 12)) else 0.0


def _is_else(text: str, digits: str) -> bool:
    """Return whether the form is that of a date, a fraction, repeated digits, separate single digits, or of a number in no plan."""
    return bool(
        _DATE.match(text)
        or _DATED.search(text)
        or _DAY.fullmatch(text)
        or _FLOAT.fullmatch(text)
        or _REPEATED.search(digits)
        or phone_of_no_plan(text)
        or digits in "01234567890123456789"
        or (len(digits) < 10 and " (" in text and _YEAR.search(text))
        or len(_SINGLE.findall(text)) >= 4
    )


def extension(behind: str) -> int:
    """Return the length of an extension that follows a number."""
    match = _EXTENSION.match(behind)
    return match.end() if match else 0
