"""Makes text safe to keep and to show: masks identifiers and secrets, makes invisible characters visible; it knows no engine."""

from __future__ import annotations

import re
import unicodedata

_SECRETS = re.compile(
    r"""
    (?P<url>(?<=://)[^\s/@:'"<>]{0,256}:[^\s/'"<>]{1,256}(?=@))  # user:password in a URI
  | (?P<block>-----BEGIN\ [A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----[\s\S]*?(?:-----END|\Z))
  | (?P<body>(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{0,76}(?:(?:\r?\n|\\n)[A-Za-z0-9+/]{60,76})+={0,2}  # the inside of such a block
       (?:(?:\r?\n|\\n)[A-Za-z0-9+/]{1,76}={0,2})?)
  | (?P<token>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}
       |\bsk-[A-Za-z0-9_-]{16,}|\bglpat-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{30,}
       |\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.?[A-Za-z0-9_-]*)
  | (?P<card>(?<!\d)(?:\d[ -]?){12,18}\d(?!\d))
  | (?P<ssn>(?<!\d)\d{3}-\d{2}-\d{4}(?!\d))
  | (?P<iban>\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b)
  | (?P<email>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)
    """,
    re.VERBOSE,
)
_WHOLE = ("url", "block", "body")  # of the others two characters stay, for whoever has to find them
_ASSIGNED = re.compile(
    r"""
    (?:(?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|account|private)[_-]?key|authorization)
       ["'\]\\]{0,4}\s{0,3}(?::=|=>|[=:])\s{0,3}\\?["']?(?:(?:bearer|basic)\s+)?
     | \bbearer\s+(?=[\w.~+/=-]{16}))
    (?P<value>(?<=")[^"\n]{4,256}|(?<=')[^'\n]{4,256}|[^\s"'<>]{6,})
    """,
    re.VERBOSE | re.IGNORECASE,
)
_URI_CREDENTIALS = re.compile(
    r"(?<=://)[^\s/]*:[^\s/]*@|(?<=[?&])(?:sig|token|access_key|X-Amz-Signature|X-Amz-Credential)=[^&\s]*", re.IGNORECASE
)
# Unicode's Default_Ignorable_Code_Point, as far as Python calls them printable: variation selectors, fillers and the like.
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def mask(text: str) -> str:
    """The text with identifiers and secrets masked; as long as it was, so that offsets stay."""

    def assigned(match: re.Match[str]) -> str:
        return match.group()[: match.start("value") - match.start()] + _stars(match["value"])

    def known(match: re.Match[str]) -> str:
        found, keep = match.group(), 0 if match.lastgroup in _WHOLE else 2
        return found[:keep] + _stars(found[keep:])

    return _ASSIGNED.sub(assigned, _SECRETS.sub(known, text))


def _stars(text: str) -> str:
    return "".join(c if c in " \n" else "*" for c in text)


def visible(text: str) -> str:
    """Control, bidirectional, zero-width and other invisible characters as escapes, so that no terminal or page obeys them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    if character in "\n\r\t" or unicodedata.category(character) == "Zs":
        return " "
    if character.isprintable() and not _IGNORABLE.match(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def without_credentials(uri: str) -> str:
    """A URI or message with user names, passwords and signatures in URIs taken out."""
    return _URI_CREDENTIALS.sub("", uri)
