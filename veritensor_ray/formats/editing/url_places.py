"""Keeps the form of a URL when a part of it is replaced: scheme, host and a slash before the path stay, and programs can still parse it.

It does not depend on policies or on what takes the place.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OPENS = r"(?::(?://|\\/\\/)|%3A%2F%2F)"
_LOGIN = re.compile(rf"[A-Z][A-Z0-9+.\-]{{0,24}}{_OPENS}(?P<login>\S+?)(?:@|%40)\Z", re.IGNORECASE)
_AUTHORITY = re.compile(rf"{_OPENS}(?P<begun>[^\s/?#\"'<>\\]*)\Z", re.IGNORECASE)
_BEFORE = 256  # characters before a place in which its URL begins
_HOST = re.compile(r"(?:[\w-]*(?:\.[\w-]+)*\.[A-Z]{2,24}(?::\d{1,5})?)?\\?/", re.IGNORECASE)
_SECRETS = "secrets."  # rules whose findings are the credential; others may be about the host


class UrlPlace(NamedTuple):
    """What is to be replaced. If it is `bare`, it is in front of a URL's path, where brackets would mean an IPv6 address."""

    start: int
    end: int
    bare: bool = False

    def fitted(self, new: str) -> str:
        """Return a text as it may stand there: a mask in parentheses instead of brackets."""
        return f"({new[1:-1]})" if self.bare and new[:1] == "[" and new[-1:] == "]" else new


def url_place(value: str, start: int, end: int, rule: str) -> UrlPlace:
    """Return what to replace of a finding: without a scheme, an `@` or a host that the rule includes only to recognize the secret."""
    if login := _LOGIN.match(value[start:end]):
        return UrlPlace(start + login.start("login"), start + login.end("login"), bare=True)
    before = value[max(0, start - _BEFORE) : start]
    opened = _AUTHORITY.search(before) if "/" in before or "%" in before else None
    if opened is None:
        return UrlPlace(start, end)
    host = _HOST.match(value, start, end) if rule.startswith(_SECRETS) else None
    if host and host.end() < end and (value[start] in "/\\" or ":" not in opened["begun"]):  # and not the password of a user
        return UrlPlace(host.end(), end)
    return UrlPlace(start, end, bare=True)
