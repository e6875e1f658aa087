"""Undoes characters that a reader does not see or mistakes for others, and decodes messages written in invisible characters."""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.invisible_characters import CONTROLS, INVISIBLE
from veritensor_ray.core.origins import Mapped
from veritensor_ray.formats.encoded_text.layer import Layer, changed
from veritensor_ray.formats.encoded_text.text_rows import JoinedRows, runs, table

VIA = "unicode"
_ALPHABETIC = "0-9A-Za-z\u00c0-\u024f\u0370-\u052f"
_BESIDE = f"[{_ALPHABETIC}@._ -]"
# Only between letters of scripts that never need one: Persian and Indic scripts are written with joiners, and so are emoji.
_TAKEN_OUT = f"(?<={_BESIDE}[{INVISIBLE}])[{INVISIBLE}]*+(?={_BESIDE})"
_HIDDEN = re.compile(f"[{INVISIBLE}]{_TAKEN_OUT}")
_WIDE_LETTERS = "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\u2460-\u24ff"
_WIDE_LETTER = re.compile(f"[{_WIDE_LETTERS}]")
_WIDE = re.compile(f"[\uff01-\uff5e{_WIDE_LETTERS}]+")  # including wide signs, which on their own are normal between Chinese words
_CARRIERS = "\U000e0000-\U000e01ef\ufe00-\ufe0f\u200b-\u200d\u2060-\u2064"
# The pattern starts with a single character set, because that is the fastest way to search a text.
_SUSPECT = re.compile(
    f"[{INVISIBLE}{_WIDE_LETTERS}\u0370-\u052f](?:{_TAKEN_OUT}"
    f"|(?<=[{_WIDE_LETTERS}])[{_WIDE_LETTERS}]|(?<=[\u0370-\u052f])|(?<=[{_CARRIERS}])[{_CARRIERS}]{{3}})"
)
# The UTF-8 beginnings of that first character, without those that stand for ASCII.
_SUSPECT_BYTES = re.compile(
    rb"[\xcd-\xd4]|\xc2[\x81\x8d\x8f\x90\x9d\xad]|\xd8\x9c|\xe1(?:\x85[\x9f\xa0]|\x9e[\xb4\xb5]|\xa0[\x8b-\x8f])"
    rb"|\xe2(?:\x80[\x8b-\x8f\xaa-\xae]|\x81[\xa0-\xaf]|\x91[\xa0-\xbf]|[\x92\x93])|\xe3\x85\xa4"
    rb"|\xef(?:\xb7[\x90-\xaf]|\xb8[\x80-\x8f]|\xbb\xbf|\xbe\xa0|[\xbc\xbd]|\xbf[\xb0-\xbb\xbe\xbf])"
    rb"|\xf0(?:\x9b\xb2[\xa0-\xa3]|\x9d(?:\x85[\xb3-\xba]|[\x90-\x9f]))|\xf3\xa0|[\xf0-\xf4][\x8f\x9f\xaf\xbf]\xbf[\xbe\xbf]"
)
_IN_CONTROLS = table(b"".join(re.findall(f"[{CONTROLS}]".encode(), bytes(range(128)))))
_BESIDE_CONTROLS = frozenset(string.ascii_letters.encode() + string.digits.encode() + b"@._ -")
# Letters with NULs between them are UTF-16 or UTF-32 that somebody decoded as another encoding. Single NULs separate names in lists.
_SPACED = re.compile("[^\\0\n](?:\\0{1,3}[^\\0\n]){3,}")
_NULS = re.compile("\\0+")
_SPACED_BYTES = re.compile(rb"\0(?<=[^\0\n]\0)\0{0,2}[^\0\n](?:\0{1,3}[^\0\n]){2}")  # begins with a literal byte, which is found at once
_ASCII = bytes(range(128))
# ASCII that somebody decoded as UTF-16: two characters look like one, most often like a Chinese one. Of those, a third could be two of ASCII,
# so that sixteen in a row hardly ever are Chinese.
_PAIRS = re.compile("[" + "".join(f"{chr(high << 8 | 0x20)}-{chr(high << 8 | 0x7E)}" for high in range(0x20, 0x7F)) + "\u0a0d\u0d0a]{16,}")
# ASCII in UTF-16 whose bytes were swapped: one character each, of which few are written and never many in a row.
_SWAPPED = re.compile("[" + "".join(chr(code << 8) for code in (9, 10, 13, *range(0x20, 0x7F))) + "]{8,}")
_FEWEST_BYTES = 3 * 8  # of such a run in UTF-8
_FEWEST_KINDS, _LEAST_PROSE = 8, 0.7  # different characters of a decoded text, and its share of letters and spaces
_TOKEN = re.compile(r"\w{3,64}")
_LATIN = re.compile("[A-Za-z]")
_GREEK_OR_CYRILLIC = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LOOK_ALIKES = str.maketrans(
    dict(zip("аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧονιακρυ", "aeopcyxijsdhqwABEKMHOPCTXIJSABEZHIKMNOPTYXoviakpu", strict=True))
)
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_BITS = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{16,}")
_OVERRIDE = "\u202e"  # what follows is shown from right to left, whatever letters it has
_BACKWARD = re.compile(f"{_OVERRIDE}([^\u202a-\u202e\n]{{4,}})")

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_STAND_INS = b"0134579@$!|"
# Folds letters and the characters that stand for them together; i, l and everything that may be either become one letter.
_FOLDED = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZl" + _STAND_INS, b"abcdefghijkimnopqrstuvwxyzi" + b"oieastgasii")
# Classifies each byte: a letter, a stand-in for a letter, another digit, or a byte that no token contains.
_KINDS = table(_LETTERS, b"a", table(_STAND_INS, b"1", table(b"0123456789", b"2")))
_LEET_TOKEN = re.compile(r"(?<![\w@$!|])[A-Za-z0-9@$!|]{4,24}(?![\w@$|])")
# The words of typical instructions to a model. Any other word with a digit in it is taken for a name.
_WORDS = """ignore ignored disregard forget override bypass previous prior above instruction instructions system prompt prompts reveal
    secret secrets password passwords credentials execute command commands developer jailbreak unrestricted restrictions guidelines
    rules admin administrator delete upload transfer exfiltrate confidential hidden assistant pretend disable safety filter filters
    everything following anything""".split()  # noqa: SIM905  # a list of words reads best as one
