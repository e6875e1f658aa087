"""Rewrites PDF files: glyphs of pages and of what annotations draw, strings, properties, scripts, and the files inside.

PDFium says where each character of a finding was drawn, and the glyph that stands there is taken out of the content: not covered, but gone.
Then qpdf writes the objects that are in use, so earlier versions of them stay behind. Before anything leaves, the copy is read again: every page
must say what it said, with nothing but the ordered changes, and pages with changes must look the same around them.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pikepdf

from veritensor_ray.core.reasons import CopyCode, ReasonCode
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.spool import CHUNK
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, OrderedRange, Orders, Unit, applied
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.drawn_text import Drawn, unpacked
from veritensor_ray.formats.pdf.pages import PageReport, read_page
from veritensor_ray.formats.pdf.pdf_document import (
    listed_pages,
    member_names,
    pages_of_annotations,
    pages_that_draw_too_much,
    pages_with_appearances,
    read_document,
)
from veritensor_ray.formats.pdf.pdf_library import Box, Matrix, Pixels
from veritensor_ray.formats.pdf.pdf_objects import Objects, find_objects
from veritensor_ray.formats.pdf.rewriting.document_strings import DocumentStrings
from veritensor_ray.formats.pdf.rewriting.drawn_glyphs import GlyphSearch, inherited
from veritensor_ray.formats.pdf.rewriting.glyph_removal import GlyphIndex, GlyphRemoval, Removed, StreamChange, writable
from veritensor_ray.formats.pdf.rewriting.other_views import drop_fragments, drop_old_views
from veritensor_ray.formats.pdf.rewriting.page_texts import OpenPage, PlacedText, pictured
from veritensor_ray.formats.pdf.rewriting.stripping import strip_document
from veritensor_ray.formats.residue.strings import VIEW
from veritensor_ray.masking.redaction import name_safe

_ANNOTATIONS = "annotations"  # the column of what annotations draw
_OBJECT = re.compile(r"object (\d{1,10})(?!\d)")
_LIGATURE = 3  # characters that one glyph may show
_EDGE = 2  # pixels around what changed


def rewrite_pdf(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write a PDF with the ordered changes. Raises CannotRewriteError, ReadError."""
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(0)
    if not any(orders) and not orders.strip:
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    if size > pdfium.IN_MEMORY:
        raise CannotRewriteError(f"it is larger than {pdfium.IN_MEMORY} bytes (pdf_bytes)", ReasonCode.LIMIT)
    data = b"".join(iter(lambda: source.file.read(CHUNK), b""))
    out.write(_Pdf(data, source, orders).rewritten())


@dataclass(slots=True)
class _PageChange:
    """What became of a page: its texts as they should be, and its picture with what changed in it."""

    own: str
    drawn: str
    pictures: Sequence[Pixels] = ()
    boxes: Sequence[Box] = ()
    gone: Sequence[str] = ()  # the texts that are removed


