"""Converts the data of an image on a page into a file that other programs can read, each image once."""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image

from veritensor_ray.core import bounds
from veritensor_ray.formats.pdf import pdf_library as pdfium

_LARGEST = bounds.PDF_PIXELS
_MOST_BYTES = bounds.PDF_PICTURE
Key = tuple[int, int, int, int]


def pixel_size(item: int) -> tuple[int, int]:
    """The width and height of the image's own pixels."""
    return pdfium.image_size(item)


def picture(item: int, width: int, height: int, known: set[Key]) -> tuple[bytes | None, Key | None]:
    """The image as JPEG or PNG, and its key. The key is None if the image is known, the data is None if it cannot be read."""
    size = pdfium.raw_size(item)
    if not 0 < size <= _MOST_BYTES or width * height > _LARGEST:
        return None, (width, height, size, 0)
    data = pdfium.raw_data(item, size)
    key = (width, height, size, zlib.crc32(data))
    if key in known:
        return None, None
    filters = pdfium.image_filters(item)
    if filters[-1:] == [b"DCTDecode"]:
        data = pdfium.simply_decoded(item, _MOST_BYTES) if len(filters) > 1 else data
        if data.startswith(b"\xff\xd8"):
            return data, key
    return _encoded(item), key


def _encoded(item: int) -> bytes | None:
    pixels = pdfium.image_pixels(item)
    if pixels is None:
        return None
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=1)
    return out.getvalue()
