"""Rewrites PDF files: glyphs of pages and of what annotations draw, strings, properties, scripts, and the files inside.

PDFium says where each character of a finding was drawn, and the glyph that stands there is taken out of the content: not covered, but gone.
Then qpdf writes the objects that are in use, so earlier versions of them stay behind. Before anything leaves, the copy is read again: every page
must say what it said, with nothing but the ordered changes, and pages with changes must look the same around them. A page for which this cannot
be done becomes a picture.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pikepdf

from veritensor_ray.core import bounds
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
from veritensor_ray.formats.pdf.pages import PageReport, places_read, read_page
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
from veritensor_ray.formats.pdf.rewriting.page_as_picture import become_picture, looks_like, page_text, picture_of, pixel_ranges
from veritensor_ray.formats.pdf.rewriting.page_texts import OpenPage, PlacedText, pictured
from veritensor_ray.formats.pdf.rewriting.stripping import strip_document
from veritensor_ray.formats.residue.strings import VIEW
from veritensor_ray.masking.redaction import name_safe

_ANNOTATIONS = "annotations"  # the column of what annotations draw
_UNSHOWN = re.compile(r"stream at byte \d{1,12}|bytes \d{1,12}-\d{1,12}")
_SHORTEST = 6  # characters of a text whose absence can be proven
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
    is_picture: bool = False


class _PagesFailedError(CannotRewriteError):
    """Pages, by their indexes, from which a text cannot be taken out."""

    def __init__(self, message: str, pages: Collection[int], code: CopyCode | ReasonCode = CopyCode.NO_EXACT_CHANGE) -> None:
        super().__init__(message, code)
        self.pages = frozenset(pages)


class _Pdf:
    """A PDF and the changes to it."""

    def __init__(self, data: bytes, source: Source, orders: Orders) -> None:
        self._data, self._source, self._orders = data, source, orders
        self._file = io.BytesIO(data)
        self._budget = Budget(source.limits, len(data))
        self._objects = find_objects(self._file, self._budget)
        self._listed = listed_pages(self._objects)

    def rewritten(self) -> bytes:
        """Return the document with all changes. A page becomes a picture if its text cannot be taken out in any other way."""
        as_pictures: frozenset[int] = frozenset()
        while True:
            before = self._orders.done_so_far()
            try:
                return self._attempt(as_pictures)
            except _PagesFailedError as error:
                if error.pages <= as_pictures or len(error.pages | as_pictures) > bounds.PDF_RENDERED:
                    raise
                as_pictures |= error.pages
                self._orders.undo_since(before)

    def _attempt(self, as_pictures: Collection[int]) -> bytes:
        """Return the document with the changes, and with these pages as pictures. Raises _PagesFailedError for those that have to become some."""
        document = pdfium.open_document(self._file, len(self._data))
        with closing(document):
            handle = pdfium.address(document.raw)
            self._check_source(handle, len(document))
            with _parsed(self._data) as copy:
                if len(copy.pages) != len(document):
                    raise CannotRewriteError("programs disagree about the number of its pages")
                expected = self._pages(handle, copy, as_pictures)
                DocumentStrings(copy, self._orders, pages_of_annotations(self._objects), self._content).change()
                self._members(copy)
                strip_document(copy, self._orders)
                self._drop_private_data(copy)
                if not any(self._orders) and not self._orders.account.counts:
                    return self._data  # nothing to strip was there
                if _break_signatures(copy):
                    self._orders.signature_broken()
                out = io.BytesIO()
                copy.save(out, deterministic_id=True, fix_metadata_version=False, stream_decode_level=pikepdf.StreamDecodeLevel.generalized)
        new = out.getvalue()
        self._tick_what_is_gone(new)
        failed = _failed_pages(new, expected, self._appearances, self._orders.pulse)
        if failed:
            pages = {number - 1 for number in self._ordered_pages()}
            raise _PagesFailedError(next(iter(failed.values())), failed if failed.keys() <= pages else pages)  # several may draw the same
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

    def _ordered_pages(self) -> set[int]:
        """Return the numbers of the pages that have orders."""
        return {unit.page for unit in self._orders.units if unit.page is not None and unit.column in (None, _ANNOTATIONS)}

    def _pages(self, handle: int, copy: pikepdf.Pdf, as_pictures: Collection[int]) -> list[_PageChange]:
        """Change the pages. Returns what they should say."""
        ordered = self._ordered_pages()
        failed: dict[int, CannotRewriteError] = {}
        drawn = self._appearances
        font = copy.make_indirect(_font()) if ordered else None
        found: list[_PageChange] = []
        forms: dict[tuple[int, int], StreamChange] = {}
        for index in range(len(copy.pages)):
            self._orders.pulse()
            page = _PageRewriting(OpenPage(handle, index), copy, index, self._orders, self._content, forms)
            changes = index + 1 in ordered
            hidden = self._hidden(handle, index) if changes and self._strips_hidden(index + 1) else []
            appearances = drawn is None or index + 1 in drawn
            try:
                found.append(page.changed(font if changes else None, appearances, hidden, index in as_pictures))
            except CannotRewriteError as error:
                failed[index] = error
        if failed:
            first = next(iter(failed.values()))
            raise _PagesFailedError(str(first), failed, first.reason_code)
        try:
            for change in forms.values():
                change.stream.holder.write(change.content(font))
        except CannotRewriteError as error:
            raise _PagesFailedError(str(error), {number - 1 for number in ordered}) from None
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

    def _stream_of(self, mark: Mark) -> str | None:
        """Return the name of the stream or range of bytes outside of the document's own content in which a finding is; None if it is in none."""
        own = f"{self._orders.member}!/" if self._orders.member else ""
        if mark.member is None or mark.member == self._orders.member:
            return None
        name = mark.member.removeprefix(own).partition("!/")[0]
        return name if _UNSHOWN.fullmatch(name) else None

    def _is_unshown(self, mark: Mark) -> bool:
        """Return whether a finding is a text of objects or between them."""
        own = mark.member == self._orders.member and mark.page is None and (mark.view == VIEW or mark.column is not None)
        return own and mark.straight and len(mark.text or "") >= _SHORTEST

    def _drop_private_data(self, copy: pikepdf.Pdf) -> None:
        """Leave out what programs keep for themselves: strings of the trailer and, if something was found in a stream that no page draws, those."""
        for key in [key for key, value in copy.trailer.items() if isinstance(value, pikepdf.String)]:
            del copy.trailer[key]
        if any(self._stream_of(order.mark) for order in self._orders):
            for one in copy.objects:
                if isinstance(one, (pikepdf.Dictionary, pikepdf.Stream)) and "/PieceInfo" in one:
                    del one["/PieceInfo"]

    def _tick_what_is_gone(self, new: bytes) -> None:
        """Account for findings in earlier versions of objects, in unused ones and between them, which are not in the copy."""
        left = [order for order in self._orders.undone if self._is_unshown(order.mark) or self._stream_of(order.mark)]
        if not left:
            return
        was, old = self._texts_of(self._objects, self._file)
        file = io.BytesIO(new)
        texts, data = self._texts_of(find_objects(file, Budget(self._source.limits, len(new))), file)
        streams = {stream.offset: stream for _, stream in self._objects.versions}
        for order in left:
            mark, name, value = order.mark, self._stream_of(order.mark), str(order.mark.text)
            forms = [value.encode(codec, "replace") for codec in ("utf-8", "latin-1", "utf-16-be", "utf-16-le")]
            if name is not None:
                stream = streams.get(int(name.rpartition(" ")[2])) if name.startswith("stream") else None
                content = unpacked(self._file, stream) if stream else None
                gone = not name.startswith("stream") or (content is not None and content not in data)
            elif mark.column is not None:
                there = any(column == mark.column and text[mark.start : mark.end] == value for column, text in was)
                gone = there and not any(value in text for _, text in texts) and not any(form in one for form in forms for one in data)
            else:
                there = any(form in one for form in forms for one in (self._data, *old))
                gone = there and not any(value in text for _, text in texts) and not any(form in one for form in forms for one in data)
            if gone:
                self._orders.tick(order)

    def _texts_of(self, objects: Objects, file: BinaryIO) -> tuple[list[tuple[str | None, str]], list[bytes]]:
        """Return the texts of a document outside of its pages, with their columns, and everything in it as bytes."""
        texts = list(_object_texts(objects, file, Budget(self._source.limits, len(self._data))))
        return texts, [objects.text, *(unpacked(file, one) or b"" for one in objects.streams.values())]


