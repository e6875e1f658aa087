"""Scans a buffer: passes each match of the prefilter to the function that can confirm it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.origins import Mapped
from veritensor_ray.engines.joined import JoinedBytes
from veritensor_ray.engines.secrets import assigned_names, assignments, extents, likelihood, nested
from veritensor_ray.engines.secrets.assignments import AssignedValue, Verdict
from veritensor_ray.engines.secrets.extents import TextWithValues
from veritensor_ray.engines.secrets.http_messages import HTTP_PLACES, PLACES_IN_MESSAGES, HttpMessages, cookies_of, is_session
from veritensor_ray.engines.secrets.prefilter import Prefilter
from veritensor_ray.engines.secrets.shaped import PLACES, PLACES_ANY_CASE, ShapedSecret, discord_tokens
from veritensor_ray.engines.secrets.told_cells import Where
from veritensor_ray.engines.secrets.word_likeness import VENDORS
from veritensor_ray.masking.redaction import mask
from veritensor_ray.masking.secret_kinds import checksums
from veritensor_ray.masking.secret_kinds.published import is_published
from veritensor_ray.masking.secret_kinds.token_kinds import TOKENS

_KEYWORD, _VENDOR, _TOKENS, _PLACES, _IN_MESSAGES = 0, 1, 1000, 2000, 3000
_NEAR = 300  # characters between a key id and its secret
_BESIDE = 3  # cells or values between them
_SECRET_LENGTH = 40
_BLOCK = 1024  # characters that are searched at once
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_BASE64, _BASE64_END = re.compile("[A-Za-z0-9+/]+"), re.compile(r"[A-Za-z0-9+/]+\Z")
_PARAMETER = ("?", "&")  # before a parameter of an address, where pages put cache keys
_RUN = 64  # characters examined on each side
_AROUND = 40  # a run of this many base64 characters is not the path of an address
_DEAD = re.compile(r"EXAMPLE|[xX]{4,}|\*{3,}|\.{4,}|YOUR|your[-_]")


class SecretScanner:
    """Scans buffers with matchers that are compiled once per process."""

    def __init__(self) -> None:
        keywords = [(word, _KEYWORD) for word in assignments.ANY_CASE] + [(word, _VENDOR) for word in VENDORS]
        exact = [(literal, _TOKENS + i) for i, token in enumerate(TOKENS) for literal in token.literals.split()]
        self._places = [finder for _, finder in (*PLACES, *PLACES_ANY_CASE, *HTTP_PLACES)]
        exact += [(word, _PLACES + i) for i, (some, _) in enumerate(PLACES) for word in some]
        keywords += [(word, _PLACES + len(PLACES) + i) for i, (some, _) in enumerate((*PLACES_ANY_CASE, *HTTP_PLACES)) for word in some]
        keywords += [(word, _IN_MESSAGES + i) for i, (some, _) in enumerate(PLACES_IN_MESSAGES) for word in some]
        self._prefilter = Prefilter(exact, keywords)

    def scan(self, joined: JoinedBytes, where: Where) -> Iterator[ShapedSecret]:
        """Yield everything found in a buffer, including overlaps, in no particular order."""
        named: list[int] = []
        vendors: list[int] = []
        messages, aws_secrets = HttpMessages(joined.text), _AwsSecrets(joined, where)
        for group, at in self._prefilter.find(joined.data):
            if group == _KEYWORD:
                named.append(at)
            elif group == _VENDOR:
                vendors.append(at)
            elif group < _PLACES:
                yield from _token(group - _TOKENS, joined, at, aws_secrets)
            elif group < _IN_MESSAGES:
                yield from self._places[group - _PLACES](joined.text, at, joined.ends[joined.index(at)])
            else:
                yield from PLACES_IN_MESSAGES[group - _IN_MESSAGES][1](messages, at, joined.ends[joined.index(at)])
        yield from _named(sorted(named), joined, where)
        yield from _by_vendor(sorted(vendors), joined, where)
        yield from _cells(joined, where)
        yield from discord_tokens(joined.text)


def _token(number: int, joined: JoinedBytes, at: int, aws_secrets: _AwsSecrets) -> Iterator[ShapedSecret]:
    token, text = TOKENS[number], joined.text
    found = token.around(text, at, joined.starts[joined.index(at)]) if token.back else token.pattern.match(text, at)
    if (
        found is None
        or ".." in text[found.end() - 1 : found.end() + 2]
        or (found.group().isalnum() and _encoded_around(text, found.start(), found.end()))
    ):
        return
    graded = _graded(number, found.group())
    if graded is None:
        return
    one = ShapedSecret(token.rule, found.start(), found.end(), *graded, token.name)
    yield one
    if token.rule == "aws-access-key":
        yield from aws_secrets.of(one)


@functools.lru_cache(4096)  # values repeat, especially in texts designed to slow the scan down
def _graded(number: int, value: str) -> tuple[float, Severity | None] | None:
    """Return score and severity of a value that has the form of token `number`, or None if it is not a secret."""
    token = TOKENS[number]
    score, severity = token.score, token.severity
    if _DEAD.search(value) or is_published(value):
        return None
    if token.check:
        if token.check(value):
            score = max(score, 0.98) if not token.strict else score
        elif token.strict:
            return None
        else:
            score, severity = 0.6, "medium"
    if score < 0.95 and (checksums.entropy(value[-24:]) < 2.5 or likelihood.has_sequence(value)):
        score, severity = 0.4, "low"  # has the right form, but was typed by hand
    return score, severity


def _encoded_around(text: str, start: int, end: int) -> bool:
    """Return whether a match is inside base64 data, where any four characters occur by chance."""
    if text[start - 1 : start] not in ("+", "/") and text[end : end + 1] not in ("+", "/"):
        return False
    before, after = _BASE64_END.search(text, max(0, start - _RUN), start), _BASE64.match(text, end, end + _RUN)
    around = (before[0] if before else "") + (after[0] if after else "")
    return len(around) >= _AROUND and not around.islower() and not around.isupper() and any(map(str.isdigit, around))


class _AwsSecrets:
    """The secret keys near key ids of AWS. Together with its id, a key gives access to the account."""

    def __init__(self, joined: JoinedBytes, where: Where) -> None:
        self._joined, self._where = joined, where
        self._blocks: dict[int, list[tuple[int, int]]] = {}  # in a list of key ids, the texts around them overlap

    def of(self, key: ShapedSecret) -> Iterator[ShapedSecret]:
        """Yield the secret keys near a key id."""
        text = self._joined.text
        for first, last in self._near(key):
            if found := next((span for span in self._candidates(first, last) if _is_drawn(text[slice(*span)])), None):
                message = f"AWS secret key near the id {mask(text[key.start : key.end])}"
                yield ShapedSecret("aws-secret-key", *found, 0.98, "high", message)

    def _near(self, key: ShapedSecret) -> Iterator[tuple[int, int]]:
        """Yield where the secret of a key id may be: in the text around it, or in a cell or a value beside it that is as long as a secret."""
        joined = self._joined
        i = joined.index(key.start)
        yield max(joined.starts[i], key.start - _NEAR), min(joined.ends[i], key.end + _NEAR)
        for other in range(max(0, i - _BESIDE), min(len(joined.starts), i + _BESIDE + 1)):
            start, end = joined.starts[other], joined.ends[other]
            if other != i and end - start == _SECRET_LENGTH and self._where.same_file(joined.first + i, joined.first + other):
                yield start, end

    def _candidates(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield what has the form of a secret key in a range of the text."""
        for block in range(first - first % _BLOCK, last, _BLOCK):
            if block not in self._blocks:
                some = _AWS_SECRET.finditer(self._joined.text, block, block + _BLOCK + _SECRET_LENGTH)
                self._blocks[block] = [found.span() for found in some if found.start() < block + _BLOCK]
            yield from (span for span in self._blocks[block] if first <= span[0] and span[1] <= last)


