"""Data after the end of a file's own format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.common.streams import Pieces, Window


def behind(file: BinaryIO, end: int) -> Iterator[Member]:
    """Yield the data after the end of a format in a seekable file. No program would read it, so it may be hidden there."""
    size = file.seek(0, io.SEEK_END) if file.seekable() else 0
    if size > end:
        yield Member(f"bytes {end}-{size}", cast("BinaryIO", Pieces(Window(file, end, size - end).pieces())), opaque=True)