def _object_texts(objects: Objects, file: BinaryIO, budget: Budget) -> Iterator[tuple[str | None, str]]:
    """Yield the texts of a document outside of its pages, with their columns."""
    for item in read_document(objects, file, budget):
        if isinstance(item, Block) and item.page is None:
            columns = item.column if isinstance(item.column, list) else [item.column] * len(item.texts)
            yield from zip(columns, item.texts, strict=True)


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

    def changed(self, font: Any, appearances: bool, hidden: Sequence[tuple[int, int]], as_picture: bool) -> _PageChange:
        """Change the page if there is a `font` for masks. Returns what it should say."""
        pictures: list[Pixels] = []
        with self._opened.own() as (page, text):
            own = text.text
            if font is not None:
                pictures = [pixels for pixels, _ in pictured(page)]
                own = self._as_picture(page, text, hidden) if as_picture else self._without(Unit(page=self._number), text, font, hidden)
        drawn = ""
        if appearances:
            with self._opened.drawn() as text_drawn:
                if text_drawn is not None:
                    drawn = text_drawn.text
                    if font is not None:
                        drawn = self._without(Unit(page=self._number, column=_ANNOTATIONS), text_drawn, font, ())
        drop_fragments(self._copy, self._page, range(sys.maxsize) if as_picture else self._contents - {None}, self._gone)
        return _PageChange(own, drawn, pictures if self._boxes else (), self._boxes, self._gone, as_picture)

    def _as_picture(self, page: int, text: PlacedText, hidden: Sequence[tuple[int, int]]) -> str:
        """Make a picture of the page, and return the text that is written over it unseen."""
        unit = Unit(page=self._number)
        edits = self._edits(unit, text.text, hidden)
        unseen, boxes = page_text(text, [(edit.start, edit.end, writable(edit.text)) for edit in edits])
        self._gone += [text.text[edit.start : edit.end] for edit in edits]
        for order in self._orders.units.get(unit, ()):
            if order.mark.view == "ocr":
                if not order.mark.boxes:
                    raise CannotRewriteError(f"a finding is in a picture on page {self._number}", CopyCode.IN_PICTURE)
                boxes += places_read(page, [(one.left, one.top, one.right, one.bottom) for one in order.mark.boxes])
                self._orders.tick(order)
        box, turned = pdfium.page_box(page), 90 * pdfium.rotation(page)
        become_picture(self._copy, self._page, picture_of(page, boxes), box, turned, unseen)
        self._orders.page_pictured()
        self._boxes += boxes
        return "".join(one.letter for one in unseen)

    def _without(self, unit: Unit, text: PlacedText, font: Any, hidden: Sequence[tuple[int, int]]) -> str:
        """Remove the characters of findings, and return the text as it should be after that."""
        if any(order.mark.view == "ocr" for order in self._orders.units.get(unit, ())):
            raise CannotRewriteError(f"a finding is in a picture on page {self._number}", CopyCode.IN_PICTURE)
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
            if mark.view == "ocr" or order.action in (Action.DROP_ROW, Action.DROP_CELL) or not 0 <= mark.start < mark.end <= len(text):
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


