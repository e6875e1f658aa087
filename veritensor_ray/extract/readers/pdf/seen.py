"""Whether a text can be seen: the page is rendered with it and without it; what it is covered or coloured with does not matter."""

from __future__ import annotations

import numpy as np

from veritensor_ray.extract.readers.pdf import library as pdfium
from veritensor_ray.extract.readers.pdf.inventory import DOUBTFUL, HIDDEN, VISIBLE, Inventory
from veritensor_ray.extract.readers.pdf.library import Boxes, Pixels

_DIFFERENCE = 24  # of 255 in any colour: what a reader still makes out
_LETTER = 9.0  # pixels that the longer side of a text has at least
_SIDE = 2000  # pixels
_LAYERS = 4


def settle(page: int, found: Inventory) -> None:
    """Judge the doubtful texts. Those that overlap are rendered apart, as one would lend its pixels to the other."""
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
    """Left, top, right, bottom of each box in a picture of the size that is returned too."""
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
    """Groups within which hardly any boxes overlap; lines that touch each other do not count."""
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
