"""Turns the detector's heat maps into words, lines and their reading order. Geometry only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_SURE, _LIKELY, _LINKED = 0.6, 0.35, 0.4  # least heat of text somewhere in a box, of text, and of a gap within a word


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def around(points: Array) -> Box:
    """Return the smallest box that contains the points (one per row)."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return Box(float(left), float(top), float(right), float(bottom))


def union(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all boxes."""
    return Box(min(b.left for b in boxes), min(b.top for b in boxes), max(b.right for b in boxes), max(b.bottom for b in boxes))


def quads(text: Array, link: Array, limit: int) -> list[Array]:
    """Return the `limit` largest words as rectangles of any angle: four corners each, in pixels of the maps."""
    import cv2

    linked = link > _LINKED
    likely = text > _LIKELY
    count, labels, stats, _ = cv2.connectedComponentsWithStats((likely | linked).astype(np.uint8), connectivity=4)
    found = []
    for label in sorted(range(1, count), key=lambda i: -stats[i, cv2.CC_STAT_AREA])[: 4 * limit]:
        x, y, w, h, area = (int(value) for value in stats[label])
        if area < 6:
            break
        inside = labels[y : y + h, x : x + w] == label
        if text[y : y + h, x : x + w][inside].max() < _SURE:
            continue
        mask = (inside & ~(linked & ~likely)[y : y + h, x : x + w]).astype(np.uint8)
        grow = int(np.sqrt(area * min(w, h) / (w * h)) * 2)  # CRAFT's own rule: heat covers only the middle of characters
        mask = cv2.dilate(np.pad(mask, grow + 1), cv2.getStructuringElement(cv2.MORPH_RECT, (1 + grow, 1 + grow)))
        rows, columns = np.nonzero(mask)
        points = np.stack([columns + (x - grow - 1), rows + (y - grow - 1)], axis=1).astype(np.float32)
        found.append(np.asarray(cv2.boxPoints(cv2.minAreaRect(points)), float))
        if len(found) == limit:
            break
    return found


def slope(words: Sequence[Array]) -> float:
    """Return the degrees, from -45 to 45, by which lines fall to the right, estimated from the long words."""
    angles, weights = [], []
    for corners in words:
        edges = [corners[1] - corners[0], corners[2] - corners[1]]
        long, short = sorted(edges, key=lambda edge: -float(np.hypot(*edge)))
        length = float(np.hypot(*long))
        if length > 3 * float(np.hypot(*short)):
            angle = float(np.degrees(np.arctan2(long[1], long[0])))
            angles.append((angle + 45) % 90 - 45)
            weights.append(length)
    if not angles:
        return 0.0
    order = np.argsort(angles)
    total = np.cumsum(np.array(weights)[order])
    return float(np.array(angles)[order][np.searchsorted(total, total[-1] / 2)])


def lines(words: Sequence[Box]) -> list[list[Box]]:
    """Group words into lines, from left to right."""
    runs: list[list[Box]] = []
    for word in sorted(words, key=lambda box: box.left):
        best, nearest = None, 0.0
        for run in runs:
            last = run[-1]
            shared = min(last.bottom, word.bottom) - max(last.top, word.top)
            small, tall = sorted((last.height, word.height))
            gap = word.left - last.right
            if shared > 0.5 * small and small > 0.4 * tall and -tall < gap < 1.2 * tall and (best is None or shared > nearest):
                best, nearest = run, shared
        if best is None:
            runs.append([word])
        else:
            best.append(word)
    return runs


def drift(runs: Sequence[Sequence[Box]]) -> float:
    """Return the degrees by which nearly level lines still fall to the right. A line's angle is more reliable than a word's."""
    slopes = []
    for run in runs:
        if len(run) > 3 and run[-1].right - run[0].left > 10 * run[0].height:
            across = [(box.left + box.right) / 2 for box in run]
            slopes.append(float(np.polyfit(across, [box.middle for box in run], 1)[0]))
    return float(np.degrees(np.arctan(np.median(slopes)))) if slopes else 0.0


def ordered(rows: Sequence[Box]) -> list[list[int]]:
    """Return the reading order of lines as groups of indices. A group is side by side on one line; columns of prose follow each other."""
    return list(_cut(list(range(len(rows))), rows, 0))


def _cut(which: list[int], rows: Sequence[Box], depth: int) -> Iterator[list[int]]:
    if len(which) > 1 and depth < 40:
        high = median(rows[i].height for i in which)
        columns = _gaps(which, [(rows[i].left, rows[i].right) for i in which], 1.0 * high)
        if len(columns) > 1 and all(_prose(part, rows) for part in columns):
            for part in columns:
                yield from _cut(part, rows, depth + 1)
            return
        blocks = _gaps(which, [(rows[i].top, rows[i].bottom) for i in which], 0.0)
        if max(len(block) for block in blocks) > 1 and len(blocks) > 1:
            # split at the widest gap only: columns below a title can be recognized once the title is separated
            widest = max(range(1, len(blocks)), key=lambda n: _gap(blocks[n - 1], blocks[n], rows))
            yield from _cut([i for block in blocks[:widest] for i in block], rows, depth + 1)
            yield from _cut([i for block in blocks[widest:] for i in block], rows, depth + 1)
            return
    yield from _side_by_side(which, rows)


def _prose(which: Sequence[int], rows: Sequence[Box]) -> bool:
    """Return whether lines are long enough to be a column of prose rather than of a table."""
    return len(which) > 1 and median(rows[i].width / max(rows[i].height, 1) for i in which) > 8


def _gap(above: Sequence[int], below: Sequence[int], rows: Sequence[Box]) -> float:
    return min(rows[i].top for i in below) - max(rows[i].bottom for i in above)


def _gaps(which: Sequence[int], spans: Sequence[tuple[float, float]], wide: float) -> list[list[int]]:
    """Split lines into groups that are more than `wide` pixels apart."""
    parts: list[list[int]] = []
    end = -np.inf
    for (start, stop), i in sorted(zip(spans, which, strict=True)):
        if not parts or start - end > wide:
            parts.append([])
        parts[-1].append(i)
        end = max(end, stop)
    return parts


def _side_by_side(which: Sequence[int], rows: Sequence[Box]) -> Iterator[list[int]]:
    group: list[int] = []
    for i in sorted(which, key=lambda i: rows[i].middle):
        if group and rows[i].middle - rows[group[0]].middle > 0.5 * rows[group[0]].height:
            yield sorted(group, key=lambda n: rows[n].left)
            group = []
        group.append(i)
    if group:
        yield sorted(group, key=lambda n: rows[n].left)
