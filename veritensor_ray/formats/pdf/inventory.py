"""Lists the objects drawn on a page, and finds the texts that might be invisible; rendering decides whether they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pypdfium2.raw as raw

from veritensor_ray.core import bounds
from veritensor_ray.formats.pdf import pdf_library as pdfium
from veritensor_ray.formats.pdf.covers import doubted
from veritensor_ray.formats.pdf.pdf_library import Box, Boxes, Matrix, Numbers

MOST_OBJECTS = bounds.PDF_PAGE_OBJECTS
_DEPTH = 12
_TINY = 1.0  # points
_FORM = raw.FPDF_PAGEOBJ_FORM
_UNSEEN_MODE, _FILL_MODE = raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_FILL
VISIBLE, NEUTRAL, DOUBTFUL, HIDDEN = 0, 1, 2, 3
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class PageObjects:
    """Objects of one kind by address, with their known properties."""

    items: list[int] = field(default_factory=list)
    boxes: list[Boxes] = field(default_factory=list)
    orders: list[Numbers] = field(default_factory=list)
    values: list[Numbers] = field(default_factory=list)  # fills of texts, types of other objects

    def add(self, items: list[int], boxes: Boxes, orders: Numbers, values: Numbers) -> None:
        """Add objects."""
        self.items += items
        self.boxes.append(boxes)
        self.orders.append(orders)
        self.values.append(values)

    def joined(self) -> tuple[Boxes, Numbers, Numbers]:
        """The boxes, orders and values of all objects."""
        if not self.items:
            return np.empty((0, 4)), np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(self.boxes), _joined(self.orders), _joined(self.values)


@dataclass(slots=True)
class Inventory:
    """A page: its texts with the judgment of each, and its images with their boxes."""

    page_box: Box
    texts: list[int]
    boxes: Boxes
    judged: Numbers
    images: list[tuple[int, Box]]
    count: int

    @property
    def too_many(self) -> bool:
        """Whether objects were left out."""
        return self.count >= MOST_OBJECTS


def take(page: int, doubt_all: bool, annotated: bool = True) -> Inventory:
    """The page's objects, with texts judged as far as possible without rendering.

    `doubt_all`: layers may be switched off. `annotated`: annotations may cover text.
    """
    walk = _PageWalk(pdfium.page_box(page))
    walk.over(pdfium.objects(page), None, doubt_all, 0)
    cover_boxes, cover_orders, kinds = walk.covers.joined()
    boxes, orders, fills = walk.texts.joined()
    judged = _joined(walk.judged) if walk.judged else np.empty(0, np.int64)
    items = walk.covers.items
    pictures = np.flatnonzero(kinds == raw.FPDF_PAGEOBJ_IMAGE).tolist() if items else []
    images = [(items[i], (box[0], box[1], box[2], box[3])) for i in pictures if (box := cover_boxes[i].tolist())]
    notes = pdfium.annotation_boxes(page, 1000) if annotated else []
    if notes:
        cover_boxes = np.concatenate([cover_boxes, np.array(notes)])
        cover_orders = np.concatenate([cover_orders, np.full(len(notes), MOST_OBJECTS + 1)])
        items = items + [0] * len(notes)
    if len(judged) and not judged.any():
        judged[doubted(boxes, fills[:, :3], orders, items, cover_boxes, cover_orders)] = DOUBTFUL
    elif len(plain := np.flatnonzero(judged == VISIBLE)):
        judged[plain[doubted(boxes[plain], fills[plain, :3], orders[plain], items, cover_boxes, cover_orders)]] = DOUBTFUL
    return Inventory(walk.page_box, walk.texts.items, boxes, judged, images, walk.count)


def _joined(parts: list[Numbers]) -> Numbers:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class _PageWalk:
    """Walks over a page's objects, including those of forms, in drawing order."""

    def __init__(self, page_box: Box) -> None:
        self.page_box = page_box
        self.texts, self.covers = PageObjects(), PageObjects()
        self.judged: list[Numbers] = []
        self.count = 0
        self._clips: dict[int, Box] = {}

    def over(self, items: list[int], within: Matrix | None, doubt: bool, depth: int) -> None:
        """Process the objects of the page, or of a form that is placed by `within`."""
        items = items[: MOST_OBJECTS - self.count]
        modes = pdfium.render_modes(items)
        if not len(items) or modes.min() >= 0:
            self._texts(items, modes, np.arange(self.count, self.count + len(items)), within, doubt)
            self.count += len(items)
            return
        others = np.flatnonzero(modes < 0)
        kinds = pdfium.types([items[i] for i in others.tolist()])
        done = 0
        for at in [*others[kinds == _FORM].tolist(), len(items)]:
            if at > done:
                here = others[(others >= done) & (others < at)] - done
                self._chunk(items[done:at], modes[done:at], here, within, doubt)
            done = at + 1
            if at < len(items) and depth < _DEPTH and self.count < MOST_OBJECTS:
                form, self.count = items[at], self.count + 1
                inner = pdfium.inner_objects(form, MOST_OBJECTS - self.count)
                self.over(inner, _combined(pdfium.matrix(form), within), doubt or bool(pdfium.is_transparent(form)), depth + 1)

    def _chunk(self, items: list[int], modes: Numbers, others: Numbers, within: Matrix | None, doubt: bool) -> None:
        orders = np.arange(self.count, self.count + len(items))
        self.count += len(items)
        texts = np.flatnonzero(modes >= 0)
        self._texts([items[i] for i in texts.tolist()], modes[texts], orders[texts], within, doubt)
        if len(others):
            chosen = [items[i] for i in others.tolist()]
            self.covers.add(chosen, _placed(pdfium.bounds(chosen), within), orders[others], pdfium.types(chosen))

    def _texts(self, items: list[int], modes: Numbers, orders: Numbers, within: Matrix | None, doubt: bool) -> None:
        if not items:
            return
        boxes, fills = _placed(pdfium.bounds(items), within), pdfium.fills(items)
        self.texts.add(items, boxes, orders, fills)
        self.judged.append(self._judged(items, modes, boxes, fills, within, doubt))

    def _judged(self, items: list[int], modes: Numbers, boxes: Boxes, fills: Numbers, within: Matrix | None, doubt: bool) -> Numbers:
        judged = np.full(len(items), DOUBTFUL if doubt else VISIBLE)
        opacity = fills[:, 3]
        drawn_plainly = not modes.any() and opacity.min() == 255
        if not drawn_plainly:
            judged[(modes != _FILL_MODE) | (opacity != 255)] = DOUBTFUL
        transparent = list(map(pdfium.is_transparent, items))
        if 1 in transparent:
            judged[np.array(transparent) != 0] = DOUBTFUL
        clipped = self._clipped(items, boxes, within)
        if clipped is not None:
            judged[clipped] = DOUBTFUL
        small = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
        left, bottom, right, top = self.page_box
        judged[(boxes[:, 2] <= left) | (boxes[:, 0] >= right) | (boxes[:, 3] <= bottom) | (boxes[:, 1] >= top)] = HIDDEN
        for i in np.flatnonzero(small < 1.5 * _TINY).tolist():
            judged[i] = NEUTRAL if small[i] <= 0 else HIDDEN if _is_tiny(items[i], within) else judged[i]  # no area: spaces
        if not drawn_plainly:
            judged[(modes == _UNSEEN_MODE) | ((opacity == 0) & (modes == _FILL_MODE))] = HIDDEN
        return judged

    def _clipped(self, items: list[int], boxes: Boxes, within: Matrix | None) -> Flags | None:
        """Whether less than half of the text is inside its clip path.

        Objects share paths, which are identified by the address of a segment.
        """
        paths = list(map(pdfium.clip_path, items))
        counts = list(map(pdfium.count_clips, paths))
        if max(counts) <= 0:
            return None
        limits = np.empty((len(items), 4))
        limits[:] = -math.inf, -math.inf, math.inf, math.inf
        for i, (path, count) in enumerate(zip(paths, counts, strict=True)):
            if count > 0:
                key = pdfium.clip_segment(path, count - 1, 0) or 0
                known = self._clips.get(key) if key else None
                if known is None:
                    known = self._clips[key] = _clip_box(path, count, within)
                limits[i] = known
        shown = np.maximum(np.minimum(boxes[:, 2:], limits[:, 2:]) - np.maximum(boxes[:, :2], limits[:, :2]), 0)
        result: Flags = shown.prod(axis=1) < 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        return result


