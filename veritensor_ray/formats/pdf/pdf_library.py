"""PDFium's functions with plain addresses, and pages in the form that the reader needs. It does not interpret their content.

A page has a hundred objects, and each is queried a dozen times, in the time in which PDFium reads the page (under a millisecond). The
prototypes therefore take addresses as numbers and keep the interpreter's lock. PDFium supports only one thread at a time: LOCK.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pypdfium2
import pypdfium2.raw as raw
from pypdfium2_raw import bindings

from veritensor_ray.core.bounds import PDF
from veritensor_ray.core.errors import Encrypted, ReadError, told

LOCK = threading.RLock()
IN_MEMORY = PDF
Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top
Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.signedinteger[Any]]
Boxes = npt.NDArray[np.floating[Any]]

_P, _I, _F = ctypes.c_void_p, ctypes.c_int, ctypes.c_float
_lib = ctypes.PyDLL(bindings._libs["pdfium"]._name)


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    found = _lib[name]
    found.restype, found.argtypes = result, arguments
    return found


load_page = _function("FPDF_LoadPage", _P, _P, _I)
close_page = _function("FPDF_ClosePage", None, _P)
load_text = _function("FPDFText_LoadPage", _P, _P)
close_text = _function("FPDFText_ClosePage", None, _P)
count_chars = _function("FPDFText_CountChars", _I, _P)
get_text = _function("FPDFText_GetText", _I, _P, _I, _I, _P)
text_object = _function("FPDFText_GetTextObject", _P, _P, _I)
text_index = _function("FPDFText_GetTextIndexFromCharIndex", _I, _P, _I)
character_at = _function("FPDFText_GetCharIndexFromTextIndex", _I, _P, _I)
count_objects = _function("FPDFPage_CountObjects", _I, _P)
page_object = _function("FPDFPage_GetObject", _P, _P, _I)
count_inner = _function("FPDFFormObj_CountObjects", _I, _P)
inner_object = _function("FPDFFormObj_GetObject", _P, _P, ctypes.c_ulong)
object_type = _function("FPDFPageObj_GetType", _I, _P)
render_mode = _function("FPDFTextObj_GetTextRenderMode", _I, _P)
is_transparent = _function("FPDFPageObj_HasTransparency", _I, _P)
clip_path = _function("FPDFPageObj_GetClipPath", _P, _P)
count_clips = _function("FPDFClipPath_CountPaths", _I, _P)
count_segments = _function("FPDFClipPath_CountPathSegments", _I, _P, _I)
clip_segment = _function("FPDFClipPath_GetPathSegment", _P, _P, _I, _I)
set_active = _function("FPDFPageObj_SetIsActive", _I, _P, _I)
count_annotations = _function("FPDFPage_GetAnnotCount", _I, _P)
_get_fill = _function("FPDFPageObj_GetFillColor", _I, _P, _P, _P, _P, _P)
_get_bounds = _function("FPDFPageObj_GetBounds", _I, _P, _P, _P, _P, _P)
_get_matrix = _function("FPDFPageObj_GetMatrix", _I, _P, _P)
_get_point = _function("FPDFPathSegment_GetPoint", _I, _P, _P, _P)
_get_draw_mode = _function("FPDFPath_GetDrawMode", _I, _P, _P, _P)
_get_line_width = _function("FPDFPageObj_GetStrokeWidth", _I, _P, _P)
_get_origin = _function("FPDFText_GetCharOrigin", _I, _P, _I, _P, _P)
_get_char_matrix = _function("FPDFText_GetMatrix", _I, _P, _I, _P)
_get_char_size = _function("FPDFText_GetFontSize", ctypes.c_double, _P, _I)
_get_loose_box = _function("FPDFText_GetLooseCharBox", _I, _P, _I, _P)
rotation = _function("FPDFPage_GetRotation", _I, _P)  # in quarters, clockwise
_standard_font = _function("FPDFText_LoadStandardFont", _P, _P, ctypes.c_char_p)
_close_font = _function("FPDFFont_Close", None, _P)
_glyph_width = _function("FPDFFont_GetGlyphWidth", _I, _P, ctypes.c_uint, _F, _P)
_get_font_size = _function("FPDFTextObj_GetFontSize", _I, _P, _P)
_get_annotation = _function("FPDFPage_GetAnnot", _P, _P, _I)
_close_annotation = _function("FPDFPage_CloseAnnot", None, _P)
_get_annotation_rect = _function("FPDFAnnot_GetRect", _I, _P, _P)
_get_annotation_type = _function("FPDFAnnot_GetSubtype", _I, _P)
_page_box = _function("FPDF_GetPageBoundingBox", _I, _P, _P)
flatten = _function("FPDFPage_Flatten", _I, _P, _I)
_width = _function("FPDF_GetPageWidthF", _F, _P)
_height = _function("FPDF_GetPageHeightF", _F, _P)
_to_device = _function("FPDF_PageToDevice", _I, _P, _I, _I, _I, _I, _I, ctypes.c_double, ctypes.c_double, _P, _P)
_make_bitmap = _function("FPDFBitmap_CreateEx", _P, _I, _I, _I, _P, _I)
_destroy_bitmap = _function("FPDFBitmap_Destroy", None, _P)
_render = _function("FPDF_RenderPageBitmap", None, _P, _P, _I, _I, _I, _I, _I, _I)

# Buffers for results; guarded by LOCK, like all of PDFium.
_ints, _floats = (ctypes.c_uint * 4)(), (ctypes.c_float * 8)()
_int_at = [_P(ctypes.addressof(_ints) + 4 * i) for i in range(4)]
_float_at = [_P(ctypes.addressof(_floats) + 4 * i) for i in range(8)]
_places_of_text = (ctypes.c_double * 2)()
_i0, _i1, _i2, _i3 = _int_at
_f0, _f1, _f2, _f3 = _float_at[:4]

LINK, POPUP, WIDGET = raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP, raw.FPDF_ANNOT_WIDGET


def open_document(file: BinaryIO, size: int) -> pypdfium2.PdfDocument:
    """Open a document: up to IN_MEMORY from memory, beyond that by the ranges that PDFium requests. Tries the empty password."""
    file.seek(0)
    try:
        with LOCK:
            return pypdfium2.PdfDocument(file.read() if size <= IN_MEMORY else file)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise Encrypted("the document is encrypted with a password") from None
        raise ReadError(f"not a PDF that can be read: {told(error)}") from None


def address(handle: Any) -> int:
    """The address of a pypdfium2 handle."""
    return ctypes.cast(handle, _P).value or 0


def page_text(text: int) -> bytes:
    """The page's text in UTF-16-LE, in PDFium's order."""
    count = count_chars(text)
    if count <= 0:
        return b""
    buffer = ctypes.create_string_buffer(2 * count + 2)
    written = get_text(text, 0, count, ctypes.addressof(buffer))
    return buffer.raw[: 2 * max(0, written - 1)]


def origin(text: int, character: int) -> tuple[float, float] | None:
    """The place on the page where a character was drawn."""
    known = _get_origin(text, character, ctypes.addressof(_places_of_text), ctypes.addressof(_places_of_text) + 8)
    return (_places_of_text[0], _places_of_text[1]) if known else None


def character_matrix(text: int, character: int) -> Matrix | None:
    """The matrix from the space of a character, in units of its font's size, to the page."""
    at = origin(text, character)
    if at is None or not _get_char_matrix(text, character, _f0):
        return None
    a, b, c, d, _, _, _, _ = _floats
    size = _get_char_size(text, character)
    return a * size, b * size, c * size, d * size, at[0], at[1]


