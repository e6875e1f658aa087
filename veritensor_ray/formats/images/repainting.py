"""Paints over places of an image file: decodes it, paints, encodes it in its format again, and proves that nothing else has changed.

PNG, GIF, WebP, TIFF and BMP are encoded without any loss; a JPEG is encoded with its own tables and sampling of colors.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageSequence, JpegImagePlugin, TiffImagePlugin

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.images.bare import png_chunks
from veritensor_ray.formats.images.painting import PaintedBox, painted

_ORIENTATION, _BITS, _COMPRESSION = 0x0112, 258, 259
_WITHIN_LOSS = 10.0  # mean difference, in levels of 255, that encoding a JPEG another time may make where nothing was painted
_BLOCK = 32  # pixels around a painted place that share a block of a JPEG with it
_TIFF_QUALITY = 95
_COLORS = 256
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, OverflowError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Repainted:
    """The new bytes of an image. `lossy` means that its pixels were encoded another time with a loss; `orientation` is that of the file."""

    data: bytes
    lossy: bool
    orientation: int


@dataclass(frozen=True)
class _Frames:
    """The frames of a file after painting, and masks of what was painted, each as it is stored."""

    image: Image.Image
    painted: list[Image.Image]
    masks: list[Image.Image]
    data: bytes
    orientation: int


def repainted(data: bytes, boxes: Mapping[int, Sequence[PaintedBox]], pixels: int) -> Repainted:
    """Return an image with boxes of its frames or pages painted over; the boxes of an animation are painted in all of its frames.

    `pixels` is the largest number that one frame may have. Raises CannotRewriteError, ReadError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = _painted(data, boxes, pixels)
            kind = frames.image.format or ""
            encode = _ENCODERS.get(kind)
            if encode is None:
                raise CannotRewriteError(f"pictures of the format {kind} are not painted")
            made = encode(frames)
            lossy = kind == "JPEG" or (kind == "TIFF" and "jpeg" in _compressions(data))
            _check(frames, made, lossy)
    except _DAMAGE as error:
        raise as_read_error(error, "the image cannot be painted") from None
    return Repainted(made, lossy, frames.orientation)