class _Pdf:
    """A PDF and the changes to it."""

    def __init__(self, data: bytes, source: Source, orders: Orders) -> None:
        self._data, self._source, self._orders = data, source, orders
        self._file = io.BytesIO(data)
        self._budget = Budget(source.limits, len(data))
        self._objects = find_objects(self._file, self._budget)
        self._listed = listed_pages(self._objects)

    def rewritten(self) -> bytes:
        """Return the document as it should be."""
        document = pdfium.open_document(self._file, len(self._data))
        with closing(document):
            handle = pdfium.address(document.raw)
            self._check_source(handle, len(document))
            with _parsed(self._data) as copy:
                if len(copy.pages) != len(document):
                    raise CannotRewriteError("programs disagree about the number of its pages")
                expected = self._pages(handle, copy)
                DocumentStrings(copy, self._orders, pages_of_annotations(self._objects), self._content).change()
                self._members(copy)
                strip_document(copy, self._orders)
                if not any(self._orders) and not self._orders.account.counts:
                    return self._data  # nothing to strip was there
                if _break_signatures(copy):
                    self._orders.signature_broken()
                out = io.BytesIO()
                copy.save(out, deterministic_id=True, fix_metadata_version=False, stream_decode_level=pikepdf.StreamDecodeLevel.generalized)
        new = out.getvalue()
        self._tick_what_is_gone(new)
        _check_copy(new, expected, self._appearances, self._orders.pulse)
        return new

    def _check_source(self, handle: int, pages: int) -> None:
        """Raise CannotRewriteError if the document cannot be rewritten at all."""
        if pdfium.is_encrypted(handle):
            raise CannotRewriteError("it is encrypted", ReasonCode.ENCRYPTED)
        if self._objects.broken or self._objects.too_many:
            raise CannotRewriteError("not all of its objects can be read")
        drawn = Drawn(self._objects, self._file)
        heavy = pages_that_draw_too_much(self._objects, drawn)
        if heavy is None or heavy:
            raise CannotRewriteError("a page draws too much to be read (pdf_drawn_bytes)", ReasonCode.LIMIT)
        shown = [self._objects.streams[one] for one in drawn.shown(self._listed)]
        gone = [order.mark for order in self._orders if order.mark.view == VIEW and order.mark.member == self._orders.member]
        if any(mark.start < one.offset + one.length and one.offset < mark.end for mark in gone for one in shown):
            raise CannotRewriteError("a finding is in a part of the page's content that is not displayed")
        if pages > len(self._listed):
            raise CannotRewriteError("its pages cannot be told from other objects")

    @property
    def _appearances(self) -> frozenset[int] | None:
        return pages_with_appearances(self._objects)

    def _content(self, stream: Any) -> bytes | None:
        """Return the content of a stream, as far as it may be unpacked."""
        found = self._objects.streams.get(stream.objgen[0])
        return unpacked(self._file, found) if found else None

    # Pages

    def _pages(self, handle: int, copy: pikepdf.Pdf) -> list[_PageChange]:
        """Change the pages. Returns what they should say."""
        ordered = {unit.page for unit in self._orders.units if unit.column in (None, _ANNOTATIONS)}
        drawn = self._appearances
        font = copy.make_indirect(_font()) if ordered - {None} else None
        found: list[_PageChange] = []
        forms: dict[tuple[int, int], StreamChange] = {}
        for index in range(len(copy.pages)):
            self._orders.pulse()
            page = _PageRewriting(OpenPage(handle, index), copy, index, self._orders, self._content, forms)
            changes = index + 1 in ordered
            hidden = self._hidden(handle, index) if changes and self._strips_hidden(index + 1) else []
            found.append(page.changed(font if changes else None, drawn is None or index + 1 in drawn, hidden))
        for change in forms.values():
            change.stream.holder.write(change.content(font))
        return found

    def _strips_hidden(self, page: int) -> bool:
        return any(order.action is Action.STRIP and order.mark.view == "hidden" for order in self._orders.units.get(Unit(page=page), ()))

    def _hidden(self, handle: int, index: int) -> list[tuple[int, int]]:
        """Return the ranges of the hidden texts of a page."""
        found: list[tuple[int, int]] = []
        for block in read_page(handle, index, PageReport()):
            if isinstance(block, Block) and block.view == "hidden" and block.column is None:
                starts = block.start if isinstance(block.start, list) else [block.start] * len(block.texts)
                found += [(start or 0, (start or 0) + len(text)) for start, text in zip(starts, block.texts, strict=True)]
        return found

    # The rest of the document

    def _members(self, copy: pikepdf.Pdf) -> None:
        """Rewrite the files inside the document."""
        names = member_names(self._objects)
        if not names:
            return
        streams = {one.objgen[0]: one for one in copy.objects if isinstance(one, pikepdf.Stream)}
        for number, name in names.items():
            inner = self._orders.member_orders(name)
            if not any(inner):
                continue
            data = self._content(streams[number]) if number in streams else None
            if data is None or list(names.values()).count(name) > 1:
                raise CannotRewriteError(f"{name_safe(name)}: the file inside it cannot be told from others, or not be unpacked")
            content = member(name, io.BytesIO(data), self._source, inner)
            if content is not None:
                with closing(content):
                    new = content.read()
                stream = streams[number]
                stream.write(new)
                if isinstance(about := stream.get("/Params"), pikepdf.Dictionary):
                    about["/Size"] = len(new)
                    if "/CheckSum" in about:
                        del about["/CheckSum"]

    def _tick_what_is_gone(self, new: bytes) -> None:
        """Account for findings in earlier versions of objects, which are not in the copy."""
        versions = Counter(self._objects.numbers)
        left = [
            order
            for order in self._orders.undone
            if order.mark.member == self._orders.member and order.mark.straight and order.mark.text and versions[_object(order.mark)] > 1
        ]
        if not left:
            return
        old = set(_object_texts(self._objects, self._file, self._budget))
        file, budget = io.BytesIO(new), Budget(self._source.limits, len(new))
        others = [text for _, text in _object_texts(find_objects(file, budget), file, budget)]
        for order in left:
            mark, value = order.mark, str(order.mark.text)
            was = any(column == mark.column and text[mark.start : mark.end] == value for column, text in old)
            if was and not any(value in text for text in others):
                self._orders.tick(order)


