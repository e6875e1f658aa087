"""Evaluates values of style sheets: substitutes variables, does arithmetic and converts lengths to pixels of an ordinary screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tinycss2.ast import FunctionBlock, Node

from veritensor_ray.core import bounds

WIDTH, HEIGHT, ROOT_SIZE = 1280.0, 800.0, 16.0  # of the screen and its font, in pixels
# Pixels per absolute unit. A full turn is 360, a second 1.
_UNITS = {
    "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "q": 2.4 / 2.54, "rem": ROOT_SIZE, "rlh": ROOT_SIZE * 1.2,
    "deg": 1.0, "grad": 0.9, "rad": 180 / math.pi, "turn": 360.0,
}  # fmt: skip
_RELATIVE = {"em": 1.0, "ex": 0.5, "ch": 0.5, "ic": 1.0, "cap": 0.7, "lh": 1.2}  # relative to the font size
_SCREEN = {"w": WIDTH / 100, "h": HEIGHT / 100, "i": WIDTH / 100, "b": HEIGHT / 100, "min": HEIGHT / 100, "max": WIDTH / 100}
_DEEP = 16  # nested functions
_CALCULATED = {"calc", "min", "max", "clamp", "abs", "-webkit-calc"}


class Undecided(Exception):
    """It cannot be decided whether a style applies. `bound` names the limit that prevents it, if it is one."""

    def __init__(self, bound: str | None = None) -> None:
        super().__init__(bound)
        self.bound = bound


@dataclass(frozen=True, slots=True)
class Variables:
    """The custom properties of an element and its ancestors. `spend` is called with the cost of each substitution."""

    own: dict[str, Sequence[Node]] = field(default_factory=dict)
    around: Variables | None = None
    spend: Callable[[int], None] = field(default=lambda _: None)

    def get(self, name: str) -> Sequence[Node] | None:
        """The value from the nearest element, or None."""
        here: Variables | None = self
        while here is not None:
            if name in here.own:
                return here.own[name]
            here = here.around
        return None

    def within(self, declared: dict[str, Sequence[Node]]) -> Variables:
        """The variables of an element that declares some. Self-referential ones are left out."""
        found = Variables({}, self, self.spend)
        open_: set[str] = set()

        def value(name: str) -> Sequence[Node] | None:
            if name in found.own or name not in declared:
                return found.get(name)
            if name in open_:
                return None
            if len(open_) >= _DEEP:
                raise Undecided("css_value")
            open_.add(name)
            found.own[name] = _replaced(declared[name], value, self.spend) or ()
            open_.discard(name)
            return found.own[name]

        for name in declared:
            value(name)
        return found

    def put_into(self, tokens: Sequence[Node]) -> Sequence[Node] | None:
        """A value with its variables substituted, without white space; None if a variable is missing."""
        return _replaced(tokens, self.get, self.spend)


NO_VARIABLES = Variables()


def _replaced(tokens: Sequence[Node], value: Callable[[str], Sequence[Node] | None], spend: Callable[[int], None]) -> Sequence[Node] | None:
    room = [bounds.CSS_VALUE]

    def walk(tokens: Sequence[Node], deep: int) -> list[Node] | None:
        if deep > _DEEP:
            raise Undecided("css_value")
        found: list[Node] = []
        for token in tokens:
            room[0] -= 1
            if room[0] < 0:
                raise Undecided("css_value")
            if token.type == "whitespace":
                continue
            if token.type != "function":
                found.append(token)
                continue
            varies = token.lower_name == "var"
            inside = variable(significant(token.arguments), deep) if varies else walk(token.arguments, deep + 1)
            if inside is None:
                return None
            found += inside if varies else [FunctionBlock(0, 0, token.name, inside)]
        return found

    def variable(arguments: list[Node], deep: int) -> list[Node] | None:
        if not arguments or arguments[0].type != "ident":
            return None
        there = value(arguments[0].value)
        if there is not None:
            room[0] -= len(there)
            if room[0] < 0:
                raise Undecided("css_value")
            return list(there)
        return walk(arguments[2:], deep + 1) if len(arguments) > 1 else None

    found = walk(tokens, 0)
    spend(bounds.CSS_VALUE - room[0])
    return found


def significant(tokens: Sequence[Node]) -> list[Node]:
    """All tokens except white space."""
    return [token for token in tokens if token.type not in ("whitespace", "comment")]


def split(tokens: Sequence[Node], mark: str = ",") -> list[list[Node]]:
    """The parts between separators."""
    parts: list[list[Node]] = [[]]
    for token in tokens:
        if token == mark:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def length(token: Node | None, size: float = ROOT_SIZE, percent: float = WIDTH / 100) -> float | None:
    """A number, a length in pixels or an angle in degrees; None for anything else.

    `size` is the font size, `percent` the value of 1 %.
    """
    return None if token is None else _length(token, size, percent, 0)


def _length(token: Node, size: float, percent: float, deep: int) -> float | None:
    found: float | None = None
    if token.type == "number":
        found = token.value
    elif token.type == "percentage":
        found = token.value * percent
    elif token.type == "dimension":
        unit = token.lower_unit
        factor = _UNITS.get(unit) or _RELATIVE.get(unit, 0.0) * size
        if not factor and unit[0] in "vsldc":  # vw, and its variants for small, large and dynamic screens and for containers
            factor = _SCREEN.get(unit.removeprefix("cq") if unit[0] == "c" else unit[unit.find("v") + 1 :], 0.0)
        found = token.value * factor if factor or unit in _RELATIVE else None
    elif token.type == "() block" or (token.type == "function" and token.lower_name in _CALCULATED):
        if deep > _DEEP:
            raise Undecided("css_value")
        name = "calc" if token.type == "() block" else token.lower_name
        found = _calculated(name, token.content if token.type == "() block" else token.arguments, size, percent, deep)
    return found if found is not None and math.isfinite(found) else None


def _calculated(name: str, tokens: Sequence[Node], size: float, percent: float, deep: int) -> float | None:
    values = [_sum(significant(part), size, percent, deep + 1) for part in split(tokens)]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if name == "clamp":
        return max(known[0], min(known[1], known[2])) if len(known) == 3 else None
    if name in ("min", "max"):
        return min(known) if name == "min" else max(known)
    return (abs(known[0]) if name == "abs" else known[0]) if len(known) == 1 else None


def _sum(tokens: Sequence[Node], size: float, percent: float, deep: int) -> float | None:
    """Evaluate a sum of products. A sign that stands alone is an operator."""
    total, term, operator = 0.0, None, "+"
    sign = 1.0
    for index, token in enumerate(tokens):
        if index % 2:
            if token not in ("+", "-", "*", "/"):
                return None
            operator = token.value
            continue
        value = _length(token, size, percent, deep)
        if value is None or (operator == "/" and not value):
            return None
        if operator in "+-":
            total += sign * (term or 0.0)
            term, sign = value, 1.0 if operator == "+" else -1.0
        elif term is not None:
            term = term * value if operator == "*" else term / value
    return total + sign * term if term is not None and len(tokens) % 2 else None
