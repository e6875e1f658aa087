"""Data after the end of a file's own format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window


def behind(source: Source, end: int) -> Iterator[Member]:
    """Yield the data after the end of a format in a seekable file. No program would read it, so it may be hidden there."""
    file = source.file
    size = length(file) if file.seekable() else 0
    if size > end:
        source.account.claim(end, size, "members")
        yield Member(f"bytes {end}-{size}", cast("BinaryIO", Pieces(Window(file, end, size - end).pieces())), opaque=True, stray=True)
