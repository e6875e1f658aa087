"""Reads PDF: pages with visible and hidden text, comments, form values, scripts, actions, properties and attachments."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Encrypted, LimitExceeded, ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.drawn_text import Drawn
from veritensor_ray.formats.pdf.pages import PageReport, read_page
from veritensor_ray.formats.pdf.pdf_document import (
    drawn_again,
    has_annotations_over_text,
    has_hidden_layers,
    listed_pages,
    pages_that_draw_too_much,
    pages_with_appearances,
    read_document,
)
from veritensor_ray.formats.pdf.pdf_objects import Objects, find_objects
from veritensor_ray.formats.pdf.unshown import Unshown, claim, claim_encrypted

_MOST_PAGES = bounds.PDF_PAGES
_MARK_WITHIN = 1024 + 5
_BLANK = b"\x00\t\n\f\r "
_PAGES_AT_ONCE = 20  # PDFium keeps everything it has read of a document until the document is closed


def read_pdf(source: Source) -> Iterator[Item]:
    """Read what belongs to the document, then page by page. `start` is a character of the page's text in PDFium's order."""
    file, size = _seekable(source.file)
    budget = source.budget
    yield from _before(file, source.account)
    try:
        document = pdfium.open_document(file, size)
    except Encrypted as error:
        claim(find_objects(file, budget), (), source.account)
        yield Block([str(error)], view="metadata", column="encryption", notice="encrypted-document")
        yield Gap.of(error)
        return
    except ReadError:  # other viewers may open it
        yield from _unopened(file, budget, source.account)
        raise
    try:
        handle = pdfium.address(document.raw)
        with pdfium.LOCK:
            original = find_objects(file, budget)
            objects, about = _objects(original, file, handle, budget)
            unlocked = (original, file) if about is not file and pdfium.is_encrypted(handle) else None
            count = len(document)
        if objects.broken:
            yield Gap(f"some objects were not searched: {objects.broken}")
        yield from read_document(objects, about, budget, unlocked)
        drawn = Drawn(objects, about)
        heavy = pages_that_draw_too_much(objects, drawn)
        again = drawn_again(objects, drawn, min(count, _MOST_PAGES), budget.left)
        report = PageReport(has_hidden_layers(objects), has_annotations_over_text(objects), pages_with_appearances(objects), heavy)
        held, where = (original, file) if unlocked is None else (objects, about)  # an encrypted stream can only be read in the copy
        unshown = Unshown(objects, held, where, drawn.shown(listed_pages(objects)))
        del objects, about, unlocked, drawn, held
        for index in range(min(count, _MOST_PAGES)):
            if size > pdfium.IN_MEMORY and index % _PAGES_AT_ONCE == _PAGES_AT_ONCE - 1:
                document.close()
                document = pdfium.open_document(file, size)
            if index < len(again):
                budget.add(again[index])
            for item in read_page(pdfium.address(document.raw), index, report):
                yield item
                if isinstance(item, Block):  # PDFium decompressed it, and several pages may show the same
                    budget.add(sum(map(len, item.texts)) + sum(map(len, item.images or ())))
                    unshown.given(item.texts)
        yield from report.gaps()
        if count > _MOST_PAGES:
            yield Gap(f"{count - _MOST_PAGES} pages were not read", bound="pdf_pages", count=count - _MOST_PAGES)
        yield from unshown.read(budget, where is file)
        if where is file:
            claim(original, unshown.packed, source.account)
        else:  # what is not encrypted stands in the strings and streams as it is
            plain = Unshown(original, original, file, set())
            yield from plain.read(budget, encrypted=True)
            claim_encrypted(original, file, source.account)
    finally:
        with pdfium.LOCK:
            document.close()


def _unopened(file: BinaryIO, budget: Budget, account: ByteAccount) -> Iterator[Item]:
    """Read the objects of a document that PDFium cannot open."""
    objects = find_objects(file, budget)
    yield from read_document(objects, file, budget)
    unshown = Unshown(objects, objects, file, set())
    yield from unshown.read(budget)
    claim(objects, unshown.packed, account)


def _before(file: BinaryIO, account: ByteAccount) -> Iterator[Member]:
    """Yield the data before the mark that viewers search for, which other programs may read as text."""
    file.seek(0)
    before = file.read(_MARK_WITHIN).partition(b"%PDF-")
    if before[1] and before[0].removeprefix(codecs.BOM_UTF8).strip(_BLANK):
        account.claim(0, len(before[0]), "members")
        yield Member(f"bytes 0-{len(before[0])}", io.BytesIO(before[0]), stray=True)


def _seekable(file: BinaryIO) -> tuple[BinaryIO, int]:
    """A file with random access, and its size. The content of a stream is held in memory."""
    if file.seekable():
        return file, file.seek(0, io.SEEK_END)
    data = file.read(pdfium.IN_MEMORY + 1)
    if len(data) > pdfium.IN_MEMORY:
        raise LimitExceeded("pdf_bytes", f"the PDF is compressed and larger than {pdfium.IN_MEMORY} bytes")
    return io.BytesIO(data), len(data)


def _objects(original: Objects, file: BinaryIO, document: int, budget: Budget) -> tuple[Objects, BinaryIO]:
    """The objects, and the file that holds their streams: the PDF, or PDFium's copy if the PDF is encrypted or unusually packed."""
    encrypted = pdfium.is_encrypted(document)
    if not encrypted and not original.broken:
        return original, file
    copy = pdfium.copy(document, pdfium.IN_MEMORY)
    if copy is None:
        return (Objects(broken="the document is too large to be copied") if encrypted else original), file
    file = io.BytesIO(copy)
    return find_objects(file, budget), file
