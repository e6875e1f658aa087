"""What enhanced and Windows metafiles have in common: records, the strings that some of them draw, and how these become lines.

Programs draw a line in several strings, and often each character by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.common.trailing import behind

_LONGEST = bounds.HELD
BATCH = 1 << 16  # characters of lines that are yielded together


class DrawnRecord(NamedTuple):
    """A record: `at` is the offset of its header. What follows its first `known` bytes may be anything, and is not claimed."""

    kind: int
    at: int
    size: int
    has_bitmap: bool = False
    known: int | None = None

    @property
    def end(self) -> int:
        """The offset of what follows."""
        return self.at + self.size


class DrawnString(NamedTuple):
    """A string: where its characters are, how many, and where on the drawing it begins. `advances` is the offset of their widths, or 0,
    and `advance` the bytes of each of them.

    `is_damaged` says that it would extend beyond its record, and `is_glyphs` that it consists of numbers that only the font explains.
    """

    at: int
    characters: int
    is_wide: bool
    x: int = 0
    y: int = 0
    advances: int = 0
    is_damaged: bool = False
    is_glyphs: bool = False
    advance: int = 4

    @property
    def end(self) -> int:
        """The offset behind the last character."""
        return self.at + self.characters * (1 + self.is_wide)


def read_records(
    source: Source, start: int, records: Iterable[DrawnRecord], strings: Callable[[DrawnRecord, BinaryIO], Iterable[DrawnString]]
) -> Iterator[Item]:
    """Yield the lines of text, with the number of the record that begins them as `row`. Raises ReadError if the drawing is cut off.

    `records` begin at `start`.
    """
    lines, bitmaps, end = DrawnLines(), 0, start
    error: ReadError | None = None
    try:
        for number, record in enumerate(records, 1):
            for string in strings(record, source.file):
                if gap := unread(string, number):
                    yield gap
                else:
                    lines.add(string, number, source)
                    yield from lines.take(BATCH)
            source.account.claim(record.at, record.end if record.known is None else record.at + record.known, "values")
            bitmaps, end = bitmaps + record.has_bitmap, record.end
    except ReadError as problem:
        error = problem
    yield from lines.take()
    if bitmaps:
        yield Gap("bitmaps in a drawing are not read", count=bitmaps, coverage=ReasonCode.NO_READER)
    if error:
        raise error
    yield from behind(source, end)


def unread(string: DrawnString, number: int) -> Gap | None:
    """Return what is said of a string that cannot be read."""
    if string.is_damaged:
        return Gap(f"the text of record {number} extends beyond it")
    if string.is_glyphs:
        return Gap(f"the text of record {number} consists of glyph numbers", coverage=ReasonCode.NO_READER)
    if string.end - string.at > _LONGEST:
        return Gap(f"the text of record {number} has more than {_LONGEST} bytes", bound="held_bytes")
    return None


def decoded(string: DrawnString, source: Source) -> str:
    """Return the characters of a string, and claim them."""
    source.account.claim(string.at, string.end, "text")
    data = Window(source.file, string.at, string.end - string.at).read(string.end - string.at)
    return data.decode("utf-16-le" if string.is_wide else "cp1252", "replace")


class DrawnLines:
    """Joins strings to lines, in the order in which they are drawn."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._rows: list[int] = []
        self._size = 0
        self._last: DrawnString | None = None
        self._end = self._near = 0.0

    def add(self, string: DrawnString, row: int, source: Source) -> None:
        """Add a string: to the line before if it is at the same height, without a space if it begins where that ended."""
        text = decoded(string, source).replace("\0", "")
        if self._last is not None and self._last.y == string.y:
            begins = abs(string.x - self._end) <= self._near or string.x == self._last.x == 0
            self._lines[-1] += text if begins else f" {text}"
        else:
            self._lines.append(text)
            self._rows.append(row)
        self._size += len(text)
        self._follow(string, source)

    def _follow(self, string: DrawnString, source: Source) -> None:
        """Remember where a string ends. Half the width of a character is less than a space."""
        size = string.advance * string.characters
        widths = Window(source.file, string.advances, size).read(size) if string.advances else b""
        width = sum(memoryview(widths[: len(widths) // string.advance * string.advance]).cast("I" if string.advance == 4 else "H"))
        self._last, self._end, self._near = string, string.x + width, width / max(1, string.characters) / 4

    def take(self, least: int = 0) -> Iterator[Block]:
        """Yield the lines so far, if they have more than `least` characters."""
        if self._size > least:
            yield Block(self._lines, row=self._rows)
            self._lines, self._rows, self._size, self._last = [], [], 0, None


__all__ = ["BATCH", "DrawnLines", "DrawnRecord", "DrawnString", "decoded", "read_records", "unread"]
