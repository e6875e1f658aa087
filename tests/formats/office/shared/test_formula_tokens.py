"""Formulas from their tokens, in the layouts of three versions of Excel, whole and damaged."""

from __future__ import annotations

import struct

import pytest

from tests.cases import each
from tests.formats.office.ole import biff_building as old
from veritensor_ray.formats.office.shared.formula_tokens import BINARY_WORKBOOK, EXCEL_5, EXCEL_97, BookNames, formula_text, functions

BOOK = BookNames(["Rate", "Total"], ["One!", "'Two 2'!"], [0, 1], {(1, 1): "ADDED.IN"})
A, B, C = (old.whole(number) for number in (1, 2, 3))


def written(tokens: bytes, layout: object = EXCEL_97) -> str:
    text, read = formula_text(tokens, layout, BOOK)  # type: ignore[arg-type]
    assert read == len(tokens), text
    return text


@each(
    ("tokens", "text"),
    [
        (A + B + b"\x03" + C + b"\x05", "1+2*3"),
        (A + B + C + b"\x05" + b"\x03", "1+2*3"),
        (A + B + b"\x03\x15" + C + b"\x04", "(1+2)-3"),
        (A + b"\x13" + B + b"\x0d", "-1>2"),
        (A + b"\x14", "1%"),
        (A + b"\x19\x10\x00\x00", "SUM(1)"),
        (b"\x1d\x01" + A + b"\x16" + old.call(1, 3), "IF(TRUE,1,)"),
        (b"\x1c\x2a\x1f" + struct.pack("<d", 0.5) + b"\x08", "#N/A&0.5"),
        (b"\x1d\x00\x19\x04\x01\x00" + bytes(4) + A + old.call(100, 2), "CHOOSE(FALSE,1)"),
        (old.text('say "hi"') + old.text("x") + old.JOINED + old.call(old.EXEC, 1), 'EXEC("say ""hi"""&"x")'),
        (b"\x17\x02\x01" + "Жя".encode("utf-16-le"), '"Жя"'),
        (old.call(old.HALT, 0), "HALT()"),
        (old.fixed(74), "NOW()"),
        (A + old.fixed(old.CHAR), "CHAR(1)"),
        (A + old.call(0x8000 | 1, 1), "OPEN(1)"),
        (A + old.call(0x8000 | 0x7000, 1), "COMMAND.28672(1)"),
        (A + old.call(2000, 1), "FUNCTION.2000(1)"),
        (b"\x43\x01\0\0\0" + A + B + old.call(255, 3), "Rate(1,2)"),
        (b"\x43\x02\0\0\0" + old.call(255, 1), "Total()"),
        (b"\x43\x09\0\0\0", "NAME.9"),
        (b"\x59\x01\0\x01\0\0\0" + A + old.call(255, 2), "ADDED.IN(1)"),
        (b"\x59\x00\0\x07\0\0\0", "NAME.0.7"),
        (old.at_cell(4, 2), "C5"),
        (b"\x44" + struct.pack("<HH", 4, 2), "$C$5"),
        (b"\x25" + struct.pack("<HHHH", 0, 9, 0, 1 | 0x8000), "$A$1:$B10"),
        (old.other_cell(1, 0, 0), "'Two 2'!$A$1"),
        (old.other_cell(7, 0, 0), "SHEET.7!$A$1"),
        (b"\x3b" + struct.pack("<HHHHH", 0, 0, 1, 0, 1), "One!$A$1:$B$2"),
        (b"\x4c" + struct.pack("<HH", 0xFFFF, 0x02 | 0xC000), "R[-1]C[2]"),
        (b"\x2a" + bytes(4), "#REF!"),
        (b"\x3c" + struct.pack("<H", 0) + bytes(4), "One!#REF!"),
        (b"\x29\x05\x00" + old.at_cell(0, 0), "A1"),
        (b"\x60" + bytes(7), "{…}"),
        (b"\x01" + bytes(4), ""),
        (b"\x03" + old.call(4, 9) + b"\x08\x14\x13", "-SUM()%"),
        (A + B, "1 2"),
    ],
)
def test_tokens(tokens: bytes, text: str) -> None:
    assert written(tokens) == text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (b"\x17" + struct.pack("<H", 4) + "calc".encode("utf-16-le") + old.call(old.EXEC, 1), 'EXEC("calc")'),
        (b"\x44" + struct.pack("<IH", 1048575, 16383), "$XFD$1048576"),
        (b"\x25" + struct.pack("<IIHH", 0, 1, 0, 1), "$A$1:$B$2"),
        (b"\x3a" + struct.pack("<HIH", 1, 2, 3), "'Two 2'!$D$3"),
        (b"\x4c" + struct.pack("<IH", 0xFFFFF, 1 | 0xC000), "R[-1]C[1]"),
        (b"\x18\x19" + bytes(12), "#REF!"),
        (b"\x20" + bytes(14), "{…}"),
        (b"\x44" + struct.pack("<IH", 0, 0xC000) + old.fixed(385), "HEX2DEC(A1)"),
    ],
)
def test_tokens_of_binary_workbooks(tokens: bytes, text: str) -> None:
    assert written(tokens, BINARY_WORKBOOK) == text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (b"\x17\x04calc" + old.call(old.EXEC, 1), 'EXEC("calc")'),
        (b"\x44" + struct.pack("<HB", 4 | 0x4000, 2), "C$5"),
        (b"\x3a" + bytes(10) + struct.pack("<HHHB", 1, 1, 2, 3), "'Two 2'!$D$3"),
        (b"\x43\x01" + bytes(13), "Rate"),
    ],
)
def test_tokens_of_excel_5(tokens: bytes, text: str) -> None:
    assert written(tokens, EXCEL_5) == text


@pytest.mark.parametrize(
    ("tokens", "text", "read"),
    [
        (old.text("seen") + b"\x3f" + old.text("not seen"), '"seen"', 7),
        (b"\x17\x09\x00cut", '"cut"', 6),
        (A + b"\x1e\x01", "1", 3),
        (A + b"\x44", "1", 3),
        (b"\x00", "", 0),
    ],
)
def test_what_is_damaged_ends_the_formula(tokens: bytes, text: str, read: int) -> None:
    assert formula_text(tokens, EXCEL_97, BOOK) == (text, read)


def test_deep_formulas_are_written_without_copies() -> None:
    """Each token adds one piece; were texts joined at each token, these would take minutes."""
    many = 100_000
    for tokens in (A + (A + b"\x03") * many, A * many + b"\x03" * (many - 1), A + (b"\x41" + struct.pack("<H", old.CHAR)) * many):
        assert len(written(tokens)) >= many


def test_functions_that_macros_need_are_known() -> None:
    known = functions()
    expected = {
        54: "HALT",
        108: "SET.VALUE",
        110: "EXEC",
        149: "REGISTER",
        150: "CALL",
        257: "EVALUATE",
        267: "REGISTER.ID",
        0x8001: "OPEN",
    }
    assert {number: known[number][0] for number in expected} == expected
    assert len(known) == 872
