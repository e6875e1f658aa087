"""What rewriting an image changes: the places of findings and its metadata, and no other pixel."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, ImageSequence, JpegImagePlugin, PngImagePlugin

from tests.cases import each
from tests.formats.editing.ordering import cleaned, order, over_bytes
from tests.formats.images.test_painting import noise
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Order, Unit
from veritensor_ray.formats.editing.marks import TextBox
from veritensor_ray.formats.images.bare import png_chunk
from veritensor_ray.formats.images.painting import PaintedBox
from veritensor_ray.formats.images.rewrite import rewrite_image

BOX = TextBox(0, 20, 12, 60, 22)
SAID = b"jane.doe@vault-mail.org"
SIZE = (90, 40)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def drawn(*boxes: TextBox) -> Order:
    """An order for text in pixels."""
    return order(Unit(), 0, 4, view="ocr", decoded_via="ocr", boxes=boxes or (BOX,))


def said(column: str) -> Order:
    """An order for a text in the metadata."""
    return order(Unit(column=column), 0, 4, view="metadata")


def rewritten(data: bytes, *orders: Order, strip: Sequence[Strippable] = ()) -> tuple[bytes, dict[tuple[str, str], int]]:
    """The new bytes and what was accounted for; every order must be carried out."""
    made, told = cleaned(rewrite_image, data, Kind("image/x"), orders, strip=strip)
    assert not list(told.undone)
    return made, dict(told.account.counts)


def shown(data: bytes) -> list[Any]:
    """The pixels of each frame as a viewer shows it; transparent ones have no color."""
    frames = []
    for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data))):
        upright = ImageOps.exif_transpose(frame)
        if upright.mode.startswith(("I", "F")):
            frames.append(np.array(upright))
            continue
        pixels = np.array(upright.convert("RGBA"))
        pixels[pixels[..., 3] == 0] = 0
        frames.append(pixels)
    return frames


def inside(size: tuple[int, int], *boxes: TextBox) -> Any:
    """A mask of what is painted."""
    mask = np.zeros(size[::-1], bool)
    for box in boxes:
        left, top, right, bottom = PaintedBox(*box[1:]).with_margin()
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return mask


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_info() -> dict[str, Any]:
    """Metadata of a photo: an address in EXIF and XMP, a place, and how to turn it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, SAID.decode()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    return {"exif": exif}


def noted() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SAID.decode())
    info.add(b"gAMA", struct.pack(">I", 45455))
    return info


def animation(mode: str) -> list[Image.Image]:
    """Frames in which the same block moves, with a hole in those that may have one."""
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", SIZE, (250, 240, 230, 255))
        frame.paste((200, 10 * number, 0, 255), (10 + 8 * number, 5, 40 + 8 * number, 30))
        if mode == "RGBA":
            frame.paste((0, 0, 0, 0), (70, 5, 80, 10 + 5 * number))
        frames.append(frame.convert(mode))
    return frames


