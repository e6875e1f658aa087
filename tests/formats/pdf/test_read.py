"""PDF: what is seen and what is not, and all that stands around the pages."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.actions import JavaScript
from reportlab.lib.colors import Color, black, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.cases import each
from tests.formats.pdf.building import FONT, packed_objects, pdf, stream, text, write
from tests.formats.reading import flat, members, read, reader_source, reasons, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.pdf import pages, pdf_document, pdf_library, pdf_objects
from veritensor_ray.formats.pdf import read as reader
from veritensor_ray.formats.pdf.read import read_pdf
from veritensor_ray.formats.recognition import sniff

KIND = Kind("application/pdf")
FILES = Path(__file__).parent / "files"


def views(data: bytes) -> dict[str, list[str]]:
    """Texts of the pages by their view."""
    found: dict[str, list[str]] = {}
    for block in read(data, KIND)[0]:
        if block.page is not None and block.column is None and not block.images:
            found.setdefault(block.view, []).extend(block.texts)
    return found


def rest(data: bytes) -> list[tuple[Any, ...]]:
    """Texts around the pages with column, page, view, notice."""
    return flat([block for block in read(data, KIND)[0] if block.column is not None], "column", "page", "view", "notice")


def images(data: bytes) -> list[tuple[int | None, str | None, tuple[int, int]]]:
    """Page, format and size of the pictures."""
    found = []
    for block in read(data, KIND)[0]:
        for one in block.images or ():
            picture = Image.open(io.BytesIO(one))
            found.append((block.page, picture.format, picture.size))
    return found


SEEN, UNSEEN = "This is seen.", "This is not seen."
GROUND = "0.1 0.1 0.3 rg 0 150 300 100 re f "
OFF = b"/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>"
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</Font<</F1 5 0 R>>>>"


@each(
    "data",
    [
        pdf(text(UNSEEN, before="3 Tr")),
        pdf(text(UNSEEN, before="1 g")),
        pdf(text(UNSEEN, before="0.99 1 0.99 rg")),
        pdf(text(UNSEEN, before="0 0 0 0 k")),
        pdf(GROUND.encode() + text(UNSEEN, before="0.1 0.1 0.32 rg")),
        pdf(text(UNSEEN) + GROUND.encode()),
        pdf(text(UNSEEN) + b"q 20 w 0 205 m 300 205 l S Q"),
        pdf(text(UNSEEN, size=0.5)),
        pdf(text(UNSEEN, before="0.05 0 0 0.05 19 190 cm")),
        pdf(text(UNSEEN, y=-100)),
        pdf(text(UNSEEN, x=400)),
        pdf(text(UNSEEN, y=280), page=b"/CropBox[0 0 300 260]"),
        pdf(text(UNSEEN, y=280), page=b"/CropBox[0 0 300 260]/Rotate 90"),
        pdf(text(UNSEEN, before="0 0 5 5 re W n")),
        pdf(text(UNSEEN, before="0 0 5 5 re W n 0 0 300 300 re W n")),
        pdf(text(UNSEEN, before="/G gs"), page=b"/Resources<</Font<</F1 5 0 R>>/ExtGState<</G<</ca 0>>>>>>"),
        pdf(text(UNSEEN, before="7 Tr")),
        pdf(b"/OC /P BDC " + text(UNSEEN) + b"EMC", b"<</Type/OCG/Name(L)>>", catalog=OFF, properties=b"/P 6 0 R"),
        pdf(b"/Fm Do", stream(text(UNSEEN, before="1 g"), FORM), forms=b"/Fm 6 0 R"),
        pdf(b"q 0.02 0 0 0.02 20 20 cm /Fm Do Q", stream(text(UNSEEN), FORM), forms=b"/Fm 6 0 R"),
        pdf(b"q 1 0 0 1 500 0 cm /Fm Do Q", stream(text(UNSEEN), FORM), forms=b"/Fm 6 0 R"),
        pdf(text(UNSEEN) + b"/Fm Do", stream(b"1 g 0 0 300 300 re f", FORM), forms=b"/Fm 6 0 R"),
        pdf(text(UNSEEN), b"<</Type/Annot/Subtype/Square/Rect[0 150 300 250]/C[0 0 0]/IC[0 0 0]/AP<</N 7 0 R>>>>",
            stream(b"0 g 0 0 300 100 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 300 100]"), page=b"/Annots[6 0 R]"),
    ],
)  # fmt: skip
def test_text_that_cannot_be_seen_is_hidden(data: bytes) -> None:
    assert views(data).get("hidden") == [UNSEEN] and "visible" not in views(data)


@each(
    "data",
    [
        pdf(text(SEEN)),
        pdf(text(SEEN, before="1 0 0 rg")),
        pdf(text(SEEN, before="0.8 g")),
        pdf(text(SEEN, before="1 Tr")),
        pdf(text(SEEN, size=4)),
        pdf(GROUND.encode() + text(SEEN, before="1 g")),
        pdf(b"1 g 0 0 300 300 re f 0 g " + text(SEEN)),
        pdf(text(SEEN) + b"q 0 150 300 100 re S Q"),
        pdf(text(SEEN) + b"q 1 0 0 rg 0 150 15 100 re f Q"),
        pdf(text(SEEN, before="0 150 300 100 re W n")),
        pdf(text(SEEN), page=b"/Rotate 270"),
        pdf(text(SEEN, x=-20, y=-20, before="1 0 0 1 100 100 cm")),
        pdf(text(SEEN, x=-150, y=-80), page=b"/MediaBox[-200 -100 100 200]"),
        pdf(b"/Fm Do", stream(text(SEEN), FORM), forms=b"/Fm 6 0 R"),
        pdf(b"/Fm Do", stream(text(SEEN), FORM + b"/Group<</S/Transparency>>"), forms=b"/Fm 6 0 R"),
        pdf(b"/OC /P BDC " + text(SEEN) + b"EMC", b"<</Type/OCG/Name(L)>>", catalog=OFF.replace(b"OFF", b"ON"), properties=b"/P 6 0 R"),
        pdf(text(SEEN), b"<</Type/Annot/Subtype/Highlight/Rect[0 150 300 250]/C[1 1 0]>>", page=b"/Annots[6 0 R]"),
    ],
)  # fmt: skip
def test_text_that_can_be_seen_is_visible(data: bytes) -> None:
    assert views(data) == {"visible": [SEEN]}


def test_stretches_lead_back_to_the_text_of_the_page() -> None:
    hidden = text("one two", x=20, before="3 Tr") + text("three", x=150, before="3 Tr")
    data = pdf(text("First.", y=250) + hidden + text("Middle.", y=150) + text("four", y=100, before="1 g") + text("Last.", y=50))
    blocks = [block for block in read(data, KIND)[0] if block.page]
    visible, unseen = blocks
    assert visible.texts == ["First.\r\nMiddle.\r\nLast."]
    assert list(unseen.texts) == ["one two three", "four"] and isinstance(unseen.start, list) and visible.origins
    whole = "First.\r\none two three\r\nMiddle.\r\nfour\r\nLast."
    assert [whole[start:][: len(word)] for start, word in zip(unseen.start, unseen.texts, strict=True)] == list(unseen.texts)
    ends = [origin.at for origin in visible.origins[0][1:]] + [len(visible.texts[0])]
    for origin, end in zip(visible.origins[0], ends, strict=True):
        assert visible.texts[0][origin.at : end] == whole[origin.start : origin.end]


def test_hidden_text_over_a_seen_one_does_not_borrow_its_pixels() -> None:
    under = b"0.5 g 0 0 300 300 re f "
    data = pdf(under + text("seen", before="0.52 0.9 0.5 rg") + text("not", before="0.5 g") + text("over", x=21, before="0.51 g"))
    assert views(data) == {"visible": ["seen"], "hidden": ["not\r\nover"]} or views(data)["visible"][0].startswith("seen")


CMAP = b"begincmap 1 begincodespacerange<00><ff>endcodespacerange 2 beginbfchar<61><DB40DC41><62><D83DDE00>endbfchar endcmap"


def test_characters_beyond_the_first_plane_are_one_each() -> None:
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R>>"
    page = b"/Resources<</Font<</F1 5 0 R/F2 6 0 R>>>>"
    secret = text("abab", x=60, before="3 Tr").replace(b"F1", b"F2")
    data = pdf(text("Hi", x=20) + secret + text("you", x=130), font, stream(CMAP), page=page)
    visible, hidden = (block for block in read(data, KIND)[0] if block.page)
    assert list(hidden.texts) == ["\U000e0041\U0001f600\U000e0041\U0001f600"] and hidden.start == [3]
    assert visible.origins and visible.origins[0][-1].start == 7


SCRIPT = "app.launchURL('https://example.org/x', true);"
JS = b"<</S/JavaScript/JS(%b)>>" % SCRIPT.replace("(", "\\(").replace(")", "\\)").encode()
SIXTEEN = b"<</S/JavaScript/JS<FEFF%b>>>" % SCRIPT.encode("utf-16-be").hex().encode()


@each(
    ("data", "page"),
    [
        (pdf(catalog=b"/OpenAction" + JS), None),
        (pdf(catalog=b"/OpenAction" + SIXTEEN), None),
        (pdf(b"", JS, catalog=b"/Names<</JavaScript<</Names[(a)6 0 R]>>>>"), None),
        (pdf(b"", JS, catalog=b"/AA<</WC 6 0 R>>"), None),
        (pdf(page=b"/AA<</O" + JS + b">>"), 1),
        (pdf(b"", b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A" + JS + b">>", page=b"/Annots[6 0 R]"), 1),
        (pdf(b"", b"[7 0 R]", b"<</Type/Annot/Subtype/Screen/Rect[0 0 9 9]/A" + JS + b">>", page=b"/Annots 6 0 R"), 1),
        (pdf(b"", stream(SCRIPT.encode(), packed=True), catalog=b"/OpenAction<</S/JavaScript/JS 6 0 R>>"), None),
        (pdf(b"", stream(SCRIPT.encode()), catalog=b"/OpenAction<</S/JavaScript/JS 6 0 R>>"), None),
        (pdf(b"", JS[JS.index(b"("):-2], catalog=b"/OpenAction<</S/JavaScript/JS 6 0 R>>"), None),
        (pdf(catalog=b"/OpenAction" + JS.replace(b"/JS(", b"/#4A#53 (").replace(b"JavaScript", b"Java#53cript")), None),
        (pdf(catalog=b"/OpenAction" + JS.replace(b"/JS(", b"/JS\n\x00 (")), None),
        (pdf(b"", packed_objects([7], [JS]), catalog=b"/OpenAction 7 0 R"), None),
        (pdf(b"", stream(b"7 0 " + JS, b"/Type/ObjStm/N 1/First 4"), catalog=b"/OpenAction 7 0 R"), None),
        (b"junk " * 20 + pdf(catalog=b"/OpenAction" + JS), None),
    ],
)  # fmt: skip
def test_scripts(data: bytes, page: int | None) -> None:
    found = [(text, row[1]) for text, *row in rest(data) if row[3] == "pdf-javascript"]
    assert found == [(SCRIPT, page)]


def test_a_script_in_what_pretends_to_be_a_stream() -> None:
    data = pdf(b"", b"<</Contents(<</Length 200>>stream\n)>>", JS, b"(endstream)", catalog=b"/OpenAction 7 0 R")
    assert any(notice == "pdf-javascript" for *_, notice in rest(data))


def test_formulas_of_form_fields_are_no_finding() -> None:
    data = pdf(page=b'/AA<</O<</S/JavaScript/JS(AFNumber_Format\\(2, 0, 0, 0, "", true\\);)>>>>')
    assert [(text, notice) for text, column, _, _, notice in rest(data) if column == "object 3.JS"] == [
        ('AFNumber_Format(2, 0, 0, 0, "", true);', None)
    ]


def test_a_long_script_is_read_to_its_end() -> None:
    rows = rest(pdf(b"", stream(b"x" * 9000 + b"end"), catalog=b"/OpenAction<</S/JavaScript/JS 6 0 R>>"))
    assert [(len(text), notice) for text, *_, notice in rows] == [(4000, "pdf-javascript"), (5003, None)]


@pytest.mark.parametrize(
    ("action", "notice", "shown"),
    [
        (b"/S/Launch/F(calc.exe)", "pdf-launch", "calc.exe"),
        (b"/S /Launch /Win<</F(cmd.exe)/P(/c dir)>>", "pdf-launch", "cmd.exe"),
        (b"/S/SubmitForm/F<</FS/URL/F(https://example.org/in)>>", "pdf-form-data", "https://example.org/in"),
        (b"/S/ImportData/F(x.fdf)", "pdf-form-data", "x.fdf"),
        (b"/S/GoToR/F(\\\\\\\\host\\\\share\\\\a.pdf)/D[0/Fit]", "pdf-other-document", "share"),
        (b"/S/GoToE/T<</R/C/N(a.pdf)>>", "pdf-other-document", "a.pdf"),
        (b"/S/Rendition/OP 0", "pdf-media", "Rendition"),
    ],
)
def test_actions(action: bytes, notice: str, shown: str) -> None:
    data = pdf(b"", b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<<" + action + b">>>>", page=b"/Annots[6 0 R]")
    assert [(shown in text, page) for text, _, page, _, found in rest(data) if found == notice] == [(True, 1)]


def test_ordinary_links_are_no_finding() -> None:
    link = b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://example.org/)>>>>"
    data = pdf(b"", link, b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/GoTo/D(chapter.1)>>>>", page=b"/Annots[6 0 R 7 0 R]")
    assert rest(data) == [("https://example.org/", "URI", 1, "metadata", None)]


FIELD = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/TU(Your name)/V(Ann (the second) \\101\\\nB)/Rect[0 0 9 9]>>"


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (pdf(b"", FIELD, page=b"/Annots[6 0 R]"), ("Ann (the second) AB", "V", 1, "metadata", None)),
        (pdf(b"", FIELD, page=b"/Annots[6 0 R]"), ("Your name", "TU", 1, "comment", None)),
        (pdf(b"", b"<</Subtype/Text/Contents(\xfe\xff\x65\x70\x63\x6e)>>", page=b"/Annots[6 0 R]"), ("数据", "Contents", 1, "comment", None)),
        (pdf(b"", b"<</Title(Chapter)/Parent 1 0 R>>"), ("Chapter", "object 6.Title", None, "metadata", None)),
        (pdf(b"", b"<</Title(T)/Company(Acme Ltd)>>", trailer=b"/Info 6 0 R"), ("Acme Ltd", "object 6.Company", None, "metadata", None)),
        (pdf(b"", stream("<?xpacket?><x a:b='y'><dc:title>Größe &amp; more</dc:title></x>".encode(), b"/Type/Metadata")), ("Größe & more", "object 6.dc:title", None, "metadata", None)),
        (pdf(b"", b"<</S/Figure/Alt(A picture of a cat)>>"), ("A picture of a cat", "object 6.Alt", None, "metadata", None)),
        (pdf(b"", b"<</Opt[(One) (Two words)]>>"), ("Two words", "object 6.Opt", None, "metadata", None)),
    ],
)  # fmt: skip
def test_texts_around_the_pages(data: bytes, row: tuple[Any, ...]) -> None:
    assert row in rest(data)


def test_the_encoding_of_strings() -> None:
    data = pdf(
        b"", b"<</Contents(\x8dquoted\x8e \x80 \xe9)/T<c3a9>/Subj<FFFE6100>/RC(\xef\xbb\xbf\xc3\xa9t\xc3\xa9)>>", page=b"/Annots[6 0 R]"
    )
    assert [row[0] for row in rest(data)] == ["“quoted” • é", "Ã©", "a", "été"]


def test_the_text_that_annotations_are_drawn_with() -> None:
    drawn = stream(text("Drawn over it.", 5, 5), FORM.replace(b"300 300", b"200 30"))
    note = b"<</Type/Annot/Subtype/FreeText/Contents(Said)/F 4/Rect[20 240 220 270]/AP<</N 7 0 R>>>>"
    data = pdf(text(SEEN) + text("More.", y=100), note, drawn, page=b"/Annots[6 0 R]")
    assert views(data) == {"visible": [SEEN + "\r\nMore."]}
    assert ("Drawn over it.", "annotations", 1, "visible", None) in rest(data) and ("Said", "Contents", 1, "comment", None) in rest(data)


def test_attachments() -> None:
    files = b"<</Type/Filespec/F(a.txt)/UF(b \\(1\\).txt)/EF<</F 7 0 R>>>>"
    data = pdf(
        b"",
        files,
        stream(b"attached", b"/Type/EmbeddedFile", packed=True),
        b"<</Subtype/FileAttachment/Rect[0 0 9 9]/FS<</F(c.bin)/EF<</F 9 0 R>>>>>>",
        stream(b"pinned"),
        b"<</F(gone.txt)/EF<</F 99 0 R>>>>",
        stream(b"stray", b"/Type/EmbeddedFile"),
        stream(b"AAAA", b"/Type/EmbeddedFile/Filter/LZWDecode"),
        catalog=b"/Names<</EmbeddedFiles<</Names[(x)6 0 R]>>>>",
        page=b"/Annots[8 0 R]",
    )
    assert members(data, KIND) == {"b (1).txt": b"attached", "c.bin": b"pinned", "object 11": b"stray"}
    assert sorted((gap.reason, gap.member) for gap in read(data, KIND)[1]) == [
        ("the attachment cannot be unpacked", "object 12"),
        ("the attachment is missing", "gone.txt"),
    ]


def test_forms_in_xml_are_members() -> None:
    data = pdf(b"", stream(b"<template/>"), stream(b"<data/>"), catalog=b"/AcroForm<</XFA[(template)6 0 R(data)7 0 R]>>")
    assert members(data, KIND) == {"xfa 6.xml": b"<template/>", "xfa 7.xml": b"<data/>"}


def test_an_attachment_of_pypdf_and_one_that_inflates() -> None:
    writer = PdfWriter(clone_from=io.BytesIO(pdf(text(SEEN))))
    writer.add_attachment("notes.txt", b"from pypdf")
    writer.add_open_action(JavaScript(SCRIPT))
    out = io.BytesIO()
    writer.write(out)
    assert members(out.getvalue(), KIND) == {"notes.txt": b"from pypdf"}
    assert "pdf-javascript" in [row[-1] for row in rest(out.getvalue())]
    bomb = pdf(b"", stream(bytes(30_000_000), b"/Type/EmbeddedFile", packed=True))
    [file] = [item.file for item in read_pdf(reader_source(bomb, KIND)) if isinstance(item, Member)]
    assert len(file.read(1000)) == 1000


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_encrypted_documents(algorithm: str) -> None:
    hidden = pdf(text(SEEN), JS, stream(b"attached", b"/Type/EmbeddedFile"), catalog=b"/OpenAction 6 0 R/AF[<</UF(a)/EF<</F 7 0 R>>>>]")
    for password, opens in (("", True), ("secret", False)):
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(hidden)))
        writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
        out = io.BytesIO()
        writer.write(out)
        rows = [(text, notice) for text, *_, notice in rest(out.getvalue()) if notice]
        if opens:
            assert rows == [(SCRIPT, "pdf-javascript")] and members(out.getvalue(), KIND) == {"a": b"attached"}
            assert views(out.getvalue()) == {"visible": [SEEN]}
        else:
            assert [notice for _, notice in rows] == ["encrypted-document"]
            assert reasons(read(out.getvalue(), KIND)[1]) == ["the document is encrypted with a password"]


def test_files_of_libreoffice() -> None:
    shown = "The roses by the gate were cut back in March.\r\nAsk the office for seeds.\r\nWhite on blue is seen."
    unseen = ["This white sentence is not \r\nseen.", "A sentence of one point."]
    for name in ("garden.pdf", "locked.pdf"):
        data = (FILES / name).read_bytes()
        assert views(data) == {"visible": [shown, "The second page has a picture."], "hidden": unseen}
        rows = rest(data)
        assert ("https://example.org/garden", "URI", 1, "metadata", None) in rows
        assert ("Check this address.", "Contents", 1, "comment", None) in rows
        assert "Garden report" in [row[0] for row in rows] and not any(row[-1] for row in rows)
        assert images(data) == [(2, "JPEG", (120, 90))]
        assert read(data, KIND)[1] == []
    assert [gap.reason for gap in read((FILES / "secret.pdf").read_bytes(), KIND)[1]] == ["the document is encrypted with a password"]


def scan(stamp: str = "", layer: str = "", colour: Color = black) -> bytes:
    """A page that is a picture, with what reportlab writes over it."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    picture = Image.effect_noise((400, 560), 60)
    canvas.drawImage(ImageReader(picture), 0, 0, *A4)
    if layer:
        words = canvas.beginText(50, 400)
        words.setTextRenderMode(3)
        words.textLine(layer)
        canvas.drawText(words)
    if stamp:
        canvas.setFillColor(colour)
        canvas.setFont("Helvetica-Bold", 30)
        canvas.drawString(50, 300, stamp)
    canvas.save()
    return out.getvalue()