def character_box(text: int, character: int) -> Box | None:
    """The part of the page that a character takes up, as its font says."""
    if not _get_loose_box(text, character, _f0):
        return None
    left, top, right, bottom, _, _, _, _ = _floats
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def standard_widths(name: str, characters: str) -> dict[str, float]:
    """The widths of characters in one of the 14 standard fonts, in thousandths of its size."""
    with LOCK:
        document = pypdfium2.PdfDocument.new()
        font = _standard_font(address(document.raw), name.encode())
        try:
            return {one: float(_floats[0]) for one in characters if font and _glyph_width(font, ord(one), 1000.0, _f0)}
        finally:
            if font:
                _close_font(font)
            document.close()


def objects(page: int) -> list[int]:
    """The addresses of the objects on the page, lowest first."""
    return list(map(page_object, repeat(page), range(count_objects(page))))


def inner_objects(form: int, most: int) -> list[int]:
    """The addresses of the objects that a form draws."""
    return [found for i in range(min(most, count_inner(form))) if (found := inner_object(form, i))]


def types(items: Sequence[int]) -> Numbers:
    """The type of each object."""
    return np.fromiter(map(object_type, items), np.int64, len(items))


def render_modes(items: Sequence[int]) -> Numbers:
    """The text render mode of each object; negative if it is not text."""
    return np.fromiter(map(render_mode, items), np.int64, len(items))


