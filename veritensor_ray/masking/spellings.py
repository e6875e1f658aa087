"""Decode text that is spelled differently: behind escapes, in base64, as hexadecimal numbers.

It does not depend on values or file formats.
"""

from __future__ import annotations

import binascii
import functools
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

from veritensor_ray.core import bounds
from veritensor_ray.core.invisible_characters import INVISIBLE

_ESCAPE = re.compile(
    r"""
    \\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|U[0-9A-Fa-f]{8}|[nrt]|[^\w\s])
  | &(?:\#\d{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});
  | %[0-7][0-9A-Fa-f] | (?:%[89A-Fa-f][0-9A-Fa-f])+
  | [^\t-\r\x1c-\x7e]+
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"\\[uxU]\{?([0-9A-Fa-f]+)\}?")
_NEVER_SHOWN = re.compile(f"[\0\u0300-\u036f{INVISIBLE}]")  # including marks on letters, which a text may have or lack
_TAGS = {code: chr(code - 0xE0000) for code in range(0xE0020, 0xE007F)}  # zero-width characters that stand for those of ASCII
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
# Eight letters that encode six ASCII characters, or three with NULs between them; decoded from the wrong offset, a text is noise.
_SAYS = re.compile(r"(?=(?:[AI-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/]){2})")
_HEX = re.compile(r"[0-9A-Fa-f](?:[ :]?[0-9A-Fa-f]){11,}")
_URL_SAFE = str.maketrans("-_", "+/")
_PRINTED = re.compile(rb"(?:[\x20-\x7e]\x00?){5}")


Behind = Callable[[int, int], tuple[int, int]]


class Spelling(NamedTuple):
    """A decoded text. `behind` maps a range of it to the range of the original that encodes it."""

    text: str
    behind: Behind


def unescaped(text: str) -> str:
    """Remove escapes, zero-width characters and marks on letters, so that different spellings of one text become equal."""
    return _ESCAPE.sub(lambda escape: _plain(escape[0]), text)


def readings(text: str, layers: int = bounds.LAYERS) -> Iterator[Spelling]:
    """Yield everything that a text, or a piece cut out of one, may encode, layer by layer."""
    for outer in _readings(text):
        yield outer
        if layers > 1:
            for inner in readings(outer.text, layers - 1):
                yield Spelling(inner.text, partial(_through, outer, inner))


def _through(outer: Spelling, inner: Spelling, start: int, end: int) -> tuple[int, int]:
    return outer.behind(*inner.behind(start, end))


def _readings(text: str) -> Iterator[Spelling]:
    plain = unescaped(text)
    if plain != text:
        yield Spelling(plain, partial(_behind_escapes, text))
    for run in _BASE64.finditer(text):
        yield from _of_base64(run[0].translate(_URL_SAFE), run.start())
    for run in _HEX.finditer(text):
        yield from _of_hex(run[0], run.start())


@functools.lru_cache(1024)
def _plain(escape: str) -> str:
    if escape[0] == "\\":
        number = _NUMBER.fullmatch(escape)
        plain = chr(min(int(number[1], 16), 0x10FFFF)) if number else " " if escape[1] in "nrt" else escape[1]
    else:
        plain = unquote(escape, errors="surrogateescape") if escape[0] == "%" else html.unescape(escape) if escape[0] == "&" else escape
    return plain if plain.isascii() and plain.isprintable() else _NEVER_SHOWN.sub("", unicodedata.normalize("NFKC", plain.translate(_TAGS)))


def _behind_escapes(text: str, start: int, end: int) -> tuple[int, int]:
    starts, ends = _edges(text)
    return starts[start], ends[end - 1]


@functools.lru_cache(4)  # a long text may hold many values
def _edges(text: str) -> tuple[list[int], list[int]]:
    """Return where the code of each decoded letter begins and ends in the text."""
    starts, ends, last = list[int](), list[int](), 0
    for escape in _ESCAPE.finditer(text):
        starts += range(last, escape.start())
        ends += range(last + 1, escape.start() + 1)
        last = escape.start()
        for one in (escape[0],) if escape[0].isascii() and escape[0].isprintable() else escape[0]:
            size = len(_plain(one))
            starts += [last] * size
            last += len(one)
            ends += [last] * size
    starts += range(last, len(text))
    ends += range(last + 1, len(text) + 1)
    return starts, ends


def _of_base64(run: str, at: int) -> Iterator[Spelling]:
    """Decode base64 at up to four offsets, because a piece of a text may begin anywhere in a group."""
    for first in {found.start() % 4 for found in _SAYS.finditer(run)}:
        body = run[first:] if (len(run) - first) % 4 != 1 else run[first:-1]
        data = binascii.a2b_base64(body + "=" * (-len(body) % 4))
        yield _decoded(data, partial(_behind_base64, at + first))


def _behind_base64(first: int, start: int, end: int) -> tuple[int, int]:
    return first + start * 4 // 3, first - (-end * 4 // 3)


def _of_hex(run: str, at: int) -> Iterator[Spelling]:
    digits = run.replace(" ", "").replace(":", "")
    for first in range(2):
        data = bytes.fromhex(digits[first : len(digits) - (len(digits) - first) % 2])
        if _PRINTED.search(data):
            yield _decoded(data, partial(_behind_hex, run, at, first))


def _behind_hex(run: str, at: int, first: int, start: int, end: int) -> tuple[int, int]:
    places = _places(run)
    return at + places[first + 2 * start], at + places[first + 2 * end - 1] + 1


@functools.lru_cache(4)
def _places(run: str) -> list[int]:
    return [at for at, digit in enumerate(run) if digit not in " :"]


def _decoded(data: bytes, behind: Behind) -> Spelling:
    text = data.decode("utf-8", "surrogateescape")
    return Spelling(text, behind if len(text) == len(data) else partial(_behind_bytes, text, behind))


def _behind_bytes(text: str, behind: Behind, start: int, end: int) -> tuple[int, int]:
    before, inside = (len(part.encode("utf-8", "surrogateescape")) for part in (text[:start], text[start:end]))
    return behind(before, before + inside)