def orientation_of(data: bytes) -> int:
    """Return the orientation of an image by its EXIF data, from 1 to 8. Raises ReadError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _orientation(Image.open(io.BytesIO(data)))
    except _DAMAGE as error:
        raise as_read_error(error, "the image cannot be opened") from None


def _orientation(image: Image.Image) -> int:
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _painted(data: bytes, boxes: Mapping[int, Sequence[PaintedBox]], pixels: int) -> _Frames:
    image = Image.open(io.BytesIO(data))
    _refuse_deep(image, data)
    pages = image.format == "TIFF"
    moving = getattr(image, "n_frames", 1) > 1 and not pages
    if getattr(image, "default_image", False):
        raise CannotRewriteError("the picture for programs without animations is not one of its frames")
    everywhere = [box for some in boxes.values() for box in some]
    equal: dict[bytes, list[PaintedBox]] = {}  # pages that look the same are read once
    if pages:
        for number, frame in enumerate(ImageSequence.Iterator(image)):
            _room(frame, pixels)
            if number in boxes:
                equal.setdefault(frame.tobytes(), []).extend(boxes[number])
    made: list[Image.Image] = []
    masks: list[Image.Image] = []
    total = 0
    orientation = 1
    for frame in ImageSequence.Iterator(image):
        _room(frame, pixels)
        total += frame.width * frame.height
        if made and total > bounds.PAINTED_PIXELS:
            raise CannotRewriteError(f"its frames have more than {bounds.PAINTED_PIXELS} pixels together", ReasonCode.LIMIT)
        frame.load()
        orientation = _orientation(frame) if not made else orientation
        shown = frame.convert("RGBA") if moving else frame
        new, mask = painted(shown, equal.get(frame.tobytes(), ()) if pages else everywhere, orientation)
        new.info = {key: frame.info[key] for key in ("transparency", "duration", "compression", "dpi") if key in frame.info}
        made.append(new)
        masks.append(mask)
    if image.format != "JPEG" and not all(number < len(made) for number in boxes):  # further pictures of a JPEG are gone already
        raise CannotRewriteError("a finding is in a frame that the image does not have")
    return _Frames(image, made, masks, data, orientation)


def _room(frame: Image.Image, pixels: int) -> None:
    if frame.width * frame.height > pixels:
        raise CannotRewriteError(f"it has {frame.width} × {frame.height} pixels, more than limits.image_pixels allows", ReasonCode.LIMIT)


def _refuse_deep(image: Image.Image, data: bytes) -> None:
    """Raise CannotRewriteError for colors of more than 8 bits, of which the library drops the lower ones."""
    deep = image.format == "PNG" and data[24] == 16 and data[25] in (2, 4, 6)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_BITS, (1,))
        deep = isinstance(bits, tuple) and len(bits) > 1 and max(bits) > 8
    if deep:
        raise CannotRewriteError("its colors have more than 8 bits each, which painting would not keep")


def _compressions(data: bytes) -> set[str]:
    return {str(frame.info.get("compression")) for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data)))}


# One function for each format


def _png(frames: _Frames) -> bytes:
    first, *rest = frames.painted
    out = io.BytesIO()
    if rest:
        durations = [frame.info.get("duration", 0) for frame in frames.painted]
        loop = frames.image.info.get("loop", 0)
        first.save(out, "PNG", save_all=True, append_images=rest, duration=durations, loop=loop, disposal=0, blend=0)
    elif first.mode == "P":
        first.save(out, "PNG", bits=frames.data[24])
    else:
        first.save(out, "PNG")
    return _with_colors(frames.data, out.getvalue())


def _with_colors(old: bytes, new: bytes) -> bytes:
    """Return a PNG with what another one says about the meaning of its colors, behind the header as the format demands."""
    colors = [chunk for name, chunk in png_chunks(old) if name in (b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"pHYs")]
    made = [chunk for name, chunk in png_chunks(new) if name not in (b"iCCP", b"pHYs")]
    return b"".join([new[:8], made[0], *colors, *made[1:]])


def _jpeg(frames: _Frames) -> bytes:
    source, out = frames.image, io.BytesIO()
    if not isinstance(source, JpegImagePlugin.JpegImageFile):
        raise CannotRewriteError("it is a JPEG with several pictures")
    options: dict[str, Any] = {"qtables": source.quantization, "subsampling": JpegImagePlugin.get_sampling(source)}
    dpi = source.info.get("dpi")
    options |= {"dpi": dpi} if dpi else {}
    options |= {"progressive": True} if source.info.get("progressive") else {}
    frames.painted[0].save(out, "JPEG", icc_profile=source.info.get("icc_profile"), optimize=True, **options)
    return out.getvalue()


def _gif(frames: _Frames) -> bytes:
    out = io.BytesIO()
    first, *rest = [_indexed(frame) for frame in frames.painted] if len(frames.painted) > 1 else frames.painted
    if not rest:
        first.save(out, "GIF", optimize=False, interlace=0)
        return out.getvalue()
    clear = any(frame.getchannel("A").getextrema()[0] == 0 for frame in frames.painted)
    durations = [frame.info.get("duration", 0) for frame in frames.painted]
    loop = {"loop": frames.image.info["loop"]} if "loop" in frames.image.info else {}
    first.save(out, "GIF", save_all=True, append_images=rest, duration=durations, disposal=2 if clear else 1, optimize=False, **loop)
    return out.getvalue()


def _indexed(frame: Image.Image) -> Image.Image:
    """Return a frame with a palette of exactly its colors."""
    pixels = np.array(frame)
    pixels[pixels[..., 3] == 0] = 0
    packed = pixels.view(np.uint32)[..., 0]
    colors, numbers = np.unique(packed, return_inverse=True)
    if len(colors) > _COLORS:
        raise CannotRewriteError(f"a frame of the animation has more than {_COLORS} colors")
    made = Image.fromarray(numbers.reshape(packed.shape).astype(np.uint8), "P")
    parts = colors.view(np.uint8).reshape(-1, 4)
    made.putpalette(parts[:, :3].tobytes())
    if clear := np.flatnonzero(parts[:, 3] == 0).tolist():
        made.info["transparency"] = clear[0]
    return made


def _webp(frames: _Frames) -> bytes:
    first, *rest = frames.painted
    options: dict[str, Any] = {"lossless": True, "quality": 80, "icc_profile": frames.image.info.get("icc_profile")}
    if frames.orientation != 1:
        exif = Image.Exif()
        exif[_ORIENTATION] = frames.orientation
        options["exif"] = exif
    out = io.BytesIO()
    if rest:
        durations = [frame.info.get("duration", 0) for frame in frames.painted]
        background = frames.image.info.get("background", (0, 0, 0, 0))
        first.save(
            out,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=durations,
            loop=frames.image.info.get("loop", 0),
            background=background,
            **options,
        )
    else:
        first.save(out, "WEBP", exact=True, **options)
    return out.getvalue()


def _tiff(frames: _Frames) -> bytes:
    out = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(out) as pages:
        for page, source in zip(frames.painted, ImageSequence.Iterator(frames.image), strict=True):
            options: dict[str, Any] = {key: source.info[key] for key in ("dpi", "icc_profile") if key in source.info}
            compression = source.info.get("compression", "raw")
            options |= {"quality": _TIFF_QUALITY} if compression == "jpeg" else {}
            page.save(pages, "TIFF", compression=compression, **options)
            pages.newFrame()
    return out.getvalue()


def _bmp(frames: _Frames) -> bytes:
    out = io.BytesIO()
    frames.painted[0].save(out, "BMP", **({"dpi": dpi} if (dpi := frames.image.info.get("dpi")) else {}))
    return out.getvalue()


_ENCODERS: Mapping[str, Callable[[_Frames], bytes]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "GIF": _gif,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
}


# The proof


def _check(frames: _Frames, made: bytes, lossy: bool) -> None:
    """Raise CannotRewriteError if the new file does not show exactly what was painted, or, with a loss, almost that."""
    new = Image.open(io.BytesIO(made))
    shown = _changes(frame for frame in ImageSequence.Iterator(new))
    last: Any = None
    for wanted, mask in zip(frames.painted, frames.masks, strict=True):
        one = _pixels(wanted)
        if last is not None and np.array_equal(one, last):
            continue
        last, other = one, next(shown, None)
        if other is None or one.shape != other.shape:
            raise CannotRewriteError("its size or its frames would change")
        if not lossy and not np.array_equal(one, other):
            raise CannotRewriteError("its pixels cannot be written as they were")
        if lossy and _mean_difference(one, other, mask) > _WITHIN_LOSS:
            raise CannotRewriteError("its colors would change")
    if next(shown, None) is not None:
        raise CannotRewriteError("it would have more frames")


def _changes(frames: Iterable[Image.Image]) -> Iterator[Any]:
    """Yield the pixels of each frame that differs from the one before: encoders join those that do not, with the sum of their times."""
    last: Any = None
    for frame in frames:
        pixels = _pixels(frame)
        if last is None or not np.array_equal(pixels, last):
            yield pixels
        last = pixels


def _mean_difference(one: Any, other: Any, mask: Image.Image) -> float:
    """Return by how much two pictures differ where no block has anything painted."""
    small = mask.resize((-(-mask.width // _BLOCK), -(-mask.height // _BLOCK)), Image.Resampling.BOX).point([0, *[255] * 255])
    far = np.asarray(small.resize(mask.size, Image.Resampling.NEAREST)) == 0
    return float(np.abs(one[far].astype(np.int16) - other[far]).mean()) if far.any() else 0.0


def _pixels(image: Image.Image) -> Any:
    """Return the values of all pixels; the colors of transparent ones do not count."""
    if image.mode.startswith(("I", "F")):
        return np.array(image)
    pixels = np.array(image.convert("RGBA"))
    pixels[pixels[..., 3] == 0] = 0
    return pixels
