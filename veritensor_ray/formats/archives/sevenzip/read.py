"""Reads 7z archives: members in order, each solid folder decoded once, nothing written to disk."""

from __future__ import annotations

import io
import stat
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import Encrypted, LimitExceeded, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.archives.entry_names import link_hazard
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.archives.sevenzip.structure import ArchivedFile, Folder, FolderPart, listing, unpacked
from veritensor_ray.formats.common.decoders import PIECE
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.residue.hidden import hidden

_UNIX = 0x8000  # in a file's attributes: the upper half is a Unix mode
_LINK = 4096


def read_7z(source: Source) -> Iterator[Item]:
    """Yield a member for each file. Folders that cannot be decoded become gaps."""
    return _SevenZip(source).items()


class _Share:
    """The part of a folder's output that is one file, with its checksum."""

    def __init__(self, whole: Pieces, size: int) -> None:
        self._whole, self.left, self.crc = whole, size, 0

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            piece = self._whole.read1(min(self.left, PIECE))
            if not piece:
                raise EOFError("the folder that holds it ends early")
            self.left -= len(piece)
            self.crc = zlib.crc32(piece, self.crc)
            yield piece


class _SevenZip:
    def __init__(self, source: Source) -> None:
        self._file, self._limits, self._budget, self._account = source.file, source.limits, source.budget, source.account
        self._report = ArchiveReport()
        self._seen: dict[str, FolderPart] = {}

    def items(self) -> Iterator[Item]:
        try:
            found = listing(self._file, self._limits.members, self._budget)
        except Encrypted:
            self._report.notice("encrypted-member", "the names of the files are encrypted too")
            self._report.gap("encrypted", code=ReasonCode.ENCRYPTED)
            yield from self._report.rest()
            return
        for wrong in found.wrong:
            self._report.gap(wrong)
        for start, end in found.ranges:
            self._account.claim(start, end, "structure")
        for data in found.unread:
            yield from hidden(data, part="header")
        parts = self._parts(found.folders)
        for file in found.files:
            self._report.name(file.name)
            if file.stream:
                yield from self._content(file, *next(parts, (ReadError("no folder holds its data"), FolderPart(0, None))))
            elif not file.folder:
                yield Member(file.name, io.BytesIO())
            yield from self._report.take()
        for number, (whole, part) in enumerate(parts, 1):
            yield from self._content(ArchivedFile(f"unlisted file {number}", stream=True, folder=False, attributes=0), whole, part)
        yield from self._report.rest()

    def _parts(self, folders: list[Folder]) -> Iterator[tuple[Pieces | ReadError, FolderPart]]:
        """For each file with data: the stream whose next part it is, or the reason why it cannot be read."""
        for folder in folders:
            whole = folder.problem() or Pieces(unpacked(self._file, folder, self._budget), of="the folder that holds it")
            self._account.claim(folder.start, folder.start + folder.taken, "members")
            for part in folder.parts or [FolderPart(folder.size, folder.crc)]:
                yield whole, part

    def _content(self, file: ArchivedFile, whole: Pieces | ReadError, part: FolderPart) -> Iterator[Item]:
        if self._seen.setdefault(file.name, part) != part:
            self._report.notice("duplicate-member", file.name)
        if isinstance(whole, ReadError):
            if isinstance(whole, Encrypted):
                self._report.notice("encrypted-member", file.name)
            self._report.gap(str(whole), file.name, code=whole.reason_code)
            return
        share = _Share(whole, part.size)
        data = Pieces(iter(share))
        mode = file.attributes >> 16 if file.attributes & _UNIX else 0
        try:
            if stat.S_ISLNK(mode):
                self._link(file.name, data)
            else:
                yield Member(file.name, cast("BinaryIO", data))
            if data.error is None:  # otherwise whoever reads the member sees the error
                self._pass(data)
        except LimitExceeded:
            raise
        except ReadError as error:
            self._report.gap(str(error), file.name, code=error.reason_code)
        else:
            if not share.left and part.crc is not None and share.crc != part.crc:
                self._report.notice("bad-checksum", f"{file.name}: its checksum does not match its data")
                self._report.gap("its checksum does not match its data", file.name)

    def _link(self, name: str, data: Pieces) -> None:
        target = data.read(_LINK).decode("utf-8", "replace")
        if kind := link_hazard(name, target):
            self._report.notice(kind, f"{name} -> {target}")

    def _pass(self, data: Pieces) -> None:
        """Decode data that nobody read, because the next file follows it."""
        while data.read1(PIECE):
            pass
