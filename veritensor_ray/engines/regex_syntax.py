"""Parses regular expressions into trees. Python has a parser but publishes none of it, so its private modules are used here alone."""

from __future__ import annotations

from collections.abc import Iterator
from re import _constants as operations  # type: ignore[attr-defined]  # the same names since Python 3.11
from re import _parser  # type: ignore[attr-defined]
from typing import Any


def parse(pattern: str | bytes) -> Any:
    """Return a sequence of pairs: an operation and its argument, whose form depends on the operation. Raises re.error."""
    return _parser.parse(pattern)


def width(pattern: str) -> tuple[int, int]:
    """Return how many characters a match has at least and at most. Raises re.error."""
    least, most = _parser.parse(pattern).getwidth()
    return int(least), int(most)


def parts(argument: Any) -> Iterator[Any]:
    """Yield the patterns within the argument of an operation, at any depth of lists and tuples."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from parts(part)


__all__ = ["operations", "parse", "parts", "width"]