def _is_tiny(item: int, within: Matrix | None) -> bool:
    a, b, c, d, _, _ = _combined(pdfium.matrix(item), within)
    return pdfium.font_size(item) * min(math.hypot(a, b), math.hypot(c, d)) <= _TINY


def _clip_box(clip: int, count: int, within: Matrix | None) -> Box:
    left, bottom, right, top = -math.inf, -math.inf, math.inf, math.inf
    for path in range(min(count, 100)):
        segments = min(1000, pdfium.count_segments(clip, path))
        points = [at for i in range(segments) if (at := pdfium.point(pdfium.clip_segment(clip, path, i)))]
        xs, ys = _through(points or [(0.0, 0.0)], within)
        left, bottom, right, top = max(left, min(xs)), max(bottom, min(ys)), min(right, max(xs)), min(top, max(ys))
    return left, bottom, right, top


def _through(points: Sequence[tuple[float, float]], within: Matrix | None) -> tuple[list[float], list[float]]:
    a, b, c, d, e, f = within or (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    return [a * x + c * y + e for x, y in points], [b * x + d * y + f for x, y in points]


def _combined(inner: Matrix, outer: Matrix | None) -> Matrix:
    if outer is None:
        return inner
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _placed(boxes: Boxes, within: Matrix | None) -> Boxes:
    if within is None:
        return boxes
    a, b, c, d, e, f = within
    with np.errstate(all="ignore"):
        xs = np.stack([a * boxes[:, i] + c * boxes[:, j] + e for i in (0, 2) for j in (1, 3)])
        ys = np.stack([b * boxes[:, i] + d * boxes[:, j] + f for i in (0, 2) for j in (1, 3)])
        edges: Boxes = np.stack([xs.min(0), ys.min(0), xs.max(0), ys.max(0)], axis=1)
        return np.nan_to_num(edges, posinf=1e9, neginf=-1e9)
