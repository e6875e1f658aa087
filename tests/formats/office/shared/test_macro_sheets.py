"""Excel 4.0 macros: what starts them, what their formulas reach, and what these spell."""

from __future__ import annotations

import pytest

from tests.cases import each
from veritensor_ray.formats.office.shared.macro_sheets import add_macro_formula, macro_sheet_title, spelled, starts_itself
from veritensor_ray.formats.office.shared.text_blocks import EVIDENCE, Texts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Auto_Open", True),
        ("_xlnm.Auto_Open", True),
        ("auto_open_2", True),
        ("AUTO_CLOSE", True),
        ("Auto\x00_\u200bOpen", True),
        ("Auto_Activate", True),
        ("open", False),
        ("Not_Auto_Open", False),
    ],
)
def test_names_that_start_by_themselves(name: str, expected: bool) -> None:
    assert starts_itself(name) is expected


@each(
    ("formula", "itself", "notice"),
    [
        ('EXEC("calc.exe")', True, "macro-suspicious"),
        ('EXEC("calc.exe")', False, "formula-injection"),
        ('=CALL("urlmon","URLDownloadToFileA","JJCCJJ",0,A1,A2,0,0)', True, "macro-suspicious"),
        ('REGISTER.ID("kernel32","WinExec")', True, "macro-suspicious"),
        ('FORMULA(CHAR(61)&"EXEC()",A1)', True, "macro-suspicious"),
        ('FORMULA("Total")', True, None),
        ('FORMULA("Total",A1)', True, None),
        ('ALERT("EXEC")', True, None),
        ("RETURN()", True, None),
        ("MYEXEC(1)", True, None),
        ("A1+1", True, None),
    ],
)
def test_what_makes_a_formula_suspicious(formula: str, itself: bool, notice: str | None) -> None:
    texts = Texts("Macro1")
    add_macro_formula(texts, formula, 0, "A", itself)
    assert [block.notice and list(block.notice) for block in texts.take() if block.view == "metadata"] == [notice and [notice]]


def test_a_long_formula_is_read_to_its_end() -> None:
    texts = Texts("Macro1")
    formula = 'EXEC("' + "x" * EVIDENCE + 'the end")'
    add_macro_formula(texts, formula, 3, "B", itself=True)
    assert "".join(text for block in texts.take() for text in block.texts) == formula


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ('EXEC(CHAR(99)&CHAR(109)&"d.exe"&A1)', ["cmd.exe"]),
        ('CHAR(104)&"t""t"&CHAR(58)', ['ht"t:']),
        ('CALL("a",CHAR(99)&CHAR(100)&CHAR(101)&CHAR(102),"x"&CHAR(1))', ["cdef"]),
        ('"text"&"only"', []),
        ('CHAR(65)&CHAR(B1)&"longer"', []),
        ('CHAR(65)&"to its end', ["Ato its end"]),
        ("CHAR(1)&&&", []),
        ("", []),
    ],
)
def test_what_formulas_spell(formula: str, expected: list[str]) -> None:
    found = list(spelled(formula))
    assert [text for text, _ in found] == expected
    for text, origins in found:
        assert [origin.at for origin in origins] == sorted({origin.at for origin in origins})
        last = origins[-1]
        assert formula[last.start : last.end] in (text[last.at :], text[last.at :].replace('"', '""'), f"CHAR({ord(text[-1])})")


def test_titles_name_the_state() -> None:
    assert [macro_sheet_title(state) for state in ("visible", "hidden", "veryHidden")] == [
        "Excel 4.0 macro sheet",
        "Excel 4.0 macro sheet, hidden",
        "Excel 4.0 macro sheet, very hidden",
    ]
