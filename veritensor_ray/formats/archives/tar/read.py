"""Reads tar archives of every dialect (v7, ustar, GNU, PAX, sparse): regular files become members, links and devices notices."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.entry_names import link_hazard
from veritensor_ray.formats.archives.entry_report import ArchiveReport, Comments
from veritensor_ray.formats.archives.tar.samples import SampleKeys
from veritensor_ray.formats.archives.tar.structure import BLOCK, TarError, TarHeader, header, old_sparse, pax_records, sparse_map, text
from veritensor_ray.formats.archives.tar.tar_slack import in_header, in_name, in_numbers, in_records
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import PIECE
from veritensor_ray.formats.common.file_ranges import occurrences
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.json.value_tree import may_be_value

_EXTENDED = bounds.TAR_HEADER  # a path has at most 4096 bytes
_ZEROS = bytes(PIECE)
_USTAR = re.compile(b"ustar")
_LINKS = {"1": True, "2": False}
_DEVICES = "346"
EXTENDED = "xgXLK"  # headers that describe the next entry, or all of them


def read_tar(source: Source) -> Iterator[Item]:
    """Yield the members in order, including any after the end marker. Raises ReadError if a header is missing."""
    return TarArchive(source).items()


@dataclass(slots=True)
class _Next:
    """The values that extended headers set for the next entry."""

    records: dict[str, str]
    sparse: list[tuple[int, int]]
    name: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A header with its data. Extended headers are entries too: their `kind` is one of EXTENDED, and their `name` is their own.

    `at` is the offset of the header and `start` that of the data, of which there are `size` bytes, in bytes of the archive. `records` are
    those that apply to this entry, and `sparse` the parts of a sparse file.
    """

    kind: str
    name: str
    link: str
    at: int
    start: int
    size: int
    header: TarHeader
    records: Mapping[str, str]
    sparse: list[tuple[int, int]]

    @property
    def is_file(self) -> bool:
        """Whether the entry is a file with content of its own."""
        return self.kind not in f"{EXTENDED}123456V" and not (self.name.endswith("/") and not self.size)

    @property
    def is_sparse(self) -> bool:
        """Whether the data is only a part of the content."""
        return self.kind == "S" or self.whole is not None

    @property
    def whole(self) -> str | None:
        """The record with the size of a sparse file."""
        return self.records.get("GNU.sparse.realsize") or self.records.get("GNU.sparse.size")


