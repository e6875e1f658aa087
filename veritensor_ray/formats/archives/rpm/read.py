"""Reads RPM packages: the texts of their headers, with the scripts that an installation runs, and the archive of their files as a member."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.archives.rpm.structure import (
    COMPRESSOR,
    LEAD,
    LONG_SIZE,
    SIZE,
    TAGS,
    RpmHeader,
    RpmValue,
    header_at,
    is_digests,
)
from veritensor_ray.formats.archives.tar.structure import text
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.common.trailing import behind

_EXTENSIONS = {b"gzip": ".gz", b"bzip2": ".bz2", b"xz": ".xz", b"lzma": ".lzma", b"zstd": ".zst"}
_LONGEST = bounds.HELD


def read_rpm(source: Source) -> Iterator[Item]:
    """Yield the texts of the headers, and the files as a cpio archive, which is usually compressed. Raises ReadError if the package is cut off."""
    size = length(source.file)
    source.account.claim(0, 4, "structure")  # the rest of the lead is obsolete, except for the name, which is in the header too
    signature = header_at(source.file, LEAD, size)
    yield from _texts(signature, source, "signature ")
    header = header_at(source.file, LEAD + -(-(signature.end - LEAD) // 8) * 8, size)
    yield from _texts(header, source)
    end = _told_end(signature, header, source.file) or size
    yield _payload(header, min(end, size), source)
    if end > size:
        raise ReadError(f"the package ends early: {end - size} bytes are missing")
    yield from behind(source, end)


def _texts(header: RpmHeader, source: Source, of: str = "") -> Iterator[Block | Gap]:
    """Yield the texts of a header, each with its tag as the column. Lists are texts with a line for each item."""
    source.account.claim(header.at, header.store, "structure")
    for value in header.values():
        name = TAGS.get(value.tag, f"tag {value.tag}") if not of else f"{of}{value.tag}"
        if not value.is_text:
            source.account.claim(value.start, value.end, "values")
        elif value.end - value.start > _LONGEST:
            yield Gap(f"{name} has more than {_LONGEST} bytes, and was not read", bound="held_bytes")
        else:
            yield from _text(value, value.read(source.file).rstrip(b"\0"), name, source)


def _text(value: RpmValue, data: bytes, name: str, source: Source) -> Iterator[Block]:
    if is_digests(data):
        source.account.claim(value.start, value.end, "values")
    else:
        source.account.claim(value.start, value.end, "text")
        yield Block([text(data.replace(b"\0", b"\n"))], column=name, view="metadata")


def _told_end(signature: RpmHeader, header: RpmHeader, file: BinaryIO) -> int | None:
    """Return where the package ends according to its signature, or None if it does not say so, or names an impossible place."""
    sizes = [value.read(file) for value in signature.values() if value.tag in (SIZE, LONG_SIZE) and 4 <= value.end - value.start <= 8]
    ends = [header.at + int.from_bytes(size, "big") for size in sizes]
    return next((end for end in ends if end >= header.end), None)


def _payload(header: RpmHeader, end: int, source: Source) -> Member:
    """Return the archive of the files, under a name that says how it is compressed."""
    source.account.claim(header.end, end, "members")
    told = next((Window(source.file, value.start, 8).read(8) for value in header.values() if value.tag == COMPRESSOR), b"")
    extension = _EXTENSIONS.get(told.partition(b"\0")[0], "")
    return Member(f"payload.cpio{extension}", cast("BinaryIO", Pieces(Window(source.file, header.end, end - header.end).pieces())))
