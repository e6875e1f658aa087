"""Wherever a PDF can hold a value, it is in no text and in no unpacked stream of the copy."""

from __future__ import annotations

import pytest

from bench.pdf_cleaning import left_in
from tests.cleaning.marked import rewritten
from tests.formats.pdf.building import FONT, pdf, stream, text, write
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

CARD = b"4929 4212 3456 7897"
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</Font<</F1 5 0 R>>>>"
WIDE = b"<%b>" % (b"\xfe\xff" + CARD.decode().encode("utf-16-be")).hex().encode()
WORDS, HIDDEN = text("words", y=100), text(f"Card {CARD.decode()}")
PACKET = (
    b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='r'>"
    b"<rdf:Description xmlns:dc='d' pdf:Keywords='%b'><dc:title><rdf:Alt><rdf:li xml:lang='x-default'>%b</rdf:li></rdf:Alt></dc:title>"
    b"<!-- %b --></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
) % (CARD, CARD, CARD)
POLICY = CleanPolicy.model_validate({"strip": ["macros"], "rules": [{"rule": "structure.*", "action": "strip"}]})


def later(old: bytes, number: int, body: bytes) -> bytes:
    """The file with another version of an object behind it."""
    first = int(old.rpartition(b"startxref\n")[2].split()[0])
    whole = old + b"\n%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"xref\n%d 1\n%010d 00000 n \ntrailer<</Size 9/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
    return whole + table % (number, len(old) + 1, first, len(whole))


