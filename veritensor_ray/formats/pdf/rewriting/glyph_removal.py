"""Takes glyphs out of the content of a page. What takes their place moves the rest exactly as far as they did.

A mask is written in Helvetica, in the color and size of the text, and narrowed until it fits. So programs that extract the text find it where
the value was, and nothing else moves.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import pikepdf

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.pdf.pdf_library import Box
from veritensor_ray.formats.pdf.rewriting.drawn_glyphs import (
    OTHER_TEXTS,
    ContentStream,
    DrawnGlyph,
    GlyphSearch,
    Span,
    TextState,
    advance_of,
    moved,
)
from veritensor_ray.formats.pdf.rewriting.text_fonts import USUAL_REACH, mask_width

_NEAR, _NEAREST = 0.05, 0.02  # of the font's size, and points: PDFium places a glyph no further from where it is calculated here
_TWICE = 0.1  # of the font's size: letters that are drawn twice to make them bold
_FONT = "/MaskHelvetica"
_INVERTIBLE = 1e-9


class Removed(NamedTuple):
    """Glyphs that go because of one finding, and the text that takes their place; empty if there is none or it cannot be written."""

    glyphs: list[int]
    mask: str


class GlyphIndex:
    """Finds the glyphs of a page by their places."""

    def __init__(self, search: GlyphSearch) -> None:
        self.glyphs = search.glyphs
        self._of_operator: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, glyph in enumerate(self.glyphs):
            self._of_operator[glyph.stream, glyph.operator].append(number)
        self._of_span: dict[Span, list[int]] = defaultdict(list)
        for number, glyph in enumerate(self.glyphs):
            if glyph.spans:
                self._of_span[glyph.spans[0]].append(number)
        self._cell = max(_TWICE * max(map(_size, self.glyphs), default=0.0), _NEAREST)
        self._cells: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, glyph in enumerate(self.glyphs):
            if math.isfinite(glyph.x + glyph.y):
                self._cells[self._cell_of(glyph.x), self._cell_of(glyph.y)].append(number)

    def _cell_of(self, at: float) -> int:
        return math.floor(at / self._cell)

    def at(self, x: float, y: float) -> list[int]:
        """Return the glyphs at a place."""
        return [number for number in self._around(x, y) if self._is_at(number, x, y)]

    def _is_at(self, number: int, x: float, y: float) -> bool:
        glyph = self.glyphs[number]
        return math.hypot(glyph.x - x, glyph.y - y) <= max(_NEAR * _size(glyph), _NEAREST)

    def _around(self, x: float, y: float) -> Iterator[int]:
        """Yield the glyphs that may be near a place."""
        column, row = self._cell_of(x), self._cell_of(y)
        for one in (column - 1, column, column + 1):
            for other in (row - 1, row, row + 1):
                yield from self._cells.get((one, other), ())

    def with_others(self, found: Sequence[int]) -> list[int]:
        """Return glyphs with those that are drawn over them a second time, and those between them in the same operators.

        PDFium takes the text of content that says itself what it means, and puts all of it where the first glyph is. So all of it goes.
        """
        every = dict.fromkeys(found)
        for number in found:
            one = self.glyphs[number]
            if one.spans:
                every.update(dict.fromkeys(self._of_span[one.spans[0]]))
            for other in self._around(one.x, one.y):
                if is_twin(one, self.glyphs[other]):
                    every[other] = None
        for before, after in itertools.pairwise(found):
            first, second = self.glyphs[before], self.glyphs[after]
            if (first.stream, first.operator) == (second.stream, second.operator):
                low, high = sorted((first.number, second.number))
                every.update(
                    (between, None)
                    for between in self._of_operator[first.stream, first.operator]
                    if low < self.glyphs[between].number < high
                )
        return [*every]


def is_twin(one: DrawnGlyph, other: DrawnGlyph) -> bool:
    """Return whether a glyph is drawn almost where another is, to make it bold."""
    near = math.hypot(one.x - other.x, one.y - other.y) <= _TWICE * _size(one)
    return near and one.code == other.code and one.state.font is other.state.font


def _size(glyph: DrawnGlyph) -> float:
    """Return the size of a glyph's font on the page."""
    unit = 1.0 if glyph.state.font is None or not glyph.state.font.is_drawn else 0.01
    return abs(glyph.state.size) * unit * math.hypot(glyph.matrix[2], glyph.matrix[3])


