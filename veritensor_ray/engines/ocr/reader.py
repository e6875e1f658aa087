"""Reads the lines of text in one picture: decides where to look, at which scale, and in which orientation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from veritensor_ray.core.config import OcrSettings
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.engines.ocr.boxes import Box, around, drift, lines, ordered, quads, slope, union
from veritensor_ray.engines.ocr.networks import Networks
from veritensor_ray.engines.ocr.picture import Grey, Plane

Array = np.ndarray[Any, Any]

_EDGE = 24  # least step in brightness that may belong to a character
_MARGIN = 12
_OVERLAP = 128
_TALL = 13  # height, in pixels, from which the detector recognizes small characters well ...
_AMPLE = 30  # ... above which a smaller copy works as well ...
_STROKE = 6  # ... if the narrowest letters stay this wide ...
_GIANT = 90  # ... and above which it sees only strokes
_LARGEST = 4.0  # highest magnification
_UPRIGHT = 0.94  # confidence from which the orientation is certain
_INK = 60  # least difference in brightness between a line's background and its letters
_LEANING, _STEEPEST = 0.7, 30  # degrees


@dataclass(frozen=True, slots=True)
class Word:
    """The text between two spaces, and its box in pixels of the original."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    """A line of words, from left to right."""

    words: tuple[Word, ...]
    confidence: float

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def scaled(self, across: float, down: float) -> Line:
        """Return the line as it is in a picture of another size."""
        words = tuple(
            Word(word.text, Box(word.box.left * across, word.box.top * down, word.box.right * across, word.box.bottom * down))
            for word in self.words
        )
        return Line(words, self.confidence)


class Clock:
    """Enforces the time limit."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._began = seconds, time.monotonic()

    def check(self) -> None:
        """Raise LimitExceeded if the time is up."""
        if time.monotonic() - self._began > self._seconds:
            raise LimitExceeded("ocr.seconds", f"reading the image took more than {self._seconds:g} s")


def read(grey: Grey, networks: Networks, settings: OcrSettings, clock: Clock) -> list[Line]:
    """Return the lines of a picture in reading order."""
    edges, left, top = _framed(_edges(grey))
    if not edges.size:
        return []
    plane = Plane.of(grey).cropped(left, top, left + edges.shape[1], top + edges.shape[0])
    words = find(plane, edges, networks, settings, clock)
    flat, steep = _directions(words, settings.turned)
    found: list[Line] = []
    for group, quarters in ((flat, 0), (steep, 1)):
        if group:
            found += _upright(plane.turned(quarters), [plane.original(word) for word in group], networks, settings, clock)
    return found


def looked_at(grey: Grey, settings: OcrSettings) -> int:
    """Return how many pixels the detector looks at, which takes nearly all of the time for most pictures."""
    edges, _, _ = _framed(_edges(grey))
    spots = (spot for scale in (scales(edges, settings) if edges.size else ()) for spot in _spots(edges, scale, settings))
    return sum((bottom - top) * (right - left) for top, bottom, left, right in spots)


def _framed(edges: Array) -> tuple[Array, int, int]:
    """Return the part of a picture's edges that has some, with a margin, and where it begins (left, top)."""
    rows, columns = np.flatnonzero(edges.any(axis=1)), np.flatnonzero(edges.any(axis=0))
    if not len(rows):
        return edges[:0], 0, 0
    top, left = max(0, int(rows[0]) - _MARGIN), max(0, int(columns[0]) - _MARGIN)
    return edges[top : int(rows[-1]) + _MARGIN, left : int(columns[-1]) + _MARGIN], left, top


def _edges(grey: Grey) -> Array:
    import cv2

    gradient: Array = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > _EDGE
    return gradient


def character_heights(edges: Array) -> tuple[Array, Array]:
    """Return the shorter side and a weight for everything that may be a character."""
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(edges.astype(np.uint8), connectivity=8)
    wide, high = stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT]
    short, long = np.minimum(wide, high), np.maximum(wide, high)
    kept = (short >= 4) & (long < 20 * short) & (stats[1:, cv2.CC_STAT_AREA] > 1.5 * short)
    return short[kept], long[kept]


