"""What a page of a PDF draws is counted without drawing it."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable

import pytest

from tests.formats.pdf.building import packed_objects, pdf, stream, write
from tests.formats.reading import read
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.pdf.drawn_text import Drawn
from veritensor_ray.formats.pdf.pdf_document import pages_that_draw_too_much
from veritensor_ray.formats.pdf.pdf_objects import find_objects

FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]"
X6 = b"/X 6 0 R"
MANY = b"/X Do " * 1000


def form(content: bytes, resources: bytes = b"", packed: bool = False) -> bytes:
    """A form object."""
    return stream(content, FORM + (b"/Resources" + resources if resources else b""), packed)


def counted(file: io.BytesIO) -> frozenset[int] | None:
    """The pages that draw too much; None where they cannot be told apart."""
    objects = find_objects(file, Budget(Limits(), len(file.getbuffer())))
    return pages_that_draw_too_much(objects, Drawn(objects, file))


def calling(number: int) -> bytes:
    """Resources with that form."""
    return b"<</XObject<</X %d 0 R>>>>" % number


def in85(content: bytes, resources: bytes) -> bytes:
    """A form packed twice."""
    data = base64.a85encode(zlib.compress(content)) + b"~>"
    return stream(data, FORM + b"/Resources" + resources + b"/Filter[/ASCII85Decode/FlateDecode]")


def run(content: bytes) -> bytes:
    """Content as runs of one byte after the other."""
    return b"".join(b"\x00%c" % byte for byte in content) + b"\x80"


def runs(content: bytes, resources: bytes, filters: bytes = b"/RunLengthDecode", pack: Callable[[bytes], bytes] = bytes) -> bytes:
    """A form packed as run lengths, and by `pack`."""
    return stream(pack(run(content)), FORM + b"/Resources" + resources + b"/Filter" + filters)


END = form(b"0 0 m")
TOO_MUCH = {
    "one form very often": pdf(b"/X Do " * 200_000, END, forms=X6),
    "packed content": pdf(b"", END, stream(b"(a)Tj " * 1_500_000, packed=True), page=b"/Contents 7 0 R"),
    "forms in forms": pdf(MANY, form(MANY, calling(7)), END, forms=X6),
    "packed forms": pdf(MANY, form(MANY, calling(7), packed=True), END, forms=X6),
    "packed twice": pdf(MANY, in85(MANY, calling(7)), END, forms=X6),
    "run lengths": pdf(MANY, runs(MANY, calling(7)), END, forms=X6),
    "run lengths by their short name": pdf(MANY, runs(MANY, calling(7), b"/RL"), END, forms=X6),
    "run lengths, deflated": pdf(MANY, runs(MANY, calling(7), b"[/FlateDecode/RunLengthDecode]", zlib.compress), END, forms=X6),
    "an unknown packing": pdf(MANY, runs(MANY, calling(7), b"/LZWDecode"), END, forms=X6),
    "a wrong checksum": pdf(
        MANY, stream(zlib.compress(MANY)[:-4] + b"0000", FORM + b"/Filter/FlateDecode/Resources" + calling(7)), END, forms=X6
    ),
    "a small form that is large": pdf(b"/X Do " * 10, form(b"0 0 m " * 700_000, packed=True), forms=X6),
    "resources elsewhere": pdf(MANY, form(MANY, b" 8 0 R"), END, b"<</XObject 9 0 R>>", b"<</X 7 0 R>>", forms=X6),
    "no resources of its own": pdf(b"/X Do", form(b"/Y Do " * 1000), form(b"/Z Do " * 1000), END, forms=b"/X 6 0 R/Y 7 0 R/Z 8 0 R"),
    "itself": pdf(b"/X Do", form(b"/X Do", calling(6)), forms=X6),
    "each other": pdf(b"/X Do", form(b"/X Do", calling(7)), form(b"/X Do", calling(6)), forms=X6),
    "an annotation": pdf(b"", form(MANY, calling(7)), form(MANY, calling(8)), END, page=b"/Annots[<</Subtype/Stamp/AP<</N 6 0 R>>>>]"),
    "escaped names": pdf(MANY, form(MANY, b"<</XObj#65ct<</X 7 0 R>>>>"), END, forms=X6),
    "comment in the name's place": pdf(b"/X\n\r Do " * 200_000, END, forms=X6),
    "resources of the tree": write(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1/Resources<</XObject<</X 5 0 R>>>>>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents[4 0 R 4 0 R]>>",
            stream(MANY),
            form(MANY, calling(6)),
            END,
        ]
    ),
}
ALL_RIGHT = {
    "some forms": pdf(b"/X Do " * 50, form(b"/X Do " * 50, calling(7)), END, forms=X6),
    "a name that draws nothing": pdf(b"/X Do " * 200_000, forms=X6),
    "a long page": pdf(b"0 0 m 1 1 l S " * 1_000_000),
    "nothing at all": pdf(),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much(name: str) -> None:
    file = io.BytesIO(TOO_MUCH[name])
    assert counted(file) == frozenset({1})
    _, gaps = read(TOO_MUCH[name], Kind("application/pdf"))
    assert [(gap.bound, gap.location) for gap in gaps] == [("pdf_drawn_bytes", "page 1")]


@pytest.mark.parametrize("name", ALL_RIGHT)
def test_all_right(name: str) -> None:
    file = io.BytesIO(ALL_RIGHT[name])
    assert counted(file) == frozenset()


def test_a_page_that_nobody_finds_costs_all() -> None:
    data = pdf(b"/X Do " * 200_000, END, forms=X6).replace(b"/Kids[3 0 R]", b"/Kids[7 0 R]")
    file = io.BytesIO(data)
    assert counted(file) is None


def test_objects_in_a_stream() -> None:
    page = b"<</Type/Page/Parent 7 0 R/MediaBox[0 0 9 9]/Contents 3 0 R/Resources<</XObject<</X 4 0 R>>>>>>"
    inner = packed_objects([7, 8], [b"<</Type/Pages/Kids[8 0 R]/Count 1>>", page])
    data = write([b"<</Type/Catalog/Pages 7 0 R>>", inner, stream(MANY), form(MANY, calling(5)), END])
    file = io.BytesIO(data)
    assert counted(file) == frozenset({1})
