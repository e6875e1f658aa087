"""The entries of a cpio archive in the forms newc, newc with checksums, and odc, whose headers consist of digits. No content is read."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.archives.tar.structure import text
from veritensor_ray.formats.common.file_ranges import length, occurrences
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Window

_NEWC, _ODC = 110, 76  # bytes of a header
_HEADER = re.compile(rb"07070(?:[12][0-9A-Fa-f]{104}|7[0-7]{70})")
_LONGEST = 4096  # bytes of a path; Linux treats a longer one as damage
_TRAILER = "TRAILER!!!"
_DEVICES = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)


class CpioEntry(NamedTuple):
    """A header with its data: `start` and `size` are those of the content, and `end` is the offset of what follows.

    If the header is damaged, `damage` says so, and the content is everything up to the next header.
    """

    name: str
    mode: int
    start: int
    size: int
    end: int
    damage: str = ""

    @property
    def is_link(self) -> bool:
        """Whether the content is the target of a symbolic link. A target that is longer than any path does not count."""
        return stat.S_ISLNK(self.mode) and self.size <= _LONGEST

    @property
    def is_device(self) -> bool:
        """Whether the entry is a device, a pipe or a socket."""
        return stat.S_IFMT(self.mode) in _DEVICES

    @property
    def is_file(self) -> bool:
        """Whether the entry has content to be read. Folders and devices have none, unless the archive is forged."""
        return self.size > 0 or stat.S_ISREG(self.mode)

    def content(self, file: BinaryIO) -> Window:
        """Return the content, which is not read yet."""
        return Window(file, self.start, self.size)


class CpioArchive:
    """The entries of a seekable cpio. `end` is the offset behind its end marker, once all entries were read."""

    def __init__(self, source: Source, report: ArchiveReport) -> None:
        self._file, self._most, self._report = source.file, source.limits.members, report
        self._account, self._size = source.account, length(source.file)
        self.end = self._size

    def entries(self) -> Iterator[CpioEntry]:
        """Yield the entries before the end marker. Raises ReadError if the archive ends in the middle of one, and LimitExceeded."""
        at = count = 0
        while at < self._size:
            count += 1
            if count > self._most:
                raise LimitExceeded("members", f"the archive has more than {self._most} entries")
            entry = self._entry(at) or self._damaged(at)
            if entry.name == _TRAILER and not entry.size:
                self.end = self._behind_zeros(entry.end)
                return
            self._account.claim(entry.start, entry.start + entry.size, "members")
            yield entry
            if entry.start + entry.size > self._size:
                raise ReadError(f"the archive ends in the middle of {entry.name}")
            at = entry.end
        self._report.gap("the archive has no end marker: it may be cut off")

    def _entry(self, at: int) -> CpioEntry | None:
        """Return the entry whose header is at this place, or None if there is none."""
        header = Window(self._file, at, _NEWC).read(_NEWC)
        if not _HEADER.match(header):
            return None
        if header[5:6] == b"7":
            mode, named, size = (int(header[place], 8) for place in (slice(18, 24), slice(59, 65), slice(65, 76)))
            fixed, unit = _ODC, 1
        else:
            mode, named, size = (int(header[place], 16) for place in (slice(14, 22), slice(94, 102), slice(54, 62)))
            fixed, unit = _NEWC, 4
        name = Window(self._file, at + fixed, named).read(min(named, _LONGEST + 1))
        if not 0 < named <= _LONGEST or b"\0" not in name:
            return None
        name = name[: name.index(b"\0")]
        self._account.claim(at, at + fixed + len(name) + 1, "structure")
        start = at + _whole(fixed + named, unit)
        return CpioEntry(text(name) or f"unnamed at byte {at}", mode, start, size, start + _whole(size, unit))

    def _damaged(self, at: int) -> CpioEntry:
        """Return what stands between a damaged header and the next one. It holds the file whose header is damaged."""
        end = next((found for found in occurrences(self._file, at + 1, _HEADER, _NEWC) if self._entry(found)), self._size)
        return CpioEntry(f"bytes {at} to {end}", stat.S_IFREG, at, end - at, end, f"no cpio header at byte {at}")

    def _behind_zeros(self, at: int) -> int:
        """Return the offset of the first byte from there on that is not zero."""
        for piece in Window(self._file, at, max(0, self._size - at)).pieces():
            if rest := piece.lstrip(b"\0"):
                return at + len(piece) - len(rest)
            at += len(piece)
        return max(at, self._size)


def _whole(size: int, unit: int) -> int:
    """Return a size with its padding."""
    return -(-size // unit) * unit
