"""PDF files are rewritten without what was found; everything else looks and says what it did, or the file is held."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pikepdf
import pypdfium2
import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas

from bench.pdf_cleaning import WAYS, left_in, looks_alike, matplotlib_file, plant, reportlab_file
from tests.cleaning.marked import rewritten
from tests.formats.archives.ar.test_read import row_of
from tests.formats.editing.ordering import cleaned, covering, order
from tests.formats.pdf.building import FONT, pdf, stream, text, write
from tests.formats.pdf.test_read import FILES, KIND
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.core.media_types import PDF
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Order, Unit
from veritensor_ray.formats.pdf import rewrite
from veritensor_ray.formats.pdf.rewrite import rewrite_pdf
from veritensor_ray.testing import RewriterContract, SampleDocument

CARD, ACCOUNT, MAIL = "4929 4212 3456 7897", "DE89 3704 0044 0532 0130 00", "ada.lindqvist@kaldor-mail.com"
LINE = f"Paid with {CARD} today"
PAGE = Unit(page=1)


def titled(words: bytes) -> bytes:
    """A file with two lines of text and a title."""
    return pdf(text("first words") + text("second words", y=150), b"<</Title(%b)>>" % words, trailer=b"/Info 6 0 R")


class TestRewritingPdf(RewriterContract):
    row = row_of(PDF)
    documents = (SampleDocument(titled(b"a name")),)
    other_bytes = None


def drawn(data: bytes, page: int = 0) -> str:
    """The text of a page, as PDFium extracts it."""
    document = pypdfium2.PdfDocument(data)
    found: str = document[page].get_textpage().get_text_bounded()
    document.close()
    return " ".join(found.split())


def titles(reader: PdfReader) -> list[str]:
    """The bookmarks of a file."""
    outline: Any = reader.outline
    return [str(one.title) for one in outline]


def masked(data: bytes, start: int, words: str, mask: str = "[X]", **about: Any) -> bytes:
    """The file without words of its first page."""
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, start, start + len(words), words, **about)], mask)
    assert not orders.undone
    return done


@pytest.mark.parametrize("way", WAYS)
def test_a_value_goes_however_it_is_written(way: str) -> None:
    data, page = plant((FILES / "garden.pdf").read_bytes(), way, LINE, 9)
    done = rewritten(data, "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert done.data is not None
    assert not left_in(done.data, CARD)
    assert "Paid with [PAYMENT_CARD] today" in drawn(done.data, page), "the mask stands where the value was"
    assert looks_alike(data, done.data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: reportlab_file(LINE, subset=False),
        lambda: reportlab_file(LINE, subset=True),
        lambda: matplotlib_file(LINE, 3),
        lambda: matplotlib_file(LINE, 42),
    ],
    ids=["standard font, field, bookmark, title", "subset", "Type 3", "Type 42"],
)
def test_files_of_libraries_lose_a_value_wherever_it_is(make: Callable[[], bytes]) -> None:
    data = make()
    done = rewritten(data, "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert done.data is not None
    assert not left_in(done.data, CARD)
    reader, old = PdfReader(io.BytesIO(done.data)), PdfReader(io.BytesIO(data))
    assert titles(reader) == [one.replace(CARD, "[PAYMENT_CARD]") for one in titles(old)]
    assert {name: one["/V"] for name, one in (reader.get_fields() or {}).items()} == dict.fromkeys(
        old.get_fields() or {}, LINE.replace(CARD, "[PAYMENT_CARD]")
    )


# What stands around the pages


@pytest.mark.parametrize(
    ("data", "column", "page", "value"),
    [
        (titled(b"a name"), "object 6.Title", None, "a name"),
        (titled(b"a name (with) brackets"), "object 6.Title", None, "a name (with) brackets"),
        (pdf(page=b"/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(a name)>>]"), "Contents", 1, "a name"),
        (pdf(page=b"/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(mailto:a name)>>>>]"), "URI", 1, "mailto:a name"),
        (pdf(b"", b"<</S/Figure/Alt(a name)/ActualText(other)>>", catalog=b"/StructTreeRoot 6 0 R"), "object 6.Alt", None, "a name"),
        (pdf(b"", b"(mailto:a name)", b"<</S/URI/URI 6 0 R>>", catalog=b"/OpenAction 7 0 R"), "object 6", None, "mailto:a name"),
        (
            pdf(
                b"",
                stream(b"<x:xmpmeta xmlns:x='a'><dc:title>a name</dc:title></x:xmpmeta>", b"/Type/Metadata"),
                catalog=b"/Metadata 6 0 R",
            ),
            "object 6.dc:title",
            None,
            "a name",
        ),
        (
            pdf(b"", stream(b"app.alert('a name')"), b"<</S/JavaScript/JS 6 0 R>>", catalog=b"/OpenAction 7 0 R"),
            "object 6.JS",
            None,
            "app.alert('a name')",
        ),
    ],
    ids=["title", "brackets", "comment", "link", "alternative text", "string of its own", "properties", "script"],
)
def test_texts_around_the_pages_change(data: bytes, column: str, page: int | None, value: str) -> None:
    unit, at = Unit(page=page, column=column), value.index("name")
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(unit, at, at + 4, "name")], "NEW")
    assert not orders.undone
    with pikepdf.open(io.BytesIO(done)) as opened:
        whole = b"".join(one.read_bytes() if isinstance(one, pikepdf.Stream) else one.unparse(resolved=True) for one in opened.objects)
    assert value.replace("name", "NEW").encode() in whole.replace(b"\\", b"")
    assert b"name" not in whole.replace(b"/Fontname", b"")


def test_two_bookmarks_of_one_name_both_change() -> None:
    outlines = (
        b"<</First 7 0 R/Last 8 0 R>>",
        b"<</Title(a name)/Parent 6 0 R/Next 8 0 R>>",
        b"<</Title(a name)/Parent 6 0 R/Prev 7 0 R>>",
    )
    done, _ = cleaned(
        rewrite_pdf, pdf(b"", *outlines, catalog=b"/Outlines 6 0 R"), KIND, [covering("a name", Unit(column="object 7.Title"))]
    )
    assert titles(PdfReader(io.BytesIO(done))) == ["[X]", "[X]"]


def test_an_earlier_revision_goes() -> None:
    old = titled(b"write to " + MAIL.encode())
    new = old + b"\n6 0 obj\n<</Title(nothing)>>\nendobj\ntrailer<</Size 7/Root 1 0 R/Info 6 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
    at = len(old) + 1
    table = b"xref\n6 1\n%010d 00000 n \n" % at
    body = old + b"\n6 0 obj\n<</Title(nothing)>>\nendobj\n"
    first = int(old.rpartition(b"startxref\n")[2].split()[0])
    new = body + table + b"trailer<</Size 7/Root 1 0 R/Info 6 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (first, len(body))
    done = rewritten(new, "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert done.data is not None
    assert MAIL.encode() not in done.data
    assert PdfReader(io.BytesIO(done.data)).metadata == {"/Title": "nothing"}


def test_a_file_inside_is_rewritten_as_its_format() -> None:
    writer = PdfWriter(clone_from=io.BytesIO(pdf(text("words"))))
    writer.add_attachment("list.csv", f"name,mail\nAda,{MAIL}\n".encode())
    out = io.BytesIO()
    writer.write(out)
    done = rewritten(out.getvalue(), "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert PdfReader(io.BytesIO(done.data or b"")).attachments["list.csv"] == [b"name,mail\nAda,[EMAIL]\n"]


def test_attachments_go_by_policy() -> None:
    file = b"<</Type/Filespec/F(a.txt)/EF<</F 7 0 R>>>>"
    note = b"/Annots[<</Type/Annot/Subtype/FileAttachment/Rect[0 0 9 9]/FS 6 0 R>>]"
    names = b"/Names<</EmbeddedFiles<</Names[(a.txt)6 0 R]>>>>"
    data = pdf(text("words"), file, stream(f"pay with {CARD}".encode(), b"/Type/EmbeddedFile"), page=note, catalog=names)
    done = rewritten(data, "letter.pdf", CleanPolicy.model_validate({"strip": ["attachments"]}))
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert not left_in(done.data or b"", "pay with")
    assert PdfReader(io.BytesIO(done.data or b"")).attachments == {}
    assert {"rule": "clean.attachments", "action": "strip", "count": 1} in done.cleaned.actions


def test_a_signature_is_said_to_be_invalid() -> None:
    signature = b"<</Type/Sig/Filter/A/ByteRange[0 1 2 3]/Contents<%b>/Cert(%b)>>" % (
        f"signed by {CARD}".encode().hex().encode(),
        CARD.encode(),
    )
    data = pdf(text(LINE), signature, b"<</FT/Sig/V 6 0 R/T(s)>>", catalog=b"/AcroForm<</Fields[7 0 R]>>")
    done = rewritten(data, "letter.pdf")
    assert {"rule": "clean.signature", "action": "invalid", "count": 1} in done.cleaned.actions
    assert not left_in(done.data or b"", CARD), "certificates go with the signature"


@pytest.mark.parametrize(
    ("kind", "data", "gone"),
    [
        (Strippable.METADATA, titled(b"a name"), b"a name"),
        (Strippable.METADATA, pdf(text("words"), stream(b"<x>packet</x>", b"/Type/Metadata"), catalog=b"/Metadata 6 0 R"), b"packet"),
        (Strippable.MACROS, pdf(text("words"), catalog=b"/OpenAction<</S/JavaScript/JS(app.alert)>>"), b"alert"),
        (Strippable.MACROS, pdf(text("words"), b"<</S/Launch/F(calc.exe)>>", b"7", catalog=b"/AA<</WC 6 0 R>>/X 7 0 R"), b"calc"),
        (
            Strippable.MACROS,
            pdf(text("words"), b"<</S/JavaScript/JS(alert)>>", catalog=b"/Names<</JavaScript<</Names[(a)6 0 R]>>>>"),
            b"alert",
        ),
    ],
)
def test_what_the_policy_strips_goes(kind: Strippable, data: bytes, gone: bytes) -> None:
    done, orders = cleaned(rewrite_pdf, data, KIND, [], strip=[kind])
    assert orders.account.counts == {(f"clean.{kind.value}", "strip"): 1}
    assert gone in data
    assert gone not in done
    assert drawn(done) == drawn(data)
    assert cleaned(rewrite_pdf, done, KIND, [], strip=[kind])[0] == done, "nothing is left to strip"


# Pages


def test_the_rest_of_a_line_stays_where_it_is() -> None:
    content = b"BT /F1 12 Tf 3 Tw 1 Tc 80 Tz 2 Ts 20 200 Td (abc secret def) Tj (ghi) Tj 14 TL (next) ' 1 2 (last secret one) \" ET"
    data = pdf(content)
    at = drawn(data).index("secret")
    done = masked(data, at, "secret", "")
    assert drawn(done) == "abc def ghi next last secret one".replace("def ghi", "defghi")
    one, other = (pypdfium2.PdfDocument(given)[0].render(scale=4).to_numpy() for given in (data, done))
    rows, columns = np.nonzero((one != other).any(axis=2))
    assert columns.max() - columns.min() < 6 * 12 * 4
    assert rows.max() - rows.min() < 12 * 4


def test_a_form_that_two_pages_draw_loses_what_both_show() -> None:
    canvas_out = io.BytesIO()
    canvas = Canvas(canvas_out)
    canvas.beginForm("head")
    canvas.drawString(72, 700, f"Account {ACCOUNT}")
    canvas.endForm()
    for words in ("one", "two"):
        canvas.doForm("head")
        canvas.drawString(72, 500, words)
        canvas.showPage()
    canvas.save()
    done = rewritten(canvas_out.getvalue(), "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert [drawn(done.data or b"", page) for page in (0, 1)] == ["Account [IBAN] one", "Account [IBAN] two"]


FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 900 900]"
WRITTEN = b"BT /F1 12 Tf %b Td (Card %b ok) Tj ET"
CMAP = (
    b"begincodespacerange <00> <7f> <8000> <ffff> endcodespacerange begincidrange <20> <7e> 1 endcidrange begincidchar <8001> 40 endcidchar"
)
UNICODE = b"begincodespacerange <00> <7f> <8000> <ffff> endcodespacerange beginbfrange <20> <7e> <0020> endbfrange"
CID = b"<</Type/Font/Subtype/CIDFontType2/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>%b>>"
TYPE0 = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding %b/DescendantFonts[7 0 R]/ToUnicode 8 0 R>>"
DIFFERENCES = b"<</Type/Font/Subtype/Type1/BaseFont/Times-BoldItalic/Encoding<</Differences[65/adieresis/Oslash 200/odd]>>>>"
ONE_PAGE = (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 300 300]/Resources<</Font<</F1 5 0 R>>>>>>")


def fonted(font: bytes, *more: bytes, shown: bytes = b"(AB Card %b ok)" % CARD.encode()) -> bytes:
    """A page in another font."""
    page = b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>"
    return write([*ONE_PAGE, page, stream(b"BT /F1 12 Tf 20 200 Td %b Tj 0 -20 Td (next) Tj ET" % shown), font, FONT, *more])


@pytest.mark.parametrize(
    "data",
    [
        pdf(text("Card 4929 4212") + text("3456 7897 ok", x=115)),
        pdf(text(f"Card {CARD} ok"), page=b"/Rotate 90/UserUnit 2/CropBox[9 50 280 290]"),
        pdf(b"BT /F1 -12 Tf -1 0 0 -1 20 200 Tm (Card %b ok) Tj ET" % CARD.encode()),
        pdf(b"1 0 0 -1 0 300 cm BT /F1 12 Tf 1 0 .3 -1 20 200 Tm (Card %b ok) Tj ET" % CARD.encode()),
        pdf(b"q BT 7 Tr /F1 12 Tf 20 200 TD (Card %b ok) Tj ET 1 0 0 rg 0 0 300 300 re f Q" % CARD.encode()),
        pdf(text(f"Card {CARD}") + b"q 20 0 0 20 100 100 cm BI /W 2 /H 2 /BPC 8 /CS /G ID abcd EI Q\n" + text("ok", y=50)),
        pdf(b"BT /F1 12 Tf 20 200 Td <%b> Tj ET" % f"Card {CARD} ok".encode().hex().encode()),
        pdf(b"/A Do", stream(b"q 2 0 0 2 5 5 cm /B Do Q", FORM + b"/Matrix[.5 0 0 .5 3 3]/Resources<</XObject<</B 7 0 R>>>>"),
            stream(text(f"Card {CARD} ok"), FORM), forms=b"/A 6 0 R"),
        write([*ONE_PAGE, b"<</Type/Page/Parent 2 0 R/Contents[4 0 R 6 0 R]>>", stream(b"BT /F1 12 Tf 20 200 Td (Card 4929 4212) Tj"), FONT,
               stream(b"( 3456 7897 ok) Tj ET")]),
        pdf(text("seen") + b"BT 3 Tr /F1 12 Tf 20 100 Td (Card %b ok) Tj ET" % CARD.encode()),
        fonted(b"<</Type/Font/Subtype/Type1/BaseFont/CourierNew,Bold/Encoding/MacRomanEncoding>>"),
        fonted(DIFFERENCES),
        fonted(b"<</Type/Font/Subtype/TrueType/BaseFont/Y/FirstChar 32/LastChar 126/Widths[%b]/Encoding/WinAnsiEncoding>>" % (b"480.6 " * 95)),
        fonted(TYPE0 % b"9 0 R", CID % b"/DW 500/W[1[300 600.5] 3 60 550]", stream(UNICODE), stream(CMAP)),
        fonted(TYPE0 % b"/Identity-H", CID % b"/DW 510", stream(UNICODE.replace(b"00> <7f", b"0000> <7fff").replace(b"<20> <7e>", b"<0020> <007e>")),
               shown=b"<%b>" % f"Card {CARD} ok".encode("utf-16-be").hex().encode()),
    ],
    ids=[
        "two objects", "turned page", "upside down", "mirrored", "as a clip", "inline image", "hexadecimal", "nested forms", "split content",
        "invisible", "Courier", "differences", "widths with fractions", "code map", "identity",
    ],
)  # fmt: skip
def test_a_value_goes_from_pages_of_all_kinds(data: bytes) -> None:
    document = pypdfium2.PdfDocument(data)
    whole = document[0].get_textpage().get_text_range()
    start = whole.index("4929")
    end = whole.index("7897") + 4
    document.close()
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, start, end, whole[start:end])], "[X]")
    assert not orders.undone
    assert "Card [X] ok" in drawn(done)
    assert not left_in(done, CARD)


def test_a_font_in_a_graphics_state_leaves_no_name_for_what_follows() -> None:
    data = pdf(b"/G gs BT 20 200 Td (Card secret ok) Tj ET", b"<</Font[5 0 R 12]>>", page=b"/Resources<</ExtGState<</G 6 0 R>>>>")
    assert drawn(masked(data, 5, "secret")) == "Card ok"


LETTERS = b"".join(
    b"/Span<</ActualText<FEFF%04X>>>BDC BT /F1 12 Tf %d 200 Td (%c) Tj ET EMC\n" % (ord(one), 20 + 8 * at, ord(one))
    for at, one in enumerate(CARD)
)


@pytest.mark.parametrize(
    ("content", "about"),
    [
        (b"/Span<</ActualText(%b)>>BDC %b EMC" % (CARD.encode(), text(CARD)), b"<<>>"),
        (b"/Span<</ActualText(%b)>>BDC %b EMC" % (CARD.encode(), text("outlines")), b"<<>>"),
        (LETTERS, b"<<>>"),
        (b"/Span/P BDC " + text(CARD) + b" EMC", b"<</ActualText(%b)>>" % CARD.encode()),
        (b"/Span<</MCID 0>>BDC " + text(CARD) + b" EMC", b"<</S/Span/K 0/Pg 3 0 R/ActualText(%b)>>" % CARD[:9].encode()),
        (b"/Span<</MCID 7>>BDC " + text(CARD) + b" EMC", b"<</S/Span/K[1<</MCID 7/Pg 3 0 R>>]/E(%b)>>" % CARD[:9].encode()),
    ],
    ids=["equal text", "another text", "letter by letter", "property", "part of the structure", "reference of the structure"],
)
def test_content_that_says_what_it_means_does_not_say_it_any_more(content: bytes, about: bytes) -> None:
    data = pdf(text("words", y=100) + content, about, properties=b"/P 6 0 R", catalog=b"/StructTreeRoot 6 0 R")
    done = rewritten(data, "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert done.data is not None
    assert drawn(done.data) == "words [PAYMENT_CARD]"
    assert not left_in(done.data, CARD)
    assert not left_in(done.data, CARD[:9])
    assert b"ActualText<FEFF" not in PdfReader(io.BytesIO(done.data)).pages[0].get_contents().get_data().replace(b" ", b"")  # type: ignore[union-attr]


def test_old_pictures_and_looks_of_a_field_go() -> None:
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F1 5 0 R>>>>"
    looks = [stream(b"BT /F1 12 Tf 2 5 Td (%b) Tj ET" % CARD.encode(), form) for _ in "NRD"]
    page = b"/Thumb 9 0 R/Annots[<</Type/Annot/Subtype/Stamp/Rect[20 100 220 120]/AP<</N 6 0 R/R 7 0 R/D 8 0 R>>>>]"
    thumb = stream(b"\0", b"/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray")
    done = rewritten(pdf(text("words"), *looks, thumb, page=page), "letter.pdf")
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    (new,) = PdfReader(io.BytesIO(done.data or b"")).pages
    assert "/Thumb" not in new
    assert list(new.annotations[0]["/AP"]) == ["/N"]  # type: ignore[index]


def test_hidden_text_goes_as_a_whole() -> None:
    data = pdf(text("seen words") + text("please obey the secret order", y=150, before="1 1 1 rg"))
    at = drawn(data).index("secret") + 1  # a line end has two characters
    done = masked(data, at, "secret", view="hidden", action=Action.STRIP)
    assert drawn(done) == "seen words"


@pytest.mark.parametrize(
    ("data", "orders", "reason"),
    [
        (titled(b"a"), [order(PAGE, 0, 5, "first", view="ocr")], "picture"),
        ((FILES / "locked.pdf").read_bytes(), [order(PAGE, 0, 2, None)], "encrypted"),
        (titled(b"a").replace(b"/Count 1", b"/Count 2"), [order(PAGE, 0, 5, "first")], ""),
    ],
    ids=["scan", "encrypted", "pages"],
)
def test_what_cannot_be_rewritten_is_refused(data: bytes, orders: list[Order], reason: str) -> None:
    try:
        done, told = cleaned(rewrite_pdf, data, KIND, orders)
    except CannotRewriteError as error:
        assert reason in str(error)
    else:
        assert told.undone or "[X]" in drawn(done)
        assert not reason


def test_a_page_that_says_something_else_becomes_a_picture_and_a_wrong_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = titled(b"a")
    monkeypatch.setattr("veritensor_ray.formats.pdf.rewriting.glyph_removal.advance_of", lambda *_: 0.0)
    _, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, 0, 5, "first")])
    assert orders.account.counts["clean.page", "picture"] == 1
    monkeypatch.setattr(rewrite, "picture_of", lambda *_: np.zeros((300, 300, 3), np.uint8))
    with pytest.raises(CannotRewriteError, match="different"):
        masked(data, 0, "first")


def test_forms_that_draw_each_other_end() -> None:
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</A 6 0 R>>>>"
    with pytest.raises(CannotRewriteError):
        masked(pdf(b"/A Do" + text("secret"), stream(b"/A Do", form), forms=b"/A 6 0 R"), 0, "secret")
