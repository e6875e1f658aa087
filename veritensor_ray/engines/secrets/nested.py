"""Strings inside strings: what a name and its value say once the escapes around them are resolved, and where each character stands.

JSON and programming languages escape with backslashes, URLs with percent signs, HTML with entities. Only the piece of text at a name is
resolved, because nearly all text holds no such string. It does not judge values.
"""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.origins import Mapped

_PIECE, _LONG_PIECE = 600, bounds.VALUE + 600  # characters after a name: of most values, and of the longest tokens
_LARGEST = 1 << 14
_MARK_LENGTH = 8
_BACKSLASH = re.compile(r"\\(?:u00[0-7][0-9a-fA-F]|x[0-7][0-9a-fA-F]|[^ux\n])")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ENTITY = re.compile(r"&(?:#\d{2,3}|#[xX][0-9a-fA-F]{2}|quot|apos|amp|lt|gt|nbsp);")
# A mark of punctuation, escaped; the second alternative has been escaped again, and `25` and `amp;` stand for a percent sign and an ampersand.
_MARK = re.compile(
    r"\\+(?:[\"'`/]|u00(?:2[267]|3[ade]|60)|x(?:2[27]|3[ad]))|%(?:25)*(?:2[0267]|3[ad]|60)|&(?:amp;)*(?:quot|apos|amp|#3[49]|#x2[27]|#61|#58);",
    re.IGNORECASE,
)
_BEFORE_NAME = re.compile(r"\\(?:u00[0-9a-fA-F]{2}|x[0-9a-fA-F]{2}|[nrtbf])|%(?:25)*[0-9a-fA-F]{2}")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " ", "v": " ", "0": " "}
_PLAIN = re.compile(r"\\(?:u00[2-7][0-9a-fA-F]|x[2-7][0-9a-fA-F]|[\"'`\\/])")
_OPENING = re.compile(r"[\"'`]?\s{0,3}[:=,(>]{1,2}\s{0,3}([\"'`])")
_LEAF = re.compile(r"[\"']([A-Za-z_][\w.\-]{0,60})[\"']\s{0,9}:\s{0,9}[\"']([^\"'\\\n]{16,4096})[\"']")


class NestedText(NamedTuple):
    """A text in an object, with the name of its key and its place."""

    key: str
    text: str
    start: int
    end: int


def is_escaped(text: str, at: int) -> bool:
    """Return whether escaped punctuation stands there, so that a name before it is in a string inside a string."""
    return text[at : at + 1] in ("\\", "%", "&") and _MARK.match(text, at) is not None


def behind_escape(text: str, start: int) -> int:
    """Return where a name begins whose first characters, from `start` on, may be the rest of an escape, as in `\\npassword` or `%22password`."""
    found = _BEFORE_NAME.match(text, start - 1) if text[start - 1 : start] in ("\\", "%") and start else None
    return found.end() if found else start


class InnerStrings:
    """The strings inside the strings of a text, resolved in pieces. A piece serves all names in it, so a flood of names costs little more
    than its length.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: dict[str, Mapped] = {}  # by how the names in them are escaped
        self._sizes: dict[str, int] = {}

    def opened(self, name: int, end: int, limit: int) -> Mapped:
        """Return the text from `name` on without the escapes around the name, which ends at `end`, mapped to places in the whole text."""
        mark = _MARK.match(self._text, end)
        how = mark.group()[:_MARK_LENGTH].lower() if mark else ""  # one of few, however many names there are
        piece = self._pieces.get(how)
        if piece is None or not piece.starts[0] <= name or int(piece.ends[-1]) < min(limit, end + _PIECE):
            piece = self._pieces[how] = self._resolved(how, name, end, limit)
        at = int(np.searchsorted(piece.starts, name))
        inner = piece.part(at, at + end - name + _PIECE)
        if int(inner.ends[-1]) < limit and _is_cut(inner.text, end - name):
            inner = resolved(self._text, name, end, min(limit, end + _LONG_PIECE))
        return inner

    def _resolved(self, how: str, name: int, end: int, limit: int) -> Mapped:
        """Return a piece, twice as long as the last one if it follows closely."""
        last, size = self._pieces.get(how), self._sizes.get(how, _PIECE)
        follows = last is not None and name - int(last.ends[-1]) < size
        self._sizes[how] = size = min(2 * size, _LARGEST) if follows else _PIECE
        return resolved(self._text, name, end, min(limit, end + size))


def _is_cut(text: str, end: int) -> bool:
    """Return whether a quoted value goes on beyond the piece."""
    opening = _OPENING.match(text, end)
    return opening is not None and text.find(opening[1], opening.end()) < 0


def resolved(text: str, start: int, mark: int, limit: int) -> Mapped:
    """Return the text from `start` to `limit` without the escapes of the punctuation at `mark`, however often it was escaped."""
    piece = Mapped(text[start:limit])
    piece.starts, piece.ends = piece.starts + start, piece.ends + start
    for _ in range(bounds.LAYERS):
        if not is_escaped(piece.text, mark - start):
            break
        pattern = {"\\": _BACKSLASH, "%": _PERCENT, "&": _ENTITY}[piece.text[mark - start]]
        piece.sub(pattern, _unescaped)
    return piece


def _unescaped(escape: re.Match[str]) -> str:
    return _meant(escape.group())


@functools.lru_cache(1024)
def _meant(escape: str) -> str:
    """Return the character that an escape stands for."""
    if escape[0] == "&":
        meant = html.unescape(escape)
        return meant if meant.isascii() else " "
    if escape[0] == "%" or escape[1] in "ux":
        return chr(int(escape.lstrip("\\%ux"), 16))
    return _LETTERS.get(escape[1], escape[1])


def plain(value: str) -> str:
    """Return a quoted value without the escapes that JSON and programming languages allow inside it."""
    return _PLAIN.sub(_unescaped, value)


def leaves(value: str) -> Iterator[NestedText]:
    """Yield the longer texts in a value that is itself an object or a list in JSON, however often it was escaped."""
    inner = Mapped(value)
    for _ in range(bounds.LAYERS):
        if not inner.text.lstrip().startswith(("{", "[")):
            return
        if _is_json(inner.text):
            for found in _LEAF.finditer(inner.text):
                yield NestedText(found[1], found[2], *inner.original(*found.span(2)))
            return
        inner.sub(_BACKSLASH, _unescaped)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
