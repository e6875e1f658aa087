"""Follows the content of a page to every glyph that it draws: in which stream and operator it stands, and where it comes to lie."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pikepdf

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.pdf.pdf_library import Box, Matrix
from veritensor_ray.formats.pdf.rewriting.text_fonts import Content, ShownCode, TextFont

_DEEPEST = 24  # forms within forms
_MOST_GLYPHS = bounds.PDF_PAGE_GLYPHS
_UNMOVED: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
Span = tuple[int, int]
OTHER_TEXTS = ("/ActualText", "/Alt", "/E")
SHOWING = ("Tj", "TJ", "'", '"')


def times(one: Matrix, other: Matrix) -> Matrix:
    """Return the matrix that applies one and then the other."""
    a, b, c, d, e, f = one
    p, q, r, s, t, u = other
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def moved(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Return where a matrix takes a point."""
    return x * matrix[0] + y * matrix[2] + matrix[4], x * matrix[1] + y * matrix[3] + matrix[5]


@dataclass(slots=True)
class TextState:
    """What the operators for text have set. `name` is the font's name among the resources; None if it has none there."""

    font: TextFont | None = None
    name: str | None = None
    size: float = 0.0
    spacing: float = 0.0
    words: float = 0.0
    scale: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


class DrawnGlyph(NamedTuple):
    """A glyph: the `number`-th of an operator of a stream, its place on the page, and how far it moves the next one.

    `matrix` leads from the space of its text to the page. `spans` are the operators around it, by stream and place, that give it another text,
    and `content` is the number by which the structure of the document refers to it.
    """

    stream: int
    operator: int
    number: int
    x: float
    y: float
    advance: float
    matrix: Matrix
    state: TextState
    code: bytes
    exact: bool  # whether PDFium takes the width that the font says
    spans: tuple[Span, ...]
    content: int | None


@dataclass(slots=True)
class ContentStream:
    """The operators of a page or of a form, its resources and those of the page, and the object that holds it (None: the page's own)."""

    operators: list[Any]
    resources: Any
    of_page: Any
    holder: Any = None
    states: dict[int, TextState] = field(default_factory=dict)  # when the operators showed text

    def listed(self, kind: str) -> Any:
        """Return the resources of a kind; what a form does not have at all, it takes from the page."""
        for resources in (self.resources, self.of_page):
            found = resources.get(kind) if isinstance(resources, pikepdf.Dictionary) else None
            if isinstance(found, pikepdf.Dictionary):
                return found
        return None

    def resource(self, kind: str, name: Any) -> Any:
        """Return a resource by its name."""
        found = self.listed(kind)
        return None if found is None else found.get(str(name))