@functools.lru_cache(1024)  # in a list of key ids, the same secret is near many of them
def _is_drawn(value: str) -> bool:
    return not likelihood.is_hex(value) and likelihood.is_random(value) and not _DEAD.search(value)


def _named(at: list[int], joined: JoinedBytes, where: Where) -> Iterator[ShapedSecret]:
    """Yield values assigned to names, examining each name once, and unassigned values that follow any word in a name."""
    text, done, row, end_of_row, extension = joined.text, 0, -1, -1, ""
    strings, values = nested.InnerStrings(text), TextWithValues(text)
    begun = floor = end = 0
    for place in at:
        if place < done:
            continue
        if place >= end_of_row:
            row = joined.index(place)
            end_of_row = joined.ends[row]
            extension = where.extension(joined.first + row)
        known = place < end
        if not known:
            begun, floor, end = place, max(done, joined.starts[row]), assignments.end_of_name(text, place)
        hopeless = known or assignments.is_hopeless(text, place, end)
        near = _near_word(text, place, extension) if hopeless else None
        if hopeless and near is None:
            continue
        start = nested.behind_escape(text, assignments.start_of_name(text, begun, floor))
        if _inside(text, start) or (extension in assignments.PROSE and text[start - 1 : start] in _PARAMETER and text[start:end] == "key"):
            continue
        found = None if hopeless else _assigned(strings, values, start, end, end_of_row, extension)
        if found is None and (near := near or _near_word(text, place, extension)):
            found = _loose(text, start, place, near, extension)
        if found and found.end <= end_of_row:
            done = found.end
            yield found


