"""What stands behind the end of what a format knows of a file; it knows no format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.extract.source import Member
from veritensor_ray.extract.streams import Pieces, Window


def behind(file: BinaryIO, end: int) -> Iterator[Member]:
    """What stands behind the end of a format's own bytes in a file that is no stream: nothing that a program would read, so it may hide."""
    size = file.seek(0, io.SEEK_END) if file.seekable() else 0
    if size > end:
        yield Member(f"bytes {end}-{size}", cast("BinaryIO", Pieces(Window(file, end, size - end).pieces())), opaque=True)
