"""The records of enhanced metafiles ([MS-EMF], [MS-EMFPLUS]), and the strings that they draw. No string is read yet."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.drawings.drawn import DrawnRecord, DrawnString

_HEADER, _END, _COMMENT = 1, 14, 70
_COMMENT_HEAD = 8  # bytes; what follows may be anything
_LONG, _SMALL, _MANY = {83: False, 84: True}, 108, {96: False, 97: True}  # whether the characters are wide
_BITMAPS = (76, 77, 78, 79, 80, 81, 114, 116)
_FILLED = 120  # bytes of the largest of these records without a bitmap
_RECORD, _TEXT, _PLUS = struct.Struct("<II"), struct.Struct("<iiIII16xI"), struct.Struct("<HHII")
_TEXT_AT, _COUNT_AT, _TEXTS_AT, _DESCRIBED_AT = 36, 36, 40, 60
_SMALL_TEXT = struct.Struct("<iiII")
_NO_RECTANGLE, _NARROW, _GLYPHS = 0x100, 0x200, 0x10
_SMALL_AT, _RECTANGLE = 36, 16
_PLUS_MARK, _PLUS_AT = b"EMF+", 16
_DRAW_STRING, _DRAW_DRIVER_STRING = 0x401C, 0x4036
_CHARACTERS = 1  # a driver string consists of characters rather than glyph numbers


def records(file: BinaryIO, size: int) -> Iterator[DrawnRecord]:
    """Yield the records up to the last one. Raises ReadError where a record cannot be one, or if the last one is missing."""
    at = 0
    while at < size:
        head = Window(file, at, _RECORD.size).read(_RECORD.size)
        if len(head) < _RECORD.size:
            break
        record = _record(at, *_RECORD.unpack(head))
        if record.size < _RECORD.size or record.size % 4:
            raise ReadError(f"no valid record of the drawing at byte {at}")
        yield record
        if record.kind == _END and record.end <= size:
            return
        at = record.end
    raise ReadError("the drawing ends early: its last record is missing")


def _record(at: int, kind: int, size: int) -> DrawnRecord:
    return DrawnRecord(kind, at, size, kind in _BITMAPS and size > _FILLED, _COMMENT_HEAD if kind == _COMMENT else None)


def strings(record: DrawnRecord, file: BinaryIO) -> Iterator[DrawnString]:
    """Yield the strings that a record draws."""
    if record.kind in _LONG:
        yield from _strings(record, record.at + _TEXT_AT, 1, _LONG[record.kind], file)
    elif record.kind in _MANY:
        count = int.from_bytes(Window(file, record.at + _COUNT_AT, 4).read(4), "little")
        yield from _strings(record, record.at + _TEXTS_AT, count, _MANY[record.kind], file)
    elif record.kind == _SMALL:
        yield from _small(record, file)
    elif record.kind == _COMMENT and Window(file, record.at + 12, 4).read(4) == _PLUS_MARK:
        yield from _plus(record, file)


def description(file: BinaryIO) -> DrawnString | None:
    """Return what the first record says of the program and the title, each of which ends with a zero; None if it is not a header."""
    head = Window(file, 0, _RECORD.size).read(_RECORD.size)
    if len(head) < _RECORD.size or _RECORD.unpack(head)[0] != _HEADER:
        return None
    count, place = struct.unpack("<II", Window(file, _DESCRIBED_AT, 8).read(8).ljust(8, b"\0"))
    return _checked(_record(0, *_RECORD.unpack(head)), DrawnString(place, count, True))


def _checked(record: DrawnRecord, string: DrawnString, least: int = 0) -> DrawnString:
    """Return a string that is damaged if it extends beyond its record, or begins before `least`, where the one before it ends."""
    return string._replace(is_damaged=string.end > record.end or string.at < least)


def _strings(record: DrawnRecord, at: int, count: int, is_wide: bool, file: BinaryIO) -> Iterator[DrawnString]:
    """Yield the strings of which a record has a list from this place on. They must not overlap, or a small record could be endless work."""
    least = record.at
    for place in range(at, min(at + count * _TEXT.size, record.end - _TEXT.size + 1), _TEXT.size):
        head = Window(file, place, _TEXT.size).read(_TEXT.size)
        if len(head) < _TEXT.size:
            return
        x, y, length, start, options, advances = _TEXT.unpack(head)
        widths = record.at + advances if advances and advances + 4 * length <= record.size else 0
        string = DrawnString(record.at + start, length, is_wide, x, y, widths, is_glyphs=bool(options & _GLYPHS))
        yield _checked(record, string, least)
        least = max(least, string.end)


def _small(record: DrawnRecord, file: BinaryIO) -> Iterator[DrawnString]:
    head = Window(file, record.at + 8, _SMALL_TEXT.size).read(_SMALL_TEXT.size)
    if len(head) == _SMALL_TEXT.size:
        x, y, count, options = _SMALL_TEXT.unpack(head)
        start = record.at + _SMALL_AT + (0 if options & _NO_RECTANGLE else _RECTANGLE)
        yield _checked(record, DrawnString(start, count, not options & _NARROW, x, y, is_glyphs=bool(options & _GLYPHS)))


def _plus(comment: DrawnRecord, file: BinaryIO) -> Iterator[DrawnString]:
    """Yield the strings of the records of EMF+ in a comment. Each of them is a line of its own."""
    at = comment.at + _PLUS_AT
    while at + _PLUS.size <= comment.end and len(head := Window(file, at, 28).read(28)) == 28:
        kind, _, size, _ = _PLUS.unpack_from(head)
        inner = DrawnRecord(kind, at, min(max(size, _PLUS.size), comment.end - at))
        if kind == _DRAW_STRING:
            yield _checked(inner, DrawnString(at + 40, int.from_bytes(head[20:24], "little"), True, y=at))
        elif kind == _DRAW_DRIVER_STRING:
            is_glyphs = not int.from_bytes(head[16:20], "little") & _CHARACTERS
            yield _checked(inner, DrawnString(at + 28, int.from_bytes(head[24:28], "little"), True, y=at, is_glyphs=is_glyphs))
        at = inner.end
