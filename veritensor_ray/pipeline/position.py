"""How far the reading of artifacts has come, for a display. It does not depend on Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

READING, UNPACKING, DIGEST = "reading", "unpacking", "digest"


@dataclass(frozen=True, slots=True)
class Position:
    """A point in a pass over some artifacts.

    `row` is the number of the artifact, counted from 0, and `read` the number of its bytes whose text has been read. `doing` names what
    happens now: reading, unpacking, the digest, or an engine that scans bytes. It has come to byte `at` of the `of` bytes of the file that it works on,
    which may be a file inside the artifact.
    """

    row: int = 0
    read: int = 0
    doing: str = READING
    at: int = 0
    of: int = 0


class _OpenFile:
    """A file that is being read, and the position at which the file around it stood before."""

    def __init__(self, file: BinaryIO, size: int, start: int) -> None:
        self.file, self.size, self.start = file, size, start
        self.doing = READING

    def tell(self) -> int:
        """Return the position, or 0 if the file has just been closed."""
        try:
            return min(self.file.tell(), self.size)
        except (ValueError, OSError):
            return 0


class Reached:
    """The files that are open in an artifact, the innermost last. One thread opens them, and another one may ask for the position."""

    def __init__(self) -> None:
        self._files: list[_OpenFile] = []
        self._before = 0  # the position of the innermost file before the member that is being unpacked

    @contextlib.contextmanager
    def unpacking(self) -> Iterator[None]:
        """Count the innermost file as unpacking one of its members."""
        outer = self._files[-1] if self._files else None
        if outer:
            self._before, outer.doing = outer.tell(), UNPACKING
        try:
            yield
        finally:
            if outer:
                outer.doing = READING

    @contextlib.contextmanager
    def opened(self, file: BinaryIO, size: int) -> Iterator[None]:
        """Count a file as open. If it is a member, it was unpacked just before."""
        self._files.append(_OpenFile(file, size, self._before if self._files else 0))
        try:
            yield
        finally:
            self._files.pop()

    def scanning(self, engine: str) -> None:
        """Note that an engine scans the bytes of the innermost file."""
        self._files[-1].doing = engine

    def reading(self) -> None:
        """Note that the text of the innermost file is being read."""
        self._files[-1].doing = READING

    def position(self, row: int) -> Position:
        """Return the position in artifact number `row`.

        A file counts as read when its text has been read. While a member is read, the file around it has come as far as the member has.
        """
        files = list(self._files)
        if not files:
            return Position(row)
        innermost, read, member = files[-1], 0, None
        for one in reversed(files):
            read = self._read(one) if member is None else member.start + int(read / max(1, member.size) * max(0, one.tell() - member.start))
            member = one
        if innermost.doing == READING:
            return Position(row, read, READING, read, files[0].size)
        return Position(row, read, innermost.doing, innermost.tell(), innermost.size)

    def _read(self, innermost: _OpenFile) -> int:
        """Return how much of the innermost file's text has been read."""
        if innermost.doing == UNPACKING:
            return self._before
        return innermost.tell() if innermost.doing == READING else 0
