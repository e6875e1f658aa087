"""Reads a page of a PDF: visible text, hidden text, and images."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pypdfium2.raw as raw
from PIL import Image

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.drawn_text import MOST
from veritensor_ray.formats.pdf.inventory import DOUBTFUL, HIDDEN, NEUTRAL, VISIBLE, Inventory, take
from veritensor_ray.formats.pdf.page_pictures import picture, pixel_size
from veritensor_ray.formats.pdf.pdf_library import Box
from veritensor_ray.formats.pdf.seen_text import settle

_RENDERED_PAGES = bounds.PDF_RENDERED
_COMPARED_PAGES = bounds.PDF_COMPARED
_PICTURES = bounds.PDF_PICTURES
_DOTS = 150 / 72  # pixels per point
_SIDE = 4000  # pixels
_FEW = 20  # characters: no more than a stamp leaves on a scanned page
_SMALL = 64  # pixels
_FULL = 0.5  # share of the page
_HYPHEN = 2  # PDFium's code for a hyphen at the end of a line
_MEANINGLESS = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\ufffe\uffff]")
_MISSING = 0.3  # share of the characters
Units = npt.NDArray[np.uint16]


@dataclass(slots=True)
class PageReport:
    """State shared by the pages of a document: limits, and images that were already read."""

    hidden_layers: bool = False
    annotated: bool = True
    appearances: frozenset[int] | None = frozenset()  # page numbers; None: possibly all pages
    heavy: frozenset[int] | None = frozenset()  # pages that draw too much to be read; None: possibly all pages
    rendered: int = 0
    compared: int = 0
    pictures: int = 0
    not_rendered: int = 0
    not_compared: int = 0
    not_taken: int = 0
    crowded: int = 0
    not_drawn: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    known: set[tuple[int, int, int, int]] = field(default_factory=set)

    def gaps(self) -> Iterator[Gap]:
        """Yield gaps for omitted content."""
        if self.unreadable:
            first, count = self.unreadable[0], len(self.unreadable)
            yield Gap("the page cannot be read" if count == 1 else f"{count} pages cannot be read", location=f"page {first}", count=count)
        if self.not_drawn:
            first, count = self.not_drawn[0], len(self.not_drawn)
            what = f"more than {MOST} bytes of content, counting forms each time they are drawn"
            yield Gap(
                f"the page draws {what}" if count == 1 else f"{count} pages draw {what}",
                f"page {first}",
                bound="pdf_drawn_bytes",
                count=count,
            )
        for count, bound, what in (
            (self.not_rendered, "pdf_rendered_pages", "pages without text were not rendered"),
            (self.not_compared, "pdf_compared_pages", "pages were not searched for hidden text"),
            (self.not_taken, "pdf_pictures", "images were not read"),
            (self.crowded, "pdf_page_objects", "pages have too many objects to search all of them for hidden text"),
        ):
            if count:
                yield Gap(f"{count} {what}", bound=bound, count=count)


def read_page(document: int, index: int, report: PageReport) -> list[Block | Gap]:
    """Read one page. Nothing of it is held when this returns."""
    if report.heavy is None or index + 1 in report.heavy:
        report.not_drawn.append(index + 1)
        return []
    with pdfium.LOCK:
        page = pdfium.load_page(document, index)
        if not page:
            report.unreadable.append(index + 1)
            return []
        text = 0
        try:
            text = pdfium.load_text(page)
            if not text:
                report.unreadable.append(index + 1)
                return []
            found = list(_page(page, text, index + 1, report))
            expected = report.appearances is None or index + 1 in report.appearances
            drawn = expected and pdfium.count_annotations(page) > 0 and pdfium.flatten(page, 0) == raw.FLATTEN_SUCCESS
            before = pdfium.page_text(text) if drawn else b""
        finally:
            if text:
                pdfium.close_text(text)
            pdfium.close_page(page)
        return [*found, *_appearances(document, index, before)] if drawn else found


def _appearances(document: int, index: int, before: bytes) -> list[Block | Gap]:
    """The text that annotations and form fields draw. Flattening in memory appends it to the page's own text."""
    page = pdfium.load_page(document, index)
    text = pdfium.load_text(page) if page else 0
    try:
        after = pdfium.page_text(text) if text else b""
    finally:
        if text:
            pdfium.close_text(text)
        if page:
            pdfium.close_page(page)
    added = after[len(before) :] if after.startswith(before) else after
    words = added.decode("utf-16-le", "replace").strip()
    return [Block([words], page=index + 1, column="annotations")] if words else []


def _page(page: int, text: int, number: int, report: PageReport) -> Iterator[Block | Gap]:
    units = units_of(text)
    found = take(page, report.hidden_layers, report.annotated)
    report.crowded += found.too_many
    if (found.judged == DOUBTFUL).any():
        _settle(page, found, report)
    visible, hidden = _split(text, units, found)
    for block in (visible, hidden):
        if block:
            yield Block(block[0], page=number, start=block[1], origins=block[2], view="visible" if block is visible else "hidden")
    seen = visible[0][0] if visible else ""
    if _needs_rendering(seen, found, page):
        yield from _rendered(page, number, report)
    elif found.images:
        yield from _pictures(page, found, number, report)


def units_of(text: int) -> Units:
    """The page's text in UTF-16 units, in PDFium's order."""
    units = np.frombuffer(pdfium.page_text(text), np.uint16).copy()
    units[units == _HYPHEN] = ord("-")
    return units


def _settle(page: int, found: Inventory, report: PageReport) -> None:
    if report.compared >= _COMPARED_PAGES:
        report.not_compared += 1
        found.judged[found.judged == DOUBTFUL] = VISIBLE
        return
    report.compared += 1
    settle(page, found)