def test_scanned_pages_become_pictures() -> None:
    size = (1240, 1754)
    assert images(scan()) == [(1, "JPEG", size)] and views(scan()) == {}
    assert images(scan(layer="read by a machine")) == [(1, "JPEG", size)]
    assert views(scan(layer="read by a machine")) == {"hidden": ["read by a machine"]}
    assert images(scan(stamp="PAID", colour=black)) == [(1, "JPEG", size)]
    assert images(pdf(text("Little."))) == [] and images(pdf()) == [] and images(pdf(b"1 g 0 0 300 300 re f")) == []
    assert images(pdf(b"0 g 10 10 50 50 re f")) == [(1, "JPEG", (625, 625))]


def test_text_over_a_picture_is_looked_at() -> None:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    canvas.drawImage(ImageReader(Image.new("RGB", (100, 100), "white")), 0, 0, *A4)
    canvas.setFillColor(white)
    canvas.drawString(50, 700, "white on a white picture")
    canvas.setFillColor(black)
    canvas.drawString(50, 600, "black on a white picture, long enough to be a text")
    canvas.drawImage(ImageReader(Image.new("RGB", (64, 64), "red")), 40, 500, 300, 50)
    canvas.drawString(50, 400, "and more")
    canvas.save()
    found = views(out.getvalue())
    assert found["hidden"] == ["white on a white picture"] and "black on" in found["visible"][0]


