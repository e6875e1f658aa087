"""The strings of a PDF's objects, decoded, with the names before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.formats.pdf.pdf_objects import Objects

_SPACE = rb"[\x00\t\n\f\r ]"
# A whole string, or the beginning of one that contains brackets or has no end.
_STRING = re.compile(rb"\((?:[^()\\]++|\\.)*+\)|<" + _SPACE + rb"*+[0-9A-Fa-f][0-9A-Fa-f\x00\t\n\f\r ]*+>|\(", re.DOTALL)
_BRACKET = re.compile(rb"[()\\]")
_KEY = re.compile(rb"/([^\x00-\x20()<>\[\]{}/%]+)" + _SPACE + rb"*+(?:\[" + _SPACE + rb"*+)*+\Z")
_WORD = re.compile(rb"\([A-Za-z0-9._:*-]*\)")
_PLACES = (b"/D", b" R", b"[", b")")  # of an action, a tree, a list
_ESCAPE = re.compile(rb"\\(\r\n|[0-7]{1,3}|.)|\r\n?", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"\n": b"", b"\r": b"", b"\r\n": b""}
_KNOWN = {b"\\%03o" % code: bytes([code]) for code in range(256)}
_LOOK_BACK = 80
# The characters in which PDFDocEncoding differs from Latin-1.
_CODES = (
    dict(zip(range(0x18, 0x20), "˘ˇˆ˙˝˛˚˜", strict=True))
    | dict(zip(range(0x80, 0x9F), "•†‡…—–ƒ⁄‹›−‰„“”‘’‚™ﬁﬂŁŒŠŸŽıłœšž", strict=True))
    | {0xA0: "€"}
)


class NamedString(NamedTuple):
    """A string after the name `key` in the object `number`. `at` is its position in the text of the objects."""

    key: str
    text: str
    number: int
    at: int


def find_strings(objects: Objects) -> Iterator[NamedString]:
    """Yield every string that may be text, in file order. Names of destinations, which are single words, are left out."""
    text, at, key, last = objects.text, 0, "", 0
    while found := _STRING.search(text, at):
        begin, at = found.span()
        if at - begin == 1:
            at = _end(text, begin, objects)
        token = text[begin:at]
        if at - begin < 64 and _WORD.fullmatch(token) and text[max(0, begin - 8) : begin].rstrip().endswith(_PLACES):
            if text[begin - 1 : begin] == b"[" and (name := _KEY.search(text, max(0, begin - _LOOK_BACK), begin)):
                key, last = name[1].decode("latin-1"), objects.number(begin)
            continue
        name = _KEY.search(text, max(0, begin - _LOOK_BACK), begin)
        number = objects.number(begin)
        key = name[1].decode("latin-1") if name else key if number == last else ""
        last = number
        if at - begin > 3 and (decoded := decode(token)) is not None:
            yield NamedString(key, decoded, number, begin)


def _end(text: bytes, begin: int, objects: Objects) -> int:
    """The position after a string that contains brackets. One without an end extends to the end of its object."""
    _, limit = objects.span(begin)
    stop = text.find(b"endobj", begin, limit)
    limit = stop if stop >= 0 else limit
    depth, at = 0, begin
    while bracket := _BRACKET.search(text, at, limit):
        at = bracket.end()
        if bracket[0] == b"\\":
            at += 1
            continue
        depth += 1 if bracket[0] == b"(" else -1
        if depth == 0:
            return at
    return limit


def decode(token: bytes) -> str | None:
    """The text of a literal or hexadecimal string; None if it is not text."""
    if token.startswith(b"<"):
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", token)
        data = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
    else:
        data = token[1:-1] if token.endswith(b")") else token[1:]
        if b"\\" in data or b"\r" in data:
            data = _ESCAPE.sub(lambda escape: _KNOWN.get(escape[0]) or _unescaped(escape), data)
    return to_text(data)


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code is None:
        return b"\n"
    if code[:1].isdigit() and code[:1] < b"8":
        return bytes([int(code, 8) & 255])
    return _LETTERS.get(code, code)


def to_text(data: bytes) -> str | None:
    """Decode by the byte order mark, otherwise as PDFDocEncoding. Returns None if the result does not look like text."""
    for mark, codec in ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"), (b"\xef\xbb\xbf", "utf-8")):
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    text = data.decode("latin-1").translate(_CODES)
    odd = sum(character < " " and character not in "\t\n\r\f" for character in text[:2000])
    return None if odd > 0.1 * min(len(text), 2000) else text