class GlyphSearch:
    """The glyphs of one page, in the order of drawing. `content` unpacks streams within limits."""

    def __init__(self, content: Content) -> None:
        self.streams: list[ContentStream] = []
        self.glyphs: list[DrawnGlyph] = []
        self._content = content
        self._of_page: Any = None
        self._forms: dict[tuple[int, int], int] = {}
        self._fonts: dict[tuple[int, int], TextFont] = {}
        self._open: set[int] = set()
        self._marks: list[tuple[Span | None, int | None]] = []  # the marked content that is open

    def page(self, page: Any, resources: Any) -> None:
        """Follow the content of a page."""
        self._of_page = resources
        self._run(self._add(page, resources, None), _UNMOVED, TextState())

    def appearances(self, page: Any, resources: Any) -> None:
        """Follow what the annotations of a page draw."""
        self._of_page = resources
        annotations = page.obj.get("/Annots")
        for annotation in annotations if isinstance(annotations, pikepdf.Array) else ():
            if isinstance(annotation, pikepdf.Dictionary):
                for form in normal_appearances(annotation):
                    self._form(form, resources, _placed(annotation, form), TextState())

    def _add(self, holder: Any, resources: Any, form: Any) -> int:
        try:
            operators = list(pikepdf.parse_content_stream(holder))
        except (pikepdf.PdfError, ValueError, TypeError) as error:
            raise CannotRewriteError(f"the content of a page cannot be divided into its operators ({type(error).__name__})") from None
        self.streams.append(ContentStream(operators, resources, self._of_page, form))
        return len(self.streams) - 1

    def _form(self, form: Any, resources: Any, ctm: Matrix, state: TextState) -> None:
        number = self._forms.get(form.objgen)
        if number is None or form.objgen == (0, 0):
            number = self._forms[form.objgen] = self._add(form, form.get("/Resources", resources), form)
        if number in self._open or len(self._open) >= _DEEPEST:
            raise CannotRewriteError("its forms draw each other without an end")
        self._open.add(number)
        self._run(number, times(_matrix(form.get("/Matrix")), ctm), state)
        self._open.discard(number)

    def _run(self, number: int, ctm: Matrix, state: TextState) -> None:
        stream = self.streams[number]
        saved: list[tuple[Matrix, TextState]] = []
        outside = len(self._marks)
        line: Matrix = _UNMOVED
        at: Matrix | None = _UNMOVED  # None: somewhere behind text whose width is unknown
        state = copy(state)
        for place, instruction in enumerate(stream.operators):
            name = str(instruction.operator)
            if name == "INLINE IMAGE":
                continue  # pikepdf refuses to read the properties of some
            given = instruction.operands
            try:
                if name == "q":
                    saved.append((ctm, copy(state)))
                elif name == "Q":
                    if saved:
                        ctm, state = saved.pop()
                elif name == "cm":
                    ctm = times(_numbers(given), ctm)
                elif name == "BT":
                    line = at = _UNMOVED
                elif name in ("Td", "TD"):
                    x, y = float(given[0]), float(given[1])
                    if name == "TD":
                        state.leading = -y
                    line = at = times((1, 0, 0, 1, x, y), line)
                elif name == "Tm":
                    line = at = _numbers(given)
                elif name == "T*":
                    line = at = times((1, 0, 0, 1, 0, -state.leading), line)
                elif name in SHOWING:
                    if name == '"':
                        state.words, state.spacing = float(given[0]), float(given[1])
                    if name in ("'", '"'):
                        line = at = times((1, 0, 0, 1, 0, -state.leading), line)
                    stream.states[place] = copy(state)
                    at = self._show(number, place, given[-1], at, ctm, stream.states[place])
                elif name == "Do":
                    form = stream.resource("/XObject", given[0])
                    if isinstance(form, pikepdf.Stream) and form.get("/Subtype") == "/Form":
                        self._form(form, stream.resources, ctm, state)
                elif name in ("BDC", "BMC"):
                    self._mark(number, place, given[1] if name == "BDC" else None)
                elif name == "EMC":
                    del self._marks[max(outside, len(self._marks) - 1) :]
                elif name == "gs":
                    self._graphics_state(stream.resource("/ExtGState", given[0]), state)
                elif name == "Tf":
                    self._set_font(stream.resource("/Font", given[0]), str(given[0]), float(given[1]), state)
                elif name in _PLAIN:
                    setattr(state, _PLAIN[name], float(given[0]) / (100 if name == "Tz" else 1))
            except (IndexError, TypeError, ValueError, ArithmeticError):
                continue  # viewers leave out an operator without its operands
        del self._marks[outside:]

    def _mark(self, stream: int, place: int, given: Any) -> None:
        about = self.streams[stream].resource("/Properties", given) if isinstance(given, pikepdf.Name) else given
        known = isinstance(about, pikepdf.Dictionary)
        content = about.get("/MCID") if known else None
        self._marks.append(
            (
                (stream, place) if known and any(key in about for key in OTHER_TEXTS) else None,
                int(content) if isinstance(content, int) else None,
            )
        )

    def _graphics_state(self, given: Any, state: TextState) -> None:
        font = given.get("/Font") if isinstance(given, pikepdf.Dictionary) else None
        if isinstance(font, pikepdf.Array):
            self._set_font(font[0], None, float(font[1]), state)

    def _set_font(self, font: Any, name: str | None, size: float, state: TextState) -> None:
        state.name, state.size, state.font = name, size, None
        if isinstance(font, pikepdf.Dictionary):
            state.font = self._fonts.get(font.objgen)
            if state.font is None:
                state.font = TextFont(font, self._content, len(self._fonts))
                if font.objgen != (0, 0):
                    self._fonts[font.objgen] = state.font

    def _show(self, stream: int, place: int, shown: Any, at: Matrix | None, ctm: Matrix, state: TextState) -> Matrix | None:
        """Keep the glyphs of one operator. Returns the place behind them."""
        count = 0
        spans = tuple(span for span, _ in self._marks if span is not None)
        content = next((one for _, one in reversed(self._marks) if one is not None), None)
        for element in shown if isinstance(shown, pikepdf.Array) else (shown,):
            if not isinstance(element, pikepdf.String):
                if at is not None:
                    at = times((1, 0, 0, 1, -float(element) / 1000 * state.size * state.scale, 0), at)
                continue
            codes = state.font.codes(bytes(element)) if state.font else None
            if codes is None:
                return None
            for one in codes:
                advance = None if one.rounded is None else advance_of(one, state, one.rounded)
                if at is not None:
                    matrix = times(at, ctm)
                    x, y = moved(matrix, 0, state.rise)
                    exact = one.width == one.rounded
                    self.glyphs.append(
                        DrawnGlyph(stream, place, count, x, y, advance or 0.0, matrix, state, one.code, exact, spans, content)
                    )
                    at = None if advance is None else times((1, 0, 0, 1, advance, 0), at)
                count += 1
            if len(self.glyphs) > _MOST_GLYPHS:
                raise CannotRewriteError(f"a page draws more than {_MOST_GLYPHS} glyphs (pdf_page_glyphs)", ReasonCode.LIMIT)
        return at


