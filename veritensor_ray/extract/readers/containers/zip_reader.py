"""Zip archives and what is made of them (wheels, jars, .npz, .keras, torch checkpoints): every entry a member, and what hides beside them."""

from __future__ import annotations

import stat
from collections.abc import Generator, Iterator
from itertools import islice
from typing import BinaryIO, cast

from veritensor_ray import bounds
from veritensor_ray.errors import LimitExceeded, ReadError
from veritensor_ray.extract.budget import Copies
from veritensor_ray.extract.decoders import BROKEN, PIECE
from veritensor_ray.extract.readers.containers.names import link_hazard
from veritensor_ray.extract.readers.containers.report import ArchiveReport, Comments
from veritensor_ray.extract.readers.containers.zip_format import (
    AES,
    CENTRAL,
    DESCRIPTOR,
    ENCRYPTED,
    END,
    LOCAL,
    METHODS,
    STREAMED,
    Data,
    Directory,
    Local,
    ZipEntry,
    contradiction,
    entries,
    find_directory,
    found_entry,
    local_header,
)
from veritensor_ray.extract.source import Item, Member, Source
from veritensor_ray.extract.streams import Pieces, Window
from veritensor_ray.media_types import PYTORCH

_TWICE = bounds.SHARED_DATA
_DESCRIPTOR = 24  # bytes behind a streamed entry
_LINK = 4096
_SIGNED = b"APK Sig Block 42"


def read_zip(source: Source) -> Iterator[Item]:
    """Members in the order of the central directory, then what only a local header or nothing at all tells of."""
    return _Zip(source).items()


