"""Parses JSON at once and collects its strings, and the numbers that may be about a person, with their names.

In a document, these are the names that the streaming reader gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from veritensor_ray.formats.common.column_paths import LONGEST_PATH, shorten
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.json.speakers import CONVERSATIONS, spoken

# In bytes. As objects, larger documents cost memory, and Python's garbage collector takes more time than parsing at once saves.
SMALL = 1 << 16
LONG_KEY = 24  # longer keys are read as text, since they can carry instructions as well as any value
_VALUE = re.compile(r"@|\d(?:[ ().,/-]?\d){5}|^(?=.*\d)\S{16}")  # an address, a number or a token: objects are often keyed by them
NESTED = frozenset({list, tuple})
_NUMBERS = frozenset({int, float})
_OTHER, RECORD, _TURNS, _TURN = range(4)  # what a value is: a record of a dataset, a list of turns in it, a turn
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half of a surrogate pair, which the two parsers treat differently


def is_text(key: str) -> bool:
    """Return whether a key is read as text, as values are: it is long, or may be a value itself, such as an email address."""
    return len(key) > LONG_KEY or may_be_value(key)


@lru_cache(1 << 12)  # most keys occur in every row
def may_be_value(key: str) -> bool:
    """Return whether a name may be a value itself: an address, a number or a token."""
    return _VALUE.search(key) is not None


def text_of(value: Any, path: str = "") -> str | None:
    """Return the text that a reader yields for a value that is a string or a number, or None."""
    if type(value) is str:
        return value
    if type(value) in _NUMBERS:
        return number_text(value, path)
    return value if isinstance(value, str) else None  # a traced one


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODERS: tuple[Any, ...] = tuple(json.JSONDecoder(object_pairs_hook=tuple, parse_constant=constant) for constant in (None, _refused))
_SPACE = " \t\n\r"


def value_of(text: str, strict: bool = False) -> Any:
    """Parse a JSON value into objects that are tuples of pairs, so that duplicate keys are preserved. Raises ValueError and RecursionError.

    Unless `strict`, NaN and infinity are accepted as numbers.
    """
    try:
        value, end = _DECODERS[strict].scan_once(text, 0)
    except StopIteration:
        body = text.lstrip(_SPACE)
        if len(body) == len(text):
            raise ValueError("no JSON value begins here") from None
        return value_of(body, strict)
    if end < len(text) and text[end:].strip(_SPACE):
        raise ValueError("more data follows the JSON value")
    return value


class Strings:
    """The strings of values in order, each with its path and its row. They may be traced.

    If `numbered`, as in JSON lines, each item of a list has a path of its own. In a document, all of them share one, as in the streaming reader.
    """

    def __init__(self, numbered: bool) -> None:
        self._numbered = numbered
        self.clear()

    def clear(self) -> None:
        """Forget all strings."""
        self.texts: list[str] = []
        self.paths: list[str] = []
        self.rows: list[int | None] = []
        self._speakers: dict[int, str] = {}  # of the strings that are turns, by their numbers

    def speakers(self, first: int, last: int) -> list[str | None] | None:
        """Return who speaks each string of a range, or None if no speaker is known."""
        return [self._speakers.get(number) for number in range(first, last)] if self._speakers else None

    def read_document(self, data: bytes, depth: int) -> int | None:
        """Collect the strings of a document, and return the number of items of its outermost array, which are its rows.

        Returns None, leaving nothing useful, if only the streaming reader can judge it.
        """
        try:
            text = data.decode()
            if _SURROGATE.search(text):
                return None
            value = value_of(text, strict=True)
            if type(value) is not list:
                self.read(value, "", None, depth)
                return 0
            for row, item in enumerate(value):
                self.read(item, "", row, depth - 1, RECORD)
        except (ValueError, RecursionError):
            return None
        return len(value)

    def read(self, value: Any, path: str, row: int | None, depth: int, level: int = _OTHER) -> None:
        """Collect the strings of a value. Raises ValueError where it is nested deeper than `depth`, after the strings before."""
        kind, first = type(value), len(self.texts)
        if (text := text_of(value, path)) is not None:
            self.put(text, path, row)
        elif kind in NESTED:
            if depth == 0:
                raise ValueError("nested too deeply")
            inner = f"{path}[]"
            named: Any = value if kind is tuple else enumerate(value)
            for key, item in named:
                if kind is tuple:
                    inner = f"{path}.{key}" if path else key
                    if is_text(key):
                        self.put(key, f"{inner[:40]}<key>" if self._numbered else path, row)
                elif self._numbered:
                    inner = f"{path}[{key}]"
                if len(inner) > LONGEST_PATH:
                    inner = shorten(inner)
                if (text := item if type(item) is str else text_of(item, inner)) is not None:
                    self.texts.append(text)
                    self.paths.append(inner)
                    self.rows.append(row)
                elif type(item) in NESTED:
                    self.read(item, inner, row, depth - 1, level and _below(level, key, item))
            if level == _TURN:
                self.hear(value, path, first)

    def hear(self, turn: Iterable[tuple[str, Any]], path: str, first: int) -> None:
        """Note who speaks the text of a turn, whose strings begin at the number `first`."""
        if (found := spoken(turn)) is not None:
            key, speaker = found
            at = self.paths.index(f"{path}.{key}", first)
            self._speakers[at] = speaker

    def put(self, text: str, path: str, row: int | None) -> None:
        """Add a string."""
        self.texts.append(text)
        self.paths.append(path if len(path) <= LONGEST_PATH else shorten(path))
        self.rows.append(row)


def _below(level: int, key: str | int, item: Any) -> int:
    """Return what a value inside a record or a conversation is."""
    if level == RECORD and type(item) is list and key in CONVERSATIONS:
        return _TURNS
    return _TURN if level == _TURNS and type(item) is tuple else _OTHER
