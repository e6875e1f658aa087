"""Walks over a zip archive for readers of archives and documents: its entries, its contradictions, and hidden data between its entries."""

from __future__ import annotations

import io
import stat
from collections.abc import Generator, Iterator
from itertools import islice
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.archives.entry_report import ArchiveReport, Comments
from veritensor_ray.formats.archives.zip.structure import (
    AES,
    CENTRAL,
    DESCRIPTOR,
    ENCRYPTED,
    END,
    LOCAL,
    LOCAL_SIZE,
    METHODS,
    STREAMED,
    Data,
    Local,
    ZipEntry,
    contradiction,
    find_directory,
    fixed_fields,
    found_entry,
    local_header,
)
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.decoders import BROKEN, PIECE
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window

_SHARED = bounds.SHARED_DATA
_DESCRIPTOR = 24  # bytes after a streamed entry
_SIGNED = b"APK Sig Block 42"


class NoData(ReadError):
    """The data of an entry cannot be read; the message says why."""


class ZipArchive:
    """The entries of a seekable zip `file`, with a report of its irregularities. `more` says that it has more entries than the limit.

    `directory` is None if the archive has no central directory: then only local headers describe its entries.
    """

    def __init__(self, source: Source, file: BinaryIO | None = None) -> None:
        self._file, self._front_read = file or source.file, source.front_read
        self._account = source.account
        self.size = self._file.seek(0, io.SEEK_END)
        self.copies = Copies(source.budget, self.size)
        self.report, self._comments = ArchiveReport(), Comments()
        self.directory = (source.directory if file is None else None) or find_directory(self._file)
        self._members = source.limits.members
        self._names: dict[str, tuple[int, int]] = {}
        self._locals: dict[int, Local | None] = {}
        self._shared_left = _SHARED
        self._headers, self._descriptors = _Finder(self._file, LOCAL), _Finder(self._file, DESCRIPTOR)
        self._tries = self._members
        known = self.directory.first(self._members + 1) if self.directory else []
        self.more, self.entries = len(known) > self._members, known[: self._members]
        self._overlapping = _overlapping(self.entries)
        self._judged: set[int] = set()  # entries, by `id`, since the parts of a document are read more than once
        self._behind: list[tuple[int, int]] = []  # bytes after the end of an entry's compressed data
        self._judge_directory()

    def _judge_directory(self) -> None:
        """Compare the end record with the directory."""
        if self.directory is None:
            return
        self._comments.add(self.directory.comment.decode("utf-8", "replace"), "")
        if self.directory.rival:
            self.report.notice("tampered-archive", "it has two central directories, and programs differ in which one they read")
        if not self.more and len(self.entries) % 0x10000 != self.directory.count % 0x10000:
            told = f"its end record counts {self.directory.count} entries, but its directory has {len(self.entries)}"
            self.report.notice("tampered-archive", told)
            self.report.gap("the central directory is damaged or does not hold as many entries as its end record counts")

    def look(self, entry: ZipEntry) -> None:
        """Report the irregularities of an entry that are visible without reading it: its name, its comment, its two headers."""
        self.report.name(entry.name)
        self._comments.add(entry.comment.decode("utf-8", "replace"), entry.name)
        local = self._local(entry)
        if local is not None and (wrong := contradiction(entry, local)):
            self.report.notice("tampered-archive", f"{entry.name}: {wrong}")
        if self._names.setdefault(entry.place, (entry.crc, entry.size)) != (entry.crc, entry.size):
            self.report.notice("duplicate-member", entry.name)
        if id(entry) in self._overlapping:
            self.report.notice("archive-bomb", f"{entry.name}: shares its data with other entries")
        if entry.mode and stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            self.report.notice("device-file", entry.name)

    def data(self, entry: ZipEntry) -> Data:
        """The data of an entry, not read yet. Raises NoData and LimitExceeded."""
        local = self._local(entry)
        if local is None:
            raise NoData("the entry is not where the directory says")
        if id(entry) in self._overlapping and self._shared_left <= 0:
            raise LimitExceeded("shared_data", "it shares its data with other entries and was not read")
        if entry.encrypted and not self._plain(entry, local):
            if id(entry) not in self._judged:
                self.report.notice("encrypted-member", entry.name)
            self._judged.add(id(entry))
            raise NoData("encrypted", ReasonCode.ENCRYPTED)
        if entry.method not in METHODS:
            raise NoData(f"no decoder for compression method {entry.method}", ReasonCode.NO_READER)
        return Data(entry, Window(self._file, local.data, entry.packed))

    def judge(self, entry: ZipEntry, data: Data) -> None:
        """Report the irregularities of an entry's data after it was read."""
        self._shared_left -= data.size if id(entry) in self._overlapping else 0
        if id(entry) in self._judged:
            return
        self._judged.add(id(entry))
        if verdict := data.verdict():
            self.report.notice(verdict[0], f"{entry.name}: {verdict[1]}")
            self.report.gap(verdict[1], entry.name)
        local = self._local(entry)
        if local is not None and data.ended and data.end < local.data + entry.packed:
            self.report.notice("hidden-bytes", f"{entry.name}: has bytes after the end of its compressed data")
            self._behind.append((data.end, local.data + entry.packed))

    def take(self) -> Iterator[Item]:
        """Yield everything reported since the last call, and the comments once there are many."""
        yield from self.report.take()
        yield from self._comments.full()

    def rest(self) -> Iterator[Item]:
        """Yield entries that only a local header lists, bytes that belong to nothing, and the rest of the report."""
        for at, end in self._behind:
            yield from self._loose(at, end)
        if self.directory is None:
            self._account.claim(0, self.size, "members")
            yield from self._between(0, self.size, ghosts=False)
        elif not self.more:
            yield from self._hidden(self.directory.start, self.directory.after)
        yield from self._comments.take()
        yield from self.report.rest()

    def _local(self, entry: ZipEntry) -> Local | None:
        if entry.offset not in self._locals:
            self._locals[entry.offset] = local_header(self._file, entry.offset)
        return self._locals[entry.offset]

    def _plain(self, entry: ZipEntry, local: Local) -> bool:
        """Whether an entry that is flagged as encrypted is not: loaders that ignore the flag can read it."""
        if (local.flags ^ entry.flags) & ENCRYPTED:
            return True
        if entry.method == AES or entry.method not in METHODS or not entry.size:
            return False
        data = Data(entry, Window(self._file, local.data, entry.packed))
        try:
            for _ in islice(data.counted(self.copies), 16):
                pass
        except BROKEN:
            return False
        plain = data.verdict() is None if data.ended else data.size > PIECE
        if plain:
            self.report.notice("tampered-archive", f"{entry.name}: flagged as encrypted, but it is not")
        return plain

    def _hidden(self, start: int, after: int) -> Iterator[Item]:
        """Yield anything between the entries, before the first one and after the end."""
        taken = []
        for entry in self.entries:
            if (local := self._local(entry)) is not None:
                behind = _DESCRIPTOR if (local.flags | entry.flags) & STREAMED else 0
                taken.append((entry.offset, local.data + entry.packed + behind))
                if local.raw == entry.raw:  # otherwise, the header is not what the directory says
                    self._account.claim(entry.offset, entry.offset + LOCAL_SIZE + len(local.raw), "structure")
                if id(entry) in self._judged:  # all others, such as the type of a document, have not been read to their ends
                    self._account.claim(local.data, local.data + entry.packed, "members")
                    if behind:
                        self._claim_descriptor(entry, local.data + entry.packed)
        for begin, end in fixed_fields(self.directory, self.entries) if self.directory else ():
            self._account.claim(begin, end, "structure")
        at = 0
        for begin, end in [*sorted(taken), (start, after)]:
            if begin > at:
                if at or not self._is_read_elsewhere():
                    self._account.claim(at, begin, "members")
                yield from self._between(at, begin, ghosts=True)
            at = max(at, min(end, start) if begin < start else end)
        if at < self.size:
            self._account.claim(at, self.size, "members")
            yield from self._between(at, self.size, ghosts=True)

    def _claim_descriptor(self, entry: ZipEntry, at: int) -> None:
        """Claim the checksum and the sizes behind a streamed entry if they are those of the directory."""
        self._file.seek(at)
        found = self._file.read(_DESCRIPTOR)
        for width in (4, 8):
            parts = (
                entry.crc.to_bytes(4, "little"),
                *((size % (1 << 8 * width)).to_bytes(width, "little") for size in (entry.packed, entry.size)),
            )
            if found.startswith(whole := DESCRIPTOR + b"".join(parts)):
                self._account.claim(at, at + len(whole), "structure")
                return

    def _is_read_elsewhere(self) -> bool:
        """Return whether another format stands in front of the archive, whose reader claims what it has read."""
        self._file.seek(0)
        return self._front_read and self._file.read(2) != b"PK"

    def _between(self, at: int, end: int, ghosts: bool) -> Iterator[Item]:
        """Yield entries that only local headers list, and loose bytes around them."""
        loose = at
        while (place := self._headers.find(at, end)) is not None:
            self._tries -= 1
            if self._tries < 0 or self._shared_left <= 0:
                self.report.gap("too many local headers are missing from the directory", bound="members")
                break
            local = local_header(self._file, place)
            if local is None or not local.raw or local.data > end:
                at = place + len(LOCAL)
                continue
            if ghosts:
                yield from self._loose(loose, place)
            at = loose = yield from self._found(found_entry(local, place), local, end, ghosts)
        if ghosts:
            yield from self._loose(loose, end)

    def _found(self, entry: ZipEntry, local: Local, end: int, ghost: bool) -> Generator[Item, None, int]:
        """Yield a member that the directory does not list. Returns the offset of its end."""
        self.report.name(entry.name)
        if ghost:
            self.report.notice("ghost-member", entry.name)
        if entry.encrypted:
            self.report.notice("encrypted-member", entry.name)
            self.report.gap("encrypted", entry.name, code=ReasonCode.ENCRYPTED)
        elif entry.method not in METHODS:
            self.report.gap(f"no decoder for compression method {entry.method}", entry.name, code=ReasonCode.NO_READER)
        if entry.encrypted or entry.method not in METHODS:
            return min(end, local.data + entry.packed)
        room = end - local.data
        if entry.size < 0 and entry.method == 0:  # nothing says where it ends
            room = (self._descriptors.find(local.data, end) or end) - local.data
        data = Data(entry, Window(self._file, local.data, room if entry.size < 0 else entry.packed))
        if not entry.name.endswith("/") or entry.size:
            yield Member(entry.name, cast("BinaryIO", Pieces(data.counted(self.copies))))
        yield from self.report.take()
        if entry.size >= 0:
            return min(end, local.data + entry.packed)
        if not data.ended:
            self._shared_left -= data.size
        return data.end if data.ended else local.data

    def _loose(self, at: int, end: int) -> Iterator[Item]:
        """Yield bytes that do not belong to any entry. Unreferenced records of the format, zeros and signatures do not matter."""
        end = min(end, self.size)
        at = _behind_records(self._file, at, end)
        if not any(piece.strip(b"\x00") for piece in Window(self._file, at, end - at).pieces()):
            return
        self._file.seek(max(at, end - len(_SIGNED)))
        if self._file.read(len(_SIGNED)) == _SIGNED:
            return
        self._file.seek(0)
        foreign = at == 0 and self._file.read(2) != b"PK"  # another format in front, which has been read as such
        self.report.notice("archive-prefix" if foreign else "hidden-bytes", f"bytes {at} to {end}")
        if not foreign or not self._front_read:
            yield Member(f"bytes {at}-{end}", cast("BinaryIO", Pieces(Window(self._file, at, end - at).pieces())), stray=True)
        yield from self.report.take()


