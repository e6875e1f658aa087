"""Images: the picture as a segment for OCR, what is written in its metadata, and what stands behind its end; pixels are not decoded here."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator

from PIL import Image

from veritensor_ray import bounds
from veritensor_ray.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.extract.readers.images.image_parts import Parts, exif_values, left_over, parts_of
from veritensor_ray.extract.source import Item, Source
from veritensor_ray.segments import Block, Gap

_LARGEST = bounds.IMAGE
_DAMAGE = re.compile(r"corrupt|truncated|skipping tag|too large", re.IGNORECASE)  # in what Pillow warns of


def read_image(source: Source) -> Iterator[Item]:
    """One image segment, and text segments with view `metadata` (PNG text, comments, EXIF, XMP)."""
    data = source.file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitExceeded("image_bytes", f"image is larger than {_LARGEST} bytes")
    parts = parts_of(data, source.budget)
    damaged = False
    if parts and data[:1] == b"\x89":
        texts = _png_texts(data, parts, source)
    else:
        texts, damaged = _opened(data, parts, source)
    yield Block([""], images=[data])
    if texts:
        yield Block([text for _, text in texts], column=[key for key, _ in texts], view="metadata")
    if parts:
        yield from left_over(data, parts)
    elif damaged:
        yield Gap("metadata of the picture is damaged or cut off, and not all of it was read")


def _png_texts(data: bytes, parts: Parts, source: Source) -> list[tuple[str, str]]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ReadError("not a whole image: a PNG without header")
    _check_pixels(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), source)
    return parts.texts


def _opened(data: bytes, parts: Parts | None, source: Source) -> tuple[list[tuple[str, str]], bool]:
    """Texts in the metadata, and whether Pillow leaves some of them out: formats that are not taken apart here have them from it."""
    try:
        with warnings.catch_warnings(record=True) as said:  # the bound on pixels below is ours
            warnings.simplefilter("always")
            image = Image.open(io.BytesIO(data))
            _check_pixels(*image.size, source)
            texts = parts.texts if parts else list(_metadata(image))
            return texts, any(_DAMAGE.search(str(warning.message)) for warning in said)
    except Image.DecompressionBombError as error:  # Pillow's own bound, where ours is wider
        raise LimitExceeded("image_pixels", f"image has too many pixels: {error}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise as_read_error(error, "not a whole image") from None


def _check_pixels(width: int, height: int, source: Source) -> None:
    if width * height > source.limits.image_pixels:
        raise LimitExceeded("image_pixels", f"image has {width} × {height} pixels")


def _metadata(image: Image.Image) -> Iterator[tuple[str, str]]:
    for key, value in image.info.items():
        if isinstance(value, bytes) and str(key) not in ("icc_profile", "exif", "photoshop"):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and value.strip("\x00 "):
            yield str(key), value
    yield from exif_values(image.getexif())
