"""Decides whether text is visible by rendering the page with and without it, whatever covers or colors it."""

from __future__ import annotations

import numpy as np

from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.inventory import DOUBTFUL, HIDDEN, VISIBLE, Inventory
from veritensor_ray.formats.pdf.pdf_library import Boxes, Pixels

_DIFFERENCE = 24  # out of 255 in any color: the smallest difference that a reader can see
_LETTER = 9.0  # minimum length in pixels of the longer side of a text
_SIDE = 2000  # pixels
_LAYERS = 4


def settle(page: int, found: Inventory) -> None:
    """Judge the doubtful texts. Overlapping ones are rendered separately, since one would affect the pixels of the other."""
    doubtful = np.flatnonzero(found.judged == DOUBTFUL).tolist()
    boxes, size = _pixel_boxes(page, found.boxes[doubtful])
    full = pdfium.render(page, *size)
    for layer in _layers(boxes):
        for i in layer:
            pdfium.set_active(found.texts[doubtful[i]], 0)
        without = pdfium.render(page, *size)
        for i in layer:
            pdfium.set_active(found.texts[doubtful[i]], 1)
            found.judged[doubtful[i]] = VISIBLE if _differs(full, without, boxes[i]) else HIDDEN


def _pixel_boxes(page: int, boxes: Boxes) -> tuple[list[tuple[int, int, int, int]], tuple[int, int]]:
    """Left, top, right and bottom of each box in pixels, and the size of the image that they refer to."""
    width, height = pdfium.size(page)
    smallest = float((boxes[:, 2:] - boxes[:, :2]).max(axis=1).min())
    scale = min(3.0, max(1.0, _LETTER / max(smallest, 0.1)), _SIDE / max(width, height, 1.0))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    a, b, c, d, e, f = pdfium.to_pixels(page, *size)
    xs = np.stack([a * boxes[:, i] + c * boxes[:, j] + e for i in (0, 2) for j in (1, 3)])
    ys = np.stack([b * boxes[:, i] + d * boxes[:, j] + f for i in (0, 2) for j in (1, 3)])
    edges = np.stack([np.floor(xs.min(0)), np.floor(ys.min(0)), np.ceil(xs.max(0)), np.ceil(ys.max(0))], axis=1)
    edges = np.clip(edges, 0, [size[0], size[1], size[0], size[1]]).astype(int)
    return [(left, top, right, bottom) for left, top, right, bottom in edges.tolist()], size


def _layers(boxes: list[tuple[int, int, int, int]]) -> list[list[int]]:
    """Groups with hardly any overlapping boxes. Lines that merely touch do not count as overlapping."""
    layers: list[list[int]] = [[] for _ in range(_LAYERS)]
    cells: list[set[tuple[int, int]]] = [set() for _ in range(_LAYERS)]
    for i, (left, top, right, bottom) in enumerate(boxes):
        margin = (bottom - top) // 4
        rows = range((top + margin) // 4, max(top + margin, bottom - margin) // 4 + 1)
        own = {(x, y) for x in range((left + 2) // 4, max(left + 2, right - 2) // 4 + 1) for y in rows}
        layer = next((n for n in range(_LAYERS - 1) if not own & cells[n]), _LAYERS - 1)
        layers[layer].append(i)
        cells[layer] |= own
    return [layer for layer in layers if layer]


def _differs(one: Pixels, other: Pixels, box: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = box
    a, b = one[top:bottom, left:right, :3], other[top:bottom, left:right, :3]
    return bool(a.size) and int((np.maximum(a, b) - np.minimum(a, b)).max()) >= _DIFFERENCE
