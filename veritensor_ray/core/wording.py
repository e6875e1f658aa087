"""Pieces of sentences that many messages need."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 finding" or "2,000 findings"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share from 0 to 1 as people read it. What is not nothing is not 0 %, and what is not everything is not 100 %."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def nearest(value: object, known: Iterable[str]) -> str | None:
    """Return the name that somebody probably meant who wrote `value`; None if no name is close."""
    return next(iter(get_close_matches(str(value), [*known], n=1)), None)
