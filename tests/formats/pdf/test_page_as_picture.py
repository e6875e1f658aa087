"""A page from which a text cannot be taken out becomes a picture, with its other text over it."""

from __future__ import annotations

import io

import numpy as np
import pypdfium2
import pytest
from pypdf import PdfReader

from bench.pdf_cleaning import left_in
from tests.formats.editing.ordering import cleaned, order
from tests.formats.pdf.building import pdf, stream, text, write
from tests.formats.pdf.test_read import KIND
from tests.formats.pdf.test_rewrite import CARD, DIFFERENCES, PAGE, drawn, fonted
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.marks import TextBox
from veritensor_ray.formats.pdf.rewrite import rewrite_pdf

SHOWN = f"Card {CARD} ok"
ODD_IMAGE = b"BI /W 1 /W 1 /H 1 /BPC 8 /CS /G ID a EI\n"


def rendered(data: bytes) -> np.ndarray:
    document = pypdfium2.PdfDocument(data)
    pixels: np.ndarray = document[0].render(scale=150 / 72).to_numpy()[:, :, :3].astype(int)
    document.close()
    return pixels


def without_card(data: bytes) -> bytes:
    """The file without the card on its first page, which becomes a picture."""
    document = pypdfium2.PdfDocument(data)
    whole = document[0].get_textpage().get_text_range()
    document.close()
    start, end = whole.index("4929"), whole.index("7897") + 4
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, start, end, whole[start:end])], "[X]")
    assert not orders.undone
    assert orders.account.counts["clean.page", "picture"] == 1, "the manifest says so"
    return done


@pytest.mark.parametrize("turned", [b"", b"/Rotate 90", b"/Rotate 180/CropBox[9 50 280 290]", b"/Rotate 270/UserUnit 2"])
@pytest.mark.parametrize(
    "content",
    [
        text(SHOWN) + text("more words", y=100) + ODD_IMAGE,
        b"BT /F1 12 Tf 0 1 -1 0 100 60 Tm (%b) Tj ET 1 0 0 rg 9 99 50 50 re f\n" % SHOWN.encode() + text("more words", y=100) + ODD_IMAGE,
    ],
    ids=["plain", "upwards"],
)
def test_a_page_whose_content_cannot_be_divided_becomes_a_picture(content: bytes, turned: bytes) -> None:
    data = pdf(content, page=turned)
    done = without_card(data)
    assert not left_in(done, CARD)
    for words in (drawn(done), " ".join(PdfReader(io.BytesIO(done)).pages[0].extract_text().split())):
        assert "Card[X]ok" in "".join(words.split()), "other text can still be found, and the mask too"
        assert "morewords" in "".join(words.split())
    old, new = rendered(data), rendered(done)
    painted = (new < 40).all(axis=2) & (old > 200).all(axis=2)
    assert painted.sum() > 500, "a box is painted over the value"
    rows, columns = np.nonzero(painted)
    around = np.ones(painted.shape, bool)
    around[rows.min() - 4 : rows.max() + 4, columns.min() - 4 : columns.max() + 4] = False
    assert np.abs(old - new).max(axis=2)[around].mean() < 2, "the rest looks as it did"


@pytest.mark.parametrize(
    "data",
    [
        fonted(b"<</Type/Font/Subtype/Type1/BaseFont/Unknown>>", shown=b"(%b)" % SHOWN.encode()),
        fonted(DIFFERENCES.replace(b"65/adieresis", b"52/odd"), shown=b"(%b)" % SHOWN.encode()),
        pdf(text("words") + b"BT /F2 12 Tf 20 100 Td (%b) Tj ET" % SHOWN.encode()),
    ],
    ids=["font without widths", "unknown letter", "font that is not there"],
)
def test_fonts_that_say_too_little_make_a_picture(data: bytes) -> None:
    document = pypdfium2.PdfDocument(data)
    whole = document[0].get_textpage().get_text_range()
    document.close()
    at = whole.index("9")
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, at, at + 6, whole[at : at + 6])], "[X]")
    assert orders.account.counts["clean.page", "picture"] == 1
    assert "[X]" in drawn(done)
    assert whole[at : at + 6] not in drawn(done)


@pytest.mark.parametrize("letters", ["ff", "ffi", "tt"])
def test_all_letters_of_a_ligature_can_still_be_found(letters: str) -> None:
    codes = letters.encode("utf-16-be").hex().encode()
    meaning = b"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <41> <%b> endbfchar" % codes
    shown = b"(sAl %b) Tj ET %bBT /F1 12 Tf 20 100 Td (x)" % (SHOWN.encode(), ODD_IMAGE)
    data = fonted(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R>>", stream(meaning), shown=shown)
    assert f"s{letters}l" in drawn(data)
    done = without_card(data)
    assert f"s{letters}l Card" in drawn(done)
    assert f"s{letters}l" in PdfReader(io.BytesIO(done)).pages[0].extract_text()


def test_a_picture_among_text_still_holds_the_file() -> None:
    data = pdf(text("words") + b"q 90 0 0 90 0 0 cm /A Do Q", forms=b"/A 6 0 R")
    unit = PAGE._replace(column="image 1")
    _, orders = cleaned(rewrite_pdf, data, KIND, [order(unit, 0, 5, "value", view="ocr", straight=False)])
    assert orders.undone, "the cleaner holds a file with an order that nobody carried out"


def test_a_form_that_another_page_draws_stays_as_it_is_there() -> None:
    form = stream(b"BT /F1 12 Tf 20 20 Td (secret) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</Font<</F1 5 0 R>>>>")
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</XObject<</A 6 0 R>>>>>>"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    data = write([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R 7 0 R]/Count 2>>", page, stream(b"/A Do"), font, form, page])
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, 0, 6, "secret")], "[X]")
    assert orders.account.counts["clean.page", "picture"] == 1
    assert [drawn(done, number) for number in (0, 1)] == ["[X]", "secret"]


def test_a_text_without_a_place_holds_the_file() -> None:
    data = pdf(b"0 0 300 300 re f")
    with pytest.raises(CannotRewriteError, match="in a picture on page 1"):
        cleaned(rewrite_pdf, data, KIND, [order(PAGE, 0, 5, "value", view="ocr", straight=False)])


def test_a_finding_in_the_picture_of_a_page_is_painted_over() -> None:
    black = b"0 0 300 300 re 1 g f 0 g 40 200 200 14 re f 40 100 200 14 re f"
    data = pdf(black)
    scale = 150 / 72
    box = TextBox(0, round(40 * scale), round((300 - 214) * scale), round(140 * scale), round((300 - 200) * scale))
    done, orders = cleaned(rewrite_pdf, data, KIND, [order(PAGE, 0, 5, "value", view="ocr", straight=False, boxes=(box,))])
    assert not orders.undone
    assert orders.account.counts["clean.page", "picture"] == 1
    contents = PdfReader(io.BytesIO(done)).pages[0].get_contents()
    assert contents is not None
    assert b"200 14 re" not in contents.get_data()
    new = rendered(done)
    assert (new[box.top : box.bottom, box.left : box.right] == 0).all()
    assert (new[round(190 * scale) :, round(150 * scale) : round(200 * scale)] == 0).any(), "the other bar is still there"
