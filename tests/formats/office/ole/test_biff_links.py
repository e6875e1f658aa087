"""Links out of old workbooks: only a link to a program that can do what the document says is DDE."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.formats.office.building import ole
from tests.formats.reading import flat, read
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.office.ole.biff_links import external_sheet, supporting_book

OLE = Kind("application/x-ole-storage")


def book(path: str, sheets: int = 0, wide: bool = False) -> bytes:
    coded = b"\x01" + path.encode("utf-16-le") if wide else b"\x00" + path.encode("cp1252")
    return sheets.to_bytes(2, "little") + len(path).to_bytes(2, "little") + coded


@each(
    ("path", "items", "expected"),
    [
        ("\x01refs\x03airport.xls", [], ("external workbook", "refs\\airport.xls", "external-relation")),
        ("\x01airport.xls", [], ("external workbook", "airport.xls", "external-relation")),
        ("airport.xls", [], ("external workbook", "airport.xls", "external-relation")),
        ("\x01\x01CData\x03cmd.xls", [], ("external workbook", "C:\\Data\\cmd.xls", "external-relation")),
        ("\x01\x01@server\x03share\x03a.xls", [], ("external workbook", "\\\\server\\share\\a.xls", "external-relation")),
        ("\x01\x04\x04up\x03a.xls", [], ("external workbook", "..\\..\\up\\a.xls", "external-relation")),
        ("\x01\x05\x14http://a.example/b.xls", [], ("external workbook", "http://a.example/b.xls", "external-relation")),
        ("\x01cmd\x03c calc", [], ("external workbook", "cmd\\c calc", "external-relation")),  # a folder named cmd
        ("cmd\x03/c calc", [], ("DDE", "cmd|/c calc", "dde")),
        ("cmd\x03/c calc", [0x00, 0x10], ("DDE", "cmd|/c calc", "dde")),
        ("Excel\x03C:\\budget 2.1.xls", [0x02], ("DDE", "Excel|C:\\budget 2.1.xls", "external-relation")),
        ("Word.Document.8\x03C:\\a.doc", [0x10], ("OLE link", "Word.Document.8|C:\\a.doc", "external-relation")),
        (" ", [], None),
        ("\x00", [], None),
        ("\x01", [], None),
    ],
)
@each("wide", [False, True])
@each("sheets", [0, 3])
def test_kinds(path: str, items: list[int], expected: tuple[str, str, str] | None, wide: bool, sheets: int) -> None:
    link = supporting_book(book(path, sheets, wide))
    if link is not None:
        link.items.extend(items)
    assert (link and (link.kind, link.target, link.notice)) == expected


@pytest.mark.parametrize("body", [b"", b"\x01\x00", b"\x03\x00\x01\x04", b"\x01\x00\x01\x3a", b"\x00\x00\xff\xff\x00"])
def test_references_to_itself_and_damaged_ones(body: bytes) -> None:
    assert supporting_book(body) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x01refs\x03a.xls", "external workbook"),
        ("cmd\x03/c calc", "DDE"),
        ("\x03Sheet1", None),
        ("\x02", None),
        ("\x04", None),
        ("", None),
    ],
)
def test_before_excel_97(text: str, expected: str | None) -> None:
    link = external_sheet(len(text).to_bytes(1, "little") + text.encode("cp1252"))
    assert (link and link.kind) == expected


def record(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    ("version", "links", "expected"),
    [
        (b"\x00\x06", [(0x1AE, book("\x01refs\x03airport.xls", 1)), (0x23, b"\x00\x00")], ("refs\\airport.xls", "external-relation")),
        (b"\x00\x06", [(0x1AE, book("cmd\x03/c calc")), (0x23, b"\x02\x00")], ("cmd|/c calc", "dde")),
        (b"\x00\x06", [(0x1AE, book("Paint.Picture\x03C:\\a.bmp")), (0x23, b"\x10\x00")], ("Paint.Picture|C:\\a.bmp", "external-relation")),
        (b"\x00\x05", [(0x17, b"\x0bcmd\x03/c calc")], ("cmd|/c calc", "dde")),
        (b"\x00\x05", [(0x17, b"\x08\x01a\x03b.xls")], ("a\\b.xls", "external-relation")),
        (b"\x00\x06", [(0x17, b"\x0bcmd\x03/c calc")], None),  # since Excel 97, these records hold numbers
    ],
)
def test_a_workbook(version: bytes, links: list[tuple[int, bytes]], expected: tuple[str, str] | None) -> None:
    start = record(0x809, version + b"\x05\x00" + bytes(12 if version == b"\x00\x06" else 4))
    data = ole({"Workbook": start + b"".join(record(*link) for link in links) + record(0x0A, b"")})
    found = [row for row in flat(read(data, OLE)[0], "notice") if row[1]]
    assert found == ([expected] if expected else [])
