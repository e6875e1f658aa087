"""Reads RAR archives: files that are stored become members. Of files that are compressed, only the names are read.

The only program that decompresses RAR in all its versions has a license that forbids rebuilding it, and no library with another one comes as
a package that needs nothing of the system.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import Encrypted, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.archives.entry_names import link_hazard
from veritensor_ray.formats.archives.entry_report import ArchiveReport, Comments
from veritensor_ray.formats.archives.rar.structure import RarArchive, RarEntry
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.json.value_tree import may_be_value

_COMMENT = "CMT"
_LINK, _LONGEST = 4096, 1 << 18  # bytes of a target, and of a comment
_UNREAD = "it is compressed, and there is no reader for the compression of RAR"


def read_rar(source: Source) -> Iterator[Item]:
    """Yield the stored files. Raises ReadError if the archive is cut off, and LimitExceeded."""
    report, comments, size = ArchiveReport(), Comments(), length(source.file)
    archive = RarArchive(source, size)
    problem: ReadError | None = None
    try:
        for entry in archive.entries():
            yield from RarFiles(source, report, comments).shown(entry)
            yield from report.take()
    except Encrypted as error:
        report.notice("encrypted-member", str(error))
        report.gap("encrypted", code=ReasonCode.ENCRYPTED)
        source.account.claim(0, size, "packed")
        yield from report.rest()
        return
    except ReadError as error:
        problem = error
    if archive.is_volume:
        report.gap("other volumes belong to this one, and files that go on there are not read", code=ReasonCode.ELSEWHERE)
    yield from comments.take()
    yield from report.rest()
    if problem:
        raise problem
    if archive.must_end and not archive.has_end:
        yield Gap("the archive has no end marker: it may be cut off")
    yield from behind(source, archive.end)


class RarFiles:
    """Turns entries into members, notices and gaps."""

    def __init__(self, source: Source, report: ArchiveReport, comments: Comments) -> None:
        self._source, self._report, self._comments = source, report, comments

    def shown(self, entry: RarEntry) -> Iterator[Member]:
        """Yield a file if it is stored, and report what is odd about it."""
        is_read = entry.stored and not entry.locked
        if entry.service and entry.name == _COMMENT:
            self._comment(entry, is_read)
            return
        if not entry.service:
            self._report.name(entry.name)
        if entry.target is not None:
            self._link(entry, entry.target)
        elif entry.is_link and is_read and entry.size <= _LINK:
            self._source.account.claim(entry.start, entry.end, "members")
            self._link(entry, Window(self._source.file, entry.start, entry.size).read(_LINK).decode("utf-8", "replace"))
            return
        if entry.size or not (entry.folder or entry.service or entry.target is not None):
            yield from self._data(entry, is_read)

    def _data(self, entry: RarEntry, is_read: bool) -> Iterator[Member]:
        """Yield the data of an entry if it is stored. Folders, links and services may have some too, such as an alternate stream."""
        self._source.account.claim(entry.start, entry.end, "members" if is_read else "packed")
        if entry.locked:
            self._report.notice("encrypted-member", entry.name)
            self._report.gap("encrypted", entry.name, code=ReasonCode.ENCRYPTED)
        elif not entry.stored and entry.size:
            self._report.gap(_UNREAD, entry.name, code=ReasonCode.NO_READER)
        else:
            yield Member(entry.name, cast("BinaryIO", Pieces(self._content(entry))), opaque=entry.service)

    def _content(self, entry: RarEntry) -> Iterator[bytes]:
        checksum = 0
        for piece in Window(self._source.file, entry.start, entry.size).pieces():
            checksum = zlib.crc32(piece, checksum)
            yield piece
        if entry.checksum not in (None, checksum) and not entry.split and not entry.service:
            self._report.gap("its checksum does not match its data", entry.name)

    def _link(self, entry: RarEntry, target: str) -> None:
        if may_be_value(target):
            self._report.name(target)
        if notice := link_hazard(entry.name, target.replace("\\", "/")):
            self._report.notice(notice, f"{entry.name} -> {target}")

    def _comment(self, entry: RarEntry, is_read: bool) -> None:
        """Take the comment of the archive."""
        if not is_read:
            self._source.account.claim(entry.start, entry.end, "packed")
            self._report.gap("the comment of the archive is compressed or encrypted, and was not read", code=ReasonCode.NO_READER)
            return
        size = min(entry.size, _LONGEST)
        self._source.account.claim(entry.start, entry.start + size, "text")
        self._comments.add(Window(self._source.file, entry.start, size).read(size).decode("utf-8", "replace"), "archive")
        if entry.size > size:
            self._report.gap(f"the comment of the archive has more than {_LONGEST} bytes, and the rest was only searched for strings")
