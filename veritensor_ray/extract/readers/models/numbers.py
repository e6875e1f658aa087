"""Files of numbers alone, such as indexes of FAISS: there is no text in them, and that is known; it opens nothing."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.extract.source import Item, Source


def read_numbers(source: Source) -> Iterator[Item]:
    """Nothing."""
    yield from ()
