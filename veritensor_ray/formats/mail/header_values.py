"""The text of header fields: unfolded, with encoded words decoded (RFC 2047), and the pieces that each part of it comes from."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.formats.mail.mime import FOLD, decoded, from_base64

_WORD = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?([BbQq])\?([^?\s]*)\?=")


class HeaderPiece(NamedTuple):
    """A piece of a field's text, and the characters of the unfolded value that it comes from.

    Encoded words that follow each other in one charset are one piece, which has their `charset` and the `coding` of the first, B or Q.
    """

    text: str
    start: int
    end: int
    charset: str | None = None
    coding: str = ""


def header_text(value: str) -> str:
    """Return a field's value, unfolded and with its encoded words decoded."""
    text = FOLD.sub(" ", value)
    return text if "=?" not in text else "".join(piece.text for piece in header_pieces(text))


def header_pieces(unfolded: str) -> Iterator[HeaderPiece]:
    """Yield the pieces of a field's text, in order. White space between encoded words belongs to none of them."""
    words, start, at, charset, coding = bytearray(), 0, 0, "", ""
    for word in _WORD.finditer(unfolded):
        between = unfolded[at : word.start()]
        named = word[1].lower()
        if not words or between.strip() or named != charset:
            if at:
                yield HeaderPiece(decoded(bytes(words), charset)[0], start, at, charset, coding)
            if between and (not words or between.strip()):
                yield HeaderPiece(between, at, word.start())
            words, start, charset, coding = bytearray(), word.start(), named, word[2].upper()
        words += _word_bytes(word[2], word[3])
        at = word.end()
    if at:
        yield HeaderPiece(decoded(bytes(words), charset)[0], start, at, charset, coding)
    if at < len(unfolded):
        yield HeaderPiece(unfolded[at:], at, len(unfolded))


def _word_bytes(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return from_base64(data) if kind in "Bb" else binascii.a2b_qp(data, header=True)
