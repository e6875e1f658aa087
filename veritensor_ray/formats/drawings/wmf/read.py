"""Reads the text of Windows metafiles, as lines."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.drawings.drawn import read_records
from veritensor_ray.formats.drawings.wmf.structure import wmf_records, wmf_start, wmf_strings


def read_wmf(source: Source) -> Iterator[Item]:
    """Yield the lines. Raises ReadError if the drawing is cut off."""
    start = wmf_start(source.file)
    source.account.claim(0, start, "structure")
    yield from read_records(source, start, wmf_records(source.file, start, length(source.file)), wmf_strings)
