"""Finds credentials in HTTP messages, wherever they are written down: raw, recorded, in commands of curl or in source code.

It knows headers for authorization, cookies of sessions, and pairs of user and password that code encodes for such a header. Other headers,
queries and bodies have names, and are judged by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.engines.secrets import likelihood
from veritensor_ray.engines.secrets.extents import RunEnds
from veritensor_ray.engines.secrets.shaped import ShapedSecret, is_no_password
from veritensor_ray.engines.secrets.word_likeness import STAND_IN
from veritensor_ray.masking.secret_kinds import checksums
from veritensor_ray.masking.secret_kinds.published import is_published

_STRING = r"[bru]{0,2}\\{0,7}[\"'`]"
# What may stand between the scheme and the token: a space, or the end of one string and the beginning of the next.
_GAP = rf"(?:[ +]{{1,2}}|%20)(?:\\{{0,7}}[\"'`]?\s{{0,3}}[+.,&]?\s{{0,3}}{_STRING})?|\\{{0,7}}[\"'`]\s{{0,3}},\s{{0,9}}{_STRING}"
_BEARER = re.compile(rf"(?:bearer|token|ssws|apikey|ntlm):?(?:{_GAP})(?P<token>[\w\-][\w.~+/=|\-]{{15}})", re.IGNORECASE | re.ASCII)
_BASIC = re.compile(rf"basic(?:{_GAP})((?:[A-Za-z0-9+/]|\\/){{8,400}}+={{0,2}})(?![A-Za-z0-9+/])", re.IGNORECASE)
_HEADER = re.compile(r"authorization[\w\s\"'`\\:=,()\[\]>.%{}-]{0,40}\Z", re.IGNORECASE)
_BEFORE = 60
_OTHER_SCHEME = re.compile(
    rf"\\{{0,7}}[\"'`]?\]?\s{{0,3}}[:=,]\s{{0,40}}(?:-\s{{1,3}})?\[?(?:{_STRING})?(?!basic|bearer)[A-Za-z][A-Za-z0-9-]{{2,19}}[ :=]{{1,2}}"
    r"(?P<token>[\w\-][\w.~+/=|\-]{19})",
    re.IGNORECASE | re.ASCII,
)


def basic(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a user name and password in base64, or the random token that some services expect in its place."""
    found = _BASIC.match(text, at, end_of_text)
    if found is None:
        return
    written = found[1].replace("\\", "")
    if is_published(written):
        return
    pair = checksums.basic_pair(written)
    if pair:
        if not is_no_password(*pair):
            yield ShapedSecret("http-authorization", found.start(1), found.end(1), 0.8)
    elif _is_encoded(written) and (_HEADER.search(text, max(0, at - _BEFORE), at) or _is_whole_string(text, at, found.end())):
        yield ShapedSecret("http-authorization", found.start(1), found.end(1), 0.55, None, "Token in place of user and password in base64")


def _is_whole_string(text: str, start: int, end: int) -> bool:
    return text[start - 1 : start] in ("'", '"', "`") and text[start - 1] == text[end : end + 1]


def _is_encoded(written: str) -> bool:
    """Return whether a text is base64 of something, rather than a word or a placeholder."""
    if likelihood.is_stand_in(written) or likelihood.has_sequence(written):
        return False
    return likelihood.is_random(written) or (written.endswith("=") and len(written) % 4 == 0 and likelihood.naturalness(written) < 0.5)


_ENCODER = re.compile(
    r"[\w.]{0,30}\(\s{0,9}(?:[\w.\[\]]{1,40}\(\s{0,3}){0,2}(?P<quote>[bruf]{0,2}(?P<mark>[\"'`]))(?P<user>[^\s:\"'`\\{$]{0,64}):(?P<password>[^\n\"'`\\]{3,100})(?P=mark)"
)