def scales(edges: Array, settings: OcrSettings) -> list[float]:
    """Return magnifications for the detector: one for small characters, and one for giant characters if there are any."""
    short, weight = character_heights(edges)
    fits = settings.max_side / max(edges.shape)
    if not len(short):
        return [min(1.0, fits)]
    order = np.argsort(short)
    total = np.cumsum(weight[order])
    tiny, small = (float(short[order][np.searchsorted(total, share * total[-1])]) for share in (0.03, 0.3))
    large = max(_AMPLE / small, _STROKE / tiny)  # fine print next to large letters must stay legible
    first = min(fits, min(_LARGEST, max(1.0, _TALL / small)) if large > 1 else large)
    giants = short[short * first > _GIANT]
    return [first, 50 / float(np.median(giants))] if len(giants) else [first]


def find(plane: Plane, edges: Array, networks: Networks, settings: OcrSettings, clock: Clock) -> list[Array]:
    """Return the words as corners in the plane's coordinates."""
    words: list[Array] = []
    for scale in scales(edges, settings):
        taken = [around(word) for word in words]
        for word in _detect(plane.grey, edges, scale, networks, settings, clock):
            if not any(_overlap(around(word), box) for box in taken):
                words.append(word)
    return words


def _overlap(one: Box, other: Box) -> bool:
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    return wide > 0 and high > 0 and wide * high > 0.3 * min(one.width * one.height, other.width * other.height)


