"""Parses a JSON text that is known to be valid into the values that readers get from Python's parser, whose strings know their places."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from veritensor_ray.formats.json.literals import STRING, Literal, number

_TOKEN = re.compile(rf'[\s,:]*+(?:({STRING})|([\[{{])|([\]}}])|([^\s,:"\[\]{{}}]++))', re.DOTALL)
_STRING, _OPEN, _CLOSE, _OTHER = 1, 2, 3, 4  # the groups of a token


class TracedString(str):
    """A string as readers see it, or a number that they yield as text. `keys` are those of the object if it is one of them."""

    __slots__ = ("keys", "literal")
    keys: list[TracedString]
    literal: Literal

    @classmethod
    def of(cls, literal: Literal) -> TracedString:
        """Return the string of a literal."""
        made = cls(literal.value)
        made.literal, made.keys = literal, []
        return made

    @property
    def start(self) -> int:
        """The character of the file at which its opening quote stands."""
        return self.literal.start - 1

    @property
    def end(self) -> int:
        """The character of the file after its closing quote."""
        return self.literal.end + 1


class TracedList(list[Any]):
    """A list with its first character, and the one after its last."""

    def __init__(self, items: list[Any], start: int, end: int) -> None:
        super().__init__(items)
        self.start, self.end = start, end


class TracedObject(dict[str, Any]):
    """An object without duplicate keys, with its first character, and the one after its last."""

    def __init__(self, items: list[Any], start: int, end: int) -> None:
        super().__init__(_pairs(items))
        self.start, self.end = start, end


class TracedScalar:
    """A value that is neither a string nor a container."""

    def __init__(self, raw: str, start: int) -> None:
        self.value, self.start, self.end = json.loads(raw), start, start + len(raw)

    def __repr__(self) -> str:
        return repr(self.value)


def traced_pairs(text: str, base: int) -> Any:
    """Return the value of a text that begins at character `base` of the file. Objects are tuples of pairs, as those of `value_of`."""
    return _traced(text, base, lambda bracket, items, *_: items if bracket == "[" else _keyed(items), _number)


def traced_objects(text: str) -> Any:
    """Return the value of the text of a file. Containers and scalars know their places too; no key may occur twice in an object."""
    return _traced(
        text,
        0,
        lambda bracket, *given: (TracedList if bracket == "[" else TracedObject)(*given),
        lambda raw, start, _: TracedScalar(raw, start),
    )


def _traced(text: str, base: int, container: Callable[[str, list[Any], int, int], Any], scalar: Callable[[str, int, str], Any]) -> Any:
    around: list[tuple[str, int, list[Any]]] = [("", 0, [])]  # the bracket, place and items of each open container
    at = 0
    while found := _TOKEN.match(text, at):
        group = found.lastindex or 0
        start, at = found.start(group), found.end()
        if group == _OPEN:
            around.append((found[_OPEN], start, []))
            continue
        if group == _STRING:
            value: Any = TracedString.of(Literal(found[_STRING][1:-1], base + start + 1))
        elif group == _OTHER:
            bracket, _, items = around[-1]
            value = scalar(found[_OTHER], base + start, items[-1] if bracket == "{" and items else "[]")
        else:
            bracket, begin, items = around.pop()
            value = container(bracket, items, base + begin, base + at)
        around[-1][2].append(value)
    return around[0][2][0]


def _pairs(items: list[Any]) -> tuple[tuple[TracedString, Any], ...]:
    """Return the items of an object as pairs of a key and its value."""
    return tuple(zip(items[::2], items[1::2], strict=True))


def _keyed(items: list[Any]) -> tuple[tuple[TracedString, Any], ...]:
    keys = items[::2]
    for key in keys:
        key.keys = keys
    return _pairs(items)


def _number(raw: str, start: int, name: str) -> TracedString | None:
    found = number(raw, start, name)
    return None if found is None else TracedString.of(found)