def _inside(text: str, start: int) -> bool:
    """Return whether the text that begins there is a type name, or is inside encoded data."""
    return text.startswith("::", start - 2) or (start > 1 and text[start - 1] in "+/=" and text[start - 2].isalnum())


def _assigned(
    strings: nested.InnerStrings, values: TextWithValues, start: int, end: int, limit: int, extension: str
) -> ShapedSecret | None:
    text = values.text
    name = text[start:end]
    if assigned_names.kind_of(name) is assigned_names.NameKind.NONE:
        return None
    if nested.is_escaped(text, end) and (found := _nested(text[start:end], strings.opened(start, end, limit))):
        return found
    for value in assignments.values_after(values, start, end, extension):
        if not value.quoted and extension in assignments.SOURCE and extents.among_settings(text, value.start, value.end):
            value = value._replace(quoted=True)  # inside a string
        if found := _confirmed(name, value, text, extension):
            return found
    return None


def _nested(name: str, inner: Mapped) -> ShapedSecret | None:
    """Return the secret assigned to a name that is in a string inside a string, which begins with the name."""
    for value in assignments.values_after(TextWithValues(inner.text), 0, len(name), "json"):
        if found := _confirmed(name, value, inner.text, "json"):
            first, last = inner.original(found.start, found.end)
            return found._replace(start=first, end=last)
    return None


def _confirmed(name: str, value: AssignedValue, text: str, extension: str) -> ShapedSecret | None:
    """Return a value, or what of the object that it is, if it is a secret."""
    verdict = assignments.judged(name, value, extension)
    if verdict is None and value.quoted and "\\" in value.text:
        verdict = assignments.judged(name, value._replace(text=nested.plain(value.text)), extension)
    if verdict:
        return _found(verdict, value, text)
    return next(_leaves(name, value), None) if value.quoted and value.text[:1] in "{[" else None


def _leaves(name: str, value: AssignedValue) -> Iterator[ShapedSecret]:
    """Yield random texts in an object that is as a whole assigned to the name of a secret."""
    if assigned_names.kind_of(name) is not assigned_names.NameKind.SECRET:
        return
    for leaf in nested.leaves(value.text):
        if not assigned_names.is_identifier(leaf.key) and likelihood.is_key(leaf.text):
            yield ShapedSecret(
                "generic-key",
                value.start + leaf.start,
                value.start + leaf.end,
                0.6,
                None,
                "Random value in an object whose name suggests a secret",
            )


