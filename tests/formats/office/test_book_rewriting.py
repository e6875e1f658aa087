"""Books in EPUB: what changes in them, and that they stay books."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cleaning.marked import Rewritten, rewritten
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL = "jane.doe@example-mail.de"
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}
PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{0}</title></head><body><p>Ask <b>{0}</b></p><img src="a.png" alt="of {0}"/><!-- {0} --></body></html>'
OPF = (
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
    '<dc:identifier id="id">{1}</dc:identifier><dc:creator>{0}</dc:creator></metadata><manifest>'
    '<item id="p" href="page.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="p"/></spine></package>'
)
NCX = '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><head><meta name="x" content="by {0}"/></head><docTitle><text>{0}</text></docTitle></ncx>'
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
FONTS = '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"/>'


def book(value: str, identifier: str = "urn:uuid:1", **more: str) -> bytes:
    out = io.BytesIO()
    parts = {
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": OPF,
        "OPS/page.xhtml": PAGE,
        "OPS/toc.ncx": NCX,
        "OPS/a.css": "/* {0} */ p{{}}",
    }
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/epub+zip")
        for name, content in parts.items():
            archive.writestr(
                zipfile.ZipInfo(name), content.format(value, identifier) if "container" not in name else content, zipfile.ZIP_DEFLATED
            )
        for name, content in more.items():
            archive.writestr(zipfile.ZipInfo(f"META-INF/{name}.xml"), content)
    return out.getvalue()


def clean(data: bytes, policy: dict[str, Any] | None = None) -> Rewritten:
    return rewritten(data, "a.epub", CleanPolicy.model_validate(policy or MASK), ("secrets", "pii", "structure"))


def contents(data: bytes) -> list[tuple[str, int, bytes]]:
    """The entries in order, with their compression, as a second program reads them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        found = [(entry.filename, entry.compress_type, archive.read(entry)) for entry in archive.infolist()]
    for name, _, content in found:
        if name.endswith(("ml", "opf", "ncx")):
            ElementTree.fromstring(content)  # noqa: S314
    return found


def test_a_book_is_rewritten_in_the_formats_of_its_parts() -> None:
    found = clean(book(MAIL))
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    assert contents(found.data) == contents(book("[EMAIL]"))
    assert found.data[:58].endswith(b"mimetypeapplication/epub+zip"), "programs recognize a book by its first entry, which is stored"
    assert clean(found.data).cleaned.result == Result.COPIED


def test_a_signature_becomes_invalid_and_is_counted() -> None:
    found = clean(book(MAIL, signatures="<signatures/>"))
    assert {"rule": "clean.signature", "action": "invalid", "count": 1} in found.cleaned.actions


@pytest.mark.parametrize(("identifier", "result"), [("urn:uuid:1", Result.CLEANED), (f"mailto:{MAIL}", Result.HELD)])
def test_the_identifier_stays_if_fonts_depend_on_it(identifier: str, result: Result) -> None:
    found = clean(book(MAIL, identifier, encryption=FONTS))
    assert found.cleaned.result == result
    assert (found.cleaned.reason is None) == (result == Result.CLEANED)
    if result == Result.HELD:
        assert "its fonts are scrambled with its identifier" in (found.cleaned.reason or "")


def test_an_encrypted_page_holds_the_book() -> None:
    locked = '<encryption xmlns="c"><x:CipherReference xmlns:x="e" URI="OPS/page.xhtml"/></encryption>'
    found = clean(book(MAIL, encryption=locked))
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
