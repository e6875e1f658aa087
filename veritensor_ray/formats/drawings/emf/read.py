"""Reads the text of enhanced metafiles, as lines: programs draw a line in several strings, and often each character by itself."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.drawings.emf.structure import COMMENT, HEADER, EmfRecord, EmfString, description, records, strings

_LONGEST = bounds.HELD
BATCH = 1 << 16  # characters of lines that are yielded together


def read_emf(source: Source) -> Iterator[Item]:
    """Yield the lines of text, with the number of the record that begins them as `row`. Raises ReadError if the drawing is cut off."""
    lines, bitmaps, end = DrawnLines(), 0, 0
    error: ReadError | None = None
    try:
        for number, record in enumerate(records(source.file, length(source.file)), 1):
            yield from _read(record, number, source, lines)
            bitmaps, end = bitmaps + record.has_bitmap, record.end
    except ReadError as problem:
        error = problem
    yield from lines.take()
    if bitmaps:
        yield Gap("bitmaps in a drawing are not read", count=bitmaps, coverage=ReasonCode.NO_READER)
    if error:
        raise error
    yield from behind(source, end)


def _read(record: EmfRecord, number: int, source: Source, lines: DrawnLines) -> Iterator[Block | Gap]:
    """Add the strings of a record to the lines, and yield those that are a batch. The rest of a record is numbers, except in comments."""
    for string in strings(record, source.file):
        if gap := unread(string, number):
            yield gap
        else:
            lines.add(string, number, source)
            yield from lines.take(BATCH)
    if record.kind == HEADER:
        yield from _described(description(record, source.file), source)
    source.account.claim(record.at, record.at + 8 if record.kind == COMMENT else record.end, "values")


def unread(string: EmfString, number: int) -> Gap | None:
    """Return what is said of a string that cannot be read."""
    if string.is_damaged:
        return Gap(f"the text of record {number} extends beyond it")
    if string.is_glyphs:
        return Gap(f"the text of record {number} consists of glyph numbers", coverage=ReasonCode.NO_READER)
    if string.end - string.at > _LONGEST:
        return Gap(f"the text of record {number} has more than {_LONGEST} bytes", bound="held_bytes")
    return None


def _described(string: EmfString, source: Source) -> Iterator[Block | Gap]:
    """Yield the description of a drawing."""
    if gap := unread(string, 1):
        yield gap
    elif found := _decoded(string, source).strip("\0"):
        yield Block([found.replace("\0", "\n")], column="description", view="metadata")


def _decoded(string: EmfString, source: Source) -> str:
    source.account.claim(string.at, string.end, "text")
    data = Window(source.file, string.at, string.end - string.at).read(string.end - string.at)
    return data.decode("utf-16-le" if string.is_wide else "cp1252", "replace")


class DrawnLines:
    """Joins strings to lines, in the order in which they are drawn."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._rows: list[int] = []
        self._size = 0
        self._last: EmfString | None = None
        self._end = self._near = 0.0

    def add(self, string: EmfString, row: int, source: Source) -> None:
        """Add a string: to the line before if it is at the same height, without a space if it begins where that ended."""
        text = _decoded(string, source).replace("\0", "")
        if self._last is not None and self._last.y == string.y:
            begins = abs(string.x - self._end) <= self._near or string.x == self._last.x == 0
            self._lines[-1] += text if begins else f" {text}"
        else:
            self._lines.append(text)
            self._rows.append(row)
        self._size += len(text)
        self._follow(string, source)

    def _follow(self, string: EmfString, source: Source) -> None:
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
