"""Images: the picture as a segment for OCR, and what is written in its metadata; pixels are not decoded here."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

from PIL import Image

from veritensor_ray.errors import LimitExceeded, ReadError
from veritensor_ray.extract.source import Source
from veritensor_ray.segments import Block, Gap

_LARGEST = 64 << 20


def read_image(source: Source) -> Iterator[Block | Gap]:
    """One image segment, and text segments with view `metadata` (PNG text, comments, EXIF, XMP)."""
    data = source.file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitExceeded("image_bytes", f"image is larger than {_LARGEST} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the bound on pixels below is ours
            image = Image.open(io.BytesIO(data))
            width, height = image.size
            if width * height > source.limits.image_pixels:
                raise LimitExceeded("image_pixels", f"image has {width} × {height} pixels")
            texts = dict(_metadata(image))
    except Image.DecompressionBombError as error:  # Pillow's own bound, where ours is wider
        raise LimitExceeded("image_pixels", f"image has too many pixels: {error}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise ReadError(f"not a whole image: {str(error).partition(' <')[0]}") from None  # Pillow names the object's address
    yield Block([""], images=[data])
    if texts:
        yield Block(list(texts.values()), column=list(texts), view="metadata")


def _metadata(image: Image.Image) -> Iterator[tuple[str, str]]:
    # without an EXIF chunk before the pixels, Pillow decodes a PNG to look behind them
    exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
    for key, value in [*image.info.items(), *exif.items()]:
        if isinstance(value, bytes) and str(key) not in ("icc_profile", "exif", "photoshop"):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and value.strip("\x00 "):
            yield str(key), value