def test_pictures_on_pages_with_text_are_taken_once() -> None:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    big, small = Image.effect_noise((80, 90), 50), Image.effect_noise((20, 20), 50)
    photo = io.BytesIO()
    Image.effect_noise((100, 70), 50).save(photo, "JPEG")
    for number in range(3):
        canvas.drawString(50, 700, "A page with enough text on it, that nobody takes for a scan.")
        canvas.drawImage(ImageReader(big), 50, 500)
        canvas.drawImage(ImageReader(small), 50, 400)
        if number == 1:
            photo.seek(0)
            canvas.drawImage(ImageReader(photo), 50, 300)
        canvas.showPage()
    canvas.save()
    assert images(out.getvalue()) == [(1, "PNG", (80, 90)), (2, "JPEG", (100, 70))]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_RENDERED_PAGES", "_COMPARED_PAGES", "_PICTURES"):
        monkeypatch.setattr(pages, name, 0)
    doubtful = pdf(text(UNSEEN, before="1 g"))
    assert [gap.bound for gap in read(scan(), KIND)[1]] == ["pdf_rendered_pages"]
    assert [gap.bound for gap in read(doubtful, KIND)[1]] == ["pdf_compared_pages"] and views(doubtful) == {"visible": [UNSEEN]}
    assert [gap.bound for gap in read((FILES / "garden.pdf").read_bytes(), KIND)[1]] == ["pdf_compared_pages", "pdf_pictures"]
    monkeypatch.setattr(pdf_objects, "_MOST_BYTES", 100)
    assert [gap.bound for gap in read(pdf(text(SEEN)), KIND)[1]] == ["pdf_object_bytes"]
    monkeypatch.setattr(reader, "_MOST_PAGES", 1)
    assert "pdf_pages" in [gap.bound for gap in read((FILES / "garden.pdf").read_bytes(), KIND)[1]]


