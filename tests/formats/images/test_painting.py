"""What painting over places of a picture changes, and what it leaves as it was."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.cases import each
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.images.painting import PaintedBox, painted

BOX = PaintedBox(20, 12, 60, 22)
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16", "I;16B"]


def noise(mode: str, size: tuple[int, int] = (90, 40)) -> Image.Image:
    draw = np.random.default_rng(5)
    width, height = size
    if mode in ("I", "F", "I;16", "I;16B"):
        kind = np.dtype({"I": "<i4", "F": "<f4", "I;16": "<u2", "I;16B": ">u2"}[mode])
        return Image.fromarray(draw.integers(0, 65535, (height, width)).astype(kind))
    image = Image.fromarray(draw.integers(0, 255, (height, width, 3), np.uint8))
    return image.quantize(40) if mode == "P" else image.convert(mode)


@each("mode", MODES)
def test_a_box_gets_one_color_and_nothing_else_changes(mode: str) -> None:
    image = noise(mode)
    before = np.array(image)
    made, mask = painted(image, [BOX])
    inside = np.asarray(mask) > 0
    after = np.asarray(made)
    assert made.mode == image.mode
    assert len(np.unique(after[inside].reshape(inside.sum(), -1), axis=0)) == 1
    np.testing.assert_array_equal(after[~inside], before[~inside])
    np.testing.assert_array_equal(np.asarray(image), before)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    left, top, right, bottom = BOX.with_margin()
    assert (columns[0], rows[0], columns[-1], rows[-1]) == (left, top, right - 1, bottom - 1)
    assert left < BOX.left and top < BOX.top and right > BOX.right and bottom > BOX.bottom


def test_a_palette_gives_its_darkest_color_that_is_not_transparent() -> None:
    image = Image.new("P", (90, 40), 1)
    image.putpalette([0, 0, 0, 250, 250, 250, 40, 40, 40])
    image.info["transparency"] = 0
    made, _ = painted(image, [BOX])
    assert made.getpixel((30, 15)) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_where_a_viewer_shows_them(orientation: int) -> None:
    stored = Image.new("L", (90, 40) if orientation < 5 else (40, 90), 255)
    made, _ = painted(stored, [BOX], orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    made.save(buffer, "PNG", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    wanted = np.asarray(painted(Image.new("L", (90, 40), 255), [BOX])[0])
    np.testing.assert_array_equal(shown, wanted)


@pytest.mark.parametrize(
    "box",
    [
        PaintedBox(-50, -50, 10, 10),
        PaintedBox(80, 30, 5000, 5000),
        PaintedBox(10, 10, 10, 10),
        PaintedBox(400, 400, 500, 500),
        PaintedBox(60, 30, 5, 5),
    ],
)
def test_boxes_may_lie_beyond_the_picture(box: PaintedBox) -> None:
    image = noise("RGB")
    made, mask = painted(image, [box])
    outside = np.asarray(mask) == 0
    np.testing.assert_array_equal(np.asarray(made)[outside], np.asarray(image)[outside])


def test_pixels_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(CannotRewriteError, match="of the kind HSV are not painted"):
        painted(noise("HSV"), [BOX])
