"""Decodes images into gray pictures in which text stands out."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from veritensor_ray.core import bounds
from veritensor_ray.core.config import OcrSettings
from veritensor_ray.core.errors import LimitExceeded, as_read_error

Grey = np.ndarray[Any, np.dtype[np.uint8]]
Matrix = np.ndarray[Any, np.dtype[np.float64]]

_FAINT = 60  # local contrast, in gray levels, below which a region is stretched fully ...
_CLEAR = 110  # ... and above which it is left unchanged
_WEAKEST = 5
_CELL = 8
_WALKED = bounds.OCR_WALKED


@dataclass(frozen=True, slots=True)
class Plane:
    """A gray picture, and the 2 by 3 matrix that maps its coordinates to those of the original."""

    grey: Grey
    origin: Matrix

    @classmethod
    def of(cls, grey: Grey) -> Plane:
        """Return the plane of the original itself."""
        return cls(grey, np.eye(2, 3))

    def moved(self, grey: Grey, back: Matrix) -> Plane:
        """Return a plane for a transformed picture. `back` maps its coordinates to those of this plane."""
        return Plane(grey, self.origin @ np.vstack([back, [0, 0, 1]]))

    def turned(self, quarters: int) -> Plane:
        """Return the plane rotated counterclockwise by quarter turns."""
        if not quarters % 4:
            return self
        height, width = self.grey.shape
        back = {
            1: [[0, -1, width], [1, 0, 0]],
            2: [[-1, 0, width], [0, -1, height]],
            3: [[0, 1, 0], [-1, 0, height]],
        }[quarters % 4]
        return self.moved(np.ascontiguousarray(np.rot90(self.grey, quarters)), np.array(back, float))

    def cropped(self, left: int, top: int, right: int, bottom: int) -> Plane:
        """Return a rectangular part of the plane."""
        return self.moved(self.grey[top:bottom, left:right], np.array([[1, 0, left], [0, 1, top]], float))

    def here(self, points: Matrix) -> Matrix:
        """Map points of the original (one per row) to this plane's coordinates."""
        there = np.linalg.inv(np.vstack([self.origin, [0, 0, 1]]))
        return points @ there[:2, :2].T + there[:2, 2]

    def original(self, points: Matrix) -> Matrix:
        """Map points of this plane (one per row) to the original's coordinates."""
        return points @ self.origin[:, :2].T + self.origin[:, 2]

    def straightened(self, degrees: float) -> Plane:
        """Return the plane rotated counterclockwise by a small angle, on a canvas large enough for all of it."""
        import cv2

        height, width = self.grey.shape
        there = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        cos, sin = abs(there[0, 0]), abs(there[0, 1])
        wide, high = int(width * cos + height * sin), int(width * sin + height * cos)
        there[:, 2] += ((wide - width) / 2, (high - height) / 2)
        edge = np.concatenate([self.grey[0], self.grey[-1], self.grey[:, 0], self.grey[:, -1]])
        grey = cv2.warpAffine(
            self.grey, there, (wide, high), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=float(np.median(edge))
        )
        return self.moved(np.asarray(grey, np.uint8), np.asarray(cv2.invertAffineTransform(there), float))