def test_windows_cut_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (FILES / "garden.pdf").read_bytes() + pdf(b"x" * 500, stream(b"attached" * 50, b"/Type/EmbeddedFile"), JS)
    whole = pdf_objects.find_objects(io.BytesIO(data), Budget(Limits(), len(data)))
    for size in (1000, 1500, 4096, 5003):
        monkeypatch.setattr(pdf_objects, "_WINDOW", size)
        found = pdf_objects.find_objects(io.BytesIO(data), Budget(Limits(), len(data)))
        assert SCRIPT.replace("(", "\\(").replace(")", "\\)").encode() in found.text
        assert {k: (v.offset, v.length) for k, v in found.streams.items()} == {k: (v.offset, v.length) for k, v in whole.streams.items()}


def test_a_document_that_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (FILES / "garden.pdf").read_bytes()
    expected = [(block.texts, block.view) for block in read(data, KIND)[0]]
    monkeypatch.setattr(pdf_library, "IN_MEMORY", 1000)
    monkeypatch.setattr(reader, "_PAGES_AT_ONCE", 1)
    assert [(block.texts, block.view) for block in read(data, KIND)[0]] == expected
    with pytest.raises(LimitExceeded) as caught:

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        source = reader_source(b"", KIND)
        object.__setattr__(source, "file", Pipe(data))
        list(read_pdf(source))
    assert caught.value.bound == "pdf_bytes"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"%PDF-1.7\n" + bytes(1000), b"not a PDF at all"])
