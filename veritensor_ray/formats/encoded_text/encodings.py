"""Decodes base64, hexadecimal, URL, HTML-entity, quoted-printable, UTF-7 and escaped text into the text or the file that it encodes.

A token that markup cuts in pieces, as LaTeX and Markdown cut `ghp\\_x`, is put together.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import contextlib
import functools
import html
import re
import string
from collections.abc import Callable, Collection, Iterator
from urllib.parse import unquote_to_bytes

import numpy as np

from veritensor_ray.core.media_types import UNKNOWN
from veritensor_ray.core.origins import Mapped
from veritensor_ray.formats.encoded_text.layer import Layer, changed
from veritensor_ray.formats.encoded_text.text_rows import JoinedRows, runs, table
from veritensor_ray.formats.model_files.pickle.recognise import is_marked_pickle, is_pickle
from veritensor_ray.formats.recognition import may_be_file, sniff

_SHORTEST = 16  # characters of a token; shorter ones are words
_FILE = 64  # bytes; fewer are a digest or a key that happens to begin like a file
_LETTERS_ALONE = 40  # characters of a token without a digit; shorter ones are names
_DIGIT = re.compile(rb"[0-9+]")
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_IN_TOKEN = table(string.ascii_letters.encode() + b"0123456789+/_-")
_LONG = b"a" * _SHORTEST
_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9+/_=-])(?:(?:[A-Za-z0-9+/]{{60,80}}\r?\n[ \t]*)+[A-Za-z0-9+/]{{1,80}}|[A-Za-z0-9+/_-]{{{_SHORTEST},}})={{0,2}}(?![A-Za-z0-9+/_=-])"
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){16,}")

_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(r"(?:\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|U[0-9A-Fa-f]{8}))+")
_ONE_ESCAPE = re.compile(r"\\[uxU]\{?([0-9A-Fa-f]+)\}?")
_QUOTED = re.compile(r"=\r?\n|(?:=[0-9A-F]{2})+")
_JAPANESE = re.compile(r"\x1b\$[@B][!-~]{2,}(?:\x1b\([BJ]|$)")  # two bytes each, from one change of the character set to the next
_UUENCODED = re.compile(r"begin [0-7]{3,4} \S[^\r\n]{0,255}\r?\n((?:[ -`]{1,62}\r?\n)+)")
_UTF7 = re.compile(r"\+([A-Za-z0-9+/]{8,})-?")
# Each encoding is tried if its mark occurs twice within a few characters (those of UTF-7 and ISO-2022-JP are long enough alone), and counts if
# enough of the hidden characters are letters.
_MARKS = (
    (re.compile(rb"%[2-7][0-9A-Fa-f][^%\s]{0,12}%[2-7][0-9A-Fa-f]"), "url"),
    (re.compile(rb"&#[xX]?[0-9A-Fa-f]{2,6};[^&\n]{0,12}&#"), "html-entities"),
    (re.compile(rb"\\[uxU]\{?[0-9A-Fa-f]{2,8}\}?[^\\\n]{0,12}\\[uxU]"), "escapes"),
    (re.compile(rb"=[2-7][0-9A-F][^=\n]{0,12}=[2-7][0-9A-F]"), "quoted-printable"),
    (re.compile(rb"\+A[C-H][A-Za-z0-9+/]{9}"), "utf-7"),  # four characters of ASCII or more
    (re.compile(rb"\x1b\$[@B][!-~]{8}"), "iso-2022-jp"),
)
_UUENCODE = re.compile(rb"begin [0-7]{3,4} \S")
TOKENS = "tokens"  # base64 and hexadecimal
UUENCODE = "uuencode"
MARKUP = "markup"
ALL = (TOKENS, MARKUP, UUENCODE, *(via for _, via in _MARKS))
# What may stand inside a token: an escaped character, a tag without effect on the text, a command for a font.
_IN_TAG = r"/?(?:b|code|em|font|i|kbd|mark|small|span|strong|tt|u|wbr)(?:\s[^<>\n]{0,80})?/?>"
_TAG = f"<{_IN_TAG}"
# Each begins with a literal character, which is searched for more than ten times as fast as what must stand before it.
_CUTS = (
    re.compile(rb"\\(?<=[A-Za-z0-9}*]\\)[_-]\S{0,24}?[A-Za-z0-9]{16}"),
    re.compile(rf"<(?<=[A-Za-z0-9]<){_IN_TAG}\S{{0,24}}?[A-Za-z0-9]{{16}}".encode()),
)
_JOINT = re.compile(rf"\\(?P<kept>[_-])|{_TAG}|\\(?:text[a-z]{{2}}|emph)\{{|[{{}}]|\*{{1,3}}")
_CUT = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9_-]|{_JOINT.pattern.replace('?P<kept>', '?:')}){{16,400}}")
_SHORT = 32  # characters; the decoded form of pieces up to this length is cached
_LETTERS = 4  # minimum number of encoded letters: letters need no encoding


def suspects(joined: JoinedRows) -> Iterator[tuple[int, str]]:
    """Yield the rows in which `look` may find something, with the encoding: a cheap test of all of them."""
    data, classes = joined.data, joined.data.translate(_IN_TOKEN)
    at = classes.find(_LONG)
    while at >= 0:
        end = classes.find(b" ", at)
        end = len(classes) if end < 0 else end
        if _is_likely(data[at : min(end, at + 32)], end - at >= _LETTERS_ALONE or data[end : end + 1] == b"="):
            row = joined.row(at)
            yield row, TOKENS
            end = joined.span(row)[1]
        at = classes.find(_LONG, end)
    for pattern, via in (*_MARKS, (_UUENCODE, UUENCODE), *((cut, MARKUP) for cut in _CUTS)):
        found = pattern.search(data)
        while found:
            row = joined.row(found.start())
            yield row, via
            found = pattern.search(data, joined.span(row)[1])


def _is_likely(head: bytes, odd: bool) -> bool:
    """Whether a token may be base64: names in code have no capitals, or are short and made of letters only, which 16 characters of base64
    rarely are.
    """
    if head.islower() or head == head.lower() or not (odd or _DIGIT.search(head)):
        return head.isalnum() and not head.translate(None, _HEX_DIGITS) and _begins(head.decode("ascii"))
    return _begins(head.decode("ascii"))


_Decode = Callable[[str], str | None]


def look(text: str, among: Collection[str]) -> Iterator[Layer]:
    """Yield the texts and files under those encodings of this module that are in `among`, each with the map to `text`."""
    if TOKENS in among:
        yield from _tokens(text)
    if MARKUP in among:
        yield from _put_together(text)
    if UUENCODE in among:
        yield from _uuencoded(text)
    for (_, via), (pattern, decode) in zip(_MARKS, _IN_PLACE, strict=True):
        if via in among:
            yield from _in_place(text, via, pattern, decode)


def _uuencoded(text: str) -> Iterator[Layer]:
    """Yield the texts and files between the lines `begin` and `end`."""
    for match in _UUENCODED.finditer(text):
        data = bytearray()
        for line in match[1].splitlines():
            with contextlib.suppress(binascii.Error):
                data += binascii.a2b_uu(line)
        plain = _decoded_text(bytes(data))
        if plain is not None:
            yield Layer(_spread(plain, match.span(1)), UUENCODE)
        elif _is_file(bytes(data)):
            yield Layer(Mapped("", np.array([match.start()]), np.array([match.end()])), UUENCODE, bytes(data))


def _put_together(text: str) -> Iterator[Layer]:
    """Yield the text without what cuts its tokens in pieces."""
    changes = [
        (*joint.span(), joint["kept"] or "")
        for cut in _CUT.finditer(text)
        if _DIGIT.search(cut.group().encode("ascii", "replace"))
        for joint in _JOINT.finditer(text, *cut.span())
    ]
    if changes:
        mapped = Mapped(text)
        mapped.put(changes)
        yield from changed(mapped, text, MARKUP)


def _in_place(text: str, via: str, pattern: re.Pattern[str], decode: _Decode) -> Iterator[Layer]:
    hidden = 0
    changes = []
    for match in pattern.finditer(text):
        written = match.group()
        plain, letters = (_known if len(written) <= _SHORT else _said)(decode, written)
        hidden += letters
        if plain is not None and plain != written:
            changes.append((*match.span(), plain))
    if hidden >= _LETTERS:
        mapped = Mapped(text)
        mapped.put(changes)
        yield from changed(mapped, text, via)


def _said(decode: _Decode, written: str) -> tuple[str | None, int]:
    """The decoded form of a piece and its number of letters.

    In a URL a space counts as a letter, since nothing else stands for it there.
    """
    plain = decode(written)
    letters = sum(map(str.isalpha, plain or ""))
    return plain, letters + (plain.count(" ") if plain and decode is _percent else 0)


_known = functools.lru_cache(4096)(_said)


def _tokens(text: str) -> Iterator[Layer]:
    last = 0
    for start, _ in runs(text.encode("latin-1", "replace").translate(_IN_TOKEN), _LONG):
        match = _TOKEN.match(text, start) if start >= last else None
        if match is None:
            continue
        token, last = match.group(), match.end()
        if not _begins(token[:32]):
            continue
        packed = "".join(token.split()) if "\n" in token else token
        via, data = ("hex", bytes.fromhex(packed)) if _HEX.fullmatch(packed) else ("base64", _decode64(packed))
        if not data:
            continue
        plain = _decoded_text(data)
        if plain is not None:
            yield Layer(_spread(plain, match.span()), via)
        if (plain is None and len(data) >= _FILE and _is_file(data)) or is_pickle(data):
            yield Layer(Mapped("", np.array([match.start()]), np.array([match.end()])), via, data)


def _begins(start: str) -> bool:
    """Whether a token that begins like this may be worth decoding; words, paths and digests are not."""
    head = bytes.fromhex(start) if _HEX.fullmatch(start) else _decode64(start[:16])
    return head is not None and (_decoded_text(head, whole=False) is not None or may_be_file(head) or is_marked_pickle(head))


def _decode64(token: str) -> bytes | None:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1 or body.isdigit() or body.islower():
        return None
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return None


def _decoded_text(data: bytes, whole: bool = True) -> str | None:
    """Decode bytes as text if nearly all of it is printable. UTF-16 is included because PowerShell expects it."""
    decode = codecs.utf_16_le_decode if data[1:2] == b"\x00" and data[3:4] == b"\x00" else codecs.utf_8_decode
    try:
        text, _ = decode(data, "strict", whole)
    except UnicodeDecodeError:
        return None
    return text if text and (text.isprintable() or _printed(text) >= 0.95 * len(text)) else None


def _printed(text: str) -> int:
    """The number of printable characters, line breaks and tabs."""
    return sum(map(str.isprintable, text)) + sum(map(text.count, "\n\r\t"))


def _is_file(data: bytes) -> bool:
    if not may_be_file(data):
        return False
    kind = sniff(data[:4096], "", whole=False)
    return not kind.is_text and kind.media_type != UNKNOWN


def _spread(plain: str, span: tuple[int, int]) -> Mapped:
    """Map each character to a proportional piece of the token, accurate to a few characters whatever line breaks the token contains."""
    start, end = span
    share = np.arange(len(plain) + 1) * (end - start) // max(1, len(plain))
    return Mapped(plain, start + share[:-1] // 48 * 48, np.minimum(end, start + (share[1:] + 47) // 48 * 48))


def _percent(text: str) -> str | None:
    return _printable(unquote_to_bytes(text))


def _quoted(text: str) -> str | None:
    return "" if text.startswith(("=\n", "=\r")) else _printable(bytes.fromhex(text.replace("=", "")))


def _japanese(text: str) -> str | None:
    """Decode a run of ISO-2022-JP (RFC 1468)."""
    try:
        return text.encode("ascii").decode("iso2022_jp")
    except UnicodeError:
        return None


def _utf7(text: str) -> str | None:
    """Decode a run of UTF-7 (RFC 2152): base64 of UTF-16, of which the last bits may be padding."""
    run = text.strip("+-")
    data = base64.b64decode(run[: len(run) // 4 * 4] + (run[len(run) // 4 * 4 :] + "==")[: 4 if len(run) % 4 > 1 else 0])
    try:
        plain = data[: len(data) // 2 * 2].decode("utf-16-be")
    except UnicodeDecodeError:
        return None
    return plain if _printed(plain) == len(plain) else None


def _printable(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if _printed(text) == len(text) else None


def _entity(text: str) -> str | None:
    plain = html.unescape(text)
    return None if plain == text else plain


def _escaped(text: str) -> str | None:
    """Decode escaped code points; surrogate pairs become one character."""
    plain = "".join(chr(min(int(number, 16), 0x10FFFF)) for number in _ONE_ESCAPE.findall(text))
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain if _printed(plain) == len(plain) else None


_IN_PLACE: tuple[tuple[re.Pattern[str], _Decode], ...] = (
    (_PERCENT, _percent),
    (_ENTITY, _entity),
    (_ESCAPE, _escaped),
    (_QUOTED, _quoted),
    (_UTF7, _utf7),
    (_JAPANESE, _japanese),
)
