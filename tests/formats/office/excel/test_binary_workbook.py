"""Binary workbooks: every kind of cell, what is hidden, comments, links, names, strings in other records, damage."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from tests.cases import each
from tests.formats.office.building import package, relations
from tests.formats.office.excel.binary_building import binary_record, cell, row, shared, wide, xlsb
from tests.formats.office.ole.biff_building import CALL, EXEC, call
from tests.formats.reading import flat, read, reader_source, reasons
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import XLSB
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.office.excel import binary_records
from veritensor_ray.formats.office.excel.read import read_xlsb

FOLDER = Path(__file__).with_name("files")
KIND = Kind(XLSB)


def cells(*records: bytes, **more: bytes) -> list[tuple[object, ...]]:
    """The texts of one sheet with their view, row and column."""
    blocks, gaps = read(xlsb({"One": b"".join(records)}, ["first", "=CMD|' /C calc'!A0"], **more), KIND)  # type: ignore[arg-type]
    assert gaps == []
    return [(text, view, row, column) for text, part, view, row, column in flat(blocks, "part", "view", "row", "column") if part == "One"]


def test_workbooks_by_excel() -> None:
    blocks, gaps = read((FOLDER / "base.xlsb").read_bytes(), KIND)
    found = flat(blocks, "part", "row", "column")
    assert gaps == []
    assert {
        ("String", "Sheet1", 1, "A"),
        ("1", "Sheet1", 1, "B"),
        ("1.1", "Sheet1", 1, "C"),
        ("40461", "Sheet1", 1, "F"),
        ("40461.4237268518", "Sheet1", 1, "G"),
        ("line3", "Sheet3", 3, "D"),
    } <= set(found)


def test_hidden_sheets_by_excel() -> None:
    blocks, gaps = read((FOLDER / "any_sheets.xlsb").read_bytes(), KIND)
    found = flat(blocks, "part", "view", "row", "column")
    assert gaps == []
    assert ("This workbook contains 4 sheets: Visible, Hidden, VeryHidden and Chart", "Visible", "visible", 4, "A") in found
    assert {("Hidden", "workbook", "hidden", None, "sheet"), ("VeryHidden", "workbook", "hidden", None, "sheet")} <= set(found)


def rk(value: int, flags: int = 2) -> bytes:
    return struct.pack("<i", value << 2 | flags)


@each(
    ("record", "text"),
    [
        (shared(2, 0), "first"),
        (cell(6, 2, wide("written here")), "written here"),
        (cell(8, 2, wide("of a formula") + bytes(12)), "of a formula"),
        (cell(5, 2, struct.pack("<d", 4539578763621486.0)), "4539578763621486"),
        (cell(9, 2, struct.pack("<d", 1.5) + bytes(10)), "1.5"),
        (cell(2, 2, rk(123456789)), "123456789"),
        (cell(2, 2, rk(-5)), "-5"),
        (cell(2, 2, rk(12345, 3)), "123.45"),
        (cell(2, 2, struct.pack("<d", 2.5)[4:]), "2.5"),
        (cell(62, 2, b"\1" + wide("of several fonts") + bytes(8)), "of several fonts"),
        (cell(1, 1, b"") + binary_record(13, bytes(4) + rk(123456789)), "123456789"),
        (cell(4, 1, b"\1") + binary_record(16, bytes(4) + struct.pack("<d", 4539578763621486.0)), "4539578763621486"),
        (cell(11, 1, b"") + binary_record(17, bytes(4) + wide("written here")), "written here"),
        (binary_record(12, bytes(4)) + binary_record(15, bytes(5)) + binary_record(18, bytes(8)), "first"),
        (cell(3, 1, b"") + binary_record(61, bytes(4) + b"\1" + wide("of several fonts")), "of several fonts"),
    ],
)
def test_cells(record: bytes, text: str) -> None:
    assert cells(row(4), record) == [(text, "visible", 4, "C")]


@pytest.mark.parametrize(
    "record", [shared(2, 99), cell(5, 2, b"\0"), cell(7, 2, b""), cell(1, 2, b""), cell(4, 2, b"\1"), binary_record(6)]
)
def test_cells_without_a_text(record: bytes) -> None:
    assert cells(row(4), record) == []


def test_what_is_hidden() -> None:
    columns = binary_record(60, struct.pack("<IIIIH", 2, 3, 0, 0, 1))
    found = cells(columns, row(0), shared(1, 0), shared(2, 0), row(1, hidden=True), shared(1, 0))
    assert [view for _, view, _, _ in found] == ["visible", "hidden", "hidden"]
    blocks, _ = read(xlsb({"One!": row(0) + shared(0, 0)}, ["first"]), KIND)
    assert ("first", "hidden") in flat(blocks, "view")


def test_many_ranges_of_hidden_columns() -> None:
    ranges = [(9, 8), (1 << 31, 1 << 31), *[(number + 20, number + 20) for number in range(3000)], (2, 2), (16_000, (1 << 32) - 1)]
    columns = b"".join(binary_record(60, struct.pack("<IIIIH", first, last, 0, 0, 1)) for first, last in ranges)
    found = cells(columns, row(0), *[shared(column, 0) for column in (1, 2, 3019, 3020, 16_383)])
    assert {column for _, view, _, column in found if view == "hidden"} == {"C", "DLD", "XFD"}


def test_formulas_in_texts_are_noticed() -> None:
    blocks, _ = read(xlsb({"One": row(0) + shared(0, 0)}, ["=CMD|' /C calc'!A0"]), KIND)
    assert [notice for _, notice in flat(blocks, "notice") if notice] == ["dde"]


def test_links_headers_and_comments() -> None:
    link = binary_record(494, bytes(16) + wide("r9") + wide("there") + wide("") + wide("shown"))
    header = binary_record(479, bytes(2) + wide("&CA header") + b"\xff\xff\xff\xff" + wide("A footer"))
    notes = binary_record(632, wide("Ada")) + binary_record(635, struct.pack("<IIIII", 0, 4, 4, 2, 2) + bytes(16))
    notes += binary_record(637, b"\0" + wide("A comment"))
    more = {"xl/worksheets/_rels/sheet1.bin.rels": relations(("comments", "../comments1.bin", False)), "xl/comments1.bin": notes}
    assert cells(row(4), link, header, **more) == [  # type: ignore[arg-type]
        ("r9", "metadata", None, "hyperlink"),
        ("there", "metadata", None, "hyperlink"),
        ("shown", "metadata", None, "hyperlink"),
        ("&CA header", "visible", None, "header"),
        ("A footer", "visible", None, "header"),
        ("Ada", "metadata", None, "author"),
        ("A comment", "comment", 4, "C"),
    ]


def test_names_that_start_by_themselves() -> None:
    names = b"".join(binary_record(39, bytes(9) + wide(name) + bytes(8)) for name in ("Prices", "_xlnm.Auto_Open"))
    blocks, _ = read(xlsb({"One": b""}, names=names), KIND)
    assert [(text, notice) for text, column, notice in flat(blocks, "column", "notice") if column == "defined name"] == [
        ("Prices", None),
        ("_xlnm.Auto_Open", "macro-suspicious"),
    ]


def tokens(*parts: bytes) -> bytes:
    """What stands behind the value of a cell with a formula."""
    return bytes(2) + struct.pack("<I", len(b"".join(parts))) + b"".join(parts) + bytes(4)


def token_text(text: str) -> bytes:
    return b"\x17" + struct.pack("<H", len(text)) + text.encode("utf-16-le")


CALC = (token_text("calc.exe"), call(EXEC, 1))
OTHER_CELL = b"\x3a" + struct.pack("<HIH", 0, 4, 2)
AREA = struct.pack("<IIII", 4, 4, 2, 2)


@each(
    ("record", "expected"),
    [
        (cell(8, 2, wide("") + tokens(*CALC)), 'EXEC("calc.exe")'),
        (cell(9, 2, bytes(8) + tokens(*CALC)), 'EXEC("calc.exe")'),
        (cell(10, 2, b"\1" + tokens(*CALC)), 'EXEC("calc.exe")'),
        (cell(11, 2, b"\x2a" + tokens(*CALC)), 'EXEC("calc.exe")'),
        (binary_record(426, AREA + b"\0" + tokens(*CALC)[2:]), 'EXEC("calc.exe")'),
        (binary_record(427, AREA + tokens(*CALC)[2:]), 'EXEC("calc.exe")'),
        (cell(10, 2, b"\1" + tokens(OTHER_CELL, call(CALL, 1))), "CALL('Macro 1'!$C$5)"),
        (cell(10, 2, b"\1" + tokens(b"\x43\1\0\0\0", call(255, 1))), "get()"),
    ],
)
@each("starts", [True, False])
def test_macro_sheets(record: bytes, expected: str, starts: bool) -> None:
    names = binary_record(357) + binary_record(362, struct.pack("<IIii", 1, 0, 0, 0))
    names += binary_record(39, bytes(9) + wide("get") + bytes(8))
    names += binary_record(39, bytes(9) + wide("_xlnm.Auto_Open") + tokens(OTHER_CELL)[2:]) if starts else b""
    data = xlsb({"Macro 1!!": row(4) + record}, kind="xlMacrosheet", names=names)
    blocks, gaps = read(data, KIND)
    assert gaps == []
    found = flat(blocks, "part", "view", "row", "column", "notice")
    assert ("Excel 4.0 macro sheet, very hidden", "Macro 1", "metadata", None, None, "macro") in found
    name = ("_xlnm.Auto_Open='Macro 1'!$C$5", "workbook", "metadata", None, "defined name", "macro-suspicious")
    assert (name in found) is starts
    reaches = "EXEC" in expected or "CALL" in expected
    notice = ("macro-suspicious" if starts else "formula-injection") if reaches else None
    assert (expected, "Macro 1", "metadata", 4, "C", notice) in found


def test_formulas_of_worksheets_that_hold_words() -> None:
    found = cells(
        row(4),
        cell(8, 2, wide("shown") + tokens(token_text("an "), token_text("order"), b"\x08")),
        cell(9, 3, bytes(8) + tokens(b"\x1e\1\0")),
    )
    assert found == [("shown", "visible", 4, "C"), ("0", "visible", 4, "D"), ('"an "&"order"', "metadata", 4, "C")]


def test_what_is_not_understood_of_a_formula_is_residue() -> None:
    damaged = cell(10, 0, b"\1" + tokens(token_text("seen"), b"\x3f", token_text("behind it")))
    blocks, gaps = read(xlsb({"Macro1": row(0) + damaged}, kind="xlMacrosheet"), KIND)
    assert '"seen"' in flat(blocks)
    assert [(gap.reason, gap.coverage) for gap in gaps] == [
        ("formulas hold tokens that are not known, behind which they were not read", "no-reader")
    ]
    items = list(read_xlsb(reader_source(xlsb({"Macro1": row(0) + damaged}, kind="xlMacrosheet"), KIND)))
    assert any("behind it" in str(text) for item in items if isinstance(item, Block) and item.view == "residue" for text in item.texts)


def test_strings_in_other_records_and_unused_texts_are_residue() -> None:
    data = xlsb({"One": binary_record(700, wide("in a record of another kind"))}, ["no cell shows this text"])
    texts = {
        str(text)
        for item in read_xlsb(reader_source(data, KIND))
        if isinstance(item, Block) and item.view == "residue"
        for text in item.texts
    }
    assert {"in a record of another kind", "no cell shows this text"} <= texts


def test_streams_between_records_are_members() -> None:
    hidden = zlib.compress(b"an address, jane.doe@gardens.example, and other words " * 3)
    data = xlsb({"One": row(0) + hidden + bytes(30)})
    found = [item.file.read() for item in read_xlsb(reader_source(data, KIND)) if isinstance(item, Member)]
    assert any(b"jane.doe@gardens.example" in one for one in found)


def test_sheets_that_nothing_names_are_read_as_hidden() -> None:
    data = package(
        {
            "[Content_Types].xml": "<Types/>",
            "xl/workbook.bin": binary_record(131),
            "xl/worksheets/sheet7.bin": row(0) + cell(6, 0, wide("lost")),
        }
    )
    blocks, gaps = read(data, KIND)
    assert ("lost", "sheet7", "hidden") in flat(blocks, "part", "view")
    assert gaps == []


CUT = "a part of the workbook ends within a record"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (xlsb({"One": row(0) + shared(0, 0)[:-1]}, ["first"]), [CUT]),
        (xlsb({"One": b"\x80"}, ["first"]), [CUT]),
        (xlsb({"One": b"\x06\xff\xff\xff\x7f"}, ["first"]), ["a record of the workbook has more than 67108864 bytes"]),
        (package({"[Content_Types].xml": "<Types/>", "xl/worksheets/sheet1.bin": row(0)}), ["the document has no body: its part xl/workbook.bin is missing or empty"]),
    ],
)  # fmt: skip
def test_damage_is_told(data: bytes, said: list[str]) -> None:
    assert reasons(read(data, KIND)[1]) == said


def test_a_sheet_that_does_not_exist() -> None:
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.bin": binary_record(156, bytes(8) + wide("r1") + wide("One")),
    }
    assert reasons(read(package(parts), KIND)[1]) == ["the workbook names a sheet that does not exist"]


def test_records_in_pieces() -> None:
    records = [(0, b"x" * size) for size in (0, 1, 127, 128, 20_000)] + [(700, b"y" * 5)]
    data = b"".join(binary_record(kind, body) for kind, body in records)
    for size in (1, 7, 5000, len(data)):
        found = binary_records.binary_records(data[at : at + size] for at in range(0, len(data), size))
        assert [(kind, body) for kind, _, body in found] == records


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    data = xlsb({"One": row(0) + shared(0, 0) + cell(6, 1, wide("text"))}, ["first"])
    for at in range(len(data)):
        for mask in (0x01, 0x80):
            try:
                list(read_xlsb(reader_source(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :], KIND)))
            except ReadError:
                continue