def _failed_pages(
    new: bytes, expected: Sequence[_PageChange], appearances: frozenset[int] | None, pulse: Callable[[], None]
) -> dict[int, str]:
    """Return the pages, by their indexes, that do not say or show what they should, each with what is wrong with it."""
    failed: dict[int, str] = {}
    document = pdfium.open_document(io.BytesIO(new), len(new))
    with closing(document):
        handle = pdfium.address(document.raw)
        if len(document) != len(expected):
            raise CannotRewriteError("its copy has another number of pages")
        for index, one in enumerate(expected):
            pulse()
            opened = OpenPage(handle, index)
            alike = looks_like if one.is_picture else _looks_alike
            with opened.own() as (page, text):
                own = text.text
                if one.pictures and not any(map(partial(alike, one.boxes), one.pictures, pictured(page))):
                    failed[index] = f"page {index + 1} would look different around what is removed"
            drawn = ""
            if appearances is None or index + 1 in appearances:
                with opened.drawn() as text_drawn:
                    drawn = text_drawn.text if text_drawn is not None else ""
            if not _says(own, one.own, one.gone) or not _says(drawn, one.drawn, one.gone):
                failed[index] = f"page {index + 1} would not say what it should"
    return failed


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
    differs = before.view(np.uint32)[:, :, 0] != after.view(np.uint32)[:, :, 0]  # four bytes are a pixel; comparing them singly is slow
    for rows, columns in pixel_ranges(boxes, matrix, differs.shape, _EDGE):
        differs[rows, columns] = False
    return not np.any(differs)
