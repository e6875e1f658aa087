"""Recognizes an email or a mailbox by the header that it begins with, and a message of Outlook by a stream, without reading any message."""

from __future__ import annotations

import re
from collections.abc import Callable

from veritensor_ray.core.media_types import MAILBOX, MESSAGE, OUTLOOK, PLAIN

_FIELD = re.compile(rb"([!-9;-~]{1,76}):[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|\Z)")
_FROM_LINE = re.compile(rb"From [^\r\n]{0,300}\d\d:\d\d(?::\d\d)?[^\r\n]{0,60}\r?\n(?=[!-9;-~]{1,76}:)")
# A header may be preceded by a byte order mark, empty lines, or a mailbox's envelope line (without a date, or quoted as in forwarded mail).
_AHEAD = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]{0,9}\r?\n){0,9}(>?From (?!:)[^\r\n]{1,300}\r?\n)?")
_TELLING = frozenset((b"from", b"received", b"return-path", b"message-id", b"delivered-to", b"mime-version", b"reply-to"))
_KNOWN = _TELLING | frozenset((b"to", b"cc", b"subject", b"date", b"sender", b"content-type", b"x-mailer"))
_MIME = frozenset((b"mime-version", b"content-type"))  # saved web pages have little more than these
_PROPERTIES = "__properties_version1.0"
_UNSPECIFIC = (PLAIN, MESSAGE, MAILBOX)


def mail_type(head: bytes, named: str) -> str | None:
    """The media type, or None. `named` is the type that the file name promises: other kinds of text may have such a header too."""
    if named not in _UNSPECIFIC:
        return None
    if mailbox := _FROM_LINE.match(head):
        return MAILBOX if _fields(head, mailbox.end()) & _KNOWN else None
    ahead = header_begin(head)
    fields = _fields(head, ahead)
    enough = 1 if named != PLAIN else 3
    if not fields & _TELLING or (len(fields & _KNOWN) < enough and not fields >= _MIME):
        return None
    return MAILBOX if head.startswith(b"From ") else MESSAGE


def ole_mail(has_stream: Callable[[str], bool]) -> str | None:
    """The media type of an OLE file by its streams."""
    return OUTLOOK if has_stream(_PROPERTIES) else None


def header_begin(data: bytes) -> int:
    """The position of the header, after anything that may precede it, if a field follows there."""
    ahead = _AHEAD.match(data)
    return ahead.end() if ahead and _FIELD.match(data, ahead.end()) else 0


def is_known_field(line: bytes) -> bool:
    """Whether a line begins a header field that mail uses."""
    field = _FIELD.match(line)
    return field is not None and field[1].lower() in _KNOWN


def _fields(head: bytes, at: int) -> set[bytes]:
    """The names of the header's fields; empty if anything else stands among them."""
    found: set[bytes] = set()
    while field := _FIELD.match(head, at):
        found.add(field[1].lower())
        at = field.end()
    ended = at >= len(head) or head[at : at + 1] in (b"\n", b"\r")
    return found if ended else set()
