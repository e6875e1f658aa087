"""Sets of names, written as one string."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """The set of words in a string."""
    return frozenset(text.split())
