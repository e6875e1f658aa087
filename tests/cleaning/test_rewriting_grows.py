"""Rewriting takes time in proportion to what is there: twice the findings take twice the steps, in every format and shape."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.cleaning.marked import rewritten
from tests.formats.office.building import docx, opendocument, pptx, xlsx
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.formats.format_registry import rewrite

_FEW = 300
_ROWS = "rules: [{category: pii, action: drop-row}]"
_CELLS = "rules: [{category: pii, action: drop-cell}]"
_HIDDEN = "rules: [{view: [hidden, comment, metadata], action: strip}]"


def value(number: int) -> str:
    return f"ada.lindqvist{number}@kaldor-mail.com"


def run(text: str, hidden: bool = False) -> str:
    return f'<w:r>{"<w:rPr><w:vanish/></w:rPr>" if hidden else ""}<w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(count: int, hidden: bool = False) -> bytes:
    return docx(f"<w:p>{''.join(run(f'say {value(i)} ', hidden and i % 2 > 0) for i in range(count))}</w:p>")


def letters(count: int) -> bytes:
    text = " ".join(value(number) for number in range(count // 20))
    return docx(f"<w:p>{''.join(map(run, text))}</w:p>")


def alternatives(count: int) -> bytes:
    pairs = (
        f"<mc:Choice><w:p>{one}</w:p></mc:Choice><mc:Fallback><w:p>{one}</w:p></mc:Fallback>" for one in map(run, map(value, range(count)))
    )
    inner = "".join(f'<mc:AlternateContent xmlns:mc="m">{pair}</mc:AlternateContent>' for pair in pairs)
    return docx(f"<w:p>{inner}</w:p>")


def sheet(count: int, rows: bool) -> bytes:
    cells = [f'<c t="inlineStr"><is><t>{value(number)}</t></is></c>' for number in range(count)]
    return xlsx({"S": f"<sheetData><row>{('</row><row>' if rows else '').join(cells)}</row></sheetData>"})


def slide(count: int) -> bytes:
    runs = "".join(f"<a:r><a:t>say {value(number)} </a:t></a:r>" for number in range(count))
    return pptx([f"<p:sp><p:txBody><a:p>{runs}</a:p></p:txBody></p:sp>"])


def letter(count: int) -> bytes:
    """Spans, links whose attributes repeat their texts, and fields that only the search behind the reader sees."""
    link = '<text:a xlink:href="mailto:@" office:title="@">@</text:a> '
    fields = lines('<text:user-field-decl office:string-value="x@"/>', count).decode()
    return opendocument("text", f"{fields}<text:p>{lines(f'<text:span>say @ </text:span>{link}', count).decode()}</text:p>")


def rich(count: int) -> bytes:
    """Values in hexadecimal, by numbers, and over groups, in one paragraph."""
    line = r"{\b say }@ {\v hidden} \'e4\'40 "
    return rb"{\rtf1\ansi " + lines(line, count) + b"}"


def cells(count: int) -> bytes:
    cell = '<table:table-row><table:table-cell office:value-type="string" office:string-value="@"><text:p>@</text:p></table:table-cell></table:table-row>'
    return opendocument("spreadsheet", f'<table:table table:name="S">{lines(cell, count).decode()}</table:table>')


def lines(pattern: str, count: int) -> bytes:
    return "".join(pattern.replace("@", value(number)) for number in range(count)).encode()


CASES: dict[str, tuple[Callable[[int], bytes], str, str]] = {
    "runs of a paragraph": (paragraph, "a.docx", ""),
    "runs, every second one hidden": (lambda count: paragraph(count, hidden=True), "a.docx", _HIDDEN),
    "a run for each letter": (lambda count: letters(6 * count), "a.docx", ""),
    "texts with a fallback": (alternatives, "a.docx", ""),
    "cells of a row": (lambda count: sheet(count, rows=False), "a.xlsx", ""),
    "cells to drop": (lambda count: sheet(count, rows=True), "a.xlsx", _CELLS),
    "rows to drop": (lambda count: sheet(count, rows=True), "a.xlsx", _ROWS),
    "runs of a slide": (slide, "a.pptx", ""),
    "spans, links and fields of an OpenDocument": (letter, "a.odt", ""),
    "cells of an OpenDocument": (cells, "a.ods", ""),
    "rows of an OpenDocument to drop": (cells, "a.ods", _ROWS),
    "words of an RTF paragraph": (rich, "a.rtf", ""),
    "spans": (lambda count: b"<p>" + lines("<span>say @</span> ", count), "a.html", ""),
    "attributes": (lambda count: b"<p>" + lines("<a title='@' href='mailto:@'>x</a> ", count), "a.html", ""),
    "comments": (lambda count: b"<p>" + lines("<!-- say @ --> x ", count), "a.html", _HIDDEN),
    "elements": (lambda count: b"<r>" + lines("<m a='@'/>", count) + b"</r>", "a.xml", ""),
    "comments in Markdown": (lambda count: lines("<!-- @ --> x\n", count), "a.md", _HIDDEN),
    "cells of a line": (lambda count: lines("@,", count) + b"\n" + b"x," * count + b"\n", "a.csv", ""),
    "lines of a table": (lambda count: b"a,b\n" + lines("@,1\n", count), "a.csv", _ROWS),
    "lines of JSON": (lambda count: lines('{"a": "@"}\n', count), "a.jsonl", _ROWS),
    "members of an object": (lambda count: json.dumps({str(number): value(number) for number in range(count)}).encode(), "a.json", ""),
    "words of a string": (lambda count: json.dumps({"a": lines("é\n@ ", count).decode()}).encode(), "a.json", ""),
}


def steps(data: bytes, name: str, policy: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many lines of this package run while a file is rewritten."""
    count = 0

    def traced(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return traced

    def counted(*arguments: Any) -> None:
        before = sys.gettrace()
        sys.settrace(lambda frame, event, argument: traced if "veritensor_ray" in frame.f_code.co_filename else None)
        try:
            rewrite(*arguments)
        finally:
            sys.settrace(before)

    with monkeypatch.context() as patch:
        patch.setattr("veritensor_ray.cleaning.artifact_cleaner.rewrite", counted)
        found = rewritten(data, name, parse(policy))
    assert found.cleaned.changes, found.cleaned.reason
    return count


@pytest.mark.slow
@pytest.mark.parametrize(("make", "name", "policy"), CASES.values(), ids=CASES)
def test_twice_the_findings_take_twice_the_steps(
    make: Callable[[int], bytes], name: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (steps(make(count), name, policy, monkeypatch) for count in (_FEW, 2 * _FEW))
    assert many < 2.2 * few
