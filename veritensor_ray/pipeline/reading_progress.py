"""How far the reading of artifacts has come, for a display. It does not depend on Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

READING, UNPACKING, DIGEST = "reading", "unpacking", "digest"


_TEXT = 8  # reading the text of a file takes about as many times as long as scanning its bytes


@dataclass(frozen=True, slots=True)
class Position:
    """A point in a pass over some artifacts.

    `row` is the number of the artifact, counted from 0, and `read` the number of its bytes that are behind, by the work that they take.
    `doing` names what happens now: reading, unpacking, the digest, or an engine that scans bytes. It has come to byte `at` of the `of` bytes
    of the file that it works on, which may be a file inside the artifact.
    """

    row: int = 0
    read: int = 0
    doing: str = READING
    at: int = 0
    of: int = 0


class _OpenFile:
    """A file that is being read. `start` is the position of the file around it before this one was unpacked."""

    def __init__(self, file: BinaryIO, size: int, has_text: bool, start: int) -> None:
        self._file, self.size, self.start = file, size, start
        self._text = _TEXT if has_text else 0
        self.doing, self.scanned, self.before = READING, 0, 0

    def tell(self) -> int:
        """Return the position, or 0 if the file has just been closed."""
        try:
            return min(self._file.tell(), self.size)
        except (ValueError, OSError):
            return 0

    def read(self) -> float:
        """Return how far its text has been read, not counting a member that is still being unpacked."""
        return self.before if self.doing == UNPACKING else self.tell() if self.doing == READING else 0

    def share(self, read: float) -> float:
        """Return which share of the work is done."""
        scanned = self.scanned if self.doing in (READING, UNPACKING) else max(self.scanned, self.tell())
        return (scanned + self._text * read) / ((1 + self._text) * self.size) if self.size else 1.0


class ReadingProgress:
    """The files that are open in an artifact, the innermost last. One thread opens them, and another one may ask for the position."""

    def __init__(self) -> None:
        self._files: list[_OpenFile] = []

    @contextlib.contextmanager
    def unpacking(self) -> Iterator[None]:
        """Count the innermost file as unpacking one of its members."""
        outer = self._files[-1] if self._files else None
        if outer:
            outer.before, outer.doing = outer.tell(), UNPACKING
        try:
            yield
        finally:
            if outer:
                outer.doing = READING

    @contextlib.contextmanager
    def opened(self, file: BinaryIO, size: int, has_text: bool) -> Iterator[None]:
        """Count a file as open. If it is a member, it was unpacked just before. `has_text` says that a reader will read all of it."""
        self._files.append(_OpenFile(file, size, has_text, self._files[-1].before if self._files else 0))
        try:
            yield
        finally:
            self._files.pop()

    def scanning(self, engine: str) -> None:
        """Note that an engine begins to scan the bytes of the innermost file."""
        file = self._files[-1]
        file.scanned = max(file.scanned, file.tell() if file.doing != READING else 0)
        file.doing = engine

    def reading(self) -> None:
        """Note that the bytes of the innermost file have been scanned, and that its text is read next."""
        self._files[-1].scanned, self._files[-1].doing = self._files[-1].size, READING

    def position(self, row: int) -> Position:
        """Return the position in artifact number `row`. While a member is read, the file around it has come as far as the member has."""
        files = list(self._files)
        if not files:
            return Position(row)
        read, share = 0.0, 0.0
        for outer, member in zip(reversed(files), [None, *reversed(files)], strict=False):
            read = outer.read() if member is None else member.start + share * max(0, outer.tell() - member.start)
            share = outer.share(read)
        innermost, done = files[-1], int(share * files[0].size)
        if innermost.doing == READING:
            return Position(row, done, READING, int(read), files[0].size)
        return Position(row, done, innermost.doing, innermost.tell(), innermost.size)