def moving(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    first, *rest = animation(mode)
    return saved(first, kind, save_all=True, append_images=rest, duration=[100, 200, 300], loop=2, **options)


STILL = [
    *(("PNG", noise(mode), {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    ("PNG", noise("P").quantize(6), {"bits": 4, "transparency": 1}),
    ("PNG", noise("RGB"), {"pnginfo": noted(), "icc_profile": PROFILE, "dpi": (300, 300)}),
    ("PNG", noise("RGB"), with_info()),
    ("GIF", noise("P"), {}),
    ("GIF", noise("P"), {"transparency": 3, "comment": SAID}),
    ("WEBP", noise("RGB"), {"quality": 50}),
    ("WEBP", noise("RGBA"), {"lossless": True, "exact": True}),
    ("WEBP", noise("RGB"), with_info() | {"icc_profile": PROFILE}),
    *(("BMP", noise(mode), {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *(("TIFF", noise(mode), {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")),
    *(("TIFF", noise("RGB"), {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd")),
    ("TIFF", noise("1"), {"compression": "group4", "description": SAID.decode()}),
    ("TIFF", noise("L"), {"exif": with_info()["exif"]}),
    ("GIF", None, {}),
    ("PNG", None, {}),
    ("WEBP", None, {"lossless": True}),
]


@pytest.mark.parametrize(("kind", "image", "options"), STILL)
def test_a_place_is_painted_and_every_other_pixel_stays(kind: str, image: Image.Image | None, options: dict[str, Any]) -> None:
    data = moving(kind, **options) if image is None else saved(image, kind, **options)
    made, counts = rewritten(data, drawn())
    before, after = shown(data), shown(made)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        mask = inside(old.shape[1::-1], BOX)
        np.testing.assert_array_equal(new[~mask], old[~mask])
        assert len(np.unique(new[mask].reshape(mask.sum(), -1), axis=0)) == 1
    assert SAID not in made and SAID.decode().encode("utf-16-le") not in made
    assert counts["rule", "mask"] == 1 and ("clean.picture", "re-encoded") not in counts
    old_file, new_file = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(made))
    assert new_file.format == kind and (new_file.mode == old_file.mode or getattr(old_file, "n_frames", 1) > 1)
    assert new_file.info.get("icc_profile") == old_file.info.get("icc_profile")
    for name in ("gamma", "dpi", "loop", "duration", "compression"):
        assert new_file.info.get(name) == old_file.info.get(name), name
    assert not new_file.getexif().get_ifd(0x8825)


PHOTOS = [
    ("RGB", {"quality": 71, "subsampling": 0}),
    ("RGB", {"quality": 90, "subsampling": 2, "progressive": True, "icc_profile": PROFILE, "dpi": (240, 240)}),
    ("L", {"quality": 60, "comment": SAID}),
    ("CMYK", {"quality": 85}),
    ("RGB", {"quality": 75} | with_info()),
]


@pytest.mark.parametrize(("mode", "options"), PHOTOS)
def test_a_jpeg_keeps_its_tables_and_almost_its_colors(mode: str, options: dict[str, Any]) -> None:
    image = noise("RGB", (40, 20)).resize((400, 192), Image.Resampling.BICUBIC).convert(mode)
    data = saved(image, "JPEG", **options)
    box = TextBox(0, 40, 40, 90, 60)
    made, counts = rewritten(data, drawn(box))
    (old,), (new,) = shown(data), shown(made)
    mask = inside(old.shape[1::-1], box)
    assert new[mask][..., :3].mean() < 16 if mode != "CMYK" else new[mask].mean() < old[mask].mean()
    far = inside(old.shape[1::-1], TextBox(0, 10, 10, 120, 90))
    assert np.abs(new[~far].astype(int) - old[~far]).mean() < 5
    assert counts["clean.picture", "re-encoded"] == 1 and SAID not in made
    one, other = (Image.open(io.BytesIO(some)) for some in (data, made))
    assert isinstance(one, JpegImagePlugin.JpegImageFile) and isinstance(other, JpegImagePlugin.JpegImageFile)
    assert (other.mode, other.quantization) == (one.mode, one.quantization)
    assert JpegImagePlugin.get_sampling(other) == JpegImagePlugin.get_sampling(one)
    for name in ("progressive", "icc_profile", "dpi"):
        assert other.info.get(name) == one.info.get(name), name
    assert other.getexif().get(0x0112, 1) == one.getexif().get(0x0112, 1)


def test_each_page_of_a_tiff_has_places_of_its_own() -> None:
    pages = [noise("RGB"), noise("1", (60, 50)), noise("L"), noise("RGB")]  # of which the last is like the first, and was read once
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    boxes = [TextBox(0, 5, 5, 30, 15), TextBox(1, 20, 20, 50, 30)]
    made, _ = rewritten(data, drawn(boxes[0]), drawn(boxes[1])._replace(number=1))
    before, after = shown(data), shown(made)
    for old, new, some in zip(before, after, ([boxes[0]], [boxes[1]], [], [boxes[0]]), strict=True):
        mask = inside(old.shape[1::-1], *some)
        np.testing.assert_array_equal(new[~mask], old[~mask])
        assert not mask.any() or len(np.unique(new[mask].reshape(mask.sum(), -1), axis=0)) == 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_a_place_is_painted_in_every_frame_of_an_animation(kind: str, options: dict[str, Any], mode: str) -> None:
    data = moving(kind, mode, **({"disposal": 2} if kind == "GIF" else {}) | options)
    made, _ = rewritten(data, drawn(BOX._replace(frame=1)))
    for old, new in zip(shown(data), shown(made), strict=True):
        mask = inside(SIZE, BOX)
        np.testing.assert_array_equal(new[~mask], old[~mask])
        assert (new[mask] == (0, 0, 0, 255)).all()


PLAIN = [
    ("PNG", {"pnginfo": noted(), "icc_profile": PROFILE}, "Comment"),
    ("PNG", with_info(), "270"),
    ("JPEG", with_info() | {"icc_profile": PROFILE, "comment": SAID}, "comment"),
    ("GIF", {"comment": SAID}, "comment"),
    ("WEBP", with_info() | {"icc_profile": PROFILE, "xmp": SAID}, "xmp"),
    ("TIFF", {"description": SAID.decode(), "icc_profile": PROFILE}, "270"),
]


@each("found", [True, False])
@each(("kind", "options", "column"), PLAIN)
def test_metadata_goes_and_pixels_are_the_same(kind: str, options: dict[str, Any], column: str, found: bool) -> None:
    data = saved(noise("P" if kind == "GIF" else "RGB"), kind, **options)
    made, counts = rewritten(data, *([said(column)] if found else []), strip=() if found else [Strippable.METADATA])
    assert counts == ({("rule", "mask"): 1} if found else {("clean.metadata", "strip"): 1})
    for old, new in zip(shown(data), shown(made), strict=True):
        np.testing.assert_array_equal(new, old)
    old_file, new_file = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(made))
    assert SAID not in made
    assert new_file.info.get("icc_profile") == old_file.info.get("icc_profile")
    assert new_file.info.get("gamma") == old_file.info.get("gamma")
    again, counts = rewritten(made, strip=[Strippable.METADATA])
    assert kind == "TIFF" or (again == made and not counts)


def test_a_photo_loses_what_follows_it_and_its_previews() -> None:
    data = saved(noise("RGB"), "JPEG")
    preview = saved(noise("RGB", (20, 10)), "JPEG")
    segment = b"\xff\xed" + struct.pack(">H", len(preview) + 16) + b"Photoshop 3.0\0" + preview
    data = data[:2] + segment + data[2:] + b"Exif" * 40
    made, counts = rewritten(data, drawn())
    assert preview not in made and made.endswith(b"\xff\xd9")
    assert counts["clean.metadata", "strip"] == 1


def test_files_in_an_image_go_with_their_findings() -> None:
    data = saved(noise("RGB"), "PNG") + SAID * 3
    made, _ = rewritten(data, order(Unit(), 0, 4, member="trailing data"), over_bytes(len(data) - 40, len(data) - 20))
    assert SAID not in made
    plain = saved(noise("RGB"), "PNG")
    pixels = zlib.decompress(plain[41:-16])
    hidden = plain[:33] + png_chunk(b"IDAT", zlib.compress(pixels + SAID * 40)) + plain[-12:]
    made, _ = rewritten(hidden, order(Unit(), 0, 4, member="behind the pixels"))
    np.testing.assert_array_equal(shown(made)[0], shown(hidden)[0])
    assert SAID not in zlib.decompress(made[41:-16])


def test_what_is_not_there_is_left_undone() -> None:
    data = saved(noise("RGB"), "PNG")
    _, told = cleaned(rewrite_image, data, Kind("image/png"), [order(Unit(), 0, 4, view="ocr"), over_bytes(8, 30)])
    assert len(list(told.undone)) == 2


def _deep() -> bytes:
    """A PNG with 16 bits for each color."""
    header = struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(SIZE[1] * (1 + 6 * SIZE[0])))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_deep(), "more than 8 bits"),
        (saved(noise("RGB"), "PNG")[:-400], "damaged|cut off|painted|opened"),
        (saved(noise("RGB"), "JPEG")[:-200], "damaged|cut off|truncated"),
        (moving("GIF")[:-30], "damaged|cut off|truncated|painted"),
        (saved(noise("RGB"), "WEBP")[:-30], "damaged|cut off|opened|painted"),
        (b"\xff\xd8\xff", "opened|cut off"),
        (b"GIF89a" + bytes(9), "opened|damaged|painted"),
    ],
)
def test_a_damaged_image_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises((CannotRewriteError, ReadError), match=reason):
        rewritten(data, drawn())


def test_a_frame_that_is_not_there_is_refused() -> None:
    with pytest.raises(CannotRewriteError, match="does not have"):
        rewritten(moving("GIF"), drawn(BOX._replace(frame=7)))
