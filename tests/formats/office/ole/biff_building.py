"""Assembles workbooks of Excel 97, and the tokens of their formulas, from the description of their format."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.formats.office.building import ole

END = 0x0A


class OldSheet(NamedTuple):
    """A sheet by its records."""

    records: bytes = b""
    is_macro: bool = False
    state: int = 0


def biff(kind: int, body: bytes = b"") -> bytes:
    """A record."""
    return struct.pack("<HH", kind, len(body)) + body


def label(row: int, column: int, text: str) -> bytes:
    """A cell with a text of its own."""
    return biff(0x204, struct.pack("<HHHHB", row, column, 0, len(text), 0) + text.encode("cp1252"))


def formula(row: int, column: int, tokens: bytes) -> bytes:
    """A cell with a formula, whose value is 0."""
    return biff(0x06, struct.pack("<HHHdHIH", row, column, 0, 0.0, 0, 0, len(tokens)) + tokens)


def shared_formula(row: int, column: int, tokens: bytes) -> bytes:
    """A formula for an area of one cell."""
    return biff(0x4BC, struct.pack("<HHBBBBH", row, row, column, column, 0, 1, len(tokens)) + tokens)


def defined(name: str, tokens: bytes, flags: int = 0) -> bytes:
    """A name for a formula."""
    return biff(0x18, struct.pack("<HBBHHHI", flags, 0, len(name), len(tokens), 0, 0, 0) + b"\0" + name.encode("latin-1") + tokens)


def auto_open(sheet: int = 0) -> bytes:
    """The name that Excel gives to the macro in the first cell of a sheet, which it runs at once."""
    return defined("\1", other_cell(sheet, 0, 0), 0x20 | 0x0E)


def xls(sheets: Mapping[str, OldSheet | bytes], workbook: bytes = b"", references: Sequence[tuple[int, int, int]] | None = None) -> bytes:
    """A workbook of sheets; `workbook` are records before the sheets."""
    found = {name: one if isinstance(one, OldSheet) else OldSheet(one) for name, one in sheets.items()}
    links = references if references is not None else [(0, number, number) for number in range(len(found))]
    books = biff(0x1AE, struct.pack("<HH", len(found), 0x0401))
    books += biff(0x17, struct.pack("<H", len(links)) + b"".join(struct.pack("<HHH", *one) for one in links))
    begin, middle, end = biff(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 6)), books + workbook, biff(END)
    at = len(begin) + sum(12 + len(name) for name in found) + len(middle) + len(end)
    entries, data = b"", b""
    for name, sheet in found.items():
        entries += biff(0x85, struct.pack("<IBBBB", at + len(data), sheet.state, sheet.is_macro, len(name), 0) + name.encode())
        data += biff(0x809, struct.pack("<HHHHII", 0x600, 0x40 if sheet.is_macro else 0x10, 0, 0, 0, 6)) + sheet.records + end
    return ole({"Workbook": begin + entries + middle + end + data})


def text(value: str) -> bytes:
    """The token of a text."""
    return struct.pack("<BBB", 0x17, len(value), 0) + value.encode("cp1252")


def whole(value: int) -> bytes:
    """The token of a whole number."""
    return struct.pack("<BH", 0x1E, value)


def call(number: int, count: int) -> bytes:
    """The token of a function with so many arguments before it."""
    return struct.pack("<BBH", 0x42, count, number)


def fixed(number: int) -> bytes:
    """The token of a function that always has as many arguments."""
    return struct.pack("<BH", 0x41, number)


def at_cell(row: int, column: int) -> bytes:
    """The token of a cell, which moves with its formula."""
    return struct.pack("<BHH", 0x44, row, column | 0xC000)


def other_cell(reference: int, row: int, column: int) -> bytes:
    """The token of a cell of another sheet, which does not move."""
    return struct.pack("<BHHH", 0x5A, reference, row, column)


JOINED = b"\x08"
EXEC, REGISTER, CALL, HALT, CHAR = 110, 149, 150, 54, 111