def test_what_is_no_pdf(data: bytes) -> None:
    with pytest.raises(ReadError, match="not a PDF"):
        read(data, KIND)


def test_scripts_are_found_where_pdfium_sees_no_document() -> None:
    data = pdf(catalog=b"/OpenAction" + JS).replace(b"/Kids[3 0 R]/Count 1", b"/Kids[]/Count 0")
    (blocks, _), _ = until_error(reader_source(data, KIND), ReadError)
    assert SCRIPT in flat(blocks)


def test_a_pdf_behind_other_bytes_is_one() -> None:
    data = bytes(range(256)) + pdf(text(SEEN))
    assert sniff(data, "").media_type == "application/pdf" and views(data) == {"visible": [SEEN]}
    assert members(data, KIND) == {"bytes 0-256": bytes(range(256))}
    blank = b"\xef\xbb\xbf\n \x00\r\n" + pdf(text(SEEN))
    assert views(blank) == {"visible": [SEEN]} and members(blank, KIND) == {}


LOOP = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 3 0 R 2 0 R]/Count 3>>", b"<</Type/Pages/Kids[2 0 R]/Count 9>>"]


@pytest.mark.parametrize(
    "data",
    [
        write(LOOP),
        write([LOOP[0], b"<</Type/Pages/Kids[3 0 R]/Count 1000000>>", b"<</Type/Page/MediaBox[0 0 9 9]>>"]),
        pdf(b"0 0 10 10 re f", page=b"/MediaBox[0 0 1e9 1e9]"),
        pdf(b"0 0 10 10 re f", page=b"/MediaBox[0 0 0 0]"),
        pdf(b"0 0 10 10 re f", page=b"/UserUnit 1000000"),
        pdf(b"/Fm Do", stream(b"/Fm Do", FORM + b"/Resources<</XObject<</Fm 6 0 R>>>>"), forms=b"/Fm 6 0 R"),
        pdf(text(UNSEEN, before="1e30 0 0 1e30 0 0 cm") + text(UNSEEN, before="0 0 0 0 0 0 cm") + text(SEEN)),
        pdf(text("a", before="1 g") * 3000),
        pdf(b"0 0 5 5 re f " * 20_000 + text(SEEN)),
        pdf(text(SEEN) * 500 + b"0 0 300 300 re f " * 3000),
        pdf(text(SEEN), *[b"(" * 50_000] * 3),
        pdf(text(SEEN), b"/Kids[" * 50_000 + b"/EF<<" * 50_000 + b"/Annots[" * 50_000),
        pdf(text(SEEN), b"<</JS 6 0 R>>" * 20_000),
        pdf(text(SEEN), b"<a" * 100_000 + b"/JS" * 50_000),
        pdf(text(SEEN), b">>stream\n" * 100_000),
        pdf(text(SEEN), b"1 0 obj" * 100_000),
        pdf(text(SEEN), stream(bytes(50_000_000), b"/Type/ObjStm/N 99999999/First 10", packed=True)),
        pdf(text(SEEN), stream(b"9 9 " * 100_000, b"/Type/ObjStm/N 99999/First 300000")),
        pdf(b"q " * 100_000 + text(SEEN)),
        pdf(text(SEEN), stream(b"<" * 100_000 + b"a:b" * 100_000, b"/Type/Metadata")),
    ],
)  # fmt: skip
def test_hostile_documents(data: bytes) -> None:
    try:
        blocks, gaps = read(data, KIND)
    except ReadError:
        return
    assert len(blocks) < 3000 and len(gaps) < 20


