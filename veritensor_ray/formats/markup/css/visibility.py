"""Decides whether text with certain styles can be seen, through states that elements inherit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tinycss2.ast import Node

from veritensor_ray.formats.common.colors import BLACK, WHITE, Color, over, same
from veritensor_ray.formats.markup.css.css_colors import color
from veritensor_ray.formats.markup.css.css_values import HEIGHT, NO_VARIABLES, ROOT_SIZE, WIDTH, Variables, length, significant, split
from veritensor_ray.formats.markup.css.styles import Declarations

_OFF = 500.0  # pixels outside the visible area; to the right and below, where a page can scroll, ten times as many
_LEGIBLE = 1.0  # minimum height of a letter in pixels
_FAINT = 0.05
_SIZES = ("width", "height", "max-width", "max-height")
_FONT_SIZES = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0, "xx-large": 32.0, "xxx-large": 48.0,
}  # fmt: skip
WHOLE_PAGE = ("html", "body")  # hidden until a script has run: then a reader sees everything in it
# Which of 1, 2, 3 or 4 values applies to each side.
_BOX = {"top": (0, 0, 0, 0), "right": (0, 1, 1, 1), "bottom": (0, 0, 2, 2), "left": (0, 1, 1, 3)}
_AXES = {"inset-inline": ("left", "right"), "inset-block": ("top", "bottom"), "padding-block": ("padding-top", "padding-bottom")}
_INHERIT = ("inherit", "unset", "revert", "revert-layer")


@dataclass(frozen=True, slots=True)
class State:
    """The state that an element passes on. `gone` is final; descendants can undo the other properties."""

    gone: bool = False
    invisible: bool = False
    size: float = ROOT_SIZE  # font size in pixels
    scale: float = 1.0
    opacity: float = 1.0
    indented: bool = False  # out of sight
    color: Color | None = BLACK
    fill: Color | None = None  # overrides the color
    paper: Color | None = WHITE  # None: an image, or unknown
    shadow: tuple[Color | None, ...] = ()
    painted: bool = False  # the background is painted only through the letters
    keeps_space: bool = False
    variables: Variables = field(default=NO_VARIABLES, compare=False)
    hidden: bool = False  # the result of all this


VISIBLE = State()


def hiding(state: State) -> State:
    """The state of content that is never shown."""
    return state if state.gone else replace(state, gone=True, hidden=True)


def keeping(state: State) -> State:
    """The state of preformatted text."""
    return state if state.keeps_space else replace(state, keeps_space=True)


def unknown_paper(state: State) -> State:
    """The state of text on a drawing."""
    return state if state.paper is None else replace(state, paper=None)


def within(state: State, styles: Declarations, name: str) -> State:
    """The state of an element with these styles inside one with `state`. Raises Undecided if the evaluation is too expensive."""
    variables = state.variables
    if custom := {one: value.tokens for one, value in styles.items() if one.startswith("--")}:
        variables = variables.within(custom)
    values = _Computed(styles, variables)
    size = _font_size(values, state.size)
    values.size = size
    ink = _ink(values, state)
    ground = _paper(values, state.paper, ink)
    through = _is_seen_through_letters(values)
    invisible = state.invisible
    gone = state.gone
    if name not in WHOLE_PAGE:
        shown = values.word("visibility")
        invisible = invisible if shown in ("", *_INHERIT) else shown in ("hidden", "collapse")
        gone = gone or _is_gone(values)
    indent = values.of("text-indent")
    far = length(indent[0], size) if indent else None
    indented = state.indented if far is None else not -_OFF < far < 10 * _OFF
    scale = state.scale * _scale(values)
    opacity = state.opacity if name in WHOLE_PAGE else state.opacity * _opacity(values)
    fill = _fill(values, state.fill, ink)
    paper = state.paper if through else ground
    painted = state.painted or (through and not same(ground, state.paper))
    shadow = _shadow(values, state.shadow, ink)
    hidden = (
        gone
        or invisible
        or indented
        or size * scale <= _LEGIBLE
        or opacity <= _FAINT
        or (same(fill or ink, paper) and not painted and all(same(one, paper) for one in shadow))
    )
    return State(
        gone, invisible, size, scale, opacity, indented, ink, fill, paper, shadow, painted, state.keeps_space, variables, hidden
    )  # fmt: skip


class _Computed:
    """The values of one element's properties, with their variables substituted."""

    def __init__(self, styles: Declarations, variables: Variables) -> None:
        self._styles, self._variables = styles, variables
        self.size = ROOT_SIZE

    def __contains__(self, name: str) -> bool:
        return name in self._styles

    def of(self, name: str) -> Sequence[Node]:
        """The tokens of a property, possibly from a shorthand; empty if it is not set."""
        value = self._styles.get(name)
        if value is None:
            return ()
        tokens = self._variables.put_into(value.tokens) if value.varies else significant(value.tokens)
        return _part(value.written, name, tokens or ())

    def word(self, name: str) -> str:
        """A property that is a single word."""
        tokens = self.of(name)
        word: str = tokens[0].lower_value if tokens and tokens[0].type == "ident" else ""
        return word

    def length(self, name: str, percent: float = WIDTH / 100) -> float | None:
        """A property that is a single length."""
        tokens = self.of(name)
        return length(tokens[0], self.size, percent) if tokens else None


