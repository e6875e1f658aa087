"""Tests of what a PDF holds but no program shows."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from tests.cleaning.marked import rewritten
from tests.clock import AtMost
from tests.formats.pdf.building import FONT, pdf, stream, text, write
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import PDF
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.pdf.pdf_objects import find_objects
from veritensor_ray.formats.pdf.read import read_pdf
from veritensor_ray.formats.pdf.unshown import claim
from veritensor_ray.formats.residue.read import read_residue

PLAIN = pdf(text("Good morning to everybody"))
ADDRESS = "jane.doe@vault-mail.org"
RAW = ADDRESS.encode()


def _revised(old: bytes, number: int, new: bytes) -> bytes:
    """A file with another version of an object appended."""
    at, before = len(old), old.rindex(b"xref\n0 ")
    out = old + b"%d 0 obj\n%b\nendobj\n" % (number, new)
    table = b"xref\n%d 1\n%010d 00000 n \n" % (number, at)
    return out + table + b"trailer<</Size 9/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (before, len(out))


def _form(words: str) -> bytes:
    return stream(text(words), b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</Font<</F1 5 0 R>>>>", packed=True)


def _zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "Good evening")
    return out.getvalue()


def _drawn(packed: bytes) -> bytes:
    """A page that draws a form whose content does not unpack."""
    form = stream(packed, b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Filter/FlateDecode")
    return pdf(text("Good morning") + b"/A Do", form, forms=b"/A 6 0 R")


HEX = b"BT /F1 12 Tf <" + RAW.hex().encode() + b"> Tj ET"
KERNED = b"BT /F1 12 Tf [(jane.d) -20 (oe@vault-m) 15 (ail.org)] TJ ET"
PLACES = {
    "content packed without a header": _drawn(zlib.compress(text(ADDRESS))[2:]),
    "content packed behind other bytes": _drawn(b"\r\n\x00" + zlib.compress(text(ADDRESS))),
    "after the end": PLAIN + RAW,
    "after the end, compressed": PLAIN + zlib.compress(RAW * 3),
    "before the table": PLAIN.replace(b"xref\n0 ", RAW + b"\nxref\n0 ", 1),
    "comment between objects": PLAIN.replace(b"endobj\n", b"endobj\n% " + RAW + b"\n", 1),
    "comment before a zip": PLAIN.replace(b"endobj\n", b"endobj\n% " + RAW + b"\n", 1) + _zipped(),
    "comment in an object": PLAIN.replace(b"<</Type/Catalog", b"<< %" + RAW + b"\n/Type/Catalog", 1),
    "word in an object": PLAIN.replace(b"\nendobj", b"\n" + RAW + b"\nendobj", 1),
    "name": pdf(text("Good morning"), catalog=b"/" + RAW + b" 1"),
    "escaped name": pdf(text("Good morning"), catalog=b"/jane.doe#40vault-mail.org 1"),
    "name of an annotation": pdf(text("Good morning"), catalog=b"/X<</NM(" + RAW + b")>>"),
    "stream that nothing refers to": pdf(text("Good morning"), stream(text(ADDRESS), packed=True)),
    "kerned text that nothing refers to": pdf(text("Good morning"), stream(KERNED, packed=True)),
    "hexadecimal text that nothing refers to": pdf(text("Good morning"), stream(HEX, packed=True)),
    "comment in content": pdf(text("Good morning"), stream(b"% " + RAW + b"\n0 0 m 1 1 l S", packed=True)),
    "stream that is not content": pdf(text("Good morning"), stream(b"Write to " + RAW + b" today, and not later")),
    "image that nothing refers to": pdf(text("Good morning"), stream(RAW * 3, b"/Type/XObject/Subtype/Image", packed=True)),
    "comment in the content of a page": pdf(text("Good morning") + b"% " + RAW + b"\n"),
    "property of marked content": pdf(b"/Span <</ActualText (" + RAW + b")>> BDC " + text("Good morning") + b"EMC"),
    "data of an image in the content": pdf(text("Good morning") + b"BI /W 8 /H 1 /BPC 8 /CS /G ID " + RAW + b" EI\n"),
    "text in a font that the page does not have": pdf(text("Good morning") + b"BT /F9 12 Tf (" + RAW + b") Tj ET"),
    "behind the data of a stream": PLAIN.replace(b"\nendstream", RAW + b"\nendstream", 1),
    "attribute of the properties": pdf(text("Good morning"), stream(b'<x:xmpmeta note="' + RAW + b'"/>', b"/Type/Metadata/Subtype/XML")),
    "form that is not drawn": pdf(text("Good morning"), _form(ADDRESS), forms=b"/Fm1 6 0 R"),
    "earlier version of content": _revised(pdf(text(ADDRESS)), 4, stream(text("Good morning"))),
    "earlier version of a page": _revised(
        write(
            [
                b"<</Type/Catalog/Pages 2 0 R>>",
                b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
                stream(text(ADDRESS), packed=True),
                FONT,
                stream(text("Good morning"), packed=True),
            ]
        ),
        3,
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 6 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_no_page_shows_is_found_outside_of_what_programs_show(place: str) -> None:
    found = rewritten(PLACES[place], "a.pdf").marks
    assert {mark.rule for mark in found} == {"pii.email"}


@pytest.mark.parametrize(
    "document",
    [
        PLAIN,
        pdf(text("Good morning") + b"/Fm1 Do", _form("Drawn in a form"), forms=b"/Fm1 6 0 R"),
        pdf(text("Good morning"), _form("Good morning"), forms=b"/Fm1 6 0 R"),  # the same words again
        _revised(PLAIN, 4, stream(text("Good morning to everybody and to others"))),
        pdf(text("Good morning") + b"q 1 0 0 1 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x80\x01\xfe\xff EI Q\n"),
    ],
)
def test_an_ordinary_document_has_nothing_else(document: bytes) -> None:
    source = Source(io.BytesIO(document), Kind(PDF), Limits())
    items = [*read_pdf(source), *read_residue(source, len(document))]
    assert [item for item in items if isinstance(item, Member) or (isinstance(item, Block) and item.view == "residue")] == []


def test_a_version_within_a_string_is_not_a_name() -> None:
    source = Source(io.BytesIO(pdf(text("Good morning"), catalog=b"/Creator(HeadlessChrome/156.0.0.0 Safari/537.36)")), Kind(PDF), Limits())
    assert [item for item in read_pdf(source) if isinstance(item, Block) and item.column == "names"] == []


def test_lines_of_a_comment_are_one_text() -> None:
    document = PLAIN.replace(b"endobj\n", b"endobj\n" + b"% one of the lines\n" * 3, 1)
    source = Source(io.BytesIO(document), Kind(PDF), Limits())
    list(read_pdf(source))
    assert [document[start:end] for start, end in source.account.unclaimed(len(document))] == [(b"% one of the lines\n" * 3).rstrip()]


def test_many_streams_whose_length_is_a_large_object() -> None:
    large = b"x" * (8 << 20)
    document = write([b"<</Type/Catalog>>", large, *[b"<</Length 2 0 R>>stream\n" + b"a" * 9 + b"\nendstream"] * 3000])
    file, account = io.BytesIO(document), ByteAccount()
    held = find_objects(file, Budget(Limits(), len(document)))
    claim(held, [], account)
    assert account.bytes["text"] == sum(stream.length for stream in held.streams.values()) >= 3000 * 9


@pytest.mark.parametrize("piece", [b"ID ", b"BI ID a ", b"[(", b"<</a ", b"(\\", b"(a) 1 "])
def test_content_of_any_kind_is_searched_in_linear_time(piece: bytes, at_most: AtMost) -> None:
    for document in (pdf(piece * 100_000), pdf(text("Good morning"), stream(piece * 100_000))):
        with at_most(2):
            list(read_pdf(Source(io.BytesIO(document), Kind(PDF), Limits())))
