"""The texts of a page as the audit saw them, and where PDFium drew each of their characters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pypdfium2.raw as raw

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.pages import decoded_units, units_of
from veritensor_ray.formats.pdf.pdf_library import Box, Matrix, Pixels

_SIDES = (1200, 1069)  # pixels of the longer side of a page that is compared


class PlacedText:
    """A text of a page, and where its characters stand. It is valid as long as the page is open."""

    def __init__(self, handle: int, begin: int = 0) -> None:
        """Take the text from the UTF-16 unit `begin` on."""
        self._handle = handle
        units = units_of(handle)[begin:]
        whole = decoded_units(units)
        second = (units >= 0xDC00) & (units < 0xE000)
        self._units = np.flatnonzero(~second) + begin
        self._skipped = len(whole) - len(whole.lstrip()) if begin else 0
        self.text = whole.strip() if begin else whole

    def origin(self, character: int) -> tuple[float, float] | None:
        """Return where a character of the text was drawn."""
        index = self._index(character)
        return pdfium.origin(self._handle, index) if index >= 0 else None

    def matrix(self, character: int) -> Matrix | None:
        """Return the matrix from the space of a character, in units of its font's size, to the page."""
        index = self._index(character)
        return pdfium.character_matrix(self._handle, index) if index >= 0 else None

    def box(self, character: int) -> Box | None:
        """Return the part of the page that a character takes up."""
        index = self._index(character)
        return pdfium.character_box(self._handle, index) if index >= 0 else None

    def _index(self, character: int) -> int:
        at = character + self._skipped
        return int(pdfium.character_at(self._handle, int(self._units[at]))) if at < len(self._units) else -1


class OpenPage:
    """A page of a document that PDFium has open."""

    def __init__(self, document: int, index: int) -> None:
        self._document, self._index = document, index

    @contextmanager
    def own(self) -> Iterator[tuple[int, PlacedText]]:
        """Open the page for its own text."""
        with pdfium.LOCK, _opened(self._document, self._index) as (page, text):
            yield page, PlacedText(text)

    @contextmanager
    def drawn(self) -> Iterator[PlacedText | None]:
        """Open the page for the text that its annotations draw. PDFium draws them into its copy of the page, so this comes last."""
        with pdfium.LOCK:
            with _opened(self._document, self._index) as (page, text):
                before = pdfium.page_text(text)
                drawn = pdfium.count_annotations(page) > 0 and pdfium.flatten(page, 0) == raw.FLATTEN_SUCCESS
            if not drawn:
                yield None
                return
            with _opened(self._document, self._index) as (_, text):
                begins = pdfium.page_text(text).startswith(before)
                yield PlacedText(text, len(before) // 2 if begins else 0)


@contextmanager
def _opened(document: int, index: int) -> Iterator[tuple[int, int]]:
    page = pdfium.load_page(document, index)
    text = pdfium.load_text(page) if page else 0
    try:
        if not text:
            raise ReadError(f"page {index + 1} cannot be read")
        yield page, text
    finally:
        if text:
            pdfium.close_text(text)
        if page:
            pdfium.close_page(page)


def pictured(page: int) -> Iterator[tuple[Pixels, Matrix]]:
    """Yield the rendered page in two sizes, and for each the matrix from its coordinates to pixels.

    PDFium puts glyphs on whole pixels, so one whose place is between two of them may take the other in one size, although it does not move.
    """
    width, height = pdfium.size(page)
    for side in _SIDES:
        scale = min(2.0, side / max(width, height, 1.0))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        yield pdfium.render(page, *size), pdfium.to_pixels(page, *size)