@pytest.mark.parametrize("name", ["garden.pdf", "locked.pdf", "built"])
def test_damage_raises_nothing_else(name: str) -> None:
    built = pdf(
        text(SEEN) + text(UNSEEN, before="3 Tr"),
        packed_objects([8], [JS]),
        stream(b"x", b"/Type/EmbeddedFile"),
        catalog=b"/OpenAction 8 0 R",
    )
    data = built if name == "built" else (FILES / name).read_bytes()
    chance = random.Random(3)
    damaged = [data[:i] for i in range(0, len(data), len(data) // 40)]
    for _ in range(80):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 10, 100))):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        damaged.append(bytes(changed))
    for some in damaged:
        try:
            for item in read_pdf(reader_source(some, KIND)):
                assert isinstance(item, (Block, Gap, Member))
                if isinstance(item, Member):
                    item.file.read()
        except ReadError:
            pass


def test_a_broken_page_is_a_gap() -> None:
    data = write([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R 9 0 R]/Count 2>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>", stream(text("On page one.", y=50)), FONT])  # fmt: skip
    assert views(data) == {"visible": ["On page one."]}
    assert [(gap.reason, gap.location) for gap in read(data, KIND)[1]] == [("the page cannot be read", "page 2")]


def test_strings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_document, "_MOST_STRINGS", 5)
    data = pdf(text(SEEN), *[b"<</Title(number %d)>>" % number for number in range(20)])
    assert [gap.bound for gap in read(data, KIND)[1]] == ["pdf_object_bytes"]
