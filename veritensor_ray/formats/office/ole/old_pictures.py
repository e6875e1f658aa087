"""Extracts images from the records of old office formats ([MS-ODRAW] 2.2.23) as files. It reads no pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.source import Member

_MAGICS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"))
_HEADS = (25, 41)  # a record header, one or two 16-byte digests, and a byte
_KINDS = range(0xF01A, 0xF02B)
_MOST = bounds.OLE_PICTURES


def pictures(data: bytes, part: str) -> Iterator[Member | Gap]:
    """Yield the PNG and JPEG files that follow an image record's header."""
    found = 0
    for found, (start, end, extension) in enumerate(_places(data), 1):  # how many there are
        yield Member(f"{part} {found}.{extension}", io.BytesIO(data[start:end]))
    if found >= _MOST:
        yield Gap(f"only the first {_MOST} images were read", bound="ole_pictures")


def without_pictures(data: bytes) -> bytes:
    """Return the bytes with zeros in place of the files that `pictures` yields."""
    rest = bytearray(data)
    for start, end, _ in _places(data):
        rest[start:end] = bytes(end - start)
    return bytes(rest)


def _places(data: bytes) -> Iterator[tuple[int, int, str]]:
    return islice(_all_places(data), _MOST)


def _all_places(data: bytes) -> Iterator[tuple[int, int, str]]:
    for magic, extension in _MAGICS:
        at = data.find(magic)
        while at >= 0:
            if size := _size(data, at):
                yield at, at + size, extension
            at = data.find(magic, at + max(1, size))


def _size(data: bytes, at: int) -> int:
    for head in _HEADS:
        start = at - head
        if start >= 0 and int.from_bytes(data[start + 2 : start + 4], "little") in _KINDS:
            size = int.from_bytes(data[start + 4 : start + 8], "little") - (head - 8)
            if 0 < size <= len(data) - at:
                return size
    return 0