def decode(data: bytes, settings: OcrSettings) -> Iterator[tuple[int, Image.Image]]:
    """Yield the distinct frames in RGB, upright as a viewer shows them, each with its number in the file.

    Raises ReadError and LimitExceeded. The caller enforces `settings.frames`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit on pixels applies
            image = Image.open(io.BytesIO(data))
            if image.width * image.height > settings.pixels:
                raise LimitExceeded("ocr.pixels", f"image has {image.width} × {image.height} pixels")
            seen: set[int] = set()
            for number, frame in enumerate(ImageSequence.Iterator(image)):
                if number == _WALKED:
                    raise LimitExceeded("ocr.frames", f"image has more than {_WALKED} frames")
                if frame.width * frame.height > settings.pixels:  # pages of a TIFF may differ in size
                    raise LimitExceeded("ocr.pixels", f"frame has {frame.width} × {frame.height} pixels")
                for shown in _flattened(ImageOps.exif_transpose(frame)):
                    mark = hash(shown.tobytes())
                    if mark not in seen:
                        seen.add(mark)
                        yield number, shown
    except Image.DecompressionBombError:  # Pillow's limit, if ours is higher
        raise LimitExceeded("ocr.pixels", "image has too many pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, OverflowError) as error:
        raise as_read_error(error, "not a complete image") from None


def _flattened(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the image on a background that makes its content visible, and again without transparency if that shows something else."""
    if image.mode.startswith(("I", "F")):  # 16-bit and floating point: convert() would clip instead of scale
        values = np.asarray(image, np.float32)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        scaled = np.nan_to_num((values - low) * (255 / max(high - low, 1e-6)))
        yield Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
        return
    if not image.has_transparency_data:
        yield image.convert("RGB")
        return
    rgba = image.convert("RGBA")
    pixels = np.asarray(rgba)
    alpha = pixels[..., 3]
    light = pixels[..., :3].mean(axis=2)
    visible = alpha > 25
    bright, dark = bool((visible & (light > 170)).any()), bool((visible & (light < 85)).any())
    # white text on a transparent background shows only on black, black text only on white, and both on gray
    ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255) if not bright else (127, 127, 127, 255) if dark else (0, 0, 0, 255))
    yield Image.alpha_composite(ground, rgba).convert("RGB")
    hidden = light[alpha == 0]
    if hidden.size and hidden.std() > 1:  # colors under full transparency: programs that drop alpha see them, people do not
        yield rgba.convert("RGB")


def readable(image: Image.Image) -> Grey:
    """Convert an image to gray with faint regions stretched, using colors where brightness has no contrast."""
    import cv2

    pixels = np.asarray(image)
    grey, contrast = _stretched(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8))
    colours = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb), np.uint8)
    for channel in (1, 2):
        plane = np.ascontiguousarray(colours[..., channel])
        if int(plane.max()) - int(plane.min()) < 4 * _WEAKEST:
            continue
        tinted, stronger = _stretched(plane)
        better = (contrast < 2 * _WEAKEST) & (stronger > 4 * _WEAKEST)
        grey = np.where(better, tinted, grey)
        contrast = np.where(better, stronger, contrast)
    return np.asarray(grey, np.uint8)


def _stretched(grey: Grey) -> tuple[Grey, np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the picture with local contrast raised where it is low but above noise, and the local contrast of each pixel."""
    import cv2

    height, width = grey.shape
    padded = cv2.copyMakeBorder(grey, 0, -height % _CELL, 0, -width % _CELL, cv2.BORDER_REPLICATE)
    cells = padded.reshape(padded.shape[0] // _CELL, _CELL, -1, _CELL)
    around = np.ones((7, 7), np.uint8)
    low = cv2.blur(cv2.erode(cells.min(axis=(1, 3)), around).astype(np.float32), (5, 5))
    high = cv2.blur(cv2.dilate(cells.max(axis=(1, 3)), around).astype(np.float32), (5, 5))
    size = (padded.shape[1], padded.shape[0])
    low, high = (cv2.resize(edge, size, interpolation=cv2.INTER_LINEAR)[:height, :width] for edge in (low, high))
    contrast = high - low
    noise = float(np.median(np.abs(cv2.Laplacian(grey, cv2.CV_16S)))) / 3
    share = np.clip((_CLEAR - contrast) / (_CLEAR - _FAINT), 0, 1)
    share[contrast < max(_WEAKEST, 8 * noise)] = 0
    if not share.any():
        return grey, contrast
    full = (grey - low) * (255 / np.maximum(contrast, 1))
    return np.clip(grey * (1 - share) + full * share, 0, 255).astype(np.uint8), contrast
