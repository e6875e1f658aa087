"""Searches bytes for exact values: as text in several encodings, in base64 and hexadecimal, and behind escapes of markup and of strings.

It does not depend on file formats. Every method takes time proportional to the bytes, however many values there are.
"""

from __future__ import annotations

import base64
import functools
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import numpy as np

_ANCHOR = 8  # bytes of a form that are looked up, eight of them as one number
_LONGEST = 256  # bytes of a value that are compared; nothing else begins with as many of them
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_TEXTS = {"utf-8": 1, "utf-16-le": 2, "utf-16-be": 2, "cp1252": 1}  # with the bytes of a letter
_IN_CODE = ("utf-8", "utf-16-le")  # PowerShell expects base64 of UTF-16
# References of markup, escapes of strings, of URLs and of quoted-printable. Each begins with a letter, so that the search is fast.
_ESCAPE = re.compile(
    rb"""
    \\(?:(?:u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*) | u\{[0-9A-Fa-f]{1,6}\} | U[0-9A-Fa-f]{8} | x[0-9A-Fa-f]{2} | [0-7]{3} | [^\w\s]|[nrt])
  | &(?:\#\d{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});
  | %[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*
  | =(?:\r?\n|[0-9A-Fa-f]{2}(?:=[0-9A-Fa-f]{2})*)
    """,
    re.VERBOSE,
)
_NUMBERS = re.compile(r"[0-9A-Fa-f]+")
_SIMPLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BETWEEN = b"\r\n\t :"  # between the lines of base64, or the bytes of a hexadecimal dump
_SHORT = 12  # bytes; what shorter escapes stand for is remembered
OVERLAP = 1 << 13  # bytes that two pieces share: more than the longest form takes behind escapes


class FoundValue(NamedTuple):
    """Where a value stands: the first byte of it, and the value."""

    at: int
    value: str


class ValuesInBytes:
    """Values, compiled for a search in bytes. Those in `words` count only between characters that are neither letters nor digits."""

    def __init__(self, values: Iterable[str], words: frozenset[str] = frozenset()) -> None:
        plain, coded = dict[bytes, str](), dict[bytes, str]()
        self._words: dict[bytes, int] = {}
        for value in values:
            for encoding, width in _TEXTS.items():
                form = _encoded(value, encoding)
                plain[form] = value
                if value in words:
                    self._words.setdefault(form, width)
            coded |= dict.fromkeys(_coded_forms(value), value)
        self._every, self._coded = _TableOfForms(coded | plain), _TableOfForms(coded)

    def __bool__(self) -> bool:
        return bool(self._every)

    def first(self, data: bytes, begins: bool = True, ends: bool = True) -> FoundValue | None:
        """Return a value that stands in a piece of data; `begins` and `ends` say whether nothing precedes or follows the piece.

        A value at an edge of a piece that has neighbours is left to the piece that shows what is around it.
        """
        for view in _views(data):
            table = self._coded if view.joined else self._every
            for at, form in table.found(view.data):
                if (at or begins) and (at + len(form) < len(view.data) or ends) and self._stands_alone(view.data, at, form):
                    return FoundValue(view.behind(at), table.forms[form])
        return None

    def _stands_alone(self, data: bytes, at: int, form: bytes) -> bool:
        """Return whether a word stands between other characters; other values may stand anywhere."""
        width = self._words.get(form)
        if width is None:
            return True
        before, after = data[max(0, at - width) : at], data[at + len(form) : at + len(form) + width]
        return not (_is_letter(before) and _is_letter(form[:width])) and not (_is_letter(after) and _is_letter(form[-width:]))


def _is_letter(character: bytes) -> bool:
    return character.strip(b"\0").isalnum()


