"""The entries of an ar archive, under the names that GNU, BSD and System V programs give them. No content is read but that of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.archives.tar.structure import text
from veritensor_ray.formats.common.file_ranges import length, occurrences
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Window

_NUMBERS = slice(16, 48)  # where a header has times, owners and modes
SIZE = slice(48, 58)  # where a header has the size of its data, in decimal digits
HEADER = 60
_MAGIC, _END = 8, b"`\n"
_LONGEST = bounds.AR_NAMES
_ENDS = re.compile(re.escape(_END))
_HEADER = re.compile(rb"[^\n]{16}[0-9 -]{32}[0-9]{1,10} *`\n")
_LISTED = re.compile(rb"[^\n\x00]+")  # a name in the table of long names; GNU ends it with a slash and a line end, Windows with a zero


class ArEntry(NamedTuple):
    """A header with its data. `at` is the offset of the header, `start` and `size` are those of the content, and `end` is that of what follows.

    A long name in the form of BSD stands between the header and the content. The table of such names in the form of GNU has `is_names`; a
    table of symbols, which says at which byte the file with a symbol begins, has `is_symbols`. If the header is damaged, `damage` says so,
    and what follows up to the next header is the content.
    """

    name: str
    at: int
    start: int
    size: int
    end: int
    is_names: bool = False
    is_symbols: bool = False
    damage: str = ""

    def content(self, file: BinaryIO) -> Window:
        """Return the content, which is not read yet."""
        return Window(file, self.start, self.size)


class ArArchive:
    """The entries of a seekable ar. What is odd about their names is added to `report`."""

    def __init__(self, source: Source, report: ArchiveReport) -> None:
        self._file, self._most, self._report = source.file, source.limits.members, report
        self._account = source.account
        self._size = length(source.file)
        self._names, self._names_at = b"", 0
        self._named: set[int] = set()  # the places in the table of names that an entry refers to

    def entries(self) -> Iterator[ArEntry]:
        """Yield the entries in order. Raises ReadError if the archive ends in the middle of one, and LimitExceeded."""
        at, count = _MAGIC, 0
        self._account.claim(0, at, "structure")
        while at < self._size:
            count += 1
            if count > self._most:
                raise LimitExceeded("members", f"the archive has more than {self._most} entries")
            entry = self._entry(at)
            if not entry.is_names:  # of which every name is claimed on its own
                self._account.claim(entry.start, entry.start + entry.size, "members")
            yield entry
            if entry.start + entry.size > self._size:
                raise ReadError(f"the archive ends in the middle of {entry.name}")
            at = entry.end
        self._report_unused()

    def _entry(self, at: int) -> ArEntry:
        header = Window(self._file, at, HEADER).read(HEADER)
        if len(header) < HEADER:
            return self._damaged(at, header, f"the archive ends early: the header at byte {at} has only {len(header)} bytes")
        size, name = header[SIZE].strip(b" "), header[:16].rstrip(b" ")
        if not size.isdigit() or not header.endswith(_END):
            return self._damaged(at, header, f"no ar header at byte {at}")
        start = at + HEADER
        spared = [] if _HEADER.fullmatch(header) else [(at + _NUMBERS.start, at + _NUMBERS.stop)]
        self._account.claim_around(at, start, "structure", spared)
        whole = ArEntry(text(name.removesuffix(b"/")) or f"unnamed at byte {at}", at, start, int(size), start + -(-int(size) // 2) * 2)
        if name == b"//":
            self._learn(whole)
            return whole._replace(name="//", is_names=True)
        if name in (b"/", b"/SYM64/") or name.startswith(b"/<"):
            return whole._replace(name=text(name), is_symbols=True)
        if name.startswith(b"#1/") and name[3:].isdigit():
            if int(name[3:]) > whole.size:
                return self._damaged(at, header, f"the name of the file at byte {at} is longer than its data")
            whole = self._after_name(whole, int(name[3:]))
        elif name.startswith(b"/") and name[1:].isdigit():
            whole = whole._replace(name=self._listed(int(name[1:])) or whole.name)
        return whole._replace(is_symbols=whole.name.startswith("__.SYMDEF"))

    def _damaged(self, at: int, header: bytes, damage: str) -> ArEntry:
        """Return what stands between a damaged header and the next one; the header too, unless it has its end."""
        start = at + HEADER if header.endswith(_END) else at
        end = next(self._headers_from(start), self._size)
        return ArEntry(f"bytes {start} to {end}", at, start, end - start, end, damage=damage)

    def _headers_from(self, start: int) -> Iterator[int]:
        """Yield where headers may begin."""
        for found in occurrences(self._file, start, _ENDS, len(_END)):
            at = found + len(_END) - HEADER
            if at >= start and at % 2 == 0 and _HEADER.match(Window(self._file, at, HEADER).read(HEADER)):
                yield at

    def _after_name(self, whole: ArEntry, size: int) -> ArEntry:
        """Return an entry whose data begins with its name."""
        if size > _LONGEST:
            self._report.gap(f"a name of more than {_LONGEST} bytes was not read", bound="ar_names")
        name = Window(self._file, whole.start, size).read(min(size, _LONGEST))
        self._account.claim(whole.start, whole.start + len(name.partition(b"\x00")[0]), "structure")
        return whole._replace(name=text(name.partition(b"\x00")[0]) or whole.name, start=whole.start + size, size=whole.size - size)

    def _learn(self, table: ArEntry) -> None:
        """Read the table of long names."""
        if table.size > _LONGEST:
            self._report.gap(f"a table of more than {_LONGEST} bytes of names was not read", bound="ar_names")
        else:
            self._report_unused()
            self._names, self._names_at = table.content(self._file).read(table.size), table.start

    def _listed(self, place: int) -> str | None:
        """Return a name from the table, or None, after reporting it, if there is none at that place."""
        found = _LISTED.match(self._names, place)
        if not found:
            self._report.gap("its name is not in the table of names", f"/{place}")
            return None
        self._named.add(place)
        self._account.claim(self._names_at + place, self._names_at + found.end(), "structure")
        return text(found[0].removesuffix(b"/"))

    def _report_unused(self) -> None:
        """Report names in the table that are those of no file: files may be missing, or other text may stand there."""
        unused = [name for name in _LISTED.finditer(self._names) if name.start() not in self._named and name[0].strip(b"/ ")]
        for name in unused:
            self._report.notice("hidden-bytes", f"byte {self._names_at + name.start()}: {text(name[0])}")
        if unused:
            self._report.gap("the table of names lists files that are not there: the archive may be cut off")
        self._names, self._named = b"", set()
