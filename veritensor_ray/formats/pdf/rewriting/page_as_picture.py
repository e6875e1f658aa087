"""Makes a picture of a page from which a text cannot be taken out: the page as it looks, with the places of the text painted over.

The rest of the page's text is written anew over the picture, unseen, so that it can still be found and copied. This is how programs that read
scanned pages do it too.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pikepdf
from PIL import Image

from veritensor_ray.core import bounds
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.pdf_library import Box, Matrix, Pixels
from veritensor_ray.formats.pdf.rewriting.page_texts import PlacedText

_DOTS = 200 / 72  # pixels per point
_SIDE = 4000  # pixels
_MARGIN = 0.15  # of the height of a letter
_QUALITY = 92
_STEP, _NARROWEST, _WIDEST = 5, 5, 400  # widths of letters, in hundredths of their size
_MOST_CODES = 0xFFFF
_SMALLEST = 1e-3  # points
_LEVEL, _FAR, _NEAR = 0.3, 100.0, 0.01  # in units of the size: what counts as a line, and from when a letter is moved
_BLOCK = 8  # pixels
_UNLIKE, _MOST_UNLIKE = 8.0, 128.0  # of 255: differences of pictures, in the mean and in one block


class PlacedLetter(NamedTuple):
    """A letter, the matrix from the space of its font to the page, and its width there."""

    letter: str
    matrix: Matrix
    width: float

    @property
    def size(self) -> float:
        """The size of its font along its line."""
        return math.hypot(self.matrix[0], self.matrix[1])

    @property
    def shape(self) -> tuple[str, int]:
        """The letter and its width in hundredths of its size."""
        return self.letter, min(_WIDEST, max(_NARROWEST, round(100 * self.width / self.size / _STEP) * _STEP))


def page_text(text: PlacedText, gone: Iterable[tuple[int, int, str]]) -> tuple[list[PlacedLetter], list[Box]]:
    """Return the letters of a page, with others for ranges of its text, and where these ranges are."""
    letters: list[PlacedLetter] = []
    boxes: list[Box] = []
    at = 0
    for start, end, new in (*gone, (len(text.text), len(text.text), "")):
        letters += [placed for number in range(at, start) if (placed := _letter(text, number))]
        inside = [placed for number in range(start, end) if (placed := _letter(text, number))]
        boxes += [_with_margin(box) for number in range(start, end) if (box := text.box(number)) is not None]
        letters += _spread("".join(new.split()), inside)
        at = end
    return [*_apart(letters)], boxes


def _apart(letters: Iterable[PlacedLetter]) -> Iterator[PlacedLetter]:
    """Yield letters, those of a ligature side by side: PDFium takes two equal ones at the same place for one."""
    for _, together in groupby(letters, lambda one: one.matrix):
        some = [*together]
        step = min(one.width for one in some) / len(some)
        for number, one in enumerate(some):
            yield _moved(one, number * step, step) if len(some) > 1 else one


def _moved(one: PlacedLetter, far: float, width: float) -> PlacedLetter:
    """Return a letter that stands further along its line and has another width."""
    a, b, c, d, e, f = one.matrix
    return PlacedLetter(one.letter, (a, b, c, d, e + far * a / one.size, f + far * b / one.size), width)


def _letter(text: PlacedText, number: int) -> PlacedLetter | None:
    letter, matrix, box = text.text[number], text.matrix(number), text.box(number)
    if letter.isspace() or not letter.isprintable() or matrix is None or box is None:
        return None
    a, b, _, _, _, _ = matrix
    long = math.hypot(a, b)
    if not _SMALLEST < long < math.inf:
        return None
    return PlacedLetter(letter, matrix, (abs((box[2] - box[0]) * a) + abs((box[3] - box[1]) * b)) / long)


def _spread(new: str, inside: Sequence[PlacedLetter]) -> Iterator[PlacedLetter]:
    """Yield other letters where some stood, as far as these reach in the line of the first of them."""
    if not new or not inside:
        return
    first = inside[0]
    reach = first.width
    for one in inside:
        along, across = _from(first, one)
        if abs(across) < _LEVEL:
            reach = max(reach, along * first.size + one.width)
    step = min(first.width, reach / len(new))
    for number, letter in enumerate(new):
        yield _moved(first._replace(letter=letter), number * step, step)


def _from(one: PlacedLetter, other: PlacedLetter) -> tuple[float, float]:
    """Return how far one letter stands from another, along its line and across, in units of its size."""
    a, b, _, _, e, f = one.matrix
    x, y = other.matrix[4] - e, other.matrix[5] - f
    return (x * a + y * b) / one.size**2, (y * a - x * b) / one.size**2


def _with_margin(box: Box) -> Box:
    left, bottom, right, top = box
    more = _MARGIN * max(top - bottom, min(right - left, 50.0))
    return left - more, bottom - more, right + more, top + more


def picture_of(page: int, boxes: Sequence[Box]) -> Pixels:
    """Return the page as it looks without its annotations, painted over where boxes are."""
    width, height = pdfium.size(page)
    scale = min(_DOTS, _SIDE / max(width, height, 1.0))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = pdfium.render(page, *size, annotations=False)[:, :, 2::-1].copy()
    for rows, columns in pixel_ranges(boxes, pdfium.to_pixels(page, *size), pixels.shape):
        pixels[rows, columns] = 0
    return pixels


def pixel_ranges(boxes: Iterable[Box], matrix: Matrix, shape: Sequence[int], more: int = 1) -> Iterable[tuple[slice, slice]]:
    """Yield the rows and columns of pixels that boxes of a page touch, and `more` around them."""
    a, b, c, d, e, f = matrix
    height, width = shape[:2]
    for left, bottom, right, top in boxes:
        corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        first, last = max(0, math.floor(min(ys)) - more), min(height, math.ceil(max(ys)) + more)
        begin, end = max(0, math.floor(min(xs)) - more), min(width, math.ceil(max(xs)) + more)
        yield slice(first, max(first, last)), slice(begin, max(begin, end))


def become_picture(copy: pikepdf.Pdf, page: Any, pixels: Pixels, box: Box, turned: int, letters: Sequence[PlacedLetter]) -> None:
    """Replace the content of a page by a picture that fills its box, and by letters that nobody sees."""
    codes = {shape: number for number, shape in enumerate(dict.fromkeys(one.shape for one in letters), 1)}
    if len(codes) > _MOST_CODES:
        raise CannotRewriteError("a page that has to become a picture has too many different letters")
    resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Page=_image(copy, pixels)))
    if codes:
        resources["/Font"] = pikepdf.Dictionary(Unseen=_unseen_font(copy, list(codes)))
    content = [f"q {_numbers(_across(box, turned))} cm /Page Do Q", *(_shown(line, codes) for line in _lines(letters))]
    page.obj["/Contents"] = copy.make_stream("\n".join(content).encode())
    page.obj["/Resources"] = resources
    for key in ("/Thumb", "/PieceInfo", "/B", "/StructParents", "/Group"):
        if key in page.obj:
            del page.obj[key]


def _lines(letters: Iterable[PlacedLetter]) -> Iterator[list[PlacedLetter]]:
    """Yield letters together that stand one after the other in a line."""
    line: list[PlacedLetter] = []
    for one in letters:
        if line:
            along, across = _from(line[-1], one)
            alike = all(math.isclose(a, b, rel_tol=0.01, abs_tol=0.01) for a, b in zip(line[0].matrix[:4], one.matrix[:4], strict=True))
            if not alike or abs(across) >= _LEVEL or not 0 <= along < _FAR:
                yield line
                line = []
        line.append(one)
    if line:
        yield line


def _across(box: Box, turned: int) -> Matrix:
    """Return the matrix that fits a picture into the box of a page, which viewers turn clockwise by so many degrees."""
    left, bottom, right, top = box
    wide, high = right - left, top - bottom
    return {
        90: (0.0, high, -wide, 0.0, right, bottom),
        180: (-wide, 0.0, 0.0, -high, right, top),
        270: (0.0, -high, wide, 0.0, left, top),
    }.get(turned % 360, (wide, 0.0, 0.0, high, left, bottom))


def _image(copy: pikepdf.Pdf, pixels: Pixels) -> Any:
    grey = bool((pixels == pixels[:, :, :1]).all())
    plane = pixels[:, :, 0] if grey else pixels
    height, width = plane.shape[:2]
    rows = plane.reshape(height, -1)
    above = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), rows[:-1]])
    data = zlib.compress(np.hstack([np.full((height, 1), 2, np.uint8), rows - above]).tobytes(), 6)  # 2: each row minus the one above it
    about = pikepdf.Dictionary(
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=width,
        Height=height,
        BitsPerComponent=8,
        ColorSpace=pikepdf.Name.DeviceGray if grey else pikepdf.Name.DeviceRGB,
    )
    if len(data) <= bounds.PDF_LOSSLESS:
        about["/Filter"] = pikepdf.Name.FlateDecode
        about["/DecodeParms"] = pikepdf.Dictionary(Predictor=15, Colors=1 if grey else 3, BitsPerComponent=8, Columns=width)
    else:
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(plane)).save(out, "JPEG", quality=_QUALITY, subsampling=0)
        data = out.getvalue()
        about["/Filter"] = pikepdf.Name.DCTDecode
    return pikepdf.Stream(copy, data, about)


def _unseen_font(copy: pikepdf.Pdf, shapes: Sequence[tuple[str, int]]) -> Any:
    """Return a font whose codes mean letters of some width, and that draws none of them."""
    pairs = [f"<{code:04x}> <{letter.encode('utf-16-be', 'surrogatepass').hex()}>" for code, (letter, _) in enumerate(shapes, 1)]
    parts = [pairs[at : at + 100] for at in range(0, len(pairs), 100)]
    lines = [f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in parts]
    meaning = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Unseen def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n" + "\n".join(lines) + "\nendcmap end end"
    )
    descriptor = pikepdf.Dictionary(
        Type=pikepdf.Name.FontDescriptor,
        FontName=pikepdf.Name.Unseen,
        Flags=4,
        FontBBox=[0, -250, 1000, 950],
        ItalicAngle=0,
        Ascent=950,
        Descent=-250,
        CapHeight=700,
        StemV=80,
    )
    inner = pikepdf.Dictionary(
        Type=pikepdf.Name.Font,
        Subtype=pikepdf.Name.CIDFontType2,
        BaseFont=pikepdf.Name.Unseen,
        CIDSystemInfo=pikepdf.Dictionary(Registry="Adobe", Ordering="Identity", Supplement=0),
        W=[1, [10 * width for _, width in shapes]],
        FontDescriptor=copy.make_indirect(descriptor),
    )
    return copy.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font,
            Subtype=pikepdf.Name.Type0,
            BaseFont=pikepdf.Name.Unseen,
            Encoding=pikepdf.Name("/Identity-H"),
            DescendantFonts=[copy.make_indirect(inner)],
            ToUnicode=copy.make_stream(meaning.encode()),
        )
    )


def _shown(line: Sequence[PlacedLetter], codes: dict[tuple[str, int], int]) -> str:
    """Return what writes a line unseen, each letter where it was."""
    shown: list[str] = []
    at = 0.0
    for one in line:
        along, _ = _from(line[0], one)
        if abs(along - at) > _NEAR:
            shown.append(_number(1000 * (at - along)))
            at = along
        shown.append(f"<{codes[one.shape]:04x}>")
        at += one.shape[1] / 100
    return f"BT 3 Tr /Unseen 1 Tf {_numbers(line[0].matrix)} Tm [{' '.join(shown)}] TJ ET"


def _numbers(matrix: Matrix) -> str:
    return " ".join(map(_number, matrix))


def _number(value: float) -> str:
    return f"{Decimal(f'{value:.4f}').normalize():f}" if math.isfinite(value) else "0"


def looks_like(boxes: Sequence[Box], before: Pixels, rendered: tuple[Pixels, Matrix]) -> bool:
    """Return whether a page that became a picture still looks as it did outside of boxes, as far as its pixels allow."""
    after, matrix = rendered
    if before.shape != after.shape:
        return False
    differs = np.abs(before[:, :, :3].astype(np.int16) - after[:, :, :3]).max(axis=2).astype(np.float32)
    for rows, columns in pixel_ranges(boxes, matrix, differs.shape, 4):
        differs[rows, columns] = 0
    height, width = (side // _BLOCK * _BLOCK for side in differs.shape)
    if not height or not width:
        return True
    blocks = differs[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).mean(axis=(1, 3))
    return bool(blocks.mean() <= _UNLIKE and blocks.max() <= _MOST_UNLIKE)