_PLAIN = {"Tc": "spacing", "Tw": "words", "Tz": "scale", "TL": "leading", "Ts": "rise"}


def advance_of(one: ShownCode, state: TextState, width: float) -> float:
    """Return how far a code of that width moves the next one, in the space of the text."""
    return (width * state.size + state.spacing + (state.words if one.spaced else 0.0)) * state.scale


def normal_appearances(annotation: Any) -> Iterator[Any]:
    """Yield the forms by which an annotation is drawn, in any of its states."""
    appearance = annotation.get("/AP")
    normal = appearance.get("/N") if isinstance(appearance, pikepdf.Dictionary) else None
    if isinstance(normal, pikepdf.Stream):
        yield normal
    elif isinstance(normal, pikepdf.Dictionary):
        yield from (one for _, one in normal.items() if isinstance(one, pikepdf.Stream))


def _placed(annotation: Any, form: Any) -> Matrix:
    """Return the matrix that fits the box of a form into the rectangle of its annotation."""
    box, rectangle = _box(form.get("/BBox")), _box(annotation.get("/Rect"))
    if box is None or rectangle is None:
        return _UNMOVED
    matrix = _matrix(form.get("/Matrix"))
    corners = [moved(matrix, x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    left, right = min(x for x, _ in corners), max(x for x, _ in corners)
    bottom, top = min(y for _, y in corners), max(y for _, y in corners)
    if right <= left or top <= bottom:
        return _UNMOVED
    a, d = (rectangle[2] - rectangle[0]) / (right - left), (rectangle[3] - rectangle[1]) / (top - bottom)
    return a, 0, 0, d, rectangle[0] - left * a, rectangle[1] - bottom * d


def _box(given: Any) -> Box | None:
    try:
        a, b, c, d = (float(one) for one in given)
    except (TypeError, ValueError):
        return None
    return min(a, c), min(b, d), max(a, c), max(b, d)


def _matrix(given: Any) -> Matrix:
    try:
        return _numbers(given)
    except (TypeError, ValueError):
        return _UNMOVED


def _numbers(given: Any) -> Matrix:
    a, b, c, d, e, f = (float(one) for one in given)
    return a, b, c, d, e, f


def inherited(page: Any, key: str) -> Any:
    """Return what a page says, or else one of its ancestors. Raises ReadError."""
    node = page.obj
    for _ in range(50):
        if key in node:
            return node[key]
        node = node.get("/Parent")
        if not isinstance(node, pikepdf.Dictionary):
            return None
    raise ReadError("its page tree is too deep")
