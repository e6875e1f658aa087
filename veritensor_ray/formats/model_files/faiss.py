"""Handles files that contain only numbers, such as FAISS indexes: they are known to hold no text, so they are not opened."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.common.source import Item, Source


def read_numbers(source: Source) -> Iterator[Item]:
    """Yield nothing."""
    yield from ()