def _part(written: str, name: str, tokens: Sequence[Node]) -> Sequence[Node]:
    """The part of a shorthand of sides that applies to one side; other values stay whole."""
    side = name.rpartition("-")[2]
    if written in ("margin", "padding", "inset") and 1 <= len(tokens) <= 4:
        return tokens[_BOX[side][len(tokens) - 1] :][:1]
    if written in _AXES and len(tokens) == 2:
        return tokens[_AXES[written].index(name) :][:1]
    if written == "overflow" and len(tokens) == 2:
        return tokens[name == "overflow-y" :][:1]
    return tokens


def _font_size(values: _Computed, now: float) -> float:
    tokens = values.of("font-size")
    for i, token in enumerate(tokens):
        word = token.lower_value if token.type == "ident" else ""
        if word in _INHERIT:
            return now
        if word in ("smaller", "larger"):
            return now / 1.2 if word == "smaller" else now * 1.2
        if word == "initial" or word in _FONT_SIZES:
            return _FONT_SIZES.get(word, ROOT_SIZE)
        # In the shorthand, a number alone is a weight, unless it is zero or a line height follows.
        if token.type == "number" and token.value and len(tokens) > 1 and not (i + 1 < len(tokens) and tokens[i + 1] == "/"):
            continue
        size = length(token, now, now / 100)
        if size is not None and size >= 0:
            return size
    return now


def _one_color(tokens: Sequence[Node], current: Color | None) -> Color | None:
    return next((found for token in tokens if (found := color(token, current))), None)


def _ink(values: _Computed, state: State) -> Color | None:
    tokens = values.of("color")
    word = values.word("color")
    if not tokens or word in ("currentcolor", *_INHERIT):
        return state.color
    return BLACK if word == "initial" else color(tokens[0], state.color) if len(tokens) == 1 else None


def _fill(values: _Computed, now: Color | None, ink: Color | None) -> Color | None:
    tokens = values.of("-webkit-text-fill-color")
    word = values.word("-webkit-text-fill-color")
    if not tokens or word in _INHERIT:
        return now
    return None if word in ("currentcolor", "initial") else _one_color(tokens, ink)


def _shadow(values: _Computed, now: tuple[Color | None, ...], ink: Color | None) -> tuple[Color | None, ...]:
    tokens = values.of("text-shadow")
    word = values.word("text-shadow")
    if not tokens or word in _INHERIT:
        return now
    return () if word in ("none", "initial") else tuple(_one_color(part, ink) or ink for part in split(tokens))


def _paper(values: _Computed, now: Color | None, ink: Color | None) -> Color | None:
    ground = _one_color([token for token in values.of("background-color") if token.type != "url"], ink)
    if ground:
        now = over(ground, now)
    for token in values.of("background-image"):
        if token.type == "url" or (token.type == "function" and not color(token, ink)):
            painted = _colors_of(token, ink)
            now = painted[0] if painted and painted[0][3] >= 1 and all(same(one, painted[0]) for one in painted) else None
    return now


def _colors_of(token: Node, ink: Color | None) -> list[Color]:
    """The colors of a gradient; none for an image."""
    if token.type != "function" or not token.lower_name.endswith("gradient"):
        return []
    return [found for one in token.arguments if (found := color(one, ink))]


def _is_seen_through_letters(values: _Computed) -> bool:
    """Whether the background is painted only where letters are; their own color is transparent then."""
    return any(token.type == "ident" and token.lower_value == "text" for token in values.of("background-clip"))


def _opacity(values: _Computed) -> float:
    found = values.length("opacity", 0.01)
    opacity = 1.0 if found is None else min(max(found, 0.0), 1.0)
    for token in values.of("filter"):
        if token.type == "function" and token.lower_name == "opacity":
            part = length(token.arguments[0], percent=0.01) if token.arguments else None
            opacity *= 1.0 if part is None else min(max(part, 0.0), 1.0)
    return opacity


def _scale(values: _Computed) -> float:
    factors = [length(token, percent=0.01) for token in values.of("scale")[:2]]
    factors.append(values.length("zoom", 0.01) or None)  # a zoom of zero counts as none
    rotation = values.of("rotate")
    if len(rotation) == 2 and rotation[0].type == "ident":
        factors.append(_turned(rotation[0].lower_value, length(rotation[1])))
    for token in values.of("transform"):
        if token.type == "function":
            factors.append(_transformed(token.lower_name, _arguments(token, values.size, 0.01)))
    product = 1.0
    for factor in factors:
        product *= 1.0 if factor is None else abs(factor)
    return product


def _arguments(token: Node, size: float, percent: float) -> list[float | None]:
    return [length(one, size, percent) for one in significant(token.arguments) if one != ","]


def _turned(axis: str, angle: float | None) -> float:
    """The share of the height or width that remains after a rotation out of the plane."""
    return 0.0 if axis in ("x", "y") and angle is not None and abs(abs(angle) % 180 - 90) < 1 else 1.0


