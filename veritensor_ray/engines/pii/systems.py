"""Recognizes numbers of well-known systems, which are not personal: clocks, catalogs, clouds, books, chemistry."""

from __future__ import annotations

import re

from stdnum import ean, isbn

_TOKEN_LEFT, _TOKEN_RIGHT = re.compile(r"[\w.:/@#%+=-]*\Z"), re.compile(r"[\w.:/@#%+=-]*")
_TOKENS = (  # with the least number of characters of each
    ("UUID", 36, re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)),
    ("ARN", 8, re.compile(r"\barn:aws[\w-]*:|\d{12}\.dkr\.ecr\.|:\d{12}:")),
    ("DOI", 9, re.compile(r"\b10\.\d{4,9}/\S")),
    ("Unicode", 6, re.compile(r"\bU\+[0-9A-F]{4,6}")),
    ("hash", 32, re.compile(r"(?<![0-9a-f])(?=[0-9]*[a-f])[0-9a-f]{32,}", re.IGNORECASE)),
)
_NAMED = re.compile(
    r"(?:\barxiv|\bdoi|\bisbn(?:-1[03])?|\be?issn|\bcas(?: (?:no|number|rn|registry)\.?)?|\bpmid|\bpmc(?:id)?|\boclc|\basin|\bcve|\brfc|\bncbi|\borcid|\blccn"
    r"|\besmtps?a? id|\bqueue id|\bqueued as|\bmessage[ _-]?id|\b(?:unix )?timestamp|\bepoch|\baws[ _-]?account(?:[ _-]?id)?|\baccount[ _-]?id"
    r"|\b(?:build|commit|revision|patent|issue|ticket|page|chapter|cf[rs]|dfars?|§)(?:[ _-]?(?:id|no|number))?\.?)[\"']?\s{0,2}[:=#(\[]{0,2}\s{0,2}[\"']?\Z",
    re.IGNORECASE,
)  # fmt: skip
_TIMED = re.compile(
    r"(?:time|stamp|date|_at|_ts|\bts|epoch|expir\w*|\biat|\bexp|\bnbf|created|updated|modified|since|until)[\"']?\s{0,2}[:=(]{0,2}\s{0,2}[\"']?\Z",
    re.IGNORECASE,
)
_BETWEEN = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "\"':=#(["  # characters that may separate a word and a value
_CAS = re.compile(r"([0-9]{2,7})-([0-9]{2})-([0-9])")
_ISSN = re.compile(r"[0-9]{4}-[0-9]{3}[0-9X]")
_YEARS = re.compile(r"(?:1[89]|20)\d\d ?[-/–] ?(?:(?:1[89]|20)?\d\d)|\d\d-(?:19|20)\d\d")
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?\d{0,3})?")
_POWERS = re.compile(r"214748364[78]|429496729[56]|9223372036854775807|1844674407370955161[56]|[1-9]0{6,}|9{7,}")


def known(left: str, value: str, right: str) -> str:
    """Return the known kind of a value, judged by itself and the text on both sides; empty if there is none."""
    digits = re.sub(r"\D", "", value)
    return _by_itself(value, digits) or _by_token(left, value, right) or _by_word(left, digits)


def clock(digits: str) -> bool:
    """Return whether plain digits may be a Unix time between 2001 and 2039, in seconds, milliseconds, microseconds or nanoseconds."""
    return len(digits) in (10, 13, 16, 19) and "1000000000" <= digits[:10] < "2177452800"


def _by_itself(value: str, digits: str) -> str:
    if len(set(digits)) <= 1 or _POWERS.fullmatch(digits):
        return "placeholder"
    if len(digits) in (13, 16, 19) and value.isdigit() and clock(digits):
        return "time"
    if value.isdigit() and len(digits) in (8, 12, 14, 17) and _DAY.fullmatch(digits):
        return "time"
    if len(digits) == 13 and digits.startswith(("978", "979")) and isbn.is_valid(digits) and ean.is_valid(digits):
        return "ISBN"
    cas = _CAS.fullmatch(value)
    if cas and sum(i * int(d) for i, d in enumerate(reversed(cas[1] + cas[2]), 1)) % 10 == int(cas[3]):
        return "CAS number"
    return "years" if _YEARS.fullmatch(value) else ""


def _by_token(left: str, value: str, right: str) -> str:
    before, behind = _TOKEN_LEFT.search(left), _TOKEN_RIGHT.match(right)
    at = len(before.group()) if before else 0
    token = f"{left[len(left) - at :]}{value}{behind.group() if behind else ''}"
    for name, least, pattern in _TOKENS:
        for match in pattern.finditer(token) if len(token) >= least else ():
            if match.start() < at + len(value) and (at < match.end() or name == "DOI"):
                return name
    return ""


def _by_word(left: str, digits: str) -> str:
    if not _may_be_named(left):
        return ""
    found = _NAMED.search(left) or (_TIMED.search(left) if clock(digits) else None)
    return found.group().strip(" :=#([\"'").lower() if found else ""


def _may_be_named(left: str) -> bool:
    """Return whether the text before a value ends with a word, its period or the like. Few words end in a digit."""
    word = left.rstrip(_BETWEEN)
    if word[-1:].isalpha() or word[-1:] in (".", "_", "§") or not word.isascii():
        return True
    low = word.lower()
    return "isbn" in low or "expir" in low
