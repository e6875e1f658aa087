"""Makes up dates of birth, in the nineteenth century, so that nobody alive has them."""

from __future__ import annotations

import re

from veritensor_ray.cleaning.pseudonyms.draw import Draw, first_good

_NUMERIC = re.compile(r"(?P<year>(?:19|20)\d\d)([-/.]?)(\d\d?)\2(\d\d?)|(\d\d?)([-/.])(\d\d?)\6(?P<last>(?:19|20)\d\d)")
_WORDED = re.compile(r"[\d\w,. ]{8,40}")
_CONNECTING = frozenset(("of", "de", "st", "nd", "rd", "th", "er"))
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_DAY = re.compile(r"(?<!\d)(\d\d?)(st|nd|rd|th|er)?(?!\d)", re.IGNORECASE)
_MONTH = re.compile(r"[^\W\d_]+")
_MONTHS = tuple(
    names.split()
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jan feb mär apr mai jun jul aug sep okt nov dez",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    )
)


def date_of_birth(key: bytes, text: str) -> str | None:
    """Make up a date in the same format, in a year from 1800 to 1899. One with a year of two digits cannot be made up."""
    value = re.sub(r"\W", " ", text).casefold()
    if match := _NUMERIC.fullmatch(text):
        return first_good(key, "birth", value, lambda draw: _numeric(draw, match), lambda one: one != text)
    if not _WORDED.fullmatch(text) or len(_YEAR.findall(text)) != 1 or len(_DAY.findall(text)) != 1:
        return None
    return first_good(key, "birth", value, lambda draw: _worded(draw, text), lambda one: one != text)


def _worded(draw: Draw, text: str) -> str | None:
    """Replace the day, the name of the month and the year. Returns None for a month of an unknown language."""
    words = [match for match in _MONTH.finditer(text) if match.group().lower() not in _CONNECTING]
    names = next((names for names in _MONTHS if words and words[0].group().lower() in names), None)
    if names is None or len(words) != 1:
        return None
    match = words[0]
    old, new = match.group(), draw.one_of(names)
    month = new.upper() if old.isupper() else new if old.islower() else new.capitalize()
    year = _year(draw)

    def day(found: re.Match[str]) -> str:
        if found[2] is None:
            return str(draw.below(28) + 1)
        return f"1{found[2]}" if found[2].lower() == "er" else f"{draw.below(17) + 4}th"  # the only days of their kind, and of one kind

    parts = (text[: match.start()], text[match.end() :])
    before, behind = (_DAY.sub(day, _YEAR.sub("\0", part)).replace("\0", year) for part in parts)
    return before + month + behind


def _numeric(draw: Draw, match: re.Match[str]) -> str:
    """Replace a date of digits. If it does not say which number is the month, neither exceeds 12."""
    first, second = (match[3], match[4]) if match["year"] else (match[5], match[7])
    limits = [12, 12] if max(int(first), int(second)) <= 12 else [12 if int(one) <= 12 else 28 for one in (first, second)]
    width = 2 if len(first) == len(second) == 2 else 1
    parts = [str(draw.below(limit) + 1).zfill(width) for limit in limits]
    separator = match[2] if match["year"] else match[6]
    return separator.join([_year(draw), *parts] if match["year"] else [*parts, _year(draw)])


def _year(draw: Draw) -> str:
    return f"18{draw.digits(2)}"
