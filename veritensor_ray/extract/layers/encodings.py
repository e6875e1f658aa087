"""Base64, hexadecimal, URL, HTML-entity, quoted-printable and escaped text: what it says, or the file that it is; it knows no file format."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Collection, Iterator
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa

from veritensor_ray.extract.layers.layer import Layer, changed
from veritensor_ray.extract.layers.rows import offsets_of, rows_of, runs
from veritensor_ray.extract.sniff import may_be_file, sniff
from veritensor_ray.media_types import UNKNOWN
from veritensor_ray.origins import Mapped

_SHORTEST = 16  # characters of a token: shorter ones are words
_FILE = 64  # bytes: fewer are a digest or a key that happens to begin like a file
_LETTERS_ALONE = 40  # characters of a token without a digit: shorter ones are names
_DIGITS = np.isin(np.arange(256), np.frombuffer(b"0123456789+", np.uint8))
_CAPITALS = np.isin(np.arange(256), np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8))
_HEX_BYTES = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))
_TOKEN_BYTES = np.isin(np.arange(256), np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-", np.uint8))
_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9+/_=-])(?:(?:[A-Za-z0-9+/]{{60,80}}\r?\n[ \t]*)+[A-Za-z0-9+/]{{1,80}}|[A-Za-z0-9+/_-]{{{_SHORTEST},}})={{0,2}}(?![A-Za-z0-9+/_=-])"
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){16,}")

_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(r"(?:\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|U[0-9A-Fa-f]{8}))+")
_ONE_ESCAPE = re.compile(r"\\[uxU]\{?([0-9A-Fa-f]+)\}?")
_QUOTED = re.compile(r"=\r?\n|(?:=[0-9A-F]{2})+")
# Each is tried where its mark stands twice within a few characters, and counts where enough of what it hides is letters.
_MARKS = (
    (re.compile(rb"%[2-7][0-9A-Fa-f][^%\s]{0,12}%[2-7][0-9A-Fa-f]"), "url"),
    (re.compile(rb"&#[xX]?[0-9A-Fa-f]{2,6};[^&\n]{0,12}&#"), "html-entities"),
    (re.compile(rb"\\[uxU]\{?[0-9A-Fa-f]{2,8}\}?[^\\\n]{0,12}\\[uxU]"), "escapes"),
    (re.compile(rb"=[2-7][0-9A-F][^=\n]{0,12}=[2-7][0-9A-F]"), "quoted-printable"),
)
TOKENS = "tokens"  # base64 and hexadecimal
ALL = (TOKENS, *(via for _, via in _MARKS))
_LETTERS = 4  # that were written as something else, though none of them needs it


def suspects(texts: pa.Array) -> Iterator[tuple[int, str]]:
    """Rows that `look` may find something in, with the encoding: a cheap test of all of them."""
    buffer = texts.buffers()[2] if len(texts) else None
    if buffer is None:
        return
    data = np.frombuffer(buffer, np.uint8)
    starts, ends = runs(data, _TOKEN_BYTES, offsets_of(texts))
    long = ends - starts >= _SHORTEST
    starts, ends = starts[long], ends[long]
    heads = np.minimum(ends, starts + 32)
    begun = data[np.minimum(starts[:, None] + np.arange(32), heads[:, None] - 1)]
    # Names in code have no capital, or are short and of letters alone; sixteen characters of base64 are seldom either.
    odd = _DIGITS[begun].any(axis=1) | (ends - starts >= _LETTERS_ALONE) | (np.append(data, 0)[ends] == ord("="))
    likely = (_CAPITALS[begun].any(axis=1) & odd) | _HEX_BYTES[begun].all(axis=1)
    starts, ends = starts[likely], heads[likely]
    raw = memoryview(buffer)
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    for row in rows_of(texts, [start for start, end in pairs if _begins(str(raw[start:end], "ascii"))]):
        yield row, TOKENS
    for pattern, via in _MARKS:
        for row in rows_of(texts, [match.start() for match in pattern.finditer(buffer)]):
            yield row, via


_Decode = Callable[[str], str | None]


def look(text: str, among: Collection[str]) -> Iterator[Layer]:
    """Texts and files under the encodings `among` all of this module, each with the way to `text`."""
    if TOKENS in among:
        yield from _tokens(text)
    for (_, via), (pattern, decode) in zip(_MARKS, _IN_PLACE, strict=True):
        if via in among:
            yield from _in_place(text, via, pattern, decode)


def _in_place(text: str, via: str, pattern: re.Pattern[str], decode: _Decode) -> Iterator[Layer]:
    mapped = Mapped(text)
    hidden = 0

    def replace(match: re.Match[str]) -> str | None:
        nonlocal hidden
        plain = decode(match.group())
        hidden += sum(c.isalpha() or (c == " " and via == "url") for c in plain or "")
        return plain

    mapped.sub(pattern, replace)
    if hidden >= _LETTERS:
        yield from changed(mapped, text, via)


def _tokens(text: str) -> Iterator[Layer]:
    for match in _TOKEN.finditer(text):
        token = match.group()
        if not _begins(token[:32]):
            continue
        packed = "".join(token.split()) if "\n" in token else token
        via, data = ("hex", bytes.fromhex(packed)) if _HEX.fullmatch(packed) else ("base64", _decode64(packed))
        if not data:
            continue
        plain = _text(data)
        if plain is not None:
            yield Layer(_spread(plain, match.span()), via)
        elif len(data) >= _FILE and _is_file(data):
            whole = Mapped("")
            whole.starts, whole.ends = np.array([match.start()]), np.array([match.end()])
            yield Layer(whole, via, data)


def _begins(start: str) -> bool:
    """Whether a token that begins so may be worth decoding: words, paths and digests are not."""
    head = bytes.fromhex(start) if _HEX.fullmatch(start) else _decode64(start[:16])
    return head is not None and (_text(head, whole=False) is not None or may_be_file(head))


def _decode64(token: str) -> bytes | None:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1 or body.isdigit() or body.islower():
        return None
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return None


def _text(data: bytes, whole: bool = True) -> str | None:
    """Bytes as text, if nearly all of it can be printed; UTF-16 is what PowerShell takes."""
    codec = "utf-16-le" if data[1:2] == b"\x00" and data[3:4] == b"\x00" else "utf-8"
    try:
        text = codecs.getincrementaldecoder(codec)().decode(data, whole)
    except UnicodeDecodeError:
        return None
    good = sum(c.isprintable() or c in "\n\r\t" for c in text)
    return text if text and good >= 0.95 * len(text) else None


def _is_file(data: bytes) -> bool:
    if not may_be_file(data):
        return False
    kind = sniff(data[:4096], "", whole=False)
    return not kind.is_text and kind.media_type != UNKNOWN


def _spread(plain: str, span: tuple[int, int]) -> Mapped:
    """Each character stands for a piece of the token, in proportion: exact to a few characters, whatever the line breaks in it."""
    mapped = Mapped(plain)
    start, end = span
    if len(plain):
        share = np.arange(len(plain) + 1) * (end - start) // len(plain)
        mapped.starts, mapped.ends = start + share[:-1] // 48 * 48, np.minimum(end, start + (share[1:] + 47) // 48 * 48)
    return mapped


def _percent(text: str) -> str | None:
    return _printable(unquote_to_bytes(text))


def _quoted(text: str) -> str | None:
    return "" if text.startswith(("=\n", "=\r")) else _printable(bytes.fromhex(text.replace("=", "")))


def _printable(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\n\r\t" for c in text) else None


def _entity(text: str) -> str | None:
    plain = html.unescape(text)
    return None if plain == text else plain


def _escaped(text: str) -> str | None:
    """Characters behind their numbers; two halves of a pair that make one character are joined."""
    plain = "".join(chr(min(int(number, 16), 0x10FFFF)) for number in _ONE_ESCAPE.findall(text))
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain if all(c.isprintable() or c in "\n\r\t" for c in plain) else None


_IN_PLACE: tuple[tuple[re.Pattern[str], _Decode], ...] = ((_PERCENT, _percent), (_ENTITY, _entity), (_ESCAPE, _escaped), (_QUOTED, _quoted))
