"""Reads images: the image as a segment for OCR, the text in its metadata, and any data after its end. It does not decode pixels."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator

from PIL import Image

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.images.claims import Claims, by_format
from veritensor_ray.formats.images.structure import Parts, left_over, parts_of, shown_metadata

_LARGEST = bounds.IMAGE
_DAMAGE = re.compile(r"corrupt|truncated|skipping tag|too large", re.IGNORECASE)  # in Pillow's warnings


def read_image(source: Source) -> Iterator[Item]:
    """Yield one image segment, and text segments with the view `metadata` (PNG text, comments, EXIF, XMP)."""
    data = source.file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitExceeded("image_bytes", f"the image is larger than {_LARGEST} bytes")
    parts = parts_of(data, source.budget)
    claims, damaged = parts.claims if parts else by_format(data), False
    _claim(claims, source)  # first of all, since a damaged image is searched too
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
        yield Gap("the metadata of the image is damaged or cut off, and not all of it was read")
    _claim(claims, source)


def _claim(claims: Claims, source: Source) -> None:
    for start, end, reading in claims.ranges:
        source.account.claim(start, end, reading)
    claims.ranges.clear()


def _png_texts(data: bytes, parts: Parts, source: Source) -> list[tuple[str, str]]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ReadError("not a complete image: the PNG has no header")
    _check_pixels(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), source)
    return parts.texts


def _opened(data: bytes, parts: Parts | None, source: Source) -> tuple[list[tuple[str, str]], bool]:
    """The texts in the metadata, and whether Pillow omits some. Formats that this package does not parse itself get them from Pillow."""
    try:
        with warnings.catch_warnings(record=True) as said:  # the limit on pixels is checked below
            warnings.simplefilter("always")
            image = Image.open(io.BytesIO(data))
            _check_pixels(*image.size, source)
            texts = parts.texts if parts else list(shown_metadata(image))
            return texts, any(_DAMAGE.search(str(warning.message)) for warning in said)
    except Image.DecompressionBombError:  # Pillow's own limit, if ours is higher
        raise LimitExceeded("image_pixels", "the image has too many pixels") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise as_read_error(error, "not a complete image") from None


def _check_pixels(width: int, height: int, source: Source) -> None:
    if width * height > source.limits.image_pixels:
        raise LimitExceeded("image_pixels", f"the image has {width} × {height} pixels")
