"""Reads the text of enhanced metafiles, as lines, and the description of the drawing."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.drawings.drawn import decoded, read_records, unread
from veritensor_ray.formats.drawings.emf.structure import description, records, strings


def read_emf(source: Source) -> Iterator[Item]:
    """Yield the description and the lines. Raises ReadError if the drawing is cut off."""
    yield from _described(source)
    yield from read_records(source, 0, records(source.file, length(source.file)), strings)


def _described(source: Source) -> Iterator[Block | Gap]:
    string = description(source.file)
    if string is None:
        return
    if gap := unread(string, 1):
        yield gap
    elif found := decoded(string, source).strip("\0"):
        yield Block([found.replace("\0", "\n")], column="description", view="metadata")
