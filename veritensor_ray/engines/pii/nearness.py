"""Locates possible identifiers of letters and digits in a buffer: near a word that indicates one, or by a distinctive form."""

from __future__ import annotations

import functools

import numpy as np

from veritensor_ray.engines.automaton import Automaton, Pattern, available
from veritensor_ray.engines.pii.clusters import Positions
from veritensor_ray.engines.pii.joining import JoinedBatch
from veritensor_ray.engines.pii.national import TOKENS
from veritensor_ray.engines.pii.number_context import phrases_of, speaks_of_any
from veritensor_ray.engines.word_forms import points_of

BEFORE, BEHIND = 112, 64  # largest distance, in characters, between a position and the digits: a token and the words around it that count
_WIDTH = 64  # characters that `context` examines
_SHORT = 5  # most letters of a word that often occurs inside other words
_CASED = 0x2C00  # beyond this, no script used here has two cases
_LIKE_ASCII = frozenset((0x130, 0x131, 0x17F, 0x212A))  # characters that `[a-z]` matches if case is ignored


def places(joined: JoinedBatch) -> Positions | None:
    """Return ascending positions near which such an identifier may be, or None if it may be anywhere."""
    text = joined.text
    if not available():
        return None
    data = text.encode("utf-8", "surrogatepass")
    found = np.array([end for _, end in _automaton().ends(data)], np.int64)
    if len(data) > len(text):
        inside = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) == 0x80)
        found = found - np.searchsorted(inside, found)
        found = np.concatenate([found, _odd(text)])
    named = [i for i, column in enumerate(joined.columns) if column is not None and speaks_of_any(column.name, _asked())]
    if named:
        found = np.concatenate([found, *(np.arange(joined.starts[i], joined.ends[i] + 1) for i in named)])
    return np.unique(found)


def _odd(text: str) -> Positions:
    """Return the positions where a pattern sees a letter or digit but a byte automaton does not."""
    codes = points_of(text)
    odd = [code for code in np.unique(codes[codes > 0x7F]).tolist() if code in _LIKE_ASCII or chr(code).isdecimal()]
    return np.flatnonzero(np.isin(codes, odd)) if odd else np.zeros(0, np.int64)


@functools.cache
def _asked() -> frozenset[str]:
    return frozenset(TOKENS.by_word)


@functools.cache
def _automaton() -> Automaton:
    sources = {_phrase(phrase) for phrase in phrases_of(_asked())} | {_alone(kind.form) for kind in TOKENS.alone}
    return Automaton([Pattern(0, source.encode(), caseless=True) for source in sorted(sources)])


def _alone(form: str) -> str:
    return f"(?:^|[^A-Za-z0-9_]){form}(?:[^A-Za-z0-9_]|$)"


def _either_case(letter: str) -> str:
    """Return a pattern for a letter and its upper-case forms. The automaton handles ASCII itself."""
    return letter if letter.isascii() else f"(?:{'|'.join((letter, *_upper().get(letter, ())))})"


@functools.cache
def _upper() -> dict[str, list[str]]:
    """Map lower-case letters to their non-ASCII upper-case forms."""
    found: dict[str, list[str]] = {}
    for letter in map(chr, range(0x80, _CASED)):
        if letter.lower() != letter:
            found.setdefault(letter.lower(), []).append(letter)
    return found


def _phrase(phrase: str) -> str:
    """Return a pattern for a phrase: a long word as it is, or several words in order, without letters between them."""
    words = phrase.split(" ")
    if not phrase.isascii():
        return "".join(_either_case(letter) for letter in max(words, key=len))
    if len(words) == 1 and len(phrase) > _SHORT:
        return phrase
    return r"(?:^|[^A-Za-z])" + rf"[^A-Za-z]{{1,{_WIDTH}}}".join(words) + r"(?:[^A-Za-z]|$)"
