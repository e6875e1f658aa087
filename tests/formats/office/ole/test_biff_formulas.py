"""Macro sheets and formulas of old workbooks: cells, names, shared formulas, states, and records that lie."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.office.building import OLE
from tests.formats.office.ole import biff_building as old
from tests.formats.office.ole.biff_building import OldSheet, formula, label, xls
from tests.formats.reading import flat, read, reasons

DOWNLOAD = old.text("urlmon") + old.text("URLDownloadToFileA") + old.text("JJCCJJ") + old.text("get") + old.call(old.REGISTER, 4)
CODE = (
    formula(0, 0, old.text("cmd.exe /c calc") + old.call(old.EXEC, 1))
    + formula(1, 0, DOWNLOAD)
    + formula(2, 0, old.at_cell(5, 1) + old.text("x") + old.JOINED + old.call(old.CALL, 1))
    + formula(
        3,
        0,
        old.whole(99)
        + old.fixed(old.CHAR)
        + old.whole(109)
        + old.fixed(old.CHAR)
        + old.JOINED
        + old.text("d.exe")
        + old.JOINED
        + old.call(old.EXEC, 1),
    )
    + formula(4, 0, old.call(old.HALT, 0))
    + label(5, 1, "http://files.example/a")
)


def texts(data: bytes, *fields: str) -> list[Any]:
    blocks, gaps = read(data, OLE)
    assert gaps == []
    return flat(blocks, *fields)


def test_a_macro_that_starts_by_itself() -> None:
    data = xls(
        {"Sheet1": label(0, 0, "hello"), "Macro 1": OldSheet(CODE, is_macro=True, state=2)},
        old.auto_open(1) + old.defined("get", old.whole(1)),
    )
    found = texts(data, "part", "view", "row", "column", "notice")
    assert [one for one in found if one[0] != "0"] == [
        ("Excel 4.0 macro sheet, very hidden", "Macro 1", "metadata", None, None, "macro"),
        ("Auto_Open='Macro 1'!$A$1", "workbook", "metadata", None, "defined name", "macro-suspicious"),
        ("get=1", "workbook", "metadata", None, "defined name", None),
        ("hello", "Sheet1", "visible", 0, "A", None),
        ("http://files.example/a", "Macro 1", "hidden", 5, "B", None),
        ('EXEC("cmd.exe /c calc")', "Macro 1", "metadata", 0, "A", "macro-suspicious"),
        ('REGISTER("urlmon","URLDownloadToFileA","JJCCJJ","get")', "Macro 1", "metadata", 1, "A", "macro-suspicious"),
        ('CALL(B6&"x")', "Macro 1", "metadata", 2, "A", "macro-suspicious"),
        ('EXEC(CHAR(99)&CHAR(109)&"d.exe")', "Macro 1", "metadata", 3, "A", "macro-suspicious"),
        ("cmd.exe", "Macro 1", "decoded", 3, "A", None),
        ("HALT()", "Macro 1", "metadata", 4, "A", None),
    ]


@pytest.mark.parametrize(("state", "view"), [(0, "visible"), (1, "hidden"), (2, "hidden")])
def test_a_macro_that_somebody_has_to_start(state: int, view: str) -> None:
    code = OldSheet(formula(0, 0, old.text("calc.exe") + old.call(old.EXEC, 1)) + label(1, 0, "note"), is_macro=True, state=state)
    found = texts(xls({"Macro1": code}, old.defined("Prices", old.other_cell(0, 0, 0))), "view", "notice")
    assert ("Prices=Macro1!$A$1", "metadata", None) in found
    assert ('EXEC("calc.exe")', "metadata", "formula-injection") in found
    assert ("note", view, None) in found
    assert "macro-suspicious" not in {notice for _, _, notice in found}


def test_formulas_of_worksheets_that_hold_words() -> None:
    link = old.text("http://files.example/?") + old.at_cell(0, 0) + old.JOINED + old.text("here") + old.call(359, 2)
    records = (
        formula(0, 0, link)
        + formula(1, 0, old.whole(1) + old.whole(2) + b"\x03")
        + formula(2, 1, old.text("an ") + old.text("order") + old.JOINED)
    )
    found = texts(xls({"Sheet1": records}), "view", "row", "column", "notice")
    assert [one for one in found if one[1] == "metadata"] == [
        ('HYPERLINK("http://files.example/?"&A1,"here")', "metadata", 0, "A", "formula-link"),
        ('"an "&"order"', "metadata", 2, "B", None),
    ]


def test_formulas_that_cells_share() -> None:
    records = formula(3, 2, b"\x01" + bytes(4)) + old.shared_formula(3, 2, old.text("calc.exe") + old.call(old.EXEC, 1))
    found = texts(xls({"Macro1": OldSheet(records, is_macro=True)}, old.auto_open()), "row", "column", "notice")
    assert ('EXEC("calc.exe")', 3, "C", "macro-suspicious") in found


def test_tokens_that_are_not_known_are_told() -> None:
    data = xls({"Macro1": OldSheet(formula(0, 0, old.text("seen") + b"\x3f" + old.text("more")), is_macro=True)})
    blocks, gaps = read(data, OLE)
    assert '"seen"' in flat(blocks)
    assert [(gap.reason, gap.coverage) for gap in gaps] == [
        ("formulas hold tokens that are not known, behind which they were not read", "no-reader")
    ]


def test_sheets_that_claim_the_same_records_are_not_read_for_ever() -> None:
    data = bytearray(xls({f"S{number}": CODE * 30 if number == 19 else b"" for number in range(20)}))
    last = data.index(b"S19") - 8
    for number in range(19):
        at = data.index(b"S%d" % number) - 8
        data[at : at + 4] = data[last : last + 4]
    blocks, gaps = read(bytes(data), OLE)
    assert "sheets of the workbook claim the same records: not all formulas were read" in reasons(gaps)
    assert flat(blocks).count('EXEC("cmd.exe /c calc")') < 20 * 30


@pytest.mark.parametrize("offset", [0, 7, 1 << 20, 0xFFFFFFFF])
def test_a_macro_sheet_that_is_elsewhere_gives_a_result(offset: int) -> None:
    data = bytearray(xls({"Macro1": OldSheet(CODE, is_macro=True)}, old.auto_open()))
    at = data.index(b"Macro1") - 8
    data[at : at + 4] = offset.to_bytes(4, "little")
    found = flat(read(bytes(data), OLE)[0], "notice")
    assert ("Excel 4.0 macro sheet", "macro") in found