def _transformed(name: str, numbers: list[float | None]) -> float:
    """The factor by which a transformation shrinks letters."""
    known = [1.0 if number is None else number for number in numbers]
    if name.startswith("scale") and known:
        return min(abs(number) for number in known[:2])
    if name.startswith("rotate") and known:
        return _turned(name.removeprefix("rotate").lower(), known[0])
    if name == "matrix" and len(known) == 6:
        return math.sqrt(abs(known[0] * known[3] - known[1] * known[2]))
    return 1.0


def _is_gone(values: _Computed) -> bool:
    return (
        values.word("display") == "none"
        or values.word("content-visibility") == "hidden"
        or _is_elsewhere(values)
        or _is_clipped(values)
        or _is_closed(values)
    )


def _is_elsewhere(values: _Computed) -> bool:
    moved = [values.length("margin-left"), values.length("margin-top", HEIGHT / 100)]
    if values.word("position") in ("absolute", "fixed", "relative", "sticky"):
        moved += [
            values.length(side, (WIDTH if side in ("left", "right") else HEIGHT) / 100) for side in ("left", "top", "right", "bottom")
        ]
    # A percentage of a translation refers to the element's own size; one percent is taken as five pixels.
    moved += [length(token, values.size, _OFF / 100) for token in values.of("translate")[:2]]
    for token in values.of("transform"):
        if token.type == "function" and token.lower_name.startswith("translate"):
            moved += _arguments(token, values.size, _OFF / 100)[:2]
        elif token.type == "function" and token.lower_name == "matrix":
            moved += _arguments(token, values.size, 1.0)[4:6]
    return any(value is not None and (value <= -_OFF or value >= 10 * _OFF) for value in moved)


def _is_clipped(values: _Computed) -> bool:
    """Whether the clip path or the mask leaves nothing of the element."""
    if values.word("position") in ("absolute", "fixed"):
        for token in values.of("clip"):
            if token.type == "function" and token.lower_name == "rect" and _is_empty_rectangle(_arguments(token, values.size, 1.0)):
                return True
    if any(token.type == "function" and _is_empty_shape(token, values.size) for token in values.of("clip-path")):
        return True
    sizes = values.of("mask-size") if "mask-size" in values and not any(one == "/" for one in values.of("mask-size")) else ()
    masks = [token for token in values.of("mask-image") if token.type in ("function", "url")]
    if masks and any(length(token) == 0 for token in sizes if token.type in ("number", "dimension")):
        return True
    return bool(masks) and all((stops := _colors_of(mask, BLACK)) and all(stop[3] <= _FAINT for stop in stops) for mask in masks)


def _is_empty_rectangle(sides: list[float | None]) -> bool:
    """Whether a rectangle is empty, given its top, right, bottom and left."""
    if len(sides) != 4:
        return False
    top, right, bottom, left = sides
    flat = bottom is not None and bottom - (top or 0.0) <= 1
    return flat or (right is not None and right - (left or 0.0) <= 1)


def _is_empty_shape(token: Node, size: float) -> bool:
    name = token.lower_name
    arguments = split(significant(token.arguments))
    if name == "inset":
        insets = [length(one, size, 1.0) if one.type == "percentage" else 0.0 for one in arguments[0]]
        sides = [found or 0.0 for found in insets[: next((i for i, one in enumerate(arguments[0]) if one.type == "ident"), 4)]]
        if not 1 <= len(sides) <= 4:
            return False
        top, right, bottom, left = (sides[_BOX[side][len(sides) - 1]] for side in _BOX)
        return top + bottom >= 100 or left + right >= 100
    if name in ("circle", "ellipse"):
        return any(length(one, size) == 0 for one in arguments[0][: 1 if name == "circle" else 2])
    if name == "polygon":
        points = [[length(one, size) for one in part if one.type != "ident"] for part in arguments]
        flat = [{point[axis] for point in points if len(point) == 2} for axis in (0, 1)]
        return any(len(values) == 1 and None not in values for values in flat)
    if name == "xywh":
        return any(length(one, size) == 0 for one in arguments[0][2:4])
    return name == "rect" and _is_empty_rectangle([length(one, size) for one in arguments[0][:4]])


def _is_closed(values: _Computed) -> bool:
    """Whether there is no room for the text and overflow is cut off."""
    cut = any(values.word(name) in ("hidden", "clip", "scroll", "auto") for name in ("overflow-x", "overflow-y"))
    if not cut:
        return False
    sizes = {name: values.length(name) for name in _SIZES}
    narrow = {name for name, size in sizes.items() if size is not None and size <= 1}
    if any(name.endswith("width") for name in narrow):
        return True
    padding = max(values.length("padding-top") or 0.0, values.length("padding-bottom") or 0.0)
    lines = values.of("line-height")
    after = next((i for i, one in enumerate(lines) if one == "/"), -1)
    flat = bool(lines) and after + 1 < len(lines) and length(lines[after + 1], values.size) == 0 and (after >= 0 or len(lines) == 1)
    return (bool(narrow) or (flat and sizes["height"] is None)) and padding <= 1