class TarArchive:
    """The entries of a seekable tar. Iterating over `entries` or `items` reads it once, from its beginning."""

    def __init__(self, source: Source) -> None:
        self._file, self._limits, self._budget = source.file, source.limits, source.budget
        self._account, self._counts, self._samples = source.account, source.counts, SampleKeys()
        self._size = self._file.seek(0, 2)
        self._report, self._comments = ArchiveReport(), Comments()
        self._everywhere: dict[str, str] = {}
        self._next = _Next({}, [])
        self._ended = False
        self._at = self._count = 0

    def entries(self) -> Iterator[TarEntry]:
        """Yield every header in order. Raises TarError where the archive cannot be read on, and LimitExceeded."""
        while (found := self._header()) is not None:
            self._count += 1
            if self._count > self._limits.members:
                raise LimitExceeded("members", f"the archive has more than {self._limits.members} entries")
            yield self._extended(found) if found.kind in EXTENDED else self._entry(found)

    def items(self) -> Iterator[Item]:
        """Yield the members, the notices and the comments. Bytes between a damaged place and the next header are a member too.

        At the end, the samples of a WebDataset are counted.
        """
        error: ReadError | None = None
        try:
            while (problem := (yield from self._readable())) is not None:
                error = error or ReadError(str(problem))
                yield from self._passed_over()
        except ReadError as limit:
            error = limit
        self._counts.samples = self._samples.numbers()
        self._counts.rows = len(self._counts.samples)
        yield from self._comments.take()
        yield from self._report.rest()
        if error:
            raise error

    def _readable(self) -> Generator[Item, None, TarError | None]:
        """Yield what stands before the next damaged place, and return what is wrong there."""
        try:
            for entry in self.entries():
                if entry.kind not in EXTENDED:
                    yield from self._shown(entry)
                yield from self._report.take()
                yield from self._comments.full()
        except TarError as problem:
            return problem
        return None

    def _passed_over(self) -> Iterator[Item]:
        """Yield the bytes up to the next header as a member, and move there. They hold the file whose header is damaged."""
        start, self._next = min(self._at, self._size), _Next({}, [])
        self._at = next(self._headers_from(start), self._size)
        self._ended = self._at == self._size
        self._file.seek(start)
        if self._file.read(BLOCK)[257:262] == b"ustar":  # the damaged header itself, of which the rest is the file
            start += BLOCK
        tail = max(start, self._at - PIECE)
        self._file.seek(tail)
        end = tail + len(self._file.read(max(0, self._at - tail)).rstrip(b"\x00"))  # without the padding
        if end > start:
            self._account.claim(start, end, "members")
            yield Member(f"bytes {start} to {end}", cast("BinaryIO", Pieces(Window(self._file, start, end - start).pieces())), stray=True)

    def _headers_from(self, start: int) -> Iterator[int]:
        """Yield where blocks look like headers of today's dialects and have the right checksum."""
        for found in occurrences(self._file, start, _USTAR, 5):
            at = found - 257
            if at >= start and at % BLOCK == 0 and header(Window(self._file, at, BLOCK).read(BLOCK)) is not None:
                yield at

    def _header(self) -> TarHeader | None:
        """The next header, or None at the end of the file."""
        self._file.seek(self._at)
        block = self._file.read(BLOCK)
        if block and not block.strip(b"\x00"):
            self._ended = True
            self._skip_zeros()
            self._file.seek(self._at)
            block = self._file.read(BLOCK)
        if not block and self._at and not self._ended:
            self._report.gap("the archive has no end marker: it may be cut off")
        if not block:
            return None
        found = header(block)
        if found is None and self._at and len(block) < BLOCK:
            raise TarError(f"the archive ends early: the header at byte {self._at} has only {len(block)} bytes")
        if found is None:
            raise TarError(f"no tar header at byte {self._at}")
        if self._ended:
            self._ended = False
            self._report.notice("hidden-bytes", f"bytes {self._at} to {self._size}: more entries after the end marker")
        self._claim(self._at, block, in_header(block))
        self._at += BLOCK
        return found

    def _claim(self, at: int, data: bytes, unread: Iterator[tuple[int, int]]) -> None:
        """Claim a part of a header, except for what nobody reads."""
        self._account.claim_around(at, at + len(data), "structure", [(at + start, at + end) for start, end in unread])

    def _skip_zeros(self) -> None:
        """Move to the first block that is not all zeros."""
        window = Window(self._file, self._at, self._size - self._at)
        while data := window.read(PIECE):
            if data != _ZEROS[: len(data)]:
                self._at += (len(data) - len(data.lstrip(b"\x00"))) // BLOCK * BLOCK
                return
            self._at += len(data)

    def _entry(self, found: TarHeader) -> TarEntry:
        """Return an entry under the name and with the size that the headers before it give it."""
        kind, at, start = found.kind, self._at - BLOCK, self._at
        about, self._next = self._next, _Next({}, [])
        records = {**self._everywhere, **about.records}
        name = records.get("GNU.sparse.name") or records.get("path") or about.name or found.name
        link = records.get("linkpath") or about.link or found.link
        size = _pax_number(records.get("size"), found.size)
        if kind == "S":
            about.sparse, start = old_sparse(self._file, found, start)
            more = Window(self._file, self._at, start - self._at).read(start - self._at)
            self._claim(self._at, b"" if in_numbers(more) else more, iter(()))
        self._at = start + -(-size // BLOCK) * BLOCK if kind not in "123456" else start
        return TarEntry(kind, name, link, at, start, size, found, records, about.sparse)

    def _shown(self, entry: TarEntry) -> Iterator[Item]:
        """Yield the entry if it is a file; report what is odd about its name, and links and devices."""
        self._report.name(entry.name)
        if may_be_value(entry.link):
            self._report.name(entry.link)
        if entry.kind in _LINKS:
            if notice := link_hazard(entry.name, entry.link, _LINKS[entry.kind]):
                self._report.notice(notice, f"{entry.name} -> {entry.link}")
        elif entry.kind in _DEVICES:
            self._report.notice("device-file", entry.name)
        elif entry.is_file:
            self._samples.add(entry.name)
            yield Member(entry.name, cast("BinaryIO", Pieces(self.content(entry))))
            if entry.start + entry.size > self._size:
                raise TarError(f"the archive ends in the middle of {entry.name}")

    def _extended(self, found: TarHeader) -> TarEntry:
        """Apply a header that describes the next entry, or all of them."""
        entry = TarEntry(found.kind, found.name, found.link, self._at - BLOCK, self._at, found.size, found, {}, [])
        self._extend(found)
        return entry

    def _extend(self, found: TarHeader) -> None:
        start, self._at = self._at, self._at + -(-found.size // BLOCK) * BLOCK
        if found.size > _EXTENDED:
            self._report.gap(f"an extended header of more than {_EXTENDED} bytes was not read", bound="tar_header")
            if self._at > self._size:
                raise TarError("the archive ends in the middle of an extended header")
            return
        data = Window(self._file, start, found.size).read(found.size)
        if len(data) < found.size:
            raise TarError("the archive ends in the middle of an extended header")
        if found.kind in "LK":
            self._claim(start, data, in_name(data))
            value = text(data.partition(b"\x00")[0])
            self._next.name, self._next.link = (value, self._next.link) if found.kind == "L" else (self._next.name, value)
            return
        self._claim(start, data, in_records(data))
        records, sparse = pax_records(data)
        if comment := records.pop("comment", None):
            self._comments.add(comment, found.name)
        (self._everywhere if found.kind == "g" else self._next.records).update(records)
        self._next.sparse = sparse

    def content(self, entry: TarEntry) -> Iterator[bytes]:
        """Yield the content of a file in pieces. Raises EOFError if the archive ends before."""
        window = Window(self._file, entry.start, entry.size)
        if entry.kind == "S":
            self._claim_parts(window, entry.sparse)
            yield from _spread(window, entry.sparse, entry.header.real_size, self._budget)
        elif entry.whole is not None:
            parts = entry.sparse or sparse_map(entry.records, window)
            listed = Window(self._file, entry.start, window.at - entry.start).read(window.at - entry.start)
            self._claim(entry.start, b"" if listed.translate(None, b"0123456789\n\0") else listed, iter(()))
            self._claim_parts(window, parts)
            yield from _spread(window, parts, _pax_number(entry.whole, 0), self._budget)
        else:
            self._account.claim(entry.start, entry.start + entry.size, "members")
            yield from window.pieces()

    def _claim_parts(self, window: Window, parts: list[tuple[int, int]]) -> None:
        """Claim the parts of a sparse file, which follow each other in the archive."""
        self._account.claim(window.at, window.at + sum(length for _, length in parts), "members")


def _pax_number(value: str | None, otherwise: int) -> int:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 20 else otherwise


def _spread(window: Window, parts: list[tuple[int, int]], size: int, budget: Budget) -> Iterator[bytes]:
    """Yield a sparse file: its parts at their offsets, with zeros generated between them."""
    at = 0
    for place, length in [*parts, (size, 0)]:
        if place < at:
            raise ReadError("the map of a sparse file is out of order")
        yield from budget.pieces(_ZEROS[: place - begin] for begin in range(at, place, PIECE))
        left = length
        while left:
            data = window.read(min(left, PIECE))
            if not data:
                raise EOFError("data of a sparse file is missing")
            left -= len(data)
            yield data
        at = place + length
