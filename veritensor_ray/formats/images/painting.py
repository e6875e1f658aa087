"""Paints over places of a picture, with a margin around each, so that nothing of what stood there is left in its pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from veritensor_ray.formats.editing.actions import CannotRewriteError

_BESIDE, _ABOVE, _LEAST = 0.25, 0.15, 3  # the margin, in shares of the height of the letters, and in pixels
_BLACK: dict[str, Any] = {
    "1": 0,
    "L": 0,
    "LA": (0, 255),
    "RGB": (0, 0, 0),
    "RGBA": (0, 0, 0, 255),
    "RGBX": (0, 0, 0, 255),
    "CMYK": (0, 0, 0, 255),
    "YCbCr": (0, 128, 128),
    "LAB": (0, 128, 128),
}
_WIDE = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # modes that Pillow cannot paste with a mask
# How a picture as a viewer shows it becomes as it is stored, by its orientation in EXIF
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


class PaintedBox(NamedTuple):
    """The place of some text, in pixels of a picture as a viewer shows it. `right` and `bottom` are not part of it."""

    left: int
    top: int
    right: int
    bottom: int

    def with_margin(self) -> PaintedBox:
        """Return the box with the margin that is painted too: the edges of letters, and what a reader of text misjudged of their places."""
        letters = max(0, min(self.right - self.left, self.bottom - self.top))
        beside, above = (max(_LEAST, math.ceil(share * letters)) for share in (_BESIDE, _ABOVE))
        if self.bottom - self.top > self.right - self.left:  # text that runs up or down
            beside, above = above, beside
        return PaintedBox(self.left - beside, self.top - above, self.right + beside, self.bottom + above)


def painted(image: Image.Image, boxes: Iterable[PaintedBox], orientation: int = 1) -> tuple[Image.Image, Image.Image]:
    """Return a picture in which boxes are painted over with one color, and a mask that is 255 where they are; every other pixel stays.

    With an `orientation` of EXIF, the picture is as it is stored, and the boxes are where a viewer shows them. A frame of a file loses its
    connection to the file. Raises CannotRewriteError for pixels of a kind that cannot be painted.
    """
    mask = _mask(image.size, boxes, orientation)
    if image.mode in _WIDE:
        values = np.array(image)
        values[np.asarray(mask) > 0] = values.min()
        made = Image.fromarray(values)
        return made if made.mode == image.mode else made.convert(image.mode), mask
    made = image.copy()
    made.paste(_fill(image), (0, 0, *image.size), mask)
    return made, mask


def _mask(size: tuple[int, int], boxes: Iterable[PaintedBox], orientation: int) -> Image.Image:
    turn = _STORED.get(orientation)
    mask = Image.new("L", size[::-1] if orientation >= 5 and turn is not None else size, 0)
    draw = ImageDraw.Draw(mask)
    for box in boxes:
        left, top, right, bottom = box.with_margin()
        if left < right and top < bottom:
            draw.rectangle((left, top, right - 1, bottom - 1), fill=255)
    return mask if turn is None else mask.transpose(turn)


def _fill(image: Image.Image) -> Any:
    """Return black, or the darkest color that a palette has and that is not transparent."""
    if image.mode == "P":
        return _darkest(image)
    if image.mode not in _BLACK:
        raise CannotRewriteError(f"pictures with pixels of the kind {image.mode} are not painted")
    return _BLACK[image.mode]


def _darkest(image: Image.Image) -> int:
    colors = np.array(image.getpalette("RGBA") or [0, 0, 0, 255], np.int64).reshape(-1, 4)
    transparency = image.info.get("transparency")  # the number of a color, or the opacity of each
    if isinstance(transparency, int) and transparency < len(colors):
        colors[transparency, 3] = 0
    elif isinstance(transparency, bytes):
        opacity = np.frombuffer(transparency[: len(colors)], np.uint8)
        colors[: len(opacity), 3] = opacity
    return int(np.argmin(colors[:, :3].sum(axis=1) + 1000 * (colors[:, 3] < 255)))
