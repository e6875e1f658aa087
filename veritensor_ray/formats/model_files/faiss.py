"""Handles files that contain only numbers, such as FAISS indexes: they are known to hold no text, so they are not opened."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source

_FLAT = 37  # bytes of the head of an index: its kind, dimension, number of vectors, two obsolete fields, a flag and its metric


def read_numbers(source: Source) -> Iterator[Item]:
    """Yield nothing. The end of a flat index is known; that of others is that of the file."""
    yield from ()
    source.file.seek(0)
    head = source.file.read(_FLAT + 4 + 8)
    end = length(source.file) if source.file.seekable() else 0
    if head.startswith(b"IxF") and len(head) == _FLAT + 4 + 8:
        count = _FLAT + (4 if int.from_bytes(head[_FLAT - 4 : _FLAT], "little") > 1 else 0)  # some metrics have an argument
        end = count + 8 + 4 * int.from_bytes(head[count : count + 8], "little")
    source.account.claim(0, end, "values")
