"""The records of binary workbooks ([MS-XLSB]), and the values in them that are texts and numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError

_LARGEST = bounds.HELD
ROW, RK, REAL, TEXT, SHARED, FORMULA_TEXT, FORMULA_REAL = 0, 2, 5, 6, 7, 8, 9
FORMULA_TRUTH, FORMULA_ERROR, AREA_FORMULA, SHARED_FORMULA = 10, 11, 426, 427
BOOK, THIS_BOOK, SAME_BOOK, REFERENCES, ADD_IN = 355, 357, 358, 362, 667
STRING, NAME, COLUMNS, SHEET, LINK, HEADERS = 19, 39, 60, 156, 494, 479
BLANK, RICH = 1, 62
LAST = 11  # the last of the kinds of cells that begin with their column, but for RICH
SHORT = {12: BLANK, 13: RK, 14: 3, 15: 4, 16: REAL, 17: TEXT, 18: SHARED, 61: RICH}  # cells that follow the one before: without a column
AUTHOR, COMMENT, COMMENT_TEXT = 632, 635, 637
UNKNOWN = -1  # what is left of a part that ends within a record
_SCALED, _WHOLE = 1, 2  # what an RK says of its number
_NONE = int.from_bytes(b"\xff" * 4, "little")  # the length of a text that is absent


def binary_records(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the records of a part: their types, headers and contents. Raises ReadError if the part ends within one, and LimitExceeded."""
    held = bytearray()
    for piece in pieces:
        held += piece
        at = 0
        while (head := _header(held, at)) is not None:
            kind, size, start = head
            if size > _LARGEST:
                raise LimitExceeded("held_bytes", f"a record of the workbook has more than {_LARGEST} bytes")
            if start + size > len(held):
                break
            yield kind, bytes(held[at:start]), bytes(held[start : start + size])
            at = start + size
        del held[:at]
    if held:
        yield UNKNOWN, b"", bytes(held)
        raise ReadError("a part of the workbook ends within a record")


def _header(data: bytearray, at: int) -> tuple[int, int, int] | None:
    """Return the type and the size of a record, and where its content begins, or None if not all of that is there."""
    numbers = []
    for most in (2, 4):
        value = 0
        for place in range(most):
            if at >= len(data):
                return None
            byte, at = data[at], at + 1
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                break
        numbers.append(value)
    return numbers[0], numbers[1], at


def wide_string(data: bytes, at: int) -> tuple[str, int]:
    """Return the text whose length is at this place, and where it ends. A text that is missing is empty."""
    count = int.from_bytes(data[at : at + 4], "little") if at + 4 <= len(data) else 0
    if count == _NONE:
        return "", at + 4
    end = min(at + 4 + 2 * count, len(data))
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def wide_strings(data: bytes, at: int) -> Iterator[str]:
    """Yield the texts that follow each other from this place on."""
    while at + 4 <= len(data):
        text, at = wide_string(data, at)
        yield text


def number_of(kind: int, data: bytes) -> float | None:
    """Return the number of a cell, or None if it has none."""
    if kind == RK and len(data) >= 12:
        raw = int.from_bytes(data[8:12], "little", signed=True)
        value = float(raw >> 2) if raw & _WHOLE else struct.unpack("<d", bytes(4) + (raw & ~3 & _NONE).to_bytes(4, "little"))[0]
        return value / 100 if raw & _SCALED else value
    if kind in (REAL, FORMULA_REAL) and len(data) >= 16:
        return float(struct.unpack_from("<d", data, 8)[0])
    return None