def _near_word(text: str, place: int, extension: str) -> re.Match[str] | None:
    """Return a word for a key and the value that follows it almost directly."""
    return None if extension in assignments.SOURCE else _LOOSELY.match(text, place)


def _loose(text: str, start: int, place: int, near: re.Match[str], extension: str) -> ShapedSecret | None:
    if not _PREFIX.match(text, start, place):
        return None
    value, end = AssignedValue(near["value"].rstrip("."), near.start("value"), False, "loose"), near.end("word")
    about = text[start:end] if start < place else text[max(0, start - 12) : end].rpartition("\n")[2]
    verdict = assignments.loosely_judged(about, value, extension)
    return _found(verdict, value, text) if verdict else None


_PREFIX = re.compile(r"(?=\D*(?:\d\D*){0,2}\Z)[\w.\-$]{0,30}\Z")
_LOOSELY = re.compile(
    r"(?P<word>(?>pass(?:word|wd|phrase)?|pwd|secret|token|key|cred(?:ential)?s?|auth|salt|nonce|_pat|access|private))" + assignments.LOOSE,
    re.ASCII | re.IGNORECASE,
)


def _found(verdict: Verdict, value: AssignedValue, text: str) -> ShapedSecret:
    rule, severity = verdict.rule, verdict.severity
    if rule == "password" and extents.among_settings(text, value.start, value.end):
        rule, severity = "connection-string", "medium" if verdict.score < 0.5 else "high"
    return ShapedSecret(rule, value.start, value.end, verdict.score, severity)


def _by_vendor(at: list[int], joined: JoinedBytes, where: Where) -> Iterator[ShapedSecret]:
    text = joined.text
    for place in at:
        end = place
        while end < len(text) and text[end].isalnum() and end < place + 20:
            end += 1
        value = None if _is_in_name(text, place, end) else assignments.vendor_value(text, end)
        if value and value.end <= joined.ends[joined.index(place)]:
            verdict = assignments.loosely_judged("", value, where.extension(joined.first + joined.index(place)))
            if verdict:
                yield ShapedSecret(
                    verdict.rule, value.start, value.end, verdict.score * 0.9, verdict.severity, "Random value next to a service name"
                )


def _is_in_name(text: str, start: int, end: int) -> bool:
    """Return whether a word stands between hyphens, as in the name of a package such as `golang-github-miekg-pkcs11-dev`."""
    return text[start - 1 : start] == "-" == text[end : end + 1] and text[start - 2 : start - 1].isalpha()


def _cells(joined: JoinedBytes, where: Where) -> Iterator[ShapedSecret]:
    """Yield cells of a column, or values of a path, whose name suggests a secret, and the cookies of sessions in cells."""
    last = joined.first + len(joined.starts)
    for row, name in where.telling.items():
        if joined.first <= row < last:
            start, text = joined.starts[row - joined.first], _cell(joined, row)
            value = AssignedValue(text, start, True, "assign")
            if 4 <= len(text) <= bounds.VALUE and "\n" not in text and (found := _confirmed(name, value, text, "json")):
                yield found
    for row, name in where.cookies.items():
        if joined.first <= row < last:
            start, text = joined.starts[row - joined.first], _cell(joined, row)
            if not name:
                yield from (one._replace(start=start + one.start, end=start + one.end) for one in cookies_of(text[: bounds.VALUE]))
            elif len(text) <= bounds.VALUE and is_session(name, text):
                yield ShapedSecret("http-authorization", start, start + len(text), 0.6, "low", "Cookie of a session")


def _cell(joined: JoinedBytes, row: int) -> str:
    return joined.text[joined.starts[row - joined.first] : joined.ends[row - joined.first]]