PLACES = {
    "comment": pdf(
        WORDS,
        page=b"/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(%b)/RC(<p>%b</p>)/T(%b)/Subj(%b)/NM(%b)>>]"
        % (CARD, CARD, CARD, CARD, CARD),
    ),
    "comment utf16": pdf(WORDS, page=b"/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents%b>>]" % WIDE),
    "field": pdf(
        WORDS,
        b"<</FT/Tx/T(%b)/TU(%b)/TM(%b)/CARD(%b)/DV(%b)/RV(<p>%b</p>)/Type/Annot/Subtype/Widget/Rect[20 100 220 120]/MK<</CA(%b)/RC(%b)>>>>"
        % ((CARD,) * 8),
        catalog=b"/AcroForm<</Fields[6 0 R]>>",
        page=b"/Annots[6 0 R]",
    ),
    "choice": pdf(WORDS, b"<</FT/Ch/T(a)/Opt[[(x)(%b)](%b)]/CARD(%b)/I[0]>>" % (CARD, CARD, CARD), catalog=b"/AcroForm<</Fields[6 0 R]>>"),
    "page label": pdf(WORDS, catalog=b"/PageLabels<</Nums[0<</S/D/P(%b )>>]>>" % CARD),
    "named destination": pdf(WORDS, catalog=b"/Names<</Dests<</Names[(%b)[3 0 R/Fit]]>>>>" % CARD),
    "attachment text": pdf(
        WORDS,
        b"<</Type/Filespec/F(a.txt)/UF(a.txt)/Desc(%b)/EF<</F 7 0 R>>>>" % CARD,
        stream(b"pay with " + CARD, b"/Type/EmbeddedFile"),
        catalog=b"/Names<</EmbeddedFiles<</Names[(a.txt)6 0 R]>>>>",
    ),
    "attachment name": pdf(
        WORDS,
        b"<</Type/Filespec/F(%b.txt)/UF(%b.txt)/EF<</F 7 0 R>>>>" % (CARD, CARD),
        stream(b"pay", b"/Type/EmbeddedFile"),
        catalog=b"/Names<</EmbeddedFiles<</Names[(%b.txt)6 0 R]>>>>" % CARD,
    ),
    "attachment packed": pdf(
        WORDS,
        b"<</Type/Filespec/F(a.txt)/EF<</F 7 0 R>>>>",
        stream(b"pay with " + CARD, b"/Type/EmbeddedFile", packed=True),
        page=b"/Annots[<</Type/Annot/Subtype/FileAttachment/Rect[0 0 9 9]/FS 6 0 R>>]",
    ),
    "info": pdf(WORDS, b"<</Title(%b)/Author%b/Custom(%b)>>" % (CARD, WIDE, CARD), trailer=b"/Info 6 0 R"),
    "xmp": pdf(WORDS, stream(PACKET, b"/Type/Metadata/Subtype/XML"), catalog=b"/Metadata 6 0 R"),
    "xmp packed of a form": pdf(
        WORDS + b"/A Do",
        stream(WORDS, FORM + b"/Metadata 7 0 R"),
        stream(PACKET, b"/Type/Metadata/Subtype/XML", packed=True),
        forms=b"/A 6 0 R",
    ),
    "structure": pdf(
        b"/Span<</MCID 0>>BDC " + WORDS + b" EMC",
        b"<</Type/StructTreeRoot/K 7 0 R>>",
        b"<</S/Span/K 0/Pg 3 0 R/ActualText(%b)/Alt(%b)/E(%b)/T(%b)/A<</O/Table/Summary(%b)>>>>" % ((CARD,) * 5),
        catalog=b"/StructTreeRoot 6 0 R",
    ),
    "layer name": pdf(
        WORDS, b"<</Type/OCG/Name(%b)>>" % CARD, catalog=b"/OCProperties<</OCGs[6 0 R]/D<</Order[(%b)6 0 R]/Name(%b)>>>>" % (CARD, CARD)
    ),
    "layer off": pdf(
        WORDS + b"/OC/P BDC " + HIDDEN + b" EMC",
        b"<</Type/OCG/Name(x)>>",
        catalog=b"/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>",
        properties=b"/P 6 0 R",
    ),
    "form layer off": pdf(
        WORDS + b"/A Do",
        stream(HIDDEN, FORM + b"/OC 7 0 R"),
        b"<</Type/OCG/Name(x)>>",
        catalog=b"/OCProperties<</OCGs[7 0 R]/D<</OFF[7 0 R]>>>>",
        forms=b"/A 6 0 R",
    ),
    "white": pdf(WORDS + text("Card " + CARD.decode(), before="1 1 1 rg")),
    "off page": pdf(WORDS + text("Card " + CARD.decode(), x=900)),
    "tiny": pdf(WORDS + text("Card " + CARD.decode(), size=0.5)),
    "behind": pdf(HIDDEN + b"0 0 1 rg 0 180 300 60 re f " + WORDS),
    "clipped": pdf(WORDS + b"q 0 0 5 5 re W n " + HIDDEN + b" Q"),
    "property resource": pdf(b"/Span/P BDC " + WORDS + b" EMC", b"<</Secret(%b)>>" % CARD, properties=b"/P 6 0 R"),
    "unused object": pdf(WORDS, b"(%b)" % CARD),
    "unused stream": pdf(WORDS, stream(b"pay with " + CARD)),
    "private": pdf(WORDS, stream(b"pay with " + CARD, packed=True), page=b"/PieceInfo<</App<</LastModified(D:20200101)/Private 6 0 R>>>>"),
    "private string": pdf(WORDS, page=b"/PieceInfo<</App<</LastModified(D:20200101)/Private(%b)>>>>" % CARD),
    "script": pdf(WORDS, catalog=b"/OpenAction<</S/JavaScript/JS(app.alert('%b'))>>" % CARD),
    "uri": pdf(
        WORDS,
        page=b"/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(mailto:ada.lindqvist@kaldor-mail.com?subject=%b)>>>>]" % CARD,
    ),
    "xfa": pdf(WORDS, stream(b"<xdp><value>%b</value></xdp>" % CARD), catalog=b"/AcroForm<</Fields[]/XFA 6 0 R>>"),
    "output intent": pdf(WORDS, catalog=b"/OutputIntents[<</S/GTS_PDFA1/OutputConditionIdentifier(x)/Info(%b)>>]" % CARD),
    "signature": pdf(
        WORDS,
        b"<</Type/Sig/Filter/A/ByteRange[0 1 2 3]/Contents<00>/Name(%b)/Reason(%b)/Location(%b)/ContactInfo(%b)>>" % ((CARD,) * 4),
        b"<</FT/Sig/CARD 6 0 R/T(s)>>",
        catalog=b"/AcroForm<</Fields[7 0 R]>>",
    ),
    "thread": pdf(WORDS, b"<</Type/Thread/I<</Title(%b)>>>>" % CARD, catalog=b"/Threads[6 0 R]"),
    "trailer": pdf(WORDS, trailer=b"/Odd(%b)" % CARD),
    "image metadata": pdf(
        WORDS + b"q 9 0 0 9 0 0 cm /A Do Q",
        stream(b"\0", b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray/Metadata 7 0 R"),
        stream(PACKET, b"/Type/Metadata/Subtype/XML"),
        forms=b"/A 6 0 R",
    ),
    "pattern": pdf(
        WORDS + b"/Pattern cs /Q scn 0 0 300 300 re f",
        stream(HIDDEN, b"/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 300 300]/XStep 300/YStep 300/Resources<</Font<</F1 5 0 R>>>>"),
        page=b"/Resources<</Font<</F1 5 0 R>>/Pattern<</Q 6 0 R>>>>",
    ),
    "type 3 glyph": pdf(
        WORDS + b"BT /F3 12 Tf 20 50 Td (a) Tj ET",
        b"<</Type/Font/Subtype/Type3/FontBBox[0 0 300 300]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 7 0 R>>/Encoding<</Differences[97/a]>>/FirstChar 97/LastChar 97/Widths[100]/Resources<</Font<</F1 5 0 R>>>>>>",
        stream(b"100 0 d0 " + text("Card " + CARD.decode(), x=0, y=0, size=1)),
        page=b"/Resources<</Font<</F1 5 0 R/F3 6 0 R>>>>",
    ),
    "two content streams": write(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents[4 0 R 6 0 R]/Resources<</Font<</F1 5 0 R>>>>>>",
            stream(b"BT /F1 12 Tf 20 100 Td (4929 42) Tj"),
            FONT,
            stream(b"(12 3456 7897) Tj ET"),
        ]
    ),
    "soft mask": pdf(
        WORDS + b"/G gs 0 0 300 300 re f",
        b"<</SMask<</S/Luminosity/G 7 0 R>>>>",
        stream(HIDDEN, FORM + b"/Group<</S/Transparency>>"),
        page=b"/Resources<</Font<</F1 5 0 R>>/ExtGState<</G 6 0 R>>>>",
    ),
    "earlier page": later(pdf(WORDS + HIDDEN), 4, stream(WORDS)),
    "earlier page packed": later(pdf(WORDS, stream(HIDDEN, packed=True)).replace(b"/Contents 4 0 R", b"/Contents 6 0 R"), 6, stream(WORDS)),
    "after the end": pdf(WORDS + HIDDEN).replace(CARD, b"words") + b"\n% " + CARD + b"\n",
    "between objects": pdf(WORDS).replace(b"endobj\n5 0 obj", b"endobj\n% " + CARD + b"\n5 0 obj"),
    "before the header": b"pay with " + CARD + b"\n" + pdf(WORDS),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_in_no_place(place: str) -> None:
    done = rewritten(PLACES[place], "letter.pdf", POLICY)
    assert done.cleaned.result == Result.CLEANED, done.cleaned.reason
    assert done.data is not None
    assert not left_in(done.data, CARD.decode())
    assert CARD not in done.data


@pytest.mark.parametrize(
    "content", [WORDS + b"% " + CARD + b"\n", b"/Span<</Secret(%b)>>BDC %b EMC" % (CARD, WORDS)], ids=["comment", "property"]
)
def test_what_content_says_without_showing_it_holds_the_file(content: bytes) -> None:
    done = rewritten(pdf(content), "letter.pdf", POLICY)
    assert done.cleaned.result == Result.HELD
    assert "not displayed" in (done.cleaned.reason or "")
