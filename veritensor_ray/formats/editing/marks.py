"""Every single place that an engine reported, exactly as `clean` needs it: findings list only the first places of equal evidence.

A run keeps marks only while it cleans. They hold the matched text in clear, so they stay in memory and are never written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.detection import FileInfo, Hit
from veritensor_ray.core.text_positions import Place

REFERENCE = "clean.reference"  # stands for a rule in marks of names of files that have another name in the copy
_LEVEL = 0.7  # share of their height that words of one line have in common; those of a slanted line have less


class TextBox(NamedTuple):
    """Where words of an image are, in pixels of one of its frames or pages, counted from 0, as a viewer shows it."""

    frame: int
    left: int
    top: int
    right: int
    bottom: int


class Mark(NamedTuple):
    """One place that a rule reported.

    `start` and `end` are characters of the unit that `part`, `page`, `row` and `column` name, as the reader counts them: of the whole file
    for formats made of lines. If `over_bytes`, they are bytes of the file instead. `text` is what the engine matched; None if the hit was
    over bytes, or its evidence was put together. `straight` means that the unit's characters from `start` to `end` are that text. `boxes` is
    where it stands in an image.
    """

    rule: str
    severity: str
    member: str | None
    part: str | None
    page: int | None
    row: int | None
    column: str | None
    view: str
    decoded_via: str | None
    start: int
    end: int
    text: str | None
    straight: bool
    over_bytes: bool = False
    boxes: tuple[TextBox, ...] = ()


class Marks:
    """The marks of one artifact, in order. There may be a million, so they are kept in columns, and a mark is made when somebody asks for it.

    Marks of one kind differ only in row, place and text. After `limit` marks, further ones are only counted, in `lost`.
    """

    __slots__ = ("_boxes", "_boxes_left", "_ends", "_kinds", "_numbers", "_rows", "_starts", "_texts", "_until", "_which", "limit", "lost")

    def __init__(self, limit: int = bounds.MARKS) -> None:
        self.limit, self.lost = limit, 0
        self._kinds: list[Mark] = []  # the first of each
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._which = array("I")
        self._rows, self._starts, self._ends, self._until = (array("q") for _ in range(4))
        self._texts = bytearray()
        self._boxes: dict[int, tuple[TextBox, ...]] = {}  # by the number of the mark: most texts are not in images
        self._boxes_left = bounds.MARKED_BOXES

    def append(self, mark: Mark) -> None:
        """Add a mark."""
        if len(self) >= self.limit:
            self.lost += 1
            return
        rule, severity, member, part, page, row, column, view, decoded_via, start, end, text, straight, over_bytes, boxes = mark
        kind = (rule, severity, member, part, page, column, view, decoded_via, straight, over_bytes, row is None, text is None)
        number = self._numbers.get(kind)
        if number is None:
            number = self._numbers[kind] = len(self._kinds)
            self._kinds.append(mark)
        if boxes and len(boxes) <= self._boxes_left:
            self._boxes_left -= len(boxes)
            self._boxes[len(self)] = boxes
        self._which.append(number)
        self._rows.append(row or 0)
        self._starts.append(start)
        self._ends.append(end)
        if text:
            self._texts += text.encode("utf-8", "surrogatepass")
        self._until.append(len(self._texts))

    def extend(self, marks: Marks) -> None:
        """Add the marks of another stage."""
        self.lost += marks.lost
        for mark in marks:
            self.append(mark)

    @property
    def kinds(self) -> Sequence[Mark]:
        """A mark of each kind, in the order of their first marks."""
        return self._kinds

    @property
    def which(self) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """The kind of each mark, by number. No mark can be added while somebody holds this."""
        return np.frombuffer(self._which, np.uint32)

    @property
    def rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The row of each mark, 0 for one that has none. No mark can be added while somebody holds this."""
        return np.frombuffer(self._rows, np.int64)

    def __len__(self) -> int:
        return len(self._which)

    def __getitem__(self, number: int) -> Mark:
        rule, severity, member, part, page, row, column, view, via, _, _, text, straight, over_bytes, _ = self._kinds[self._which[number]]
        if row is not None:
            row = self._rows[number]
        if text is not None:
            first = self._until[number - 1] if number else 0
            text = self._texts[first : self._until[number]].decode("utf-8", "surrogatepass")
        start, end = self._starts[number], self._ends[number]
        boxes = self._boxes.get(number, ())
        return Mark(rule, severity, member, part, page, row, column, view, via, start, end, text, straight, over_bytes, boxes)

    def __iter__(self) -> Iterator[Mark]:
        return map(self.__getitem__, range(len(self)))


def text_mark(place: Place, hit: Hit, severity: str, start: int, end: int) -> Mark:
    """Return the mark of a hit in a text; `start` and `end` are the original's characters behind it."""
    values = place.values
    return Mark(
        hit.rule,
        severity,
        values["member"],
        values["part"],
        values["page"],
        values["row"],
        values["column"],
        values["view"],
        values["decoded_via"],
        start,
        end,
        None if hit.evidence is not None else place.text[hit.start : hit.end],
        straight=place.is_original and hit.evidence is None,
        boxes=tuple(_together(place.boxes(hit))),
    )


def _together(words: Iterable[Mapping[str, int]]) -> Iterator[TextBox]:
    """Yield the boxes of words; of those that stand side by side in a line, one for all."""
    line: TextBox | None = None
    for word in words:
        box = TextBox(word["frame"] or 0, word["left"], word["top"], word["right"], word["bottom"])
        if line is None:
            line = box
        elif line.frame == box.frame and _side_by_side(line, box):
            edges = (min(line.left, box.left), min(line.top, box.top), max(line.right, box.right), max(line.bottom, box.bottom))
            line = TextBox(line.frame, *edges)
        else:
            yield line
            line = box
    if line is not None:
        yield line


def _side_by_side(one: TextBox, other: TextBox) -> bool:
    high = min(one.bottom - one.top, other.bottom - other.top)
    apart = max(one.left, other.left) - min(one.right, other.right)
    return min(one.bottom, other.bottom) - max(one.top, other.top) >= _LEVEL * high and apart <= high


def mark_of(finding: Mapping[str, Any]) -> Mark:
    """Return the mark of a row of the findings table, at the place that it shows. The text is not known any more."""
    at = finding["location"] or {}
    return Mark(
        finding["rule_id"],
        finding["severity_original"],
        finding.get("member"),
        at.get("part"),
        at.get("page"),
        at.get("row"),
        at.get("column"),
        at.get("view") or "visible",
        at.get("decoded_via"),
        at.get("start") or 0,
        at.get("end") or 0,
        None,
        straight=False,
    )


def bytes_mark(about: FileInfo, hit: Hit, severity: str) -> Mark:
    """Return the mark of a hit in the bytes of a file."""
    return Mark(
        hit.rule,
        severity,
        about.member,
        None,
        None,
        None,
        None,
        "visible",
        None,
        hit.start,
        max(hit.end, hit.start),
        None,
        straight=False,
        over_bytes=True,
    )
