"""Reads an archive the way the pipeline does: each member to its end when it is its turn, whatever its stream raises."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from tests.formats.reading import reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.format_registry import reader_for

ZIP, TAR, SEVENZIP = "application/zip", "application/x-tar", "application/x-7z-compressed"
DEB, AR = "application/x-deb", "application/x-unix-archive"
RPM, CPIO = "application/x-rpm", "application/x-cpio"
ISO, CAB, RAR = "application/x-iso9660-image", "application/vnd.ms-cab-compressed", "application/vnd.rar"


@dataclass
class Found:
    """Members with what could be read of them, names of members that broke, notices, texts of comments, gaps and what ended it."""

    members: list[tuple[str, bytes]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
    gaps: list[tuple[str | None, str]] = field(default_factory=list)
    error: ReadError | None = None

    @property
    def kinds(self) -> set[str]:
        """Names of the notices."""
        return {kind for kind, _ in self.notices}


def gather(data: bytes, media_type: str, limits: Limits | None = None, most: int = 8 << 20) -> Found:
    """Everything in an archive. Anything but ReadError (LimitExceeded is one) comes out."""
    found = Found()
    source = reader_source(data, Kind(media_type), limits)
    reader = reader_for(source.kind)
    assert reader is not None
    try:
        for item in reader(source):
            if isinstance(item, Member):
                _read(item, found, most)
            elif isinstance(item, Block):
                _texts(item, found)
            else:
                found.gaps.append((item.member, item.reason))
    except ReadError as error:
        found.error = error
    return found


def _read(item: Member, found: Found, most: int) -> None:
    out = io.BytesIO()
    try:
        while out.tell() < most and (piece := item.file.read(65_536)):
            out.write(piece)
    except LimitExceeded:
        raise
    except ReadError:
        found.broken.append(item.name)
    found.members.append((item.name, out.getvalue()))
    found.opaque += [item.name] if item.opaque else []


def _texts(block: Block, found: Found) -> None:
    assert block.view == "metadata"
    if block.column == "names":
        return
    if block.notice is None:
        assert not isinstance(block.column, str)
        found.comments += list(zip(block.column or (), block.texts, strict=True))
    else:
        found.notices += [(kind or "", text) for kind, text in zip(block.notice, block.texts, strict=True)]


def fuzzed(data: bytes, media_type: str, step: int = 1) -> None:
    """Every truncation and every flipped byte gives a result."""
    limits = Limits(members=50)
    for at in range(0, len(data), step):
        gather(data[:at], media_type, limits, most=1 << 20)
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= mask
            gather(bytes(changed), media_type, limits, most=1 << 20)