def encoded_pair(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a user name and password that code encodes in base64. `at` is the offset of the function's name."""
    found = _ENCODER.match(text, at, min(end_of_text, at + 400))
    if found is None or found["password"].startswith((" ", "/")) or is_no_password(found["user"], found["password"]):
        return
    if text.startswith("uffer", at + 1) and "base64" not in text[found.end() : min(end_of_text, found.end() + 40)]:
        return  # bytes for another purpose
    if likelihood.is_code(found["password"]) or "{" in found["password"] or "%s" in found["password"]:
        return
    weak = found["password"].isalpha() and likelihood.naturalness(found["password"]) > 0.6
    yield ShapedSecret("http-authorization", found.start("user"), found.end("password"), 0.4 if weak else 0.75, "low" if weak else None)


_LEAST, _MOST = 8, 4000  # characters of a header behind its first name
_NO_TOKEN, _NO_PAIR = re.compile(r"[^A-Za-z0-9_.~+/=|\-]"), re.compile(r"[\r\n\"'`\\<>]")
_WITHIN = 404  # characters of a command, in which an option must begin
_LOGIN = re.compile(r"\s(?:-u|--user|-U|--proxy-user)[ =]{0,2}[\"']?[^\s:\"'$<{]{1,80}:(?P<password>[^\s\"'$<{]{3,120})|[\n\x1e]")
_COOKIES = re.compile(
    rf"cookies?\\{{0,7}}[\"'`]?\]?\s{{0,3}}(?:[:=,(]|=>)\s{{0,9}}(?:-\s{{1,3}})?\[?\s{{0,9}}(?:{_STRING})?(?P<cookies>[\w.\-$]{{1,60}}=[^\r\n\"'`\\<>]{{{_LEAST}}})",
    re.IGNORECASE,
)
_OPTION = re.compile(rf"\s(?:-b|--cookie)[ =]{{1,2}}[\"']?(?P<cookies>[\w.\-$]{{1,60}}=[^\r\n\"'`\\<>]{{{_LEAST}}})|[\n\x1e]")
_COOKIE = re.compile(r"(?:;\s{0,3})?([\w.\-$]{1,60})=(?=[^;\s,]{12})")
_COOKIE_VALUE = re.compile(r"[^;\s,]{12,4000}")
_SESSION = re.compile(r"sess|(?:^|[_.-])sid\b|sid$|auth|token|jwt|remember|log(?:ged)?_?in|credential|secret|api_?key|passw", re.IGNORECASE)
_NO_SESSION = re.compile(r"csrf|xsrf|analytics|consent|ga_|public|token_type", re.IGNORECASE)


class HttpMessages:
    """The headers and commands in a text. What the ranges of several share is read once, so that a flood of them costs little more than
    its length.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens, self._pairs = RunEnds(text, _NO_TOKEN, _MOST), RunEnds(text, _NO_PAIR, _MOST)
        self._logins, self._options = RunEnds(text, _LOGIN, _WITHIN), RunEnds(text, _OPTION, _WITHIN)
        self._first = self._read = 0

    def bearer(self, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
        """Yield the token of a header. `at` is the offset of the scheme."""
        yield from self._token(_BEARER.match(self._text, at, end_of_text), end_of_text)

    def authorization(self, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
        """Yield the token under a scheme of its own. `at` is the offset of "authorization"."""
        for found in self._token(_OTHER_SCHEME.match(self._text, at + len("authorization"), end_of_text), end_of_text):
            if self._text[found.end : found.end + 1] != "(":
                yield found

    def cookies(self, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
        """Yield the cookies in a header. `at` is the offset of "cookie"."""
        yield from self._sessions(_COOKIES.match(self._text, at, end_of_text), end_of_text)

    def curl(self, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
        """Yield the password and the cookies in a command. `at` is the offset of "curl"."""
        login = _LOGIN.match(self._text, self._logins.end(at), min(end_of_text, at + 600))
        password = login["password"] if login else None
        if login and password and not likelihood.is_stand_in(password) and password.lower() not in STAND_IN:
            yield ShapedSecret("http-authorization", *login.span("password"), 0.7)
        option = _OPTION.match(self._text, self._options.end(at), end_of_text)
        yield from self._sessions(option if option and option["cookies"] else None, end_of_text)

    def _token(self, found: re.Match[str] | None, end_of_text: int) -> Iterator[ShapedSecret]:
        if found is None:
            return
        start = found.start("token")
        end = min(self._tokens.end(start), end_of_text)
        token = self._text[start:end]
        if likelihood.is_random(token) and not likelihood.is_stand_in(token):
            yield ShapedSecret("http-authorization", start, end, 0.45 if likelihood.has_sequence(token) else 0.75)

    def _sessions(self, found: re.Match[str] | None, end_of_text: int) -> Iterator[ShapedSecret]:
        if found is None:
            return
        first = found.start("cookies")
        last = min(self._pairs.end(found.end("cookies") - _LEAST), end_of_text)
        known = self._first <= first < self._read
        # The last of the pairs that another header had may have been cut off there.
        onwards = max(first, self._text.rfind(";", first, self._read)) if known else first
        self._first, self._read = (self._first if known else first), last
        if onwards > first:
            yield from _sessions(self._text, first, self._text.find(";", first, onwards + 1))
        yield from _sessions(self._text, onwards, last)


def cookies_of(header: str) -> Iterator[ShapedSecret]:
    """Yield the cookies of sessions in the value of a header."""
    return _sessions(header, 0, len(header))


def _sessions(text: str, first: int, last: int) -> Iterator[ShapedSecret]:
    """Yield the cookies of sessions among the pairs in a range, which semicolons separate."""
    at = first
    while at >= 0:
        cookie = _COOKIE.match(text, at, last)
        if cookie and _may_be_session(cookie[1]) and (value := _COOKIE_VALUE.match(text, cookie.end(), last)) and _is_drawn(value.group()):
            yield ShapedSecret("http-authorization", *value.span(), 0.6, "low", "Cookie of a session")
        at = text.find(";", cookie.end() if cookie else at + 1, last)


def is_session(name: str, value: str) -> bool:
    """Return whether a cookie is random and, by its name, one that logs its bearer in."""
    return _may_be_session(name) and _is_drawn(value)


def _may_be_session(name: str) -> bool:
    return _SESSION.search(name) is not None and _NO_SESSION.search(name) is None


def _is_drawn(value: str) -> bool:
    return likelihood.is_key(value.partition("%")[0] or value)


PLACES_IN_MESSAGES = (
    (("bearer ", "bearer%20", "bearer+", 'bearer",', "ssws ", "ntlm "), HttpMessages.bearer),
    (("authorization",), HttpMessages.authorization),
    (("cookie:", 'cookie"', "cookie'", "cookie\\", "cookie=", "cookie`", "cookies="), HttpMessages.cookies),
    (("curl ",), HttpMessages.curl),
)
HTTP_PLACES = (
    (("basic ", "basic%20", 'basic",', "basic',", 'basic\\"', "basic+"), basic),
    (("b64encode(", "btoa(", "buffer.from(", "base64_encode(", "encodetostring(", "encode64(", "getbytes("), encoded_pair),
)