Texts = tuple[list[str], list[int], list[list[Origin]] | None]


def _split(text: int, units: Units, found: Inventory) -> tuple[Texts | None, Texts | None]:
    """The visible text as one text, and each hidden range; positions are characters of the page's whole text."""
    if not len(units):
        return None, None
    if not (found.judged == HIDDEN).any():
        return ([decoded_units(units)], [0], None), None
    if ((found.judged == HIDDEN) | (found.judged == NEUTRAL)).all() and not found.too_many:
        return None, ([decoded_units(units)], [0], None)
    unseen = _unseen_units(text, len(units), found)
    edges = np.flatnonzero(np.diff(unseen)) + 1
    stretches = list(zip([0, *edges.tolist()], [*edges.tolist(), len(units)], strict=True))
    at = _character_of_unit(units)
    parts: list[str] = []
    origins: list[Origin] = []
    hidden: list[str] = []
    starts: list[int] = []
    size = 0
    for begin, end in stretches:
        part = decoded_units(units[begin:end])
        if unseen[begin]:
            if part.strip():
                hidden.append(part.strip())
                starts.append(int(at[begin]) + len(part) - len(part.lstrip()))
            continue
        origins.append(Origin(size, int(at[begin]), int(at[begin]) + len(part)))
        parts.append(part)
        size += len(part)
    visible = "".join(parts)
    return ([visible], [0], [origins]) if visible.strip() else None, (hidden, starts, None) if hidden else None


def decoded_units(units: Units) -> str:
    """The characters of UTF-16 units."""
    return units.tobytes().decode("utf-16-le", "replace")


def _character_of_unit(units: Units) -> npt.NDArray[np.int64]:
    second = (units >= 0xDC00) & (units < 0xE000)
    return np.cumsum(~second) - 1


def _unseen_units(text: int, count: int, found: Inventory) -> npt.NDArray[np.bool_]:
    """Which UTF-16 units of the page's text are hidden. Spaces and line ends count with the characters after them."""
    judged = dict(zip(found.texts, found.judged.tolist(), strict=True))
    known = [judged.get(pdfium.text_object(text, i) or 0, NEUTRAL) for i in range(pdfium.count_chars(text))]
    unseen = np.zeros(count, np.bool_)
    following = next((one for one in reversed(known) if one != NEUTRAL), VISIBLE) == HIDDEN
    for i in range(len(known) - 1, -1, -1):
        if known[i] != NEUTRAL:
            following = known[i] == HIDDEN
        at = pdfium.text_index(text, i)
        if 0 <= at < count:
            unseen[at] = following
    return unseen


def _needs_rendering(seen: str, found: Inventory, page: int) -> bool:
    if not found.count and not pdfium.count_annotations(page):
        return False
    stripped = seen.strip()
    if not stripped:
        return True
    if len(stripped) < _FEW:
        left, bottom, right, top = found.page_box
        area = max((right - left) * (top - bottom), 1)
        covered = [
            (min(r, right) - max(a, left)) * (min(t, top) - max(b, bottom)) for _, (a, b, r, t) in found.images if r > left and t > bottom
        ]
        return max(covered, default=0) > _FULL * area
    return len(_MEANINGLESS.findall(stripped)) > _MISSING * len(stripped)


def _rendered_size(page: int) -> tuple[int, int]:
    width, height = pdfium.size(page)
    scale = min(_DOTS, _SIDE / max(width, height, 1))
    return max(1, round(width * scale)), max(1, round(height * scale))


def places_read(page: int, boxes: Iterable[tuple[int, int, int, int]]) -> list[Box]:
    """Return where on the page boxes are (left, top, right, bottom) that a transcriber has found in the rendered page."""
    a, b, c, d, e, f = pdfium.to_pixels(page, *_rendered_size(page))
    unit = a * d - b * c
    found: list[Box] = []
    for left, top, right, bottom in boxes:
        more = max(2, (bottom - top) // 4)  # transcribers cut off the edges of letters
        corners = [(x - e, y - f) for x in (left - more, right + more) for y in (top - more, bottom + more)]
        xs, ys = [(d * x - c * y) / unit for x, y in corners], [(a * y - b * x) / unit for x, y in corners]
        found.append((min(xs), min(ys), max(xs), max(ys)))
    return found


def _rendered(page: int, number: int, report: PageReport) -> Iterator[Block | Gap]:
    if report.rendered >= _RENDERED_PAGES:
        report.not_rendered += 1
        return
    report.rendered += 1
    try:
        pixels = pdfium.render(page, *_rendered_size(page), grey=True)
    except ReadError as error:
        yield Gap.of(error, f"page {number}")
        return
    if (pixels == pixels[0, 0]).all():
        return
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=85)
    yield Block([""], page=number, images=[out.getvalue()])


def _pictures(page: int, found: Inventory, number: int, report: PageReport) -> Iterator[Block | Gap]:
    images: list[bytes] = []
    columns: list[str] = []
    for at, (item, _) in enumerate(found.images, 1):
        width, height = pixel_size(item)
        if min(width, height) < _SMALL:
            continue
        if report.pictures >= _PICTURES:
            report.not_taken += 1
            continue
        data, key = picture(item, width, height, report.known)
        if key is None:
            continue
        report.known.add(key)
        if data is None:
            yield Gap("an image cannot be read", location=f"page {number}")
        else:
            report.pictures += 1
            images.append(data)
            columns.append(f"image {at}")
    if images:
        yield Block([""] * len(images), page=number, column=columns, images=images)
