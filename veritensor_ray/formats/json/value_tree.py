"""Parses a small UTF-8 JSON document at once and collects its strings, and the numbers that may be about a person, with the same paths and
rows as the streaming reader.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from veritensor_ray.formats.common.column_paths import LONGEST_PATH, shorten
from veritensor_ray.formats.common.personal_numbers import number_text

# In bytes. As objects, larger documents cost memory, and Python's garbage collector takes more time than parsing at once saves.
SMALL = 1 << 16
LONG_KEY = 24  # longer keys are read as text, since they can carry instructions as well as any value
_VALUE = re.compile(r"@|\d(?:[ ().,/-]?\d){5}|^(?=.*\d)\S{16}")  # an address, a number or a token: objects are often keyed by them
NESTED = frozenset({list, tuple})
_NUMBERS = frozenset({int, float})
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half of a surrogate pair, which the two parsers treat differently


def is_text(key: str) -> bool:
    """Return whether a key is read as text, as values are: it is long, or may be a value itself, such as an email address."""
    return len(key) > LONG_KEY or _may_be_value(key)


@lru_cache(1 << 12)  # most keys occur in every row
def _may_be_value(key: str) -> bool:
    return _VALUE.search(key) is not None


def text_of(value: Any) -> str | None:
    """Return the text that a reader yields for a value that is a string or a number, or None."""
    if type(value) is str:
        return value
    return number_text(value) if type(value) in _NUMBERS else None


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
    """The strings of a document in order, each with its path and its row, which is the index in the outermost array."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.texts: list[str] = []
        self.paths: list[str] = []
        self.rows: list[int | None] = []
        self.count = 0  # items of the outermost array

    def read(self, data: bytes) -> bool:
        """Read a whole document. Returns False, leaving nothing useful, if only the streaming reader can judge it."""
        try:
            text = data.decode()
            if _SURROGATE.search(text):
                return False
            value = value_of(text, strict=True)
            if type(value) is list:
                self.count = len(value)
                for row, item in enumerate(value):
                    self._take(item, "", row, self._depth - 1)
            else:
                self._take(value, "", None, self._depth)
        except (ValueError, RecursionError):
            return False
        return True

    def _take(self, value: Any, path: str, row: int | None, depth: int) -> None:
        kind = type(value)
        if (text := text_of(value)) is not None:
            self._add(text, path, row)
        elif kind is tuple:
            if depth == 0:
                raise ValueError("nested too deeply")
            for key, item in value:
                if is_text(key):
                    self._add(key, path, row)
                inner = f"{path}.{key}" if path else key
                if len(inner) > LONGEST_PATH:
                    inner = shorten(inner)
                if (text := text_of(item)) is not None:
                    self.texts.append(text)
                    self.paths.append(inner)
                    self.rows.append(row)
                elif type(item) in NESTED:
                    self._take(item, inner, row, depth - 1)
        elif kind is list:
            if depth == 0:
                raise ValueError("nested too deeply")
            path += "[]"
            for item in value:
                if (text := text_of(item)) is not None:
                    self._add(text, path, row)
                elif type(item) in NESTED:
                    self._take(item, path, row, depth - 1)

    def _add(self, text: str, path: str, row: int | None) -> None:
        self.texts.append(text)
        self.paths.append(path if len(path) <= LONGEST_PATH else shorten(path))
        self.rows.append(row)
