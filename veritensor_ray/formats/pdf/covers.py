"""Finds texts that something drawn later may cover, or whose color is close to their background.

It compares bounding boxes, so its results are only suspicions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pypdfium2.raw as raw

from veritensor_ray.core import bounds
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.pdf_library import Boxes, Numbers

_MOST_PAIRS = bounds.PDF_COVERS
_PAIRS_AT_ONCE = 500_000
_CONTRAST = 32  # out of 255: text with less contrast to its background may be invisible
_OPAQUE = 100  # out of 255
_THICK = 2.0  # points: lines of this width cover text
_WHITE = np.full((1, 3), 255)
Flags = npt.NDArray[np.bool_]


def doubted(boxes: Boxes, fills: Numbers, orders: Numbers, items: list[int], covers: Boxes, cover_orders: Numbers) -> Flags:
    """Which texts are doubtful, given their boxes, colors and drawing order.

    `items` are the other drawn objects, with 0 for an annotation.
    """
    if not len(boxes):
        return np.zeros(0, np.bool_)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    big = np.flatnonzero((covers[:, 2:] - covers[:, :2]).prod(axis=1) >= 0.5 * areas.min()) if items else np.empty(0, np.int64)
    if not len(big):
        return _near(fills, _WHITE)
    if len(boxes) * len(big) > _MOST_PAIRS:
        return np.ones(len(boxes), np.bool_)
    step = max(1, _PAIRS_AT_ONCE // len(big))
    over = np.concatenate([_overlaps(boxes[i : i + step], areas[i : i + step], covers[big]) for i in range(0, len(boxes), step)])
    hit = over.any(axis=0)
    if not hit.any():
        return _near(fills, _WHITE)
    over, big = over[:, hit], big[hit]
    opaque, colours = _looks([items[i] for i in big.tolist()])
    over &= opaque[None, :]
    later = cover_orders[big][None, :] > orders[:, None]
    below = np.where(over & ~later, cover_orders[big][None, :].astype(np.int32), np.int32(-1))
    ground = np.where((below.max(axis=1) >= 0)[:, None], colours[below.argmax(axis=1)], 255)
    result: Flags = (over & later).any(axis=1) | (ground[:, 0] < 0) | _near(fills, ground)
    return result


def _near(fills: Numbers, below: Any) -> Flags:
    near: Flags = np.abs(fills - below).max(axis=1) < _CONTRAST
    return near


def _overlaps(boxes: Boxes, areas: Boxes, covers: Boxes) -> Flags:
    """Which covers overlap at least half of which box."""
    width = np.minimum(boxes[:, None, 2], covers[None, :, 2]) - np.maximum(boxes[:, None, 0], covers[None, :, 0])
    height = np.minimum(boxes[:, None, 3], covers[None, :, 3]) - np.maximum(boxes[:, None, 1], covers[None, :, 1])
    result: Flags = np.maximum(width, 0) * np.maximum(height, 0) >= 0.5 * areas[:, None]
    return result


def _looks(items: list[int]) -> tuple[Flags, Numbers]:
    """Whether each object hides what is below it, and its color; -1 if it has several."""
    opaque, colours = np.ones(len(items), np.bool_), np.full((len(items), 3), -1)
    paths = [i for i, item in enumerate(items) if item and pdfium.object_type(item) == raw.FPDF_PAGEOBJ_PATH]
    for i, (r, g, b, a) in zip(paths, pdfium.fills([items[i] for i in paths]).tolist(), strict=True):
        if pdfium.is_filled(items[i]):
            opaque[i] = a < 0 or a >= _OPAQUE
            if a == 255:
                colours[i] = r, g, b
        else:
            opaque[i] = pdfium.line_width(items[i]) >= _THICK
    return opaque, colours
