"""Makes text safe to keep and to show: masks identifiers and secrets, makes invisible characters visible; it knows no engine."""

from __future__ import annotations

import re
import unicodedata

_SECRETS = re.compile(
    r"""
    (?P<url>(?<=://)[^\s/@:'"<>]{1,256}:[^\s/@'"<>]{1,256}(?=@))            # user:password in a URI
  | (?P<block>-----BEGIN\ [A-Z ]*PRIVATE\ KEY-----[^-]*(?:-----END)?)
  | (?P<token>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk-[A-Za-z0-9_-]{16,}
       |\bglpat-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{30,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.?[A-Za-z0-9_-]*)
  | (?P<assigned>(?<=[=:])\s{0,3}["']?[A-Za-z0-9+/_\-.]{12,}(?<=[0-9])[A-Za-z0-9+/_\-.]*)
  | (?P<card>\b(?:\d[ -]?){12,18}\d\b)
  | (?P<ssn>\b\d{3}-\d{2}-\d{4}\b)
  | (?P<iban>\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b)
  | (?P<email>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)
    """,
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"(?i)(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|authorization|bearer)\W{0,8}$")
_URI_CREDENTIALS = re.compile(
    r"(?<=://)[^\s/@]*:[^\s/@]*@|(?<=[?&])(?:sig|token|access_key|X-Amz-Signature|X-Amz-Credential)=[^&\s]*", re.IGNORECASE
)


def mask(text: str) -> str:
    """The text with identifiers and secrets masked; as long as it was, so that offsets stay."""

    def replace(match: re.Match[str]) -> str:
        found = match.group()
        if match.lastgroup == "assigned" and not _ASSIGNMENT.search(text[max(0, match.start() - 40) : match.start()].rstrip("=: ")):
            return found
        keep = 2 if match.lastgroup in ("card", "ssn", "iban", "email", "token") else 0
        return found[:keep] + "".join(c if c in " \n" else "*" for c in found[keep:])

    return _SECRETS.sub(replace, text)


def visible(text: str) -> str:
    """Control, bidirectional, zero-width and other invisible characters as escapes, so that no terminal or page obeys them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\n\r\t" else _escape(c) for c in text)


def _escape(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def without_credentials(uri: str) -> str:
    """A URI or message with user names, passwords and signatures in URIs taken out."""
    return _URI_CREDENTIALS.sub("", uri)