def fills(items: Sequence[int]) -> Numbers:
    """Red, green, blue and opacity of each object; the opacity is -1 if the fill is a pattern."""
    values = np.empty((len(items), 4), np.int32)
    known = list(map(_get_fill, items, *_places(values)))
    if 0 in known:
        values[np.array(known) == 0] = 0, 0, 0, -1
    return values


def bounds(items: Sequence[int]) -> Boxes:
    """Left, bottom, right and top of each object, in the coordinates of its page or form."""
    values = np.empty((len(items), 4), np.float32)
    known = list(map(_get_bounds, items, *_places(values)))
    if 0 in known:
        values[np.array(known) == 0] = 0
    return values if math.isfinite(values.sum(dtype=np.float64)) else np.nan_to_num(values, posinf=0, neginf=0)


def _places(values: npt.NDArray[Any]) -> list[range]:
    """The addresses of the four columns, row by row."""
    first, step, rows = values.ctypes.data, values.itemsize, len(values)
    return [range(first + i * step, first + 4 * step * rows + i * step, 4 * step) for i in range(4)]


def matrix(item: int) -> Matrix:
    """The transformation matrix of the object."""
    if not _get_matrix(item, _f0):
        return 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    a, b, c, d, e, f, _, _ = _floats
    return a, b, c, d, e, f


def point(segment: int) -> tuple[float, float] | None:
    """The end point of a path segment."""
    return (_floats[0], _floats[1]) if _get_point(segment, _f0, _f1) else None


def is_filled(path: int) -> bool:
    """Whether a path is filled rather than only stroked."""
    return bool(_get_draw_mode(path, _i0, _i1) and _ints[0])


def line_width(path: int) -> float:
    """The width of the lines that a path draws."""
    return float(_floats[0]) if _get_line_width(path, _f0) else 0.0


def font_size(item: int) -> float:
    """The font size in the units of the text's own matrix."""
    return float(_floats[0]) if _get_font_size(item, _f0) else 0.0


def annotation_boxes(page: int, most: int) -> list[Box]:
    """The boxes of annotations that may cover content beneath them."""
    found = []
    for i in range(min(most, count_annotations(page))):
        annotation = _get_annotation(page, i)
        if annotation:
            if _get_annotation_type(annotation) not in (LINK, POPUP, WIDGET) and _get_annotation_rect(annotation, _f0):
                left, top, right, bottom, _, _, _, _ = _floats
                found.append((left, min(top, bottom), right, max(top, bottom)))
            _close_annotation(annotation)
    return found


def page_box(page: int) -> Box:
    """The displayed area of the page."""
    if not _page_box(page, _f0):
        return 0.0, 0.0, 612.0, 792.0
    left, top, right, bottom, _, _, _, _ = _floats
    return left, min(top, bottom), right, max(top, bottom)


def size(page: int) -> tuple[float, float]:
    """The width and height in points, as displayed."""
    return _width(page), _height(page)


def to_pixels(page: int, width: int, height: int) -> Matrix:
    """The matrix from the page's coordinates to pixels."""

    def at(x: float, y: float) -> tuple[int, int]:
        _to_device(page, 0, 0, width * 64, height * 64, 0, x, y, _i0, _i1)
        return ctypes.c_int(_ints[0]).value, ctypes.c_int(_ints[1]).value

    (e, f), (a, b), (c, d) = at(0, 0), at(100, 0), at(0, 100)
    return (a - e) / 6400, (b - f) / 6400, (c - e) / 6400, (d - f) / 6400, e / 64, f / 64


