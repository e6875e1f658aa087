"""Whether bytes are an e-mail or a mailbox, from the header that they begin with; it reads no message."""

from __future__ import annotations

import re

MESSAGE, MAILBOX = "message/rfc822", "application/mbox"
_FIELD = re.compile(rb"([!-9;-~]{1,76}):[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|\Z)")
_FROM_LINE = re.compile(rb"From [^\r\n]{0,300}\d\d:\d\d(?::\d\d)?[^\r\n]{0,60}\r?\n(?=[!-9;-~]{1,76}:)")
_TELLING = frozenset((b"from", b"received", b"return-path", b"message-id", b"delivered-to", b"mime-version", b"reply-to"))
_KNOWN = _TELLING | frozenset((b"to", b"cc", b"subject", b"date", b"sender", b"content-type", b"x-mailer"))
_UNSPECIFIC = ("text/plain", MESSAGE, MAILBOX)


def mail_type(head: bytes, named: str) -> str | None:
    """The media type, or None. `named`: what the name promises; a text of another sort may have such a header too."""
    if named not in _UNSPECIFIC:
        return None
    if mailbox := _FROM_LINE.match(head):
        return MAILBOX if _fields(head, mailbox.end()) & _KNOWN else None
    fields = _fields(head, 0)
    enough = 1 if named != "text/plain" else 3
    return MESSAGE if fields & _TELLING and len(fields & _KNOWN) >= enough else None


def _fields(head: bytes, at: int) -> set[bytes]:
    """Names of the header's fields; none where something else stands among them."""
    found: set[bytes] = set()
    while field := _FIELD.match(head, at):
        found.add(field[1].lower())
        at = field.end()
    ended = at >= len(head) or head[at : at + 1] in (b"\n", b"\r")
    return found if ended else set()
