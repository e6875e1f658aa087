"""OpenDocument: texts, sheets and slides, what is hidden in them, and what runs."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

from tests.cases import each
from tests.formats.office.building import FILES, FLAT, ODP, ODS, ODT, manifest, opendocument
from tests.formats.office.building import flat as flat_xml
from tests.formats.reading import flat, members, read, reasons
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import recognise

STYLES = (
    '<style:style style:name="gone" style:family="text"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="white" style:family="text"><style:text-properties fo:color="#ffffff"/></style:style>'
    '<style:style style:name="lit" style:family="text"><style:text-properties fo:color="#ffffff" fo:background-color="#000000"/></style:style>'
    '<style:style style:name="tiny" style:family="text"><style:text-properties fo:font-size="1pt"/></style:style>'
    '<style:style style:name="odd" style:family="text"><style:text-properties fo:font-size="12.1000003815pt"/></style:style>'
    '<style:style style:name="auto" style:family="text"><style:text-properties style:use-window-font-color="true" loext:opacity="0%"/></style:style>'
    '<style:style style:name="P" style:family="paragraph"><style:text-properties fo:color="#fefefe"/></style:style>'
    '<style:style style:name="Q" style:family="paragraph" style:parent-style-name="P"/>'
    '<style:style style:name="S" style:family="section"><style:section-properties text:display="none"/></style:style>'
    '<style:style style:name="T" style:family="table"><style:table-properties table:display="false"/></style:style>'
    '<style:style style:name="C" style:family="table-cell"><style:text-properties fo:color="#ffffff"/></style:style>'
    '<style:style style:name="D" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    '<number:text xmlns:number="n">$</number:text>'
    '<style:page-layout><style:page-layout-properties fo:page-width="28cm" fo:page-height="21cm"/></style:page-layout>'
).replace('xmlns:number="n"', 'xmlns:number="n" xmlns:loext="l"')  # fmt: skip


def texts(kind: str, body: str, *fields: str, **parts: str | bytes) -> list[Any]:
    return flat(read(opendocument(kind, body, STYLES, **parts), {"text": ODT, "spreadsheet": ODS, "presentation": ODP}[kind])[0], *fields)


@each(
    ("paragraph", "expected"),
    [
        ("one <text:span>sent</text:span>ence", [("one sentence", "visible")]),
        ('a<text:s text:c="3"/>b<text:tab/>c<text:line-break/>d', [("a   b\tc\nd", "visible")]),
        ('seen<text:span text:style-name="gone">gone</text:span>', [("seen", "visible"), ("gone", "hidden")]),
        ('<text:span text:style-name="white">white</text:span>', [("white", "hidden")]),
        ('<text:span text:style-name="lit">lit</text:span>', [("lit", "visible")]),
        ('<text:span text:style-name="tiny">tiny</text:span>', [("tiny", "hidden")]),
        ('<text:span text:style-name="odd">odd</text:span>', [("odd", "visible")]),
        ('<text:span text:style-name="auto">auto</text:span>', [("auto", "visible")]),
        ('<text:hidden-text text:string-value="spare"/>', [("spare", "hidden")]),
        ('<text:conditional-text text:string-value-if-true="yes" text:string-value-if-false="no">yes</text:conditional-text>', [("yes", "hidden"), ("no", "hidden"), ("yes", "visible")]),
        ('<text:hidden-paragraph text:is-hidden="true"/>whole', [("whole", "hidden")]),
        ("shown<office:annotation><dc:creator>Bob</dc:creator><dc:date>2024</dc:date><text:p>why?</text:p></office:annotation>", [("Bob", "metadata"), ("why?", "comment"), ("shown", "visible")]),
        ("by <text:title>My title</text:title>", [("by My title", "visible")]),
        ("<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box><svg:desc>a stamp</svg:desc></draw:frame>", [("boxed", "visible"), ("a stamp", "metadata")]),
        ('<text:a xlink:href="https://example.org">link</text:a>', [("https://example.org", "metadata"), ("link", "visible")]),
    ],
)  # fmt: skip
def test_paragraphs(paragraph: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(texts("text", f"<text:p>{paragraph}</text:p>", "view")) == sorted(expected)


@pytest.mark.parametrize(
    ("body", "column"),
    [
        ('<text:p text:style-name="Q">by style</text:p>', None),
        ('<text:section text:style-name="S"><text:p>by style</text:p></text:section>', None),
        ('<text:section text:display="none"><text:p>by style</text:p></text:section>', None),
        ("<text:tracked-changes><text:changed-region><text:deletion><text:p>by style</text:p></text:deletion></text:changed-region></text:tracked-changes>", "deleted"),
    ],
)  # fmt: skip
def test_what_is_around_a_paragraph_hides_it(body: str, column: str | None) -> None:
    assert texts("text", f"{body}<text:p>behind</text:p>", "view", "column") == [
        ("by style", "hidden", column),
        ("behind", "visible", None),
    ]


def test_places_count_the_paragraphs_joined_by_line_ends() -> None:
    body = '<text:h>first</text:h><text:p/><text:p>se<text:span text:style-name="gone">X</text:span>cond</text:p><text:p>third</text:p>'
    blocks, _ = read(opendocument("text", body, STYLES), ODT)
    assert flat([b for b in blocks if not b.origins], "start", "part") == [("first", 0, "body"), ("third", 14, "body")]
    assert flat([b for b in blocks if b.origins], "origins") == [("second", [(0, 6, 8, None), (2, 9, 13, None)]), ("X", [(0, 8, 9, None)])]


def sheet(rows: str, name: str = "One", style: str = "") -> str:
    return f'<table:table table:name="{name}" table:style-name="{style}">{rows}</table:table>'


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


@each(
    ("table", "expected"),
    [
        (sheet(f"<table:table-row>{cell('a')}{cell('b')}</table:table-row>"), [("a", "One", 0, "A", "visible"), ("b", "One", 0, "B", "visible")]),
        (sheet(f'<table:table-row table:number-rows-repeated="4"><table:table-cell table:number-columns-repeated="2"/>{cell("x")}</table:table-row><table:table-row>{cell("y")}</table:table-row>'), [("x", "One", 0, "C", "visible"), ("y", "One", 4, "A", "visible")]),
        (sheet(f'<table:table-row table:number-rows-repeated="1000000000">{cell("x", "table:number-columns-repeated=" + chr(34) + "1000000000" + chr(34))}</table:table-row>'), [("x", "One", 0, "A", "visible")]),
        (sheet(f'<table:table-row table:visibility="collapse">{cell("x")}</table:table-row>'), [("x", "One", 0, "A", "hidden")]),
        (sheet(f'<table:table-row table:visibility="filter">{cell("x")}</table:table-row>'), [("x", "One", 0, "A", "hidden")]),
        (sheet(f'<table:table-column/><table:table-column table:visibility="collapse"/><table:table-row>{cell("a")}{cell("b")}</table:table-row>'), [("a", "One", 0, "A", "visible"), ("b", "One", 0, "B", "hidden")]),
        (sheet(f'<table:table-column table:default-cell-style-name="C"/><table:table-row>{cell("a")}</table:table-row>'), [("a", "One", 0, "A", "hidden")]),
        (sheet(f'<table:table-row>{cell("x", "table:style-name=" + chr(34) + "C" + chr(34))}</table:table-row>'), [("x", "One", 0, "A", "hidden")]),
        (sheet(f"<table:table-row>{cell('x')}</table:table-row>", "Two", "T"), [("x", "Two", 0, "A", "hidden")]),
        (sheet('<table:table-row><table:table-cell office:value-type="float" office:value="4111111111111111"><text:p>4E15</text:p></table:table-cell></table:table-row>'), [("4E15", "One", 0, "A", "visible"), ("4111111111111111", "One", 0, "A", "visible")]),
        (sheet("<table:table-row><table:table-cell><text:p>one</text:p><text:p>two</text:p></table:table-cell></table:table-row>"), [("one\ntwo", "One", 0, "A", "visible")]),
    ],
)  # fmt: skip
def test_sheets(table: str, expected: list[Any]) -> None:
    assert sorted(texts("spreadsheet", table, "part", "row", "column", "view")) == sorted(expected)


@pytest.mark.parametrize(
    ("attributes", "notice"),
    [
        ('table:formula="of:=WEBSERVICE(&quot;http://x&quot;)"', "formula-injection"),
        ('table:formula="of:=DDE(&quot;cmd&quot;;&quot;/C calc&quot;;&quot;A&quot;)"', "dde"),
        ('table:formula="of:=IF([.A1]=&quot;due&quot;;1;2)"', None),
    ],
)
def test_formulas_of_sheets(attributes: str, notice: str | None) -> None:
    found = texts("spreadsheet", sheet(f"<table:table-row>{cell('v', attributes)}</table:table-row>"), "view", "notice")
    assert [row[1:] for row in found if row[0] != "v"] == [("metadata", notice)]


def test_slides_notes_and_what_stands_beside() -> None:
    body = (
        "<draw:page><draw:frame><draw:text-box><text:p>one</text:p></draw:text-box></draw:frame>"
        '<draw:frame svg:x="40cm" svg:y="1cm" svg:width="3cm" svg:height="3cm"><draw:text-box><text:p>beside</text:p></draw:text-box></draw:frame>'
        "<presentation:notes><text:p>say hello</text:p></presentation:notes></draw:page>"
        '<draw:page draw:style-name="D"><text:p>two</text:p></draw:page>'
    )
    assert sorted(texts("presentation", body, "part", "view")) == [
        ("beside", "slide 1", "hidden"),
        ("one", "slide 1", "visible"),
        ("say hello", "notes 1", "comment"),
        ("two", "slide 2", "hidden"),
    ]


@pytest.mark.parametrize(
    ("body", "text", "notice"),
    [
        ('<office:event-listeners><script:event-listener xlink:href="vnd.sun.star.script:Standard.M.Go?location=document"/></office:event-listeners>', "vnd.sun.star.script:Standard.M.Go?location=document", "macro-call"),
        ("<text:p><text:script>alert(1)</text:script></text:p>", "alert(1)", "macro"),
        ('<office:dde-source office:dde-application="cmd" office:dde-topic="/c calc" office:dde-item="x"/>', "cmd|/c calc|x", "dde"),
        ('<office:dde-source office:dde-application="soffice" office:dde-topic="a.ods" office:dde-item="A1"/>', "soffice|a.ods|A1", "external-relation"),
        ('<draw:floating-frame xlink:href="http://evil.example/x"/>', "http://evil.example/x", "remote-template"),
        ('<text:section-source xlink:href="../other.odt"/>', "../other.odt", "external-relation"),
        ('<draw:image xlink:href="http://tracker.example/p.png"/>', "http://tracker.example/p.png", "external-relation"),
        ('<draw:object xlink:href="./Object 1"/>', None, None),
    ],
)  # fmt: skip
def test_what_runs_or_leads_outside(body: str, text: str | None, notice: str | None) -> None:
    assert texts("text", body, "notice") == ([(text, notice)] if text else [])


BASIC = '<script:module xmlns:script="s" script:name="M">Sub AutoOpen\nShell("calc")\nEnd Sub</script:module>'


def test_macros_objects_and_files() -> None:
    parts: dict[str, Any] = {
        "Basic..Standard..M__xml": BASIC,
        "Basic..Standard..script-lb__xml": '<!DOCTYPE library:library PUBLIC "-//x" "library.dtd"><library:library xmlns:library="l"/>',
        "Scripts..python..go__py": "import os",
        "Object 1..content__xml": "<math:math xmlns:math='m'><math:mtext>where x is a secret</math:mtext></math:math>",
        "Pictures..a__png": b"\x89PNG",
        "meta__xml": "<office:meta xmlns:office='o' xmlns:meta='m'><meta:user-defined meta:name='Case'>HX-1</meta:user-defined></office:meta>",
        "settings__xml": "<s><item>QUJDREVGR0g=</item><item>a setting that has words in it</item></s>",
    }
    data = opendocument("text", "<text:p>body</text:p>", **parts)
    blocks, gaps = read(data, ODT)
    assert gaps == []
    assert sorted(flat(blocks, "part", "notice"), key=str) == sorted(
        [
            ("body", "body", None),
            ('Sub AutoOpen\nShell("calc")\nEnd Sub', "macro M", "macro-suspicious"),
            ("Scripts/python/go.py", "scripts", "macro"),
            ("where x is a secret", "Object 1 body", None),
            ("HX-1", "properties", None),
            ("a setting that has words in it", "settings", None),
        ],
        key=str,
    )
    assert members(data, ODT) == {"Scripts/python/go.py": b"import os", "Pictures/a.png": b"\x89PNG"}


def test_encrypted_parts() -> None:
    data = opendocument("text", "<text:p>x</text:p>", **{"META-INF..manifest__xml": manifest("content.xml", "styles.xml")})
    blocks, gaps = read(data, ODT)
    assert flat(blocks, "notice") == [("the document is encrypted: 1 parts cannot be read", "encrypted-document")]
    assert reasons(gaps) == ["the document is encrypted: 1 parts cannot be read"]


def test_flat_xml_with_a_picture_in_it() -> None:
    picture = base64.b64encode(b"\x89PNG and more").decode()
    data = flat_xml(f"<text:p>body<draw:image><office:binary-data>{picture}</office:binary-data></draw:image></text:p>")
    assert flat(read(data, FLAT)[0], "part", "view") == [("body", "body", "visible")]
    assert members(data, FLAT) == {"object 1": b"\x89PNG and more"}


def test_files_in_flat_xml_that_are_damaged_or_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def file(text: str) -> str:
        return f"<draw:image><office:binary-data>{text}</office:binary-data></draw:image>"

    data = flat_xml(file("QUJD") + file("A") + file("QUJD" * 10))
    monkeypatch.setattr("veritensor_ray.formats.office.opendocument.odf_files._BYTES", 20)
    assert members(data, FLAT) == {"object 1": b"ABC"}
    assert [(gap.bound, gap.count) for gap in read(data, FLAT)[1]] == [("embedded_bytes", 1), (None, 1)]


def test_flat_xml_is_recognised_by_its_root() -> None:
    assert recognise(io.BytesIO((FILES / "letter.fodt").read_bytes()), ".fodt").kind == FLAT
    other = b"<?xml version='1.0'?><document><office/></document>"
    assert recognise(io.BytesIO(other), ".fodt").kind == Kind("text/xml", "utf-8")


@pytest.mark.parametrize("name", ["letter.odt", "letter.fodt"])
def test_a_text_of_libreoffice(name: str) -> None:
    blocks, gaps = read((FILES / name).read_bytes(), FLAT if name.endswith("fodt") else ODT)
    found = flat(blocks, "view", "column")
    assert gaps == []
    assert {
        ("Harbour office of Southport", "visible", None),
        ("Fees for moorings", "visible", None),
        ("Dear captain, the mooring fee is due in May.", "visible", None),
        (" (hidden by style)", "hidden", None),
        ("White words on a white page.", "hidden", None),
        ("Words of one point.", "hidden", None),
        ("White words on a dark ground.", "visible", None),
        ("Open from nine to five.", "visible", None),
        ("Is this number right?", "comment", None),
        ("the old fee of 900 crowns", "hidden", "deleted"),
        ("Text in a box.", "visible", None),
        ("A stamp", "metadata", "alt text"),
        ("HX-2041", "metadata", "Case"),
    } <= set(found)
    assert all(block.notice is None for block in blocks)


def test_sheets_and_slides_of_libreoffice() -> None:
    found = flat(read((FILES / "sheets.ods").read_bytes(), ODS)[0], "part", "row", "column", "view")
    assert {row for row in found if row[1] in ("Berths", "Secret") and row[2] is not None and row[4] != "metadata"} == {
        ("Captain", "Berths", 0, "A", "visible"),
        ("Hidden column", "Berths", 0, "B", "hidden"),
        ("Card", "Berths", 0, "C", "visible"),
        ("Ada Example", "Berths", 1, "A", "visible"),
        ("He never pays.", "Berths", 1, "A", "comment"),
        ("4111111111111111", "Berths", 1, "C", "visible"),
        ("White in a cell", "Berths", 1, "D", "hidden"),
        ("Hidden row", "Berths", 2, "A", "hidden"),
        ("#NAME?", "Berths", 6, "C", "visible"),
        ("On a hidden sheet", "Secret", 0, "A", "hidden"),
    }
    slides = flat(read((FILES / "slides.odp").read_bytes(), ODP)[0], "part", "view")
    assert {row for row in slides if row[2] != "metadata" and row[1] != "notes 0"} == {
        ("Boats of the year", "slide 1", "visible"),
        ("Words beside the slide", "slide 1", "hidden"),
        ("White on white", "slide 1", "visible"),  # grounds of slides are not looked up
        ("Say hello first.", "notes 1", "comment"),
        ("A hidden slide", "slide 2", "hidden"),
    }
