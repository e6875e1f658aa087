"""Reads RAR archives: files that are stored become members. Of files that are compressed, only the names are read.

The only program that decompresses RAR in all its versions has a license that forbids to rebuild it, and no library with another one comes as
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
        self._source.account.claim(entry.start, entry.end, "members" if is_read else "packed")
        if entry.service:
            self._service(entry, is_read)
            return
        self._report.name(entry.name)
        if entry.target is not None or (entry.is_link and is_read and entry.end - entry.start <= _LINK):
            self._link(entry)
        elif entry.locked:
            self._report.notice("encrypted-member", entry.name)
            self._report.gap("encrypted", entry.name, code=ReasonCode.ENCRYPTED)
        elif not entry.stored and entry.end > entry.start:
            self._report.gap(_UNREAD, entry.name, code=ReasonCode.NO_READER)
        elif not entry.folder:
            yield Member(entry.name, cast("BinaryIO", Pieces(self._content(entry))))

    def _content(self, entry: RarEntry) -> Iterator[bytes]:
        checksum = 0
        for piece in Window(self._source.file, entry.start, entry.end - entry.start).pieces():
            checksum = zlib.crc32(piece, checksum)
            yield piece
        if entry.checksum not in (None, checksum) and not entry.split:
            self._report.gap("its checksum does not match its data", entry.name)

    def _link(self, entry: RarEntry) -> None:
        data = Window(self._source.file, entry.start, _LINK).read(min(_LINK, entry.end - entry.start))
        target = entry.target if entry.target is not None else data.decode("utf-8", "replace")
        if may_be_value(target):
            self._report.name(target)
        if notice := link_hazard(entry.name, target.replace("\\", "/")):
            self._report.notice(notice, f"{entry.name} -> {target}")

    def _service(self, entry: RarEntry, is_read: bool) -> None:
        """Take the comment of the archive. What else programs keep for themselves is left out."""
        if entry.name != _COMMENT:
            return
        if not is_read:
            self._report.gap("the comment of the archive is compressed or encrypted, and was not read", code=ReasonCode.NO_READER)
            return
        size = min(entry.end - entry.start, _LONGEST)
        text = Window(self._source.file, entry.start, size).read(size)
        self._comments.add(text.decode("utf-8", "replace"), "archive")