class _TableOfForms:
    """Forms of values by their first bytes."""

    def __init__(self, forms: dict[bytes, str]) -> None:
        self.forms = {form: value for form, value in forms.items() if len(form) >= _ANCHOR}
        sizes: dict[int, set[int]] = {}
        for form in self.forms:
            sizes.setdefault(int.from_bytes(form[:_ANCHOR], "little"), set()).add(len(form))
        self._sizes = {anchor: sorted(some, reverse=True) for anchor, some in sizes.items()}
        self._anchors = np.array(sorted(sizes), np.uint64)
        self._shift = np.uint64(64 - max(10, min(24, len(sizes).bit_length() + 4)))
        self._seen = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        self._seen[self._short(self._anchors)] = True

    def _short(self, numbers: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return ((numbers * _MULTIPLIER) >> self._shift).astype(np.int64)

    def __bool__(self) -> bool:
        return bool(self.forms)

    def found(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield where forms stand, in order, and the forms."""
        for at, number in sorted(self._beginnings(data)):
            for size in self._sizes[number]:
                if (form := data[at : at + size]) in self.forms:
                    yield at, form

    def _beginnings(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield where first bytes of forms stand, and these as numbers."""
        for offset in range(_ANCHOR):
            count = (len(data) - offset) // _ANCHOR
            if not self.forms or count <= 0:
                return
            numbers = np.frombuffer(data, "<u8", count, offset)
            likely = np.flatnonzero(self._seen[self._short(numbers)])
            nearest = np.minimum(np.searchsorted(self._anchors, numbers[likely]), len(self._anchors) - 1)
            for place in likely[self._anchors[nearest] == numbers[likely]].tolist():
                yield offset + place * _ANCHOR, int(numbers[place])


class _ByteView(NamedTuple):
    """A reading of a piece of data. `behind` maps a byte of it to a byte of the piece."""

    data: bytes
    behind: Callable[[int], int]
    joined: bool = False  # what stands between the digits of a long code was removed, so that only codes count


def _views(data: bytes) -> Iterator[_ByteView]:
    """Yield the readings of a piece of data: as it is, without NULs between letters, without escapes, and with the lines of codes joined."""
    plain = _ByteView(data, lambda at: at)
    readings = [plain]
    if data.count(0) * 3 > len(data):  # ASCII in two bytes, or in four
        readings.append(_without(plain, b"\0"))
    for reading in readings:
        yield reading
        last = reading
        if _ESCAPE.search(reading.data):
            last = _unescaped(reading)
            yield last
        yield _without(last, _BETWEEN)._replace(joined=True)


def _without(view: _ByteView, unwanted: bytes) -> _ByteView:
    def behind(at: int) -> int:
        kept = ~np.isin(np.frombuffer(view.data, np.uint8), np.frombuffer(unwanted, np.uint8))
        return view.behind(int(np.flatnonzero(kept)[at]))

    return _ByteView(view.data.translate(None, unwanted), behind)


def _unescaped(view: _ByteView) -> _ByteView:
    pieces, here, there, size, last = list[bytes](), [0], [0], 0, 0  # `here` and `there` are bytes of the new and of the old reading
    for found in _ESCAPE.finditer(view.data):
        start, end = found.span()
        new = _known(found[0]) if end - start <= _SHORT else _decoded(found[0])
        pieces += [view.data[last:start], new]
        size += start - last
        here += [size, size + len(new)]
        there += [start, end]
        size, last = size + len(new), end
    pieces.append(view.data[last:])

    def behind(at: int) -> int:
        number = bisect_right(here, at) - 1
        return view.behind(there[number] + at - here[number])

    return _ByteView(b"".join(pieces), behind)


def _decoded(escape: bytes) -> bytes:
    """Return what an escape stands for, in UTF-8."""
    if escape[:1] == b"%":
        return unquote_to_bytes(escape)
    if escape[:1] == b"=":
        return bytes.fromhex(escape.replace(b"=", b"").decode()) if escape[1:2] not in (b"\r", b"\n") else b""
    if escape[:1] == b"&":
        return html.unescape(escape.decode("ascii")).encode("utf-8", "replace")
    kind, rest = escape[1:2], escape[2:]
    if kind == b"x":
        return bytes.fromhex(rest.decode())
    if kind in b"01234567":
        return bytes([int(escape[1:], 8) & 255])
    if kind in b"uU":
        codes = [min(int(number, 16), 0x10FFFF) for number in _NUMBERS.findall(escape.decode("ascii"))]
        text = "".join(map(chr, codes)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text.encode("utf-8", "replace")
    return _SIMPLE.get(kind, kind)


_known = functools.lru_cache(4096)(_decoded)


def _encoded(value: str, encoding: str) -> bytes:
    try:
        return value.encode(encoding)[:_LONGEST]
    except UnicodeEncodeError:
        return b""


def _coded_forms(value: str) -> Iterator[bytes]:
    """Yield the value in hexadecimal and in base64, at each of the three offsets at which it may begin in a group: what all three share."""
    for encoding in _IN_CODE:
        data = _encoded(value, encoding)
        yield data.hex().encode()
        yield data.hex().upper().encode()
        for before in range(3 if data else 0):
            packed = base64.b64encode(bytes(before) + data)
            whole = packed[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
            yield whole
            yield whole.translate(bytes.maketrans(b"+/", b"-_"))


__all__ = ["OVERLAP", "FoundValue", "ValuesInBytes"]
