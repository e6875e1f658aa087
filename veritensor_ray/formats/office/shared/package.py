"""A zip package of parts, each read in bounded memory. It does not interpret the parts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.format_table import EXECUTABLES
from veritensor_ray.formats.archives.zip.structure import Directory, ZipEntry
from veritensor_ray.formats.archives.zip.zip_entries import NoData, ZipArchive
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.recognition import by_magic

_CHUNK = 1 << 18
_PART = bounds.PART  # bytes of XML in one part; it is streamed, so this limits time rather than memory
_TOTAL = bounds.DOCUMENT  # bytes of XML in all parts, and of the texts made from it
_UNSEEKABLE = bounds.UNSEEKABLE
_SCRAMBLED = ".odttf"  # fonts whose first bytes are arbitrary
_NOTHING = 2  # the compressed size of an empty part, in bytes


class Package:
    """The parts of a document by name, in archive order. The second part of the same name is called `name#2`.

    With `trace`, the texts of each part remember from which bytes they come.
    """

    def __init__(self, source: Source, trace: Trace | None = None) -> None:
        self.trace = trace
        self.known: set[int] = set()  # hashes of what its parts have said so far, for `Tokens`
        self._spent = 0
        archive = ZipArchive(source, None if source.file.seekable() else _in_memory(source.file))
        if archive.directory is None:
            raise ReadError("the package ends early or is damaged: it has no central directory")
        if archive.more:
            raise LimitExceeded("members", f"the package has more than {source.limits.members} parts")
        self._archive, self._directory = archive, archive.directory
        self._counted: dict[str, int] = {}  # the bytes of each part counted so far: some parts are examined before they are read
        self._entries: dict[str, ZipEntry] = {}
        self._all: list[tuple[str, ZipEntry]] = []
        seen: dict[str, int] = {}
        for entry in archive.entries:
            archive.look(entry)
            if entry.name.endswith("/") and not entry.size:
                self._all.append((entry.name, entry))
                continue
            name = entry.place
            count = seen.get(name, 0) + 1
            while (key := name if count == 1 else f"{name}#{count}") in self._entries:  # a part may actually have such a name
                count += 1
            seen[name] = count
            self._entries[key] = entry
            self._all.append((key, entry))

    @property
    def names(self) -> list[str]:
        """The names of all parts."""
        return list(self._entries)

    @property
    def archive(self) -> tuple[Directory, list[tuple[str, ZipEntry]]]:
        """The zip directory and all its entries with the names of their parts; folders are entries, but not parts."""
        return self._directory, self._all

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def lacks(self, name: str) -> bool:
        """Whether a part is missing or empty."""
        return name not in self._entries or self._entries[name].packed <= _NOTHING

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the decompressed bytes of a part.

        The sizes in the directory are not trusted. Raises errors that `Pieces` turns into ReadError.
        """
        entry = self._entries[name]
        try:
            data = self._archive.data(entry)
        except NoData as error:
            raise NoData(f"{name}: {error}", error.reason_code) from None
        known = self._counted.get(name, 0)
        try:
            yield from data.counted(self._archive.copies, known)
        finally:
            self._counted[name] = max(known, data.size)
        self._archive.judge(entry, data)

    def open(self, name: str) -> BinaryIO:
        """Open a part, to be read once and in order. Reading raises ReadError or LimitExceeded."""
        return cast("BinaryIO", Pieces(self.pieces(name)))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of an XML part, within the limits for XML."""
        read, stream = 0, self.open(name)
        while data := stream.read(_CHUNK):
            read += len(data)
            self.spend(len(data))
            if read > _PART:
                raise LimitExceeded("part_bytes", f"{name} has more than {_PART} bytes of XML")
            yield data

    def spend(self, count: int) -> None:
        """Count bytes that were read, or made from the parts. Raises LimitExceeded when the total for the document is reached."""
        self._spent += count
        if self._spent > _TOTAL:
            raise LimitExceeded("document_bytes", f"the parts of the document expand to more than {_TOTAL} bytes")

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a part; empty if it cannot be read."""
        try:
            return self.open(name).read(size)
        except ReadError:
            return b""

    def member(self, name: str, opaque: bool = False) -> Member:
        """A part as a member."""
        return Member(name, cast("BinaryIO", Pieces(self._watched(name))), opaque)

    def _watched(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a part, with a notice if it is a program, whatever its name."""
        first = not name.lower().endswith(_SCRAMBLED)
        for piece in self.pieces(name):
            if first and by_magic(piece) in EXECUTABLES:
                self._archive.report.notice("embedded-program", name)
            first = False
            yield piece

    def rest(self) -> Iterator[Item]:
        """Yield the irregularities of the archive, and any data outside its parts."""
        yield from self._archive.rest()


def _in_memory(file: BinaryIO) -> BinaryIO:
    data = file.read(_UNSEEKABLE + 1)
    if len(data) > _UNSEEKABLE:
        raise LimitExceeded("unseekable_bytes", f"a package inside a stream is larger than {_UNSEEKABLE} bytes")
    return io.BytesIO(data)
