"""Paths within a document, used as the column of the texts found there."""

from __future__ import annotations

LONGEST_PATH = 256


def shorten(path: str) -> str:
    """Shorten a path so that it can be repeated for every value below it: a key may be a megabyte long."""
    return path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH // 2]}…{path[1 - LONGEST_PATH // 2 :]}"
