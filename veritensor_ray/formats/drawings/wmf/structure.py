"""The records of Windows metafiles ([MS-WMF]), and the strings that they draw. No string is read yet."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.drawings.drawn import DrawnRecord, DrawnString

_PLACEABLE, _PLACED_BYTES = b"\xd7\xcd\xc6\x9a", 22
_HEADER, _RECORD = struct.Struct("<HHHIHIH"), struct.Struct("<IH")
_END, _TEXT, _LONG_TEXT, _ESCAPE = 0x0000, 0x0521, 0x0A32, 0x0626
_BITMAPS = (0x0922, 0x0940, 0x0B23, 0x0B41, 0x0D33, 0x0F43)
_FILLED = 60  # bytes of these records without a bitmap, and more
_RECTANGLE, _GLYPHS = 0x6, 0x10


def wmf_start(file: BinaryIO) -> int:
    """Return where the first record begins. Raises ReadError if there is no header."""
    start = _PLACED_BYTES if Window(file, 0, 4).read(4) == _PLACEABLE else 0
    head = Window(file, start, _HEADER.size).read(_HEADER.size)
    if len(head) < _HEADER.size or _HEADER.unpack(head)[1] * 2 != _HEADER.size:
        raise ReadError("the drawing has no valid header")
    return start + _HEADER.size


def wmf_records(file: BinaryIO, start: int, size: int) -> Iterator[DrawnRecord]:
    """Yield the records up to the last one. Raises ReadError where a record cannot be one, or if the last one is missing."""
    at = start
    while at < size:
        head = Window(file, at, _RECORD.size).read(_RECORD.size)
        if len(head) < _RECORD.size:
            break
        record = _record(at, *_RECORD.unpack(head))
        if record.size < _RECORD.size:
            raise ReadError(f"no valid record of the drawing at byte {at}")
        yield record
        if record.kind == _END and record.end <= size:
            return
        at = record.end
    raise ReadError("the drawing ends early: its last record is missing")


def _record(at: int, words: int, kind: int) -> DrawnRecord:
    return DrawnRecord(kind, at, 2 * words, kind in _BITMAPS and 2 * words > _FILLED, _RECORD.size if kind == _ESCAPE else None)


def wmf_strings(record: DrawnRecord, file: BinaryIO) -> Iterator[DrawnString]:
    """Yield the string that a record draws, if it draws one."""
    start = record.at + _RECORD.size
    if record.kind == _TEXT:
        count = int.from_bytes(Window(file, start, 2).read(2), "little")
        behind = start + 2 + count + count % 2
        y, x = struct.unpack("<hh", Window(file, behind, 4).read(4).ljust(4, b"\0"))
        yield DrawnString(start + 2, count, False, x, y, is_damaged=behind > record.end)
    if record.kind != _LONG_TEXT:
        return
    y, x, count, options = struct.unpack("<hhHH", Window(file, start, 8).read(8).ljust(8, b"\0"))
    at = start + 8 + (8 if options & _RECTANGLE else 0)
    behind = at + count + count % 2
    widths = behind if count and behind + 2 * count <= record.end else 0
    yield DrawnString(at, count, False, x, y, widths, behind > record.end, bool(options & _GLYPHS), advance=2)