def box_of(glyph: DrawnGlyph) -> Box:
    """Return the part of the page that a glyph may cover."""
    size, rise = glyph.state.size, glyph.state.rise  # a negative size turns letters upside down
    low, high = sorted((0.0, glyph.advance))
    left, down, right, up = glyph.state.font.reach if glyph.state.font is not None else USUAL_REACH
    wide = abs(size)
    corners = [moved(glyph.matrix, x, y) for x in (low + left * wide, high + right * wide) for y in (rise + down * size, rise + up * size)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def writable(mask: str) -> str:
    """Return a text as a mask can be written; empty if the font of masks lacks a letter."""
    text = " ".join(mask.split())
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return ""
    return text


class _Mask(NamedTuple):
    text: str
    extent: float  # in the space of the text


@dataclass
class StreamChange:
    """What changes in a stream: the glyphs that go from its operators, and the masks at some of them."""

    stream: ContentStream
    gone: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    masks: dict[int, dict[int, _Mask]] = field(default_factory=lambda: defaultdict(dict))
    unsaid: set[int] = field(default_factory=set)  # operators that say what their content means

    def content(self, font: Any) -> bytes:
        """Return the new content, with masks in this font."""
        name = _font_name(self.stream, font) if self.masks else ""
        operators: list[Any] = []
        for place, instruction in enumerate(self.stream.operators):
            if gone := self.gone.get(place):
                operators += _without(instruction, gone, self.masks.get(place, {}), self.stream.states[place], name)
            elif place in self.unsaid:
                operators.append(_operator("BDC", instruction.operands[0], _without_texts(instruction.operands[1], self.stream)))
            else:
                operators.append(instruction)
        try:
            return pikepdf.unparse_content_stream(operators)
        except (pikepdf.PdfError, ValueError, TypeError) as error:
            raise CannotRewriteError(f"the content of a page cannot be written anew ({type(error).__name__})") from None


class GlyphRemoval:
    """The changes to the streams of a page. `forms` has those of forms, which several pages may draw."""

    def __init__(self, search: GlyphSearch, forms: dict[tuple[int, int], StreamChange]) -> None:
        self._search, self._forms = search, forms
        self._inexact: list[DrawnGlyph] = []
        self.own: StreamChange | None = None
        self.boxes: list[Box] = []

    def _change(self, number: int) -> StreamChange:
        stream = self._search.streams[number]
        if stream.holder is not None:
            return self._forms.setdefault(stream.holder.objgen, StreamChange(stream))
        self.own = self.own or StreamChange(stream)
        return self.own

    def remove(self, removed: Removed) -> bool:
        """Have glyphs removed. Returns whether a mask is written where the first line of them begins."""
        glyphs = [self._search.glyphs[number] for number in removed.glyphs]
        for glyph in glyphs:
            self._change(glyph.stream).gone[glyph.operator].add(glyph.number)
            self.boxes.append(box_of(glyph))
            for stream, operator in glyph.spans:
                self._change(stream).unsaid.add(operator)
            if not glyph.exact:
                self._inexact.append(glyph)
        if not removed.mask or not glyphs:
            return False
        anchor, extent = _first_line(glyphs)
        written = False
        for glyph in glyphs:  # the anchor, and what is drawn over it to make it bold
            state = glyph.state
            named = state.name is not None and state.font is not None and not state.font.is_drawn
            if named and state.size and state.scale and is_twin(anchor, glyph):
                self._change(glyph.stream).masks[glyph.operator][glyph.number] = _Mask(removed.mask, extent)
                written = True
        return written

    def rest_of_lines(self) -> list[Box]:
        """Return where text stands behind glyphs whose widths PDFium rounds, since it may move a little there."""
        found: list[Box] = []
        lines = {(one.stream, round(one.y * one.matrix[0] - one.x * one.matrix[1], 1)): one for one in self._inexact}
        for glyph in self._search.glyphs if lines else ():
            if (glyph.stream, round(glyph.y * glyph.matrix[0] - glyph.x * glyph.matrix[1], 1)) in lines:
                found.append(box_of(glyph))
        return found


def _without_texts(about: Any, stream: ContentStream) -> Any:
    """Return what is said of marked content, without texts that take the place of it."""
    if isinstance(about, pikepdf.Name):
        about = stream.resource("/Properties", about)
    kept = {key: about[key] for key in about.keys() if key not in OTHER_TEXTS}  # noqa: SIM118  # it is not a mapping
    return pikepdf.Dictionary({key: one for key, one in kept.items() if not isinstance(one, pikepdf.Object) or not one.is_indirect})


def _font_name(stream: ContentStream, font: Any) -> str:
    """Return the name of the font of masks among the resources of a stream."""
    fonts, name = stream.listed("/Font"), _FONT
    if fonts is None:
        raise CannotRewriteError("a page shows text without fonts")
    while name in fonts and fonts[name].objgen != font.objgen:
        name += "0"
    fonts[name] = font
    return name


def _first_line(glyphs: Sequence[DrawnGlyph]) -> tuple[DrawnGlyph, float]:
    """Return the glyph at which the line of the first one begins, and how far the line reaches in the space of its text."""
    first = glyphs[0]
    a, b, c, d = first.matrix[:4]
    determinant = a * d - b * c
    if abs(determinant) < _INVERTIBLE:
        return first, first.advance
    line: list[tuple[float, DrawnGlyph]] = []
    for glyph in glyphs:
        x, y = glyph.x - first.x, glyph.y - first.y
        along, across = (x * d - y * c) / determinant, (y * a - x * b) / determinant
        if abs(across) < 0.5 * abs(first.state.size) and all(
            abs(one - other) <= 0.01 * (abs(one) + abs(other)) for one, other in zip(glyph.matrix[:4], first.matrix[:4], strict=True)
        ):
            line.append((along, glyph))
    way = math.copysign(1.0, first.state.size * first.state.scale)  # a negative size leads to the left
    low = min(line, key=lambda one: way * one[0])
    high = max((along + glyph.advance for along, glyph in line), key=lambda one: way * one)
    return low[1], high - low[0]


def _without(instruction: Any, gone: set[int], masks: dict[int, _Mask], state: TextState, font: str) -> list[Any]:
    """Return the operators that show a text without some of its glyphs."""
    name, given = str(instruction.operator), instruction.operands
    done: list[Any] = []
    if name == '"':
        done += [_operator("Tw", given[0]), _operator("Tc", given[1])]
    if name in ("'", '"'):
        done.append(_operator("T*"))
    shown = given[-1]
    pieces: list[Any] = []
    count = 0
    unit = state.size * state.scale
    if not unit or state.font is None:
        raise CannotRewriteError("a finding lies in text without a size")
    for element in shown if isinstance(shown, pikepdf.Array) else (shown,):
        if not isinstance(element, pikepdf.String):
            _move(pieces, float(element))
            continue
        for one in state.font.codes(bytes(element)) or ():
            if count not in gone:
                if pieces and isinstance(pieces[-1], bytearray):
                    pieces[-1] += one.code
                else:
                    pieces.append(bytearray(one.code))
            else:
                if one.width is None:
                    raise CannotRewriteError("a finding lies in text of unknown width")
                if count in masks:
                    operators, width = _written(masks[count], state, font)
                    done += [*_flushed(pieces), *operators]
                    pieces = []
                    _move(pieces, 1000 * width / unit)
                _move(pieces, -1000 * advance_of(one, state, one.width) / unit)
            count += 1
    return [*done, *_flushed(pieces)]


def _move(pieces: list[Any], amount: float) -> None:
    if pieces and isinstance(pieces[-1], float):
        pieces[-1] += amount
    else:
        pieces.append(amount)


def _flushed(pieces: Sequence[Any]) -> list[Any]:
    shown = [pikepdf.String(bytes(one)) if isinstance(one, bytearray) else _number(one, 6) for one in pieces]
    return [_operator("TJ", pikepdf.Array(shown))] if shown else []


def _written(mask: _Mask, state: TextState, font: str) -> tuple[list[Any], float]:
    """Return the operators that write a mask and restore what they set, and the width of the mask in the space of the text."""
    natural = mask_width(mask.text) * state.size
    scale = mask.extent / natural if natural else 1.0
    scale = math.copysign(max(0.01, min(abs(scale), abs(state.scale))), state.scale)
    percent = _number(100 * scale, 4)
    operators = [
        _operator("Tf", pikepdf.Name(font), _number(state.size, 6)),
        _operator("Tc", 0),
        _operator("Tw", 0),
        _operator("Tz", percent),
        _operator("Tj", pikepdf.String(mask.text.encode("cp1252"))),
        _operator("Tf", pikepdf.Name(str(state.name)), _number(state.size, 6)),
        _operator("Tc", _number(state.spacing, 6)),
        _operator("Tw", _number(state.words, 6)),
        _operator("Tz", _number(100 * state.scale, 6)),
    ]
    return operators, natural * float(percent) / 100


def _operator(name: str, *operands: Any) -> Any:
    return pikepdf.ContentStreamInstruction([*operands], pikepdf.Operator(name))


def _number(value: float, digits: int) -> Decimal:
    return Decimal(f"{value:.{digits}f}".rstrip("0").rstrip("."))
