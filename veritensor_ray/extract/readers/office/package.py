"""A zip package of parts, each read in bounded memory; it knows nothing of what the parts mean."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, cast

from veritensor_ray import bounds
from veritensor_ray.errors import LimitExceeded, ReadError
from veritensor_ray.extract.budget import Copies
from veritensor_ray.extract.readers.containers.report import ArchiveReport
from veritensor_ray.extract.readers.containers.zip_format import (
    DEFLATED,
    STORED,
    STREAMED,
    Data,
    ZipEntry,
    contradiction,
    entries,
    find_directory,
    local_header,
)
from veritensor_ray.extract.sniff import by_magic
from veritensor_ray.extract.source import Item, Member, Source
from veritensor_ray.extract.streams import Pieces, Window
from veritensor_ray.media_types import EXECUTABLES

_CHUNK = 1 << 18
_PART = bounds.PART  # of XML in one part; it is streamed, so this bounds time and not memory
_TOTAL = bounds.DOCUMENT  # of XML in all parts, and of the texts that came of it
_UNSEEKABLE = bounds.UNSEEKABLE
_DESCRIPTOR = 24  # bytes behind a streamed entry
_SCRAMBLED = ".odttf"  # fonts whose first bytes are arbitrary
_NOTHING = 2  # bytes that nothing is deflated to
_METHODS = (STORED, DEFLATED)  # all that packages may use


class Package:
    """The parts of a document by name, in the order of the archive; the second of one name is called `name#2`."""

    def __init__(self, source: Source) -> None:
        self._spent = 0
        self._file = source.file if source.file.seekable() else _in_memory(source.file)
        self._size = self._file.seek(0, io.SEEK_END)
        directory = find_directory(self._file)
        if directory is None:
            raise ReadError("the package ends early or is damaged: it has no central directory")
        self._directory = directory
        self._copies = Copies(source.budget, self._size)
        self._counted: dict[str, int] = {}  # how much of a part: some are looked into before they are read
        self._entries: dict[str, ZipEntry] = {}
        self._folders: list[ZipEntry] = []
        self._report = ArchiveReport()
        seen: dict[str, int] = {}
        members = source.limits.members
        for entry in islice(entries(self._file, directory), members + 1):
            if entry.name.endswith("/") and not entry.size:
                self._folders.append(entry)
                continue
            name = entry.name.replace("\\", "/").lstrip("/")
            count = seen[name] = seen.get(name, 0) + 1
            if count > 1:
                self._report.notice("duplicate-member", name)
            self._entries[name if count == 1 else f"{name}#{count}"] = entry
        if len(self._entries) > members:
            raise LimitExceeded("members", f"the package has more than {members} parts")
        if directory.rival:
            self._report.notice("tampered-archive", "two central directories: programs differ in which one they read")

    @property
    def names(self) -> list[str]:
        """Of all parts."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def lacks(self, name: str) -> bool:
        """Whether a part is not there, or there is nothing in it."""
        return name not in self._entries or self._entries[name].packed <= _NOTHING

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a part as they are decompressed; the sizes in the directory are claims. Raises what `Pieces` turns into ReadError."""
        entry = self._entries[name]
        local = local_header(self._file, entry.offset)
        if local is None:
            raise ReadError(f"{name} is not where the directory says")
        if wrong := contradiction(entry, local):
            self._report.notice("tampered-archive", f"{name}: {wrong}")
        if entry.encrypted:
            raise ReadError(f"{name} is encrypted")
        if entry.method not in _METHODS:
            raise ReadError(f"{name} is compressed by a method that packages do not use ({entry.method})")
        data = Data(entry, Window(self._file, local.data, entry.packed))
        known = self._counted.get(name, 0)
        try:
            yield from data.counted(self._copies, known)
        finally:
            self._counted[name] = max(known, data.size)
        if verdict := data.verdict():
            self._report.notice(verdict[0], f"{name}: {verdict[1]}")
            self._report.gap(verdict[1], name)

    def open(self, name: str) -> BinaryIO:
        """A part, read once and in order. Reading raises ReadError or LimitExceeded."""
        return cast("BinaryIO", Pieces(self.pieces(name)))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The same for a part that is XML, within the bounds for it."""
        read, stream = 0, self.open(name)
        while data := stream.read(_CHUNK):
            read += len(data)
            self.spend(len(data))
            if read > _PART:
                raise LimitExceeded("part_bytes", f"{name} has more than {_PART} bytes of XML")
            yield data

    def spend(self, count: int) -> None:
        """Count what was read, or what came out of it. Raises LimitExceeded when the whole document is too much."""
        self._spent += count
        if self._spent > _TOTAL:
            raise LimitExceeded("document_bytes", f"the parts of the document expand to more than {_TOTAL} bytes")

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a part; empty where it cannot be read."""
        try:
            return self.open(name).read(size)
        except ReadError:
            return b""

    def member(self, name: str, opaque: bool = False) -> Member:
        """A part that is a file of its own."""
        return Member(name, cast("BinaryIO", Pieces(self._watched(name))), opaque)

    def _watched(self, name: str) -> Iterator[bytes]:
        """The bytes of a part; that it is a program is noticed, whatever it is called."""
        first = not name.lower().endswith(_SCRAMBLED)
        for piece in self.pieces(name):
            if first and by_magic(piece) in EXECUTABLES:
                self._report.notice("embedded-program", name)
            first = False
            yield piece

    def rest(self) -> Iterator[Item]:
        """What is wrong with the archive, and what stands in it where no part does."""
        yield from self._report.take()
        for start, end in self._between():
            self._report.notice("hidden-bytes", f"bytes {start} to {end}")
            yield Member(f"bytes {start}-{end}", cast("BinaryIO", Pieces(Window(self._file, start, end - start).pieces())))
        yield from self._report.rest()

    def _between(self) -> Iterator[tuple[int, int]]:
        """Bytes that belong to no entry."""
        taken = []
        for entry in (*self._entries.values(), *self._folders):
            if (local := local_header(self._file, entry.offset)) is not None:
                behind = _DESCRIPTOR if (local.flags | entry.flags) & STREAMED else 0
                taken.append((entry.offset, local.data + entry.packed + behind))
        at = 0
        for start, end in [*sorted(taken), (self._directory.start, self._directory.after)]:
            if start > at and self._is_content(at, start):
                yield at, start
            at = max(at, min(end, self._directory.start) if start < self._directory.start else end)
        if at < self._size and self._is_content(at, self._size):
            yield at, self._size

    def _is_content(self, start: int, end: int) -> bool:
        """Padding is none."""
        return end - start > 1 << 16 or bool(Window(self._file, start, end - start).read(end - start).strip(b"\x00"))


def _in_memory(file: BinaryIO) -> BinaryIO:
    data = file.read(_UNSEEKABLE + 1)
    if len(data) > _UNSEEKABLE:
        raise LimitExceeded("unseekable_bytes", f"a package inside a stream is larger than {_UNSEEKABLE} bytes")
    return io.BytesIO(data)
