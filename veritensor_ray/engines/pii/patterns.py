"""Finds structured identifiers in a joined buffer with cheap passes over all of it, followed by checks of each candidate.

Each pattern begins with a character or a small class, and uses lookbehind only after that. The regular expression engine then skips text
at the speed of a table lookup, and expensive checks run only on candidates.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stdnum import luhn

from veritensor_ray.core.config import PiiSettings
from veritensor_ray.engines.pii import accounts, emails, nearness, phones
from veritensor_ray.engines.pii.clusters import Near, around_clusters, clusters, dotted
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan, words_of
from veritensor_ray.engines.pii.mail_fields import WRITTEN
from veritensor_ray.engines.pii.national import NUMBERS, TOKENS
from veritensor_ray.engines.pii.number_context import BIRTH, context, kinds_of, speaks_of, without_masks
from veritensor_ray.engines.pii.reserved import published_card
from veritensor_ray.engines.pii.systems import known
from veritensor_ray.engines.pii.validators import base58check, bech32, birth_date, ip_scope, mac, payment_card, us_ssn  # fmt: skip


def find(joined: JoinedBatch, settings: PiiSettings) -> Iterator[PiiSpan]:
    """Yield all confirmed candidates, including overlapping ones."""
    for found in _find(joined, settings):
        field = joined.header(found.start)
        if field is None or found.rule == "mail-header" or (found.rule != "ip-address" and field in WRITTEN):
            yield found
        elif found.rule == "ip-address":
            yield found._replace(rule="mail-header", detail="IP address")


_BESIDE = 48


def _find(joined: JoinedBatch, settings: PiiSettings) -> Iterator[PiiSpan]:
    yield from emails.find(joined)
    yield from accounts.find(joined)
    for found in itertools.chain(_numbers(joined, tuple(settings.regions)), _tokens(joined)):
        left, right = joined.before(found.start, _BESIDE), joined.after(found.end, _BESIDE)
        if not known(left, joined.text[found.start : found.end], right):
            yield found
    yield from _networks(joined, settings.private_addresses)
    yield from _crypto(joined)
    yield from _births(joined)


# --- runs of digits

_RUN = re.compile(  # excluding fractions and dates that stand alone, which most number-like texts are
    r"[+(0-9](?<![0-9A-Za-z_+#.@].)(?!(?:(?![0-9]{7,19}\.00?(?![0-9]))[0-9]*\.[0-9]+|(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9])(?![0-9]|[ \u00a0./()-]{0,3}[0-9]))"
    r"\(?[0-9]?(?:[ \u00a0./()-]{0,3}[0-9]){5,40}"
)
_CARD = re.compile(
    r"(?<![\d.])(?:\d{12,19}|\d{4}([ .-])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?|3[47]\d\d([ -])\d{6}\2\d{5}|3[0689]\d\d([ -])\d{6}\3\d{4})(?!\d)"
)
# The groups of a card's number in two lines of a text, as PDF has them.
_WRAPPED = re.compile(r"[3-6](?<![\w.,-].)[0-9]{3}(?:[ -][0-9]{4}){0,2} ?\r?\n ?[0-9]{4}(?:[ -][0-9]{4}){0,2}(?![\w-]|[ .,][0-9])")
_SSN = re.compile(r"(?<![\d.-])\d{3}([-. ]?)\d{2}([-. ]?)\d{4}(?![\d-])")


class Clustered(NamedTuple):
    """The clusters in which a pattern is tried: at least `least` digits, each at most `apart` from the next, near a match of `beside`.

    A match may begin up to `ahead` characters before the cluster. `machines` includes email header fields that only machines read.
    """

    apart: int
    least: int
    ahead: int = 0
    beside: re.Pattern[str] | None = None
    machines: bool = False


_RUNS = Clustered(4, 6, ahead=3)
_WRAPS = Clustered(4, 16)
_EDGES = Clustered(6, 4, beside=re.compile("[A-Za-z]"))
_DOTTED = Clustered(2, 4, machines=True)
_READ = {None, *WRITTEN}
_SCIENTIFIC = re.compile(r"[1-9](?<![0-9A-Za-z_.+-].)\.([0-9]{5,18})[eE]\+?([01]?[0-9])(?![0-9A-Za-z_.])")
_MANTISSAS = Clustered(2, 7)
_WHOLE = re.compile(r"([0-9]{7,19})\.00?")  # as programs write whole numbers of columns that hold fractions
_OF_ADDRESS = re.compile(r"[\w.%+\[\]-]*@")
_SEEN = 4  # characters after a cluster that patterns examine
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_DIGIT = re.compile("[0-9]")
_FLOAT = re.compile(r"\d*\.\d+")
_LETTERS = re.compile(r"[^\W\d_]")
_GROUPED = 16  # digits of a card in groups of four
_ALONE = (15, 16, 18)  # numbers of digits that may be an identifier without a nearby word
_BETWEEN = re.compile(r"(?<=\d)( {2,3}| [/-] |/(?=\+|\d{5}))")  # numbers of one run
_EXPIRY = re.compile(r"\W{1,3}(?:0[1-9]|1[0-2])\W{0,2}(?:20)?[2-4]\d(?!\d)")
_CELLS = str.maketrans(";|", ",,")
_LABEL = re.compile(r"[-, (]{1,3}(?:office|cell|fax|work)\b", re.IGNORECASE)
_GROUP_BEFORE = re.compile(r"[0-9][ -]\Z")
_PROSE = re.compile(r"[^\W\d_]{2,}[ ,.:'’]+[^\W\d_]{2,}")
_CODE_SIGNS, _CODE_WORDS = re.compile(r"[{};=<>|\\]"), re.compile(r"\b0x|\bat \w+\.")


def _numbers(joined: JoinedBatch, regions: tuple[str, ...]) -> Iterator[PiiSpan]:
    text = joined.text
    for match in _within(joined, _RUN, _RUNS):
        start, end = match.span()
        if start > 1 and text[start - 1] in "-/" and text[start - 2].isalnum():
            continue  # part of something else: a UUID, a path, a slug, an exponent
        behind = text[end : end + 1]
        if (
            behind == "_"
            or _OF_ADDRESS.match(text, end, end + 64)
            or (behind.isalpha() and not (behind in "xXeE" and phones.extension(text[end : end + 8])))
        ):
            continue
        whole = _WHOLE.fullmatch(match.group())
        yield from _phone_numbers(joined, whole[1] if whole else match.group(), start, regions)
    yield from _scientific(joined, regions)
    yield from _wrapped_cards(joined)


def _wrapped_cards(joined: JoinedBatch) -> Iterator[PiiSpan]:
    """Yield numbers of cards that a line break divides between two groups, in prose or near a word for them: elsewhere, lines are rows."""
    for match in _within(joined, _WRAPPED, _WRAPS):
        digits, (start, end) = re.sub(r"\D", "", match.group()), match.span()
        if len(digits) != _GROUPED or not payment_card(digits) or joined.index(start) != joined.index(end - 1):
            continue
        told = dict(context(joined, start, end)).get("card", 99) <= 8
        if told or _PROSE.search(joined.line(start, end)):
            test = published_card(digits)
            score = 0.6 if test else 0.99 if told else 0.85
            yield PiiSpan("payment-card", start, end, score, "published test number" if test else "", "info" if test else None)


def _scientific(joined: JoinedBatch, regions: tuple[str, ...]) -> Iterator[PiiSpan]:
    """Yield cells of tables that programs wrote like 4.532015112830366E15. In texts, such numbers are measurements."""
    for match in _within(joined, _SCIENTIFIC, _MANTISSAS):
        i, zeros = joined.index(match.start()), int(match[2]) - len(match[1])
        if zeros >= 0 and joined.columns[i] is not None and match.span() == (joined.starts[i], joined.ends[i]):
            digits = match.group()[0] + match[1] + "0" * zeros
            for found in _phone_numbers(JoinedBatch.of(digits, joined.columns[i]), digits, 0, regions):
                yield found._replace(start=match.start(), end=match.end())


def _within(joined: JoinedBatch, pattern: re.Pattern[str], near: Clustered, where: Near | None = None) -> Iterator[re.Match[str]]:
    """Yield matches that begin in a cluster of digits, or shortly before it."""
    text, done = joined.text, 0
    for first, end in clusters(joined.digits, near.apart, near.least, where):
        if joined.headed and not near.machines and joined.header(first) not in _READ:
            continue
        if near.beside and not near.beside.search(text, max(0, first - 3), end + 2):
            continue
        for match in pattern.finditer(text, max(done, first - near.ahead), end + _SEEN):
            if match.start() < end:
                done = match.end()
                yield match


def _phone_numbers(joined: JoinedBatch, run: str, start: int, regions: tuple[str, ...]) -> Iterator[PiiSpan]:
    if _FLOAT.fullmatch(run):
        return
    count = sum(map(str.isdigit, run))
    bare = run.isdigit() and count not in _ALONE and not joined.column_words(start)
    if bare and not _LETTERS.search(joined.text, max(0, start - 64), start + count + 24):
        return  # a table of numbers: nothing indicates their meaning
    near: dict[str, int] | None = None

    def about() -> dict[str, int]:
        nonlocal near
        if near is None:
            near = dict(context(joined, start, start + len(run)))
        return near

    if count >= 12:
        yield from _cards(joined, run, start, about)
    if count >= 9:
        for match in _SSN.finditer(run):
            digits = re.sub(r"\D", "", match.group())
            if us_ssn(digits):
                told = "ssn" in about()
                if told or match[1] == match[2] == "-":
                    yield PiiSpan("us-ssn", start + match.start(), start + match.end(), 0.99 if told else 0.85, "US social security number")
    inside = _GROUP_BEFORE.search(joined.before(start, 3)) is not None
    for offset, part in _parts(run):
        kind = NUMBERS.identify(part, about(), inside)
        if kind:
            identifier, length, score = kind
            if not identifier.weak or _told(joined, start + offset, identifier.words):
                yield PiiSpan(identifier.rule, start + offset, start + offset + length, score, identifier.name)
        yield from _phone(joined, part, start + offset, about, regions)


def _told(joined: JoinedBatch, start: int, words: Sequence[str]) -> bool:
    """Return whether one of the words precedes a position without another number between, or names its column."""
    before = _DIGIT.split(_TAG.sub(" ", without_masks(joined.before(start, 2 * _BESIDE))))[-1]
    return not {*kinds_of(words_of(before)), *kinds_of(joined.column_words(start))}.isdisjoint(words)


def _cards(joined: JoinedBatch, run: str, start: int, about: Callable[[], dict[str, int]]) -> Iterator[PiiSpan]:
    for match in _CARD.finditer(run):
        digits = re.sub(r"\D", "", match.group())
        branded = payment_card(digits)
        if not branded and not (digits[0] in "123456" and len(set(digits)) > 2 and luhn.is_valid(digits)):
            continue
        first, end = start + match.start(), start + match.end()
        near = about()
        told, grouped = near.get("card", 99) <= 8, len(digits) != len(match.group())
        if not told and (not branded or (grouped and _GROUP_BEFORE.search(joined.before(first, 3)))):
            continue
        if not told and not grouped and (near.get("counter", 9) <= 2 or len(digits) not in (15, 16)):
            continue
        test = published_card(digits)
        score = 0.75 if not branded else 0.99 if told else 0.92 if grouped else 0.75
        alone = not told and not grouped and not _EXPIRY.match(joined.after(end, 12)) and not _PROSE.search(joined.line(first, end))
        detail = "published test number" if test else "no context that indicates a card" if alone else ""
        yield PiiSpan(
            "payment-card", first, end, min(score, 0.6) if test or alone else score, detail, "info" if test else "low" if alone else None
        )


def _parts(run: str) -> Iterator[tuple[int, str]]:
    """Yield the run, or the parts between double spaces or slashes in it, without trailing separators."""
    at = 0
    for piece in _BETWEEN.split(run):
        if piece[:1] in ("+", "(") or piece[:1].isdigit():
            yield at, piece.rstrip(" ./(-")
        at += len(piece)


def _is_code(line: str) -> bool:
    """Return whether a line looks like source code or a stack trace."""
    return (
        _CODE_SIGNS.search(line) is not None or "::" in line or (("0x" in line or "at " in line) and _CODE_WORDS.search(line) is not None)
    )


def _phone(joined: JoinedBatch, part: str, start: int, about: Callable[[], dict[str, int]], regions: tuple[str, ...]) -> Iterator[PiiSpan]:
    plain = part.isdigit()
    if part.startswith("(") and ")" not in part:
        part, start = part[1:], start + 1
    if part.count("(") < part.count(")"):
        part = part[: part.rindex(")")].rstrip()
    if not phones.possible(part):
        return
    near = about()
    sure = "phone" in near
    phone = near.get("phone", near.get("call"))
    if _LABEL.match(joined.after(start + len(part), 12)):
        phone, sure = 1, True
    if phone is not None and near.get("counter", 99) < phone:
        phone = None
    line = joined.line(start, start + len(part))
    contact = "@" in line and not _is_code(line.translate(_CELLS))  # a row or signature, in which a number needs no nearby word
    code = not contact and _is_code(line)
    if phone is None and ((near.get("counter", 99) <= 2 and part[0] not in "+(") or (plain and not part.startswith("00") and not contact)):
        return
    if code and plain and joined.text[start - 1 : start] == "=" and near.get("phone", 9) > 1:
        return
    if code and phone is None and not part.startswith(("+", "(")):
        return
    i = joined.index(start)
    cell = joined.columns[i] is not None and joined.ends[i] - joined.starts[i] <= len(part) + 3
    prose = contact or (cell and not plain) or (not code and not plain and _PROSE.search(line) is not None)
    score = phones.score(part, phone, prose or (phone is not None and bool(joined.column_words(start))), regions, sure)
    if score:
        end = start + len(part)
        yield PiiSpan("phone", start, end + phones.extension(joined.after(end, 12)), round(score, 3))


# --- letters with digits

_EDGE = re.compile(r"[0-9](?:(?<=[A-Za-z][0-9])|(?<=[A-Z][A-Z] [0-9])|(?=[A-Za-z(])|(?=[-+][A-Za-z0-9]{4}(?![A-Za-z0-9])))")
_WORTHWHILE = 2000  # characters: in a smaller buffer, examining every position is just as fast
_LEFT = re.compile(r"[A-Za-z0-9-]*\Z")
_PAIR = re.compile(r"(?<!\w)[A-Za-z]{2} \Z")
_SHAPE = re.compile(r"(?=[A-Za-z]{0,6}[- ]?[0-9])(?=(?:[A-Za-z-]*[0-9]){4}|[A-Za-z]{2} (?:[0-9] ?){4})")


def _tokens(joined: JoinedBatch) -> Iterator[PiiSpan]:
    text, done = joined.text, -1
    places = nearness.places(joined) if len(joined.text) >= _WORTHWHILE else None
    where = None if places is None else Near(places, nearness.BEFORE, nearness.BEHIND)
    for match in _within(joined, _EDGE, _EDGES, where):
        at = match.start()
        if at < done:
            continue
        left = _LEFT.search(text, max(0, at - 40), at)
        start = left.start() if left else at
        if at - start >= 40 or (start and (text[start - 1].isalnum() or text[start - 1] in "_/+=.$@&")):
            done = at + 8
            continue
        done = at + 1
        for begin in _beginnings(text, start, at):
            found = _token(joined, begin)
            if found:
                yield found
                done = found.end
                break


def _beginnings(text: str, start: int, at: int) -> Iterator[int]:
    """Yield the positions where a token may begin: with a preceding pair of letters, or without."""
    if start == at and _PAIR.search(text, max(0, start - 4), start):
        yield start - 3
    yield start


def _token(joined: JoinedBatch, start: int) -> PiiSpan | None:
    piece = joined.text[start : start + 48].partition("\n")[0]
    if not _SHAPE.match(piece) or not TOKENS.fits(piece):
        return None
    kind = TOKENS.identify(piece, context(joined, start, start + 12))
    if not kind:
        return None
    identifier, length, score = kind
    if identifier.weak and (piece[:length].isalpha() or not _told(joined, start, identifier.words)):
        return None
    return PiiSpan(identifier.rule, start, start + length, score, identifier.name)


# --- network addresses

_V4 = re.compile(r"[0-9](?<![\w.].)[0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![\w]|\.[0-9]|-[A-Za-z0-9])")
_V6 = re.compile(r":[0-9A-Fa-f]{0,4}:")
_V6_AROUND = re.compile(r"[0-9A-Fa-f:.]*\Z")
_V6_WHOLE = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_MAC_COLONS, _MAC_DASHES = re.compile(r":[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:"), re.compile(r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
_MAC_WHOLE = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w]|[:-][0-9A-Fa-f]{2})")
_PLACEHOLDER_MAC = re.compile(r"aa.bb.cc.dd.ee.ff", re.IGNORECASE)
_MAC_DOTS = re.compile(r"\.[0-9A-Fa-f]{4}\.")
_MAC_DOTTED = re.compile(r"(?<![\w.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w.])")
_AGENT = re.compile(r"(?:[A-Za-z]/|[vV]\.? ?|[=~^<>]=? ?\"?)\Z")


def _networks(joined: JoinedBatch, private: bool) -> Iterator[PiiSpan]:
    text = joined.text
    for match in _within(joined, _V4, _DOTTED, Near(dotted(joined.codes, joined.digits), 0, 0)):
        found = _v4(joined, match, private)
        if found:
            yield found
    if ":" in text:
        yield from _v6(joined, private)
    for probe, whole, back in ((_MAC_COLONS, _MAC_WHOLE, 2), (_MAC_DASHES, _MAC_WHOLE, 2), (_MAC_DOTS, _MAC_DOTTED, 4)):
        done = -1
        for match in probe.finditer(text):
            if match.start() < done:
                continue
            candidate = whole.match(text, max(0, match.start() - back))
            if candidate and mac(candidate.group()):
                hexadecimal = re.search("[A-Fa-f]", candidate.group()) is not None
                told = "mac" in context(joined, *candidate.span())
                if hexadecimal or told:
                    yield PiiSpan(
                        "mac-address",
                        candidate.start(),
                        candidate.end(),
                        0.55 if _PLACEHOLDER_MAC.match(candidate.group()) else 0.95 if told else 0.85,
                    )
                done = candidate.end()


def _v4(joined: JoinedBatch, match: re.Match[str], private: bool) -> PiiSpan | None:
    start, end = match.span()
    scope = ip_scope(match.group())
    if scope is None or (scope == "private" and not private):
        return None
    before = joined.before(start, 4)
    if _AGENT.search(before) and (before.endswith("==") or not before.endswith("=")):
        return None
    near = context(joined, start, end)
    told = near.get("ip", 99) <= 8
    if near.get("version", 99) < min(near.get("ip", 99), 6):
        return None
    if not told and (max(map(int, match.group().split("."))) < 40 or joined.after(end, 1) == "/"):
        return None  # version and section numbers
    return PiiSpan("ip-address", start, end, 0.95 if told else 0.8)


def _v6(joined: JoinedBatch, private: bool) -> Iterator[PiiSpan]:
    text, done = joined.text, -1
    for match in _V6.finditer(text):
        if match.start() < done:
            continue
        left = _V6_AROUND.search(text, max(0, match.start() - 40), match.start())
        start = left.start() if left else match.start()
        whole = _V6_WHOLE.match(text, start)
        done = whole.end() if whole else match.end()
        if not whole or (start and (text[start - 1].isalnum() or text[start - 1] in "_-")) or text[done : done + 1].isalnum():
            continue
        value = whole.group().rstrip(".:") if not whole.group().endswith("::") else whole.group()
        groups = [group for group in value.split(":") if group]
        full = value.count(":") == 7 and "::" not in value
        if (
            not (full or ("::" in value and len(groups) >= 2 and value[:1] in "23fF:"))
            or not re.search(r"\d", value)
            or len(max(groups)) < 2
        ):
            continue
        scope = ip_scope(value)
        if scope == "public" or (scope == "private" and private):
            yield PiiSpan("ip-address", start, start + len(value), 0.9 if full else 0.75)


# --- cryptocurrencies

_OLD = tuple(re.compile(first + r"(?<![\w/+=].)[1-9A-HJ-NP-Za-km-z]{25,34}(?![\w/+=])") for first in "13")
_NEW = re.compile(r"bc1(?<!\w...)[02-9ac-hj-np-z]{11,71}(?!\w)")
_HEX = re.compile(r"0x(?<!\w..)[0-9A-Fa-f]{40}(?!\w)")


def _crypto(joined: JoinedBatch) -> Iterator[PiiSpan]:
    text = joined.text
    for match in itertools.chain.from_iterable(pattern.finditer(text) for pattern in _OLD):
        if base58check(match.group()):
            yield PiiSpan("crypto-address", match.start(), match.end(), 0.99)
    for match in _NEW.finditer(text) if "bc1" in text else ():
        if bech32(match.group()):
            yield PiiSpan("crypto-address", match.start(), match.end(), 0.99)
    for match in _HEX.finditer(text) if "0x" in text else ():
        if "crypto" in context(joined, *match.span()) and len(set(match.group())) > 4:
            yield PiiSpan("crypto-address", match.start(), match.end(), 0.8)


# --- dates of birth

_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|juni|juli|okt|dez|janv|févr|fév|mars|avr|juin|juil|août|déc|ene|abr|ago|dic|enero)[a-zéû]{0,8}\.?"
_NUMERIC_DATE = re.compile(r"[0-9](?<![\w./-].)[0-9]{0,3}([-/.])[0-9]{1,2}\1[0-9]{2,4}(?![\w/]|[-.][0-9])")
_WORDED = re.compile(rf"[0-9](?<!\w.)[0-9]?(?:st|nd|rd|th|er|\.)? (?:of |de )?{_MONTHS},? (?:de )?(?:19|20)[0-9]{{2}}(?!\w)", re.IGNORECASE)
_MONTH_FIRST = re.compile(r"[A-Z](?<!\w.)[a-zéûä]{2,8}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{2}(?!\w)")
_COMPACT = re.compile(r"[0-9](?<!\w.)(?:9[0-9]{2}|0[0-9]{2})(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?!\w)")
_DATES = (_NUMERIC_DATE, _WORDED, _MONTH_FIRST, _COMPACT)

_AFTER, _BEFORE, _WORDS = 64, 24, 7
_CUE = 32  # most characters of a word for birth and the punctuation after it
_OTHER = re.compile(r"[0-9]|\[[A-Z][A-Z_]*\]|(?:^|[a-z0-9])[.!?] +[A-Z]")  # another number, a mask in place of one, or another sentence


def _births(joined: JoinedBatch) -> Iterator[PiiSpan]:
    """Yield a date after or just before a word for birth, without another number between, and all dates in a column for birth dates."""
    for start, end, column in zip(joined.starts, joined.ends, joined.columns, strict=True):
        if column is not None and speaks_of(column.name, "dob"):
            for match in _dates(joined.text, start, end):
                yield PiiSpan("date-of-birth", *match.span(), 0.95)
    for cue in _cues(joined):
        for date, between in _beside(joined, cue):
            words = len(words_of(between))
            if words <= _WORDS and not _OTHER.search(between):
                yield PiiSpan("date-of-birth", *date.span(), round(0.95 - 0.01 * words, 3))
                break


def _cues(joined: JoinedBatch) -> Iterator[re.Match[str]]:
    """Yield words for birth that are near four digits, because every date has at least four."""
    for start, end in around_clusters(joined.digits, 2, 4, _AFTER + _CUE, _BEFORE):
        for cue in BIRTH.finditer(joined.text, start, end + _CUE):
            if cue.start() < end:
                yield cue


def _beside(joined: JoinedBatch, cue: re.Match[str]) -> Iterator[tuple[re.Match[str], str]]:
    """Yield the first date after a cue, and the first in the text just before it, each with the text between."""
    text, (first, last) = joined.text, cue.span()
    if date := _first_date(text, last, last + len(joined.after(last, _AFTER))):
        yield date, text[last : date.start()]
    if date := _first_date(text, first - len(joined.before(first, _BEFORE)), first):
        yield date, text[date.end() : first]


def _dates(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Yield dates by position, longer ones first."""
    yield from sorted((date for pattern in _DATES for date in _dates_of(pattern, text, start, end)), key=_by_place)


def _first_date(text: str, start: int, end: int) -> re.Match[str] | None:
    """Return the first date, the longest of several that begin there."""
    firsts = [date for pattern in _DATES if (date := next(_dates_of(pattern, text, start, end), None))]
    return min(firsts, key=_by_place, default=None)


def _by_place(date: re.Match[str]) -> tuple[int, int]:
    return date.start(), -date.end()


def _dates_of(pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    for match in pattern.finditer(text, start, end + _SEEN):
        if match.end() <= end and (pattern not in (_NUMERIC_DATE, _COMPACT) or _calendar(match.group())):
            yield match


@functools.lru_cache(4096)
def _calendar(text: str) -> bool:
    parts = [int(part) for part in re.split(r"\D", text)]
    if len(parts) == 1:
        return birth_date(int(text[:4]), int(text[4:6]), int(text[6:]))
    year = parts[0] if parts[0] > 31 else parts[2]
    if year < 100:
        year += 1900 if year > 30 else 2000
    rest = (parts[1], parts[2]) if parts[0] > 31 else (parts[0], parts[1])
    return any(birth_date(year, month, day) for month, day in (rest, rest[::-1]))