_ORDERS = {word.encode().translate(_FOLDED): word for word in _WORDS}


def suspects(texts: pa.Array, joined: JoinedRows) -> Iterator[tuple[int, str]]:
    """Yield the rows in which `look` may find something: a cheap test of all of them. `joined` holds the same texts as bytes."""
    if not joined.data.isascii():
        for row in np.flatnonzero(~pc.fill_null(pc.string_is_ascii(texts), True).to_numpy(zero_copy_only=False)).tolist():
            start, end = joined.span(row)
            beyond = joined.data[start:end].translate(None, _ASCII)
            if (
                (_SUSPECT_BYTES.search(beyond) and _SUSPECT.search(texts[row].as_py()))
                or (len(beyond) >= _FEWEST_BYTES and (_PAIRS.search(texts[row].as_py()) or _SWAPPED.search(texts[row].as_py())))
                or _OVERRIDE.encode() in beyond
            ):
                yield row, VIA
    for start, end in runs(joined.data.translate(_IN_CONTROLS), b"a"):
        beside = joined.data[start - 1 : start] + joined.data[end : end + 1]
        if len(beside) == 2 and _BESIDE_CONTROLS.issuperset(beside):
            yield joined.row(start), VIA
    for found in _SPACED_BYTES.finditer(joined.data):
        yield joined.row(found.start()), VIA
    for start, end in runs(joined.data.translate(_KINDS), b"a1a"):
        if _is_order(joined.data[start:end]):
            yield joined.row(start), VIA


