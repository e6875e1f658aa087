"""Assembles binary workbooks from the description of their format."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from tests.formats.office.building import package, relations


def binary_record(kind: int, body: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, made = len(body), bytearray()
    while size > 0x7F:
        made.append(size & 0x7F | 0x80)
        size >>= 7
    return head + bytes([*made, size]) + body


def wide(text: str) -> bytes:
    """A text with its length."""
    return struct.pack("<I", len(text.encode("utf-16-le")) // 2) + text.encode("utf-16-le")


def row(number: int, hidden: bool = False) -> bytes:
    return binary_record(0, struct.pack("<IIHBB", number, 0, 300, 0, 0x10 if hidden else 0) + bytes(5))


def cell(kind: int, column: int, value: bytes) -> bytes:
    return binary_record(kind, struct.pack("<II", column, 0) + value)


def shared(column: int, number: int) -> bytes:
    return cell(7, column, struct.pack("<I", number))


def sheet_entry(name: str, number: int, state: int = 0) -> bytes:
    return binary_record(156, struct.pack("<II", state, number) + wide(f"r{number}") + wide(name))


def xlsb(
    sheets: Mapping[str, bytes], strings: Sequence[str] = (), names: bytes = b"", kind: str = "worksheet", **parts: str | bytes
) -> bytes:
    """A workbook of sheets, by their records; a name that ends with `!` is hidden, and with `!!` very hidden."""
    entries = [sheet_entry(name.rstrip("!"), number, name.count("!")) for number, name in enumerate(sheets, 1)]
    links = [(kind, f"worksheets/sheet{number}.bin", False) for number in range(1, len(sheets) + 1)]
    found: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.bin": b"".join(entries) + names,
        "xl/_rels/workbook.bin.rels": relations(*links),
        "xl/sharedStrings.bin": b"".join(binary_record(19, b"\0" + wide(text)) for text in strings),
    }
    return package(found | {f"xl/worksheets/sheet{number}.bin": data for number, data in enumerate(sheets.values(), 1)} | parts)
