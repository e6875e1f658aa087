"""Pieces of sentences that many messages need."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 finding" or "2,000 findings"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def nearest(value: object, known: Iterable[str]) -> str | None:
    """Return the name that somebody probably meant who wrote `value`; None if no name is close."""
    return next(iter(get_close_matches(str(value), [*known], n=1)), None)