def look(text: str) -> Iterator[Layer]:
    """Yield the text with its disguises removed, and the messages written in invisible characters."""
    mapped = Mapped(text)
    if "\0" in text:
        mapped.put([(*nul.span(), "") for match in _SPACED.finditer(text) for nul in _NULS.finditer(text, *match.span())])
    mapped.put([(*match.span(), "") for match in _HIDDEN.finditer(mapped.text)])
    if not text.isascii():
        for pattern, decode, via in (
            (_TAGS, _tags, "tag-characters"),
            (_SELECTORS, _selectors, "variation-selectors"),
            (_BITS, _bits, "zero-width"),
        ):
            for match in pattern.finditer(text):
                message = decode(match.group())
                if message:
                    yield Layer(_standing_for(message, match.span()), via)
        for match in _BACKWARD.finditer(text):
            places = np.arange(*match.span(1), dtype=np.int64)[::-1]
            yield Layer(Mapped(match[1][::-1], places, places + 1), "right-to-left")
        for match in _PAIRS.finditer(text):
            for codec in ("utf-16-le", "utf-16-be"):
                if _is_prose(plain := match.group().encode(codec).decode("ascii")):
                    places = np.repeat(np.arange(*match.span(), dtype=np.int64), 2)
                    yield Layer(Mapped(plain, places, places + 1), codec)
        for match in _SWAPPED.finditer(text):
            yield Layer(
                Mapped("".join(chr(ord(character) >> 8) for character in match[0])).on(Mapped(text).part(*match.span())), "utf-16-swapped"
            )
        mapped.sub(_WIDE, _narrow)
        mapped.put(list(_of_two_scripts(mapped.text)))
    mapped.put(list(_of_orders(mapped.text)))
    yield from changed(mapped, text, VIA)


def _standing_for(message: str, span: tuple[int, int]) -> Mapped:
    return Mapped(message, *(np.full(len(message), edge, np.int64) for edge in span))


def _is_prose(text: str) -> bool:
    return len(set(text)) >= _FEWEST_KINDS and sum(c.isalpha() or c == " " for c in text) >= _LEAST_PROSE * len(text)


def _narrow(match: re.Match[str]) -> str | None:
    return unicodedata.normalize("NFKC", match.group()) if _WIDE_LETTER.search(match.group()) else None


def _of_two_scripts(text: str) -> Iterator[tuple[int, int, str]]:
    """Replace look-alike letters by Latin ones in tokens that mix both. Only lines that contain such a letter are examined."""
    found = _GREEK_OR_CYRILLIC.search(text)
    while found:
        first, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.start())
        end = len(text) if end < 0 else end
        for match in _TOKEN.finditer(text, first, end):
            token = match.group()
            if not token.isascii() and (plain := _in_latin(token)) != token:
                yield *match.span(), plain
        found = _GREEK_OR_CYRILLIC.search(text, end)


@functools.lru_cache(4096)  # words recur
def _in_latin(token: str) -> str:
    mixed = _GREEK_OR_CYRILLIC.search(token) and _LATIN.search(token)
    return token.translate(_LOOK_ALIKES) if mixed else token


def _of_orders(text: str) -> Iterator[tuple[int, int, str]]:
    """Restore instruction words in which other characters stand for letters. Only tokens with a letter next to a stand-in are examined."""
    kinds = text.encode("latin-1", "replace").translate(_KINDS)  # one byte per character
    for start in sorted({start for mark in (b"a1", b"1a") for start, _ in runs(kinds, mark)}):
        match = _LEET_TOKEN.match(text, start)
        if match and (plain := _plain(match.group())):
            yield *match.span(), plain


def _plain(token: str) -> str | None:
    """The instruction word that a token spells with stand-ins, or None."""
    word = token.rstrip("!")
    plain = _ORDERS.get(word.encode().translate(_FOLDED))
    return None if plain is None or word.isalpha() else plain + token[len(word) :]


def _is_order(token: bytes) -> bool:
    return token.rstrip(b"!").translate(_FOLDED) in _ORDERS


def _tags(run: str) -> str:
    return "".join(chr(ord(c) - 0xE0000) for c in run)


def _selectors(run: str) -> str:
    """Decode variation selectors: each one is a byte, from the first sixteen or from the supplement."""
    return _decoded_text(bytes(ord(c) - 0xFE00 if ord(c) < 0xFE10 else ord(c) - 0xE0100 + 16 for c in run))


def _bits(run: str) -> str:
    """Decode zero-width characters: the two most frequent kinds are the bits, eight to a byte, in either assignment.

    A third kind, if present, is a separator.
    """
    kinds = sorted(set(run), key=run.count, reverse=True)[:2]
    for zero, one in (kinds, kinds[::-1]) if len(kinds) == 2 else ():
        digits = "".join("1" if c == one else "0" for c in run if c in (zero, one))
        text = _decoded_text(bytes(int(digits[a:b], 2) for a, b in pairwise(range(0, len(digits) + 1, 8))))
        if text:
            return text
    return ""


def _decoded_text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text and all(c.isprintable() or c in "\n\t" for c in text) else ""