def _object_texts(objects: Objects, file: BinaryIO, budget: Budget) -> Iterator[tuple[str | None, str]]:
    """Yield the texts of a document outside of its pages, with their columns."""
    for item in read_document(objects, file, budget):
        if isinstance(item, Block) and item.page is None:
            columns = item.column if isinstance(item.column, list) else [item.column] * len(item.texts)
            yield from zip(columns, item.texts, strict=True)


def _object(mark: Mark) -> int:
    """Return the number of the object that a finding is in; 0 if its place does not say it."""
    found = _OBJECT.match(mark.column or "") if mark.page is None else None
    return int(found[1]) if found else 0


class _PageRewriting:
    """A page and the changes to it."""

    def __init__(
        self,
        opened: OpenPage,
        copy: pikepdf.Pdf,
        index: int,
        orders: Orders,
        content: Callable[[Any], bytes | None],
        forms: dict[tuple[int, int], StreamChange],
    ) -> None:
        self._opened, self._copy, self._orders, self._content, self._forms = opened, copy, orders, content, forms
        self._number = index + 1
        self._page = copy.pages[index]
        self._boxes: list[Box] = []
        self._gone: list[str] = []
        self._contents: set[int | None] = set()

    def changed(self, font: Any, appearances: bool, hidden: Sequence[tuple[int, int]]) -> _PageChange:
        """Change the page if there is a `font` for masks. Returns what it should say."""
        pictures: list[Pixels] = []
        with self._opened.own() as (page, text):
            own = text.text
            if font is not None:
                pictures = [pixels for pixels, _ in pictured(page)]
                own = self._without(Unit(page=self._number), text, font, hidden)
        drawn = ""
        if appearances:
            with self._opened.drawn() as text_drawn:
                if text_drawn is not None:
                    drawn = text_drawn.text
                    if font is not None:
                        drawn = self._without(Unit(page=self._number, column=_ANNOTATIONS), text_drawn, font, ())
        drop_fragments(self._copy, self._page, self._contents - {None}, self._gone)
        return _PageChange(own, drawn, pictures if self._boxes else (), self._boxes, self._gone)

    def _without(self, unit: Unit, text: PlacedText, font: Any, hidden: Sequence[tuple[int, int]]) -> str:
        """Remove the characters of findings, and return the text as it should be after that."""
        edits = self._edits(unit, text.text, hidden)
        if not edits:
            return text.text
        resources = inherited(self._page, "/Resources")
        search = GlyphSearch(self._content)
        (search.page if unit.column is None else search.appearances)(self._page, resources)
        index, removal = GlyphIndex(search), GlyphRemoval(search, self._forms)
        done: list[Edit] = []
        for edit in edits:
            removed = self._glyphs(edit, text, index)
            done.append(edit._replace(text=removed.mask if removal.remove(removed) else ""))
            self._contents.update(index.glyphs[one].content for one in removed.glyphs)
            self._gone.append(text.text[edit.start : edit.end])
        if removal.own is not None:
            self._page.obj["/Contents"] = self._copy.make_stream(removal.own.content(font))
        drop_old_views(self._page, appearances=unit.column is not None)
        self._boxes += [*removal.boxes, *removal.rest_of_lines()]
        return applied(text.text, done)

    def _edits(self, unit: Unit, text: str, hidden: Sequence[tuple[int, int]]) -> list[Edit]:
        found: list[OrderedRange] = []
        for order in self._orders.units.get(unit, ()):
            mark = order.mark
            if mark.view == "ocr":
                raise CannotRewriteError(f"a finding is in a picture on page {self._number}", CopyCode.IN_PICTURE)
            if order.action in (Action.DROP_ROW, Action.DROP_CELL) or not 0 <= mark.start < mark.end <= len(text):
                continue
            if mark.straight and text[mark.start : mark.end] != mark.text:
                continue
            around = [(start, end) for start, end in hidden if start <= mark.start and mark.end <= end]
            if order.action is Action.STRIP and mark.view == "hidden" and around:
                found.append(OrderedRange(*around[0], order))
            else:
                found += order.spans(text)
        return self._orders.merged(found, text) if found else []

    def _glyphs(self, edit: Edit, text: PlacedText, index: GlyphIndex) -> Removed:
        """Return the glyphs of a finding. Raises CannotRewriteError unless there is one for each of its characters."""
        found: list[int] = []
        places: Counter[tuple[float, float]] = Counter()
        for at in range(edit.start, edit.end):
            origin = text.origin(at)
            here = index.at(*origin) if origin else []
            if origin is not None and not text.text[at].isspace():
                places[origin] += 1
                if places[origin] > _LIGATURE and not all(index.glyphs[one].spans for one in here):
                    raise CannotRewriteError(f"several characters of a finding on page {self._number} share one glyph")
            if not here and not text.text[at].isspace():
                raise CannotRewriteError(
                    f"a character of a finding on page {self._number} has no glyph in its content that can be told from others"
                )
            found += here
        return Removed(index.with_others(list(dict.fromkeys(found))), writable(edit.text))


