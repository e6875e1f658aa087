"""Characters that a reader does not see, or takes for others: a text as it is meant, and messages written in characters that are never shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.extract.layers.layer import Layer, changed
from veritensor_ray.extract.layers.rows import offsets_of, rows_of, runs
from veritensor_ray.origins import Mapped

VIA = "unicode"
_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef"
_ALPHABETIC = "0-9A-Za-z\u00c0-\u024f\u0370-\u052f"
# between letters of scripts that never need one: Persian and the scripts of India write with joiners, and emoji are built with them
_HIDDEN = re.compile(f"(?<=[{_ALPHABETIC}@._ -])[{_INVISIBLE}]+(?=[{_ALPHABETIC}@._ -])")
_WIDE_LETTER = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\u2460-\u24ff]")
_WIDE = re.compile(f"[\uff01-\uff5e{_WIDE_LETTER.pattern[1:]}+")  # signs as well, which stand between Chinese words alone
_SUSPECT = re.compile(
    f"{_HIDDEN.pattern}|{_WIDE_LETTER.pattern}{{2}}|[\u0370-\u052f]|[\U000e0000-\U000e01ef\ufe00-\ufe0f\u200b-\u200d\u2060-\u2064]{{4}}"
)
_TOKEN = re.compile(r"\w{3,64}")
_LATIN = re.compile("[A-Za-z]")
_GREEK_OR_CYRILLIC = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LOOK_ALIKES = dict(
    zip("аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧονιακρυ", "aeopcyxijsdhqwABEKMHOPCTXIJSABEZHIKMNOPTYXoviakpu", strict=True)
)
_LONGEST_WORD = 24
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_BITS = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{16,}")

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_STAND_INS = b"0134579@$!|"
# Letters and what stands for them as one: i, l and what may be either are one letter here.
_FOLDED = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZl" + _STAND_INS, b"abcdefghijkimnopqrstuvwxyzi" + b"oieastgasii")
_STAND_IN_BYTES = np.isin(np.arange(256), np.frombuffer(_STAND_INS, np.uint8))
_LETTER_BYTES = np.isin(np.arange(256), np.frombuffer(_LETTERS, np.uint8))
_TOKEN_BYTES = np.isin(np.arange(256), np.frombuffer(_LETTERS + b"0123456789@$!|", np.uint8))
_LEET_TOKEN = re.compile(r"(?<![\w@$!|])[A-Za-z0-9@$!|]{4,24}(?![\w@$|])")
# words that orders to a model are made of: any other word with a digit in it is a name of something
_WORDS = """ignore ignored disregard forget override bypass previous prior above instruction instructions system prompt prompts reveal
    secret secrets password passwords credentials execute command commands developer jailbreak unrestricted restrictions guidelines
    rules admin administrator delete upload transfer exfiltrate confidential hidden assistant pretend disable safety filter filters
    everything following anything""".split()  # noqa: SIM905  # a list of words reads best as one
_ORDERS = {word.encode().translate(_FOLDED): word for word in _WORDS}


def suspects(texts: pa.Array) -> Iterator[tuple[int, str]]:
    """Rows that `look` may find something in: a cheap test of all of them."""
    for row in np.flatnonzero(~pc.fill_null(pc.string_is_ascii(texts), True).to_numpy(zero_copy_only=False)).tolist():
        if _SUSPECT.search(texts[row].as_py()):
            yield row, VIA
    for row in _leet_rows(texts):
        yield row, VIA


def look(text: str) -> Iterator[Layer]:
    """The text with what hides its words taken away, and the messages in invisible characters."""
    mapped = Mapped(text)
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
        mapped.sub(_HIDDEN, lambda _: "")
        mapped.sub(_WIDE, _narrow)
        if _GREEK_OR_CYRILLIC.search(mapped.text):
            mapped.sub(_TOKEN, _unmixed)
    mapped.sub(_LEET_TOKEN, _plain)
    yield from changed(mapped, text, VIA)


def _standing_for(message: str, span: tuple[int, int]) -> Mapped:
    mapped = Mapped(message)
    mapped.starts[:], mapped.ends[:] = span
    return mapped


def _narrow(match: re.Match[str]) -> str | None:
    return unicodedata.normalize("NFKC", match.group()) if _WIDE_LETTER.search(match.group()) else None


def _unmixed(match: re.Match[str]) -> str | None:
    """A token of Latin and look-alike letters in Latin alone."""
    token = match.group()
    if token.isascii() or not (_GREEK_OR_CYRILLIC.search(token) and _LATIN.search(token)):
        return None
    return "".join(_LOOK_ALIKES.get(c, c) for c in token)


def _plain(match: re.Match[str]) -> str | None:
    """One of the words of orders, with letters for what stands for them."""
    token = match.group()
    word = token.rstrip("!")
    plain = _ORDERS.get(word.encode().translate(_FOLDED))
    return None if plain is None or word.isalpha() else plain + token[len(word) :]


def _leet_rows(texts: pa.Array) -> Iterator[int]:
    """Rows with a stand-in between two letters in one of the words of orders."""
    if not len(texts):
        return
    offsets = offsets_of(texts)
    raw = memoryview(texts.buffers()[2] or b"")[: offsets[-1]]
    data = np.frombuffer(raw, np.uint8)
    if len(data) < 3:
        return
    letters = _LETTER_BYTES[data]
    places = np.flatnonzero(_STAND_IN_BYTES[data[1:-1]] & letters[:-2] & letters[2:]) + 1
    starts, ends = runs(data, _TOKEN_BYTES, offsets)
    tokens = np.unique(np.searchsorted(starts, places, side="right") - 1)
    tokens = tokens[ends[tokens] - starts[tokens] <= _LONGEST_WORD]
    found = [a for a, b in zip(starts[tokens].tolist(), ends[tokens].tolist(), strict=True) if _is_order(bytes(raw[a:b]))]
    yield from rows_of(texts, found)


def _is_order(token: bytes) -> bool:
    return token.rstrip(b"!").translate(_FOLDED) in _ORDERS


def _tags(run: str) -> str:
    return "".join(chr(ord(c) - 0xE0000) for c in run)


def _selectors(run: str) -> str:
    """Each selector is a byte: the first sixteen, and those of the supplement."""
    return _text(bytes(ord(c) - 0xFE00 if ord(c) < 0xFE10 else ord(c) - 0xE0100 + 16 for c in run))


def _bits(run: str) -> str:
    """Two kinds of characters are bits, eight a character, either way around; a third one, where there is one, parts them."""
    kinds = sorted(set(run), key=run.count, reverse=True)[:2]
    for zero, one in (kinds, kinds[::-1]) if len(kinds) == 2 else ():
        digits = "".join("1" if c == one else "0" for c in run if c in (zero, one))
        text = _text(bytes(int(digits[a:b], 2) for a, b in pairwise(range(0, len(digits) + 1, 8))))
        if text:
            return text
    return ""


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text and all(c.isprintable() or c in "\n\t" for c in text) else ""