class _Zip:
    def __init__(self, source: Source) -> None:
        self._file, self._limits, self._front_read = source.file, source.limits, source.front_read
        self._torch = source.kind.media_type == PYTORCH
        self._size = self._file.seek(0, 2)
        self._report, self._comments = ArchiveReport(), Comments()
        self._seen: dict[str, tuple[int, int]] = {}
        self._taken: list[tuple[int, int]] = []  # where entries begin, and end with their descriptors
        self._twice = _TWICE
        self._copies = Copies(source.budget, self._size)
        self._headers, self._descriptors = _Finder(self._file, LOCAL), _Finder(self._file, DESCRIPTOR)
        self._tries = self._limits.members

    def items(self) -> Iterator[Item]:
        directory = find_directory(self._file)
        if directory is None:
            yield from self._between(0, self._size, ghosts=False)
            yield from self._rest()
            raise ReadError("the archive ends early or is damaged: it has no central directory")
        self._comments.add(directory.comment.decode("utf-8", "replace"), "")
        known = list(islice(entries(self._file, directory), self._limits.members + 1))
        more, known = len(known) > self._limits.members, known[: self._limits.members]
        self._judge(directory, len(known), more)
        shared = _overlapping(known)
        for i, entry in enumerate(known):
            yield from self._entry(entry, i in shared)
            yield from self._report.take()
            yield from self._comments.full()
        if not more:
            yield from self._hidden(directory)
        yield from self._rest()
        if more:
            raise LimitExceeded("members", f"the archive has more than {self._limits.members} entries")

    def _rest(self) -> Iterator[Item]:
        yield from self._comments.take()
        yield from self._report.rest()

    def _judge(self, directory: Directory, count: int, more: bool) -> None:
        if directory.rival:
            self._report.notice("tampered-archive", "two central directories: programs differ in which one they read")
        if not more and count % 0x10000 != directory.count % 0x10000:
            self._report.notice("tampered-archive", f"its end record counts {directory.count} entries, its directory {count}")
            self._report.gap("the central directory is damaged or does not hold as many entries as it says")

    def _entry(self, entry: ZipEntry, shared: bool) -> Iterator[Item]:
        self._report.name(entry.name)
        self._comments.add(entry.comment.decode("utf-8", "replace"), entry.name)
        local = local_header(self._file, entry.offset)
        if local is None:
            self._report.gap("an entry is not where the directory says", entry.name)
            return
        behind = _DESCRIPTOR if (local.flags | entry.flags) & STREAMED else 0
        self._taken.append((entry.offset, local.data + entry.packed + behind))
        if wrong := contradiction(entry, local):
            self._report.notice("tampered-archive", f"{entry.name}: {wrong}")
        if self._seen.setdefault(entry.name, (entry.crc, entry.size)) != (entry.crc, entry.size):
            self._report.notice("duplicate-member", entry.name)
        if shared:
            self._report.notice("archive-bomb", f"{entry.name}: shares its data with other entries")
            if self._twice <= 0:
                self._report.gap("not read: it shares its data with other entries", entry.name, bound="shared_data")
                return
        yield from self._content(entry, local, shared)

    def _content(self, entry: ZipEntry, local: Local, shared: bool) -> Iterator[Item]:
        """The entry as a member, unless it is none or cannot be read."""
        window = Window(self._file, local.data, entry.packed)
        if entry.name.endswith("/") and not entry.size:
            return
        if entry.encrypted and not self._plain(entry, local):
            self._report.notice("encrypted-member", entry.name)
            self._report.gap("encrypted", entry.name)
        elif entry.method not in METHODS:
            self._report.gap(f"no decoder for compression method {entry.method}", entry.name)
        elif stat.S_ISLNK(entry.mode):
            self._link(entry, Data(entry, window))
        else:
            if entry.mode and stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                self._report.notice("device-file", entry.name)
            data = Data(entry, window)
            yield self._member(entry.name, data)
            self._twice -= data.size if shared else 0
            if verdict := data.verdict():
                self._report.notice(verdict[0], f"{entry.name}: {verdict[1]}")
                self._report.gap(verdict[1], entry.name)
            if data.ended and data.end < local.data + entry.packed:
                self._report.notice("hidden-bytes", f"{entry.name}: bytes behind the end of its compressed data")
                yield from self._loose(data.end, local.data + entry.packed)

    def _member(self, name: str, data: Data) -> Member:
        parts = name.split("/")
        opaque = self._torch and (parts[-2:-1] in (["data"], ["constants"]) or name.endswith(".storage"))
        return Member(name, cast("BinaryIO", Pieces(data.counted(self._copies))), opaque)

    def _link(self, entry: ZipEntry, data: Data) -> None:
        try:
            target = Pieces(data.counted(self._copies)).read(_LINK).decode("utf-8", "replace")
        except ReadError as error:
            self._report.gap(str(error), entry.name)
            return
        if kind := link_hazard(entry.name, target):
            self._report.notice(kind, f"{entry.name} -> {target}")

    def _plain(self, entry: ZipEntry, local: Local) -> bool:
        """Whether an entry that is flagged as encrypted is not: loaders that ignore the flag read it."""
        if (local.flags ^ entry.flags) & ENCRYPTED:
            return True
        if entry.method == AES or entry.method not in METHODS or not entry.size:
            return False
        data = Data(entry, Window(self._file, local.data, entry.packed))
        try:
            for _ in islice(data.counted(self._copies), 16):
                pass
        except BROKEN:
            return False
        plain = data.verdict() is None if data.ended else data.size > PIECE
        if plain:
            self._report.notice("tampered-archive", f"{entry.name}: flagged as encrypted, and is not")
        return plain

    def _hidden(self, directory: Directory) -> Iterator[Item]:
        """Whatever stands between the entries, before the first one and behind the end."""
        edges = sorted(self._taken)
        at = 0
        for start, end in [*edges, (directory.start, directory.after)]:
            if start > at:
                yield from self._between(at, start, ghosts=True)
            at = max(at, min(end, directory.start) if start < directory.start else end)
        if at < self._size:
            yield from self._between(at, self._size, ghosts=True)

    def _between(self, at: int, end: int, ghosts: bool) -> Iterator[Item]:
        """Entries that only their local headers tell of, and loose bytes around them."""
        loose = at
        while (place := self._headers.find(at, end)) is not None:
            self._tries -= 1
            if self._tries < 0 or self._twice <= 0:
                self._report.gap("too many local headers that are in no directory", bound="members")
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
        """A member without an entry in the directory; returns where it ends."""
        self._report.name(entry.name)
        if ghost:
            self._report.notice("ghost-member", entry.name)
        if entry.encrypted:
            self._report.notice("encrypted-member", entry.name)
        if entry.encrypted or entry.method not in METHODS:
            self._report.gap("encrypted" if entry.encrypted else f"no decoder for compression method {entry.method}", entry.name)
            return min(end, local.data + entry.packed)
        room = end - local.data
        if entry.size < 0 and entry.method == 0:  # nothing says where it ends
            room = (self._descriptors.find(local.data, end) or end) - local.data
        data = Data(entry, Window(self._file, local.data, room if entry.size < 0 else entry.packed))
        if not entry.name.endswith("/") or entry.size:
            yield self._member(entry.name, data)
        yield from self._report.take()
        if entry.size >= 0:
            return min(end, local.data + entry.packed)
        if not data.ended:
            self._twice -= data.size
        return data.end if data.ended else local.data

    def _loose(self, at: int, end: int) -> Iterator[Item]:
        """Bytes that are of no entry; records of the format that nothing leads to, zeros and signatures are of no interest."""
        end = min(end, self._size)
        at = _behind_records(self._file, at, end)
        if not any(piece.strip(b"\x00") for piece in Window(self._file, at, end - at).pieces()):
            return
        self._file.seek(max(at, end - len(_SIGNED)))
        if self._file.read(len(_SIGNED)) == _SIGNED:
            return
        self._file.seek(0)
        foreign = at == 0 and self._file.read(2) != b"PK"  # another format in front, which has been read as what it is
        self._report.notice("archive-prefix" if foreign else "hidden-bytes", f"bytes {at} to {end}")
        if not foreign or not self._front_read:
            yield Member(f"bytes {at}-{end}", cast("BinaryIO", Pieces(Window(self._file, at, end - at).pieces())))
        yield from self._report.take()


def _overlapping(known: list[ZipEntry]) -> set[int]:
    """Indices of entries that begin before the end of one before them."""
    order = sorted(range(len(known)), key=lambda i: known[i].offset)
    found, reach = set(), -1
    for i in order:
        entry = known[i]
        if entry.offset < reach:
            found.add(i)
        reach = max(reach, entry.offset + 30 + len(entry.raw) + entry.packed)
    return found


class _Finder:
    """Looks for a signature, and remembers what it found: the next search often begins before that."""

    def __init__(self, file: BinaryIO, signature: bytes) -> None:
        self._file, self._signature = file, signature
        self._known: tuple[int, int, int | None] | None = None

    def find(self, at: int, end: int) -> int | None:
        """Where it stands next, within `[at, end)`."""
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
    """The place behind descriptors, directory entries and end records that stand at `at`."""
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