def render(page: int, width: int, height: int, grey: bool = False, annotations: bool = True) -> Pixels:
    """Render the page on white, with its annotations unless the caller does not want them."""
    shape = (height, (width + 3) // 4 * 4) if grey else (height, width, 4)
    pixels: Pixels = np.full(shape, 255, np.uint8)
    kind = raw.FPDFBitmap_Gray if grey else raw.FPDFBitmap_BGRx
    bitmap = _make_bitmap(width, height, kind, pixels.ctypes.data, pixels.strides[0])
    if not bitmap:
        raise ReadError("the page cannot be rendered")
    try:
        _render(bitmap, page, 0, 0, width, height, 0, raw.FPDF_ANNOT if annotations else 0)
    finally:
        _destroy_bitmap(bitmap)
    return pixels[:, :width]


_image_size = _function("FPDFImageObj_GetImagePixelSize", _I, _P, _P, _P)
_raw_data = _function("FPDFImageObj_GetImageDataRaw", ctypes.c_ulong, _P, _P, ctypes.c_ulong)
_decoded_data = _function("FPDFImageObj_GetImageDataDecoded", ctypes.c_ulong, _P, _P, ctypes.c_ulong)
_count_filters = _function("FPDFImageObj_GetImageFilterCount", _I, _P)
_filter = _function("FPDFImageObj_GetImageFilter", ctypes.c_ulong, _P, _I, _P, ctypes.c_ulong)
_bitmap = _function("FPDFImageObj_GetBitmap", _P, _P)
_bitmap_format = _function("FPDFBitmap_GetFormat", _I, _P)
_bitmap_data = _function("FPDFBitmap_GetBuffer", _P, _P)
_bitmap_width = _function("FPDFBitmap_GetWidth", _I, _P)
_bitmap_height = _function("FPDFBitmap_GetHeight", _I, _P)
_bitmap_stride = _function("FPDFBitmap_GetStride", _I, _P)
_CHANNELS = {raw.FPDFBitmap_Gray: 1, raw.FPDFBitmap_BGR: 3, raw.FPDFBitmap_BGRx: 4, raw.FPDFBitmap_BGRA: 4}


def image_size(image: int) -> tuple[int, int]:
    """The width and height of the image in its own pixels."""
    return (_ints[0], _ints[1]) if _image_size(image, _i0, _i1) else (0, 0)


def raw_size(image: int) -> int:
    """The size in bytes of the image's data as stored."""
    return int(_raw_data(image, None, 0))


def raw_data(image: int, length: int) -> bytes:
    """The image's data as stored."""
    buffer = ctypes.create_string_buffer(length)
    _raw_data(image, ctypes.addressof(buffer), length)
    return buffer.raw


def simply_decoded(image: int, most: int) -> bytes:
    """The image's data without its general-purpose filters; empty if it exceeds `most` bytes."""
    length = int(_decoded_data(image, None, 0))
    if length > most:
        return b""
    buffer = ctypes.create_string_buffer(length)
    _decoded_data(image, ctypes.addressof(buffer), length)
    return buffer.raw


def image_filters(image: int) -> list[bytes]:
    """The filters of the image's data."""
    buffer = ctypes.create_string_buffer(64)
    found = []
    for i in range(min(8, _count_filters(image))):
        _filter(image, i, ctypes.addressof(buffer), 64)
        found.append(buffer.value)
    return found


def image_pixels(image: int) -> Pixels | None:
    """The image's own pixels, in gray or in red, green and blue."""
    bitmap = _bitmap(image)
    if not bitmap:
        return None
    try:
        channels, data = _CHANNELS.get(_bitmap_format(bitmap)), _bitmap_data(bitmap)
        width, height, stride = _bitmap_width(bitmap), _bitmap_height(bitmap), _bitmap_stride(bitmap)
        if not channels or not data or width * channels > stride:
            return None
        rows = np.frombuffer(ctypes.string_at(data, stride * height), np.uint8).reshape(height, stride)[:, : width * channels]
        return rows if channels == 1 else rows.reshape(height, width, channels)[:, :, 2::-1]
    finally:
        _destroy_bitmap(bitmap)


_security = _function("FPDF_GetSecurityHandlerRevision", _I, _P)


def is_encrypted(document: int) -> bool:
    """Whether strings and streams are encrypted, even if only with an empty password."""
    return int(_security(document)) >= 0


def copy(document: int, most: int) -> bytes | None:
    """The document rewritten by PDFium, without encryption and object streams; None if it exceeds `most` bytes."""
    out = bytearray()

    def write(_: Any, data: int, length: int) -> int:
        if len(out) + length > most:
            return 0
        out.extend(ctypes.string_at(data, length))
        return 1

    writer = raw.FPDF_FILEWRITE(version=1)
    writer.WriteBlock = type(writer.WriteBlock)(write)
    done = raw.FPDF_SaveAsCopy(ctypes.cast(document, raw.FPDF_DOCUMENT), writer, raw.FPDF_NO_INCREMENTAL | raw.FPDF_REMOVE_SECURITY)
    return bytes(out) if done else None