def _detect(grey: Grey, edges: Array, scale: float, networks: Networks, settings: OcrSettings, clock: Clock) -> list[Array]:
    import cv2

    height, width = _scaled(grey.shape, scale)
    seen = cv2.resize(grey, (width, height), interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    text, link = (np.zeros(((height + 1) // 2, (width + 1) // 2), np.float32) for _ in range(2))
    for top, bottom, left, right in _spots(edges, scale, settings):
        clock.check()
        part = (slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2))
        for whole, heat in zip((text, link), networks.heat(seen[top:bottom, left:right]), strict=True):
            np.maximum(whole[part], heat, out=whole[part])
    return [corners * (2 / scale) for corners in quads(text, link, settings.words)]


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _spots(edges: Array, scale: float, settings: OcrSettings) -> Iterator[tuple[int, int, int, int]]:
    """Yield the parts of a scaled picture (top, bottom, left, right) at which the detector looks, one after the other."""
    height, width = _scaled(edges.shape, scale)
    for high in _tiles(height, settings.tile):
        for wide in _tiles(width, settings.tile):
            if (spot := _inked(edges, (*high, *wide), scale)) is not None:
                yield spot


def _inked(edges: Array, tile: tuple[int, int, int, int], scale: float) -> tuple[int, int, int, int] | None:
    """Return the part of a tile (top, bottom, left, right) that contains edges, with a margin, because blank paper costs as much as print.

    Its top and left are even. Returns None if the tile is blank.
    """
    top, bottom, left, right = tile
    inside = edges[int(top / scale) : int(bottom / scale) + 1, int(left / scale) : int(right / scale) + 1]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    around = 2 * _MARGIN
    return (
        max(top, top + int(rows[0] * scale) - around) // 2 * 2,
        min(bottom, top + int((rows[-1] + 1) * scale) + around),
        max(left, left + int(columns[0] * scale) - around) // 2 * 2,
        min(right, left + int((columns[-1] + 1) * scale) + around),
    )


def _tiles(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Yield overlapping pieces of equal length. Their starts are even, because the detector's maps have half the size."""
    count = 1 if length <= side else -(-(length - _OVERLAP) // (side - _OVERLAP))
    step = (length - _OVERLAP) / count
    for number in range(count):
        start = round(number * step) // 2 * 2
        yield start, length if number == count - 1 else min(length, round((number + 1) * step) + _OVERLAP)


def _directions(words: Sequence[Array], turned: bool) -> tuple[list[Array], list[Array]]:
    """Split words into those that run across and those that run up or down."""
    boxes = [around(word) for word in words]
    if not turned or not boxes:
        return list(words), []
    usual = float(np.median([min(box.width, box.height) for box in boxes]))
    tall = sum(box.width * box.height for box in boxes if box.height > 1.5 * box.width)
    wide = sum(box.width * box.height for box in boxes if box.width > 1.5 * box.height)
    if tall > wide:
        across = [box.width > 2.2 * box.height and box.width > 2.5 * usual for box in boxes]
    else:
        across = [not (box.height > 2.2 * box.width and box.height > 2.5 * usual) for box in boxes]
    return [w for w, flat in zip(words, across, strict=True) if flat], [w for w, flat in zip(words, across, strict=True) if not flat]


def _upright(plane: Plane, words: Sequence[Array], networks: Networks, settings: OcrSettings, clock: Clock) -> list[Line]:
    """Return the lines of words (corners in the original) that run across in `plane`, upright or upside down."""
    leaning = slope([plane.here(word) for word in words])
    nearly = plane.straightened(leaning) if _LEANING < abs(leaning) < _STEEPEST else plane
    leaning = (0.0 if nearly is plane else leaning) + drift(lines([around(nearly.here(word)) for word in words]))
    if _LEANING < abs(leaning) < _STEEPEST:
        plane = plane.straightened(leaning)
    best = _transcribe(plane, words, networks, clock)
    if settings.turned and _sure(best) < _UPRIGHT:
        other = _transcribe(plane.turned(2), words, networks, clock)
        best = max(best, other, key=_sure)
    return [line for line in best if line.confidence >= settings.min_confidence]


def _sure(found: Sequence[Line]) -> float:
    """Return the mean confidence per character."""
    sizes = [len(line.text) for line in found]
    return sum(size * line.confidence for size, line in zip(sizes, found, strict=True)) / max(1, sum(sizes))


def _transcribe(plane: Plane, words: Sequence[Array], networks: Networks, clock: Clock) -> list[Line]:
    runs = lines([around(plane.here(word)) for word in words])
    boxes = [union(run) for run in runs]
    crops = [_crop(plane.grey, box) for box in boxes]
    results = []
    for first in range(0, len(crops), 64):
        clock.check()
        results += networks.read([crop for crop, _ in crops[first : first + 64]])
    found = []
    for row in ordered(boxes):
        parts: list[Word] = []
        scores: list[float] = []
        for i in row:
            text, confidence, places = results[i]
            parts += _words(text, places, crops[i][1], plane)
            scores += [confidence] * len(text)
        if parts:
            found.append(Line(tuple(parts), float(np.mean(scores))))
    return found


def _crop(grey: Grey, box: Box) -> tuple[Grey, Box]:
    """Crop a line with a margin around its ink: the detector's boxes are off by a pixel or two, which is a lot for small text."""
    height, width = grey.shape
    side, above = 0.1 * box.height, 0.25 * box.height
    left, right = _within(box.left - side, box.right + side + 1, width)
    top, bottom = _within(box.top - above, box.bottom + above + 1, height)
    piece = grey[top:bottom, left:right].astype(np.int16)
    inked = np.abs(piece - np.median(piece)).max(axis=1) > _INK
    first = last = min(max(int(box.middle) - top, 0), len(inked) - 1)
    while first > 0 and inked[first - 1]:
        first -= 1
    while last < len(inked) - 1 and inked[last + 1]:
        last += 1
    if last - first + 1 >= 0.5 * box.height:
        margin = max(1, round(0.25 * (last - first + 1)))
        top, bottom = max(0, top + first - margin), min(height, top + last + 1 + margin)
    return grey[top:bottom, left:right], Box(left, top, right, bottom)


def _within(start: float, end: float, length: int) -> tuple[int, int]:
    """Limit a range to the picture, keeping at least one pixel."""
    first = min(max(0, int(start)), length - 1)
    return first, max(first + 1, min(length, int(end)))


def _words(text: str, places: Sequence[float], box: Box, plane: Plane) -> Iterator[Word]:
    """Yield the words of a line with their boxes, which extend half a character step beyond the first and last character."""
    start = 0
    for piece in text.split(" "):
        if piece:
            first, last = places[start], places[start + len(piece) - 1]
            step = (last - first) / max(1, len(piece) - 1) / 2 if len(piece) > 1 else 0.5 * box.height / max(box.width, 1) / 2
            left, right = box.left + (first - step) * box.width, box.left + (last + step) * box.width
            corners = np.array([(x, y) for x in (max(left, box.left), min(right, box.right)) for y in (box.top, box.bottom)])
            yield Word(piece, around(plane.original(corners)))
        start += len(piece) + 1