def _overlapping(known: list[ZipEntry]) -> set[int]:
    """The entries (by `id`, since two may be equal) that begin before the end of an earlier one."""
    found: set[int] = set()
    reach: int | None = None
    for entry in sorted(known, key=lambda entry: entry.offset):
        if reach is not None and entry.offset < reach:
            found.add(id(entry))
        end = entry.offset + 30 + len(entry.raw) + entry.packed
        reach = end if reach is None else max(reach, end)
    return found


class _Finder:
    """Finds a signature and caches the result, since the next search often begins before it."""

    def __init__(self, file: BinaryIO, signature: bytes) -> None:
        self._file, self._signature = file, signature
        self._known: tuple[int, int, int | None] | None = None

    def find(self, at: int, end: int) -> int | None:
        """The next offset of the signature within `[at, end)`, or None."""
        if self._known and self._known[0] <= at and self._known[1] == end and (self._known[2] is None or at <= self._known[2]):
            return self._known[2]
        found = self._search(at, end)
        self._known = at, end, found
        return found

    def _search(self, at: int, end: int) -> int | None:
        window, before, size = Window(self._file, at, end - at), b"", 4096
        while data := window.read(size):
            data = before + data
            if (found := data.find(self._signature)) >= 0:
                return window.at - len(data) + found
            before = data[1 - len(self._signature) :]
            size = min(PIECE, 2 * size)
        return None


def _behind_records(file: BinaryIO, at: int, end: int) -> int:
    """The offset after any descriptors, directory entries and end records at `at`."""
    while at < end:
        file.seek(at)
        head = file.read(46)
        if head.startswith(DESCRIPTOR):
            at += 24 if head[24:26] == b"PK" and head[16:18] != b"PK" else 16
        elif head.startswith(CENTRAL) and len(head) == 46:
            at += 46 + sum(int.from_bytes(head[i : i + 2], "little") for i in (28, 30, 32))
        elif head.startswith(b"PK\x06\x07"):
            at += 20
        elif head.startswith(b"PK\x06\x06"):
            at += 12 + int.from_bytes(head[4:12], "little")
        elif head.startswith(END) and len(head) >= 22:
            at += 22 + int.from_bytes(head[20:22], "little")
        else:
            break
    return min(at, end)