def _parsed(data: bytes) -> pikepdf.Pdf:
    try:
        return pikepdf.open(io.BytesIO(data))
    except pikepdf.PasswordError:
        raise CannotRewriteError("it is encrypted", ReasonCode.ENCRYPTED) from None
    except pikepdf.PdfError as error:
        raise CannotRewriteError(f"its objects cannot be read ({type(error).__name__})") from None


def _font() -> Any:
    return pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica, Encoding=pikepdf.Name.WinAnsiEncoding
    )


def _break_signatures(copy: pikepdf.Pdf) -> bool:
    """Empty the signatures, which fit no longer and hold certificates with names and addresses. Returns whether there are any."""
    signed = False
    for one in copy.objects:
        if isinstance(one, pikepdf.Dictionary) and "/ByteRange" in one and isinstance(value := one.get("/Contents"), pikepdf.String):
            signed = True
            one["/Contents"] = pikepdf.String(bytes(len(bytes(value))))
            if "/Cert" in one:
                del one["/Cert"]
    return signed


# The proof


def _check_copy(new: bytes, expected: Sequence[_PageChange], appearances: frozenset[int] | None, pulse: Callable[[], None]) -> None:
    """Raise CannotRewriteError unless the copy says and shows what it should."""
    document = pdfium.open_document(io.BytesIO(new), len(new))
    with closing(document):
        handle = pdfium.address(document.raw)
        if len(document) != len(expected):
            raise CannotRewriteError("its copy has another number of pages")
        for index, one in enumerate(expected):
            pulse()
            opened = OpenPage(handle, index)
            with opened.own() as (page, text):
                own = text.text
                if one.pictures and not any(map(partial(_looks_alike, one.boxes), one.pictures, pictured(page))):
                    raise CannotRewriteError(f"page {index + 1} would look different around what is removed")
            drawn = ""
            if appearances is None or index + 1 in appearances:
                with opened.drawn() as text_drawn:
                    drawn = text_drawn.text if text_drawn is not None else ""
            if not _says(own, one.own, one.gone) or not _says(drawn, one.drawn, one.gone):
                raise CannotRewriteError(f"page {index + 1} would not say what it should")


def _says(text: str, expected: str, gone: Sequence[str]) -> bool:
    """Return whether a text is what is expected, apart from spaces, which follow from distances.

    PDFium may order lines with letters that are written from right to left in another way when one of them changes.
    """
    new, old = _bare(text), _bare(expected)
    return new == old or (Counter(new) == Counter(old) and all(new.count(one) <= old.count(one) for one in map(_bare, gone) if one))


def _bare(text: str) -> str:
    return "".join(text.split())


def _looks_alike(boxes: Sequence[Box], before: Pixels, rendered: tuple[Pixels, Matrix]) -> bool:
    """Return whether two pictures of a page are equal outside of boxes."""
    after, matrix = rendered
    if before.shape != after.shape:
        return False
    differs = (before != after).any(axis=2)
    a, b, c, d, e, f = matrix
    height, width = differs.shape
    for left, bottom, right, top in boxes:
        corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
        x1, x2 = min(x for x, _ in corners), max(x for x, _ in corners)
        y1, y2 = min(y for _, y in corners), max(y for _, y in corners)
        rows = slice(max(0, int(y1) - _EDGE), min(height, int(y2) + 1 + _EDGE))
        differs[rows, max(0, int(x1) - _EDGE) : min(width, int(x2) + 1 + _EDGE)] = False
    return not np.any(differs)
