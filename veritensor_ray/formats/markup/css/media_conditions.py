"""Evaluates the conditions of style sheets (`@media`, `@supports`, `@container`) for an ordinary light screen with a mouse."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from tinycss2.ast import Node

from veritensor_ray.formats.markup.css.css_values import HEIGHT, WIDTH, length, significant, split

_DEEP = 16
_SIZES = {
    "width": WIDTH,
    "height": HEIGHT,
    "inline-size": WIDTH,
    "block-size": HEIGHT,
    "device-pixel-ratio": 1.0,
    "color": 8.0,
    "aspect-ratio": WIDTH / HEIGHT,
}
_FEATURES = {
    "orientation": "landscape", "hover": "hover", "any-hover": "hover", "pointer": "fine", "any-pointer": "fine", "update": "fast",
    "scripting": "enabled", "display-mode": "browser", "prefers-color-scheme": "light", "color-gamut": "srgb",
}  # fmt: skip
_UNSET = ("no-preference", "none")  # the values of all other features
_COMPARED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def on_screen(tokens: Sequence[Node]) -> bool:
    """Whether one of the queries of a list holds. An empty list holds."""
    queries = [significant(query) for query in split(tokens)]
    return not any(queries) or any(_holds(query, _feature, 0) for query in queries if query)


def supported(tokens: Sequence[Node]) -> bool:
    """Whether a browser supports a feature: assumed true, unless the condition is negated."""
    return _holds(significant(tokens), lambda _: True, 0)


def _holds(tokens: list[Node], leaf: Callable[[list[Node]], bool], deep: int) -> bool:
    if not tokens or deep > _DEEP:
        return False
    if tokens[0].type == "ident" and tokens[0].lower_value == "not":
        return not _holds(tokens[1:], leaf, deep + 1)
    found = []
    either = False
    for token in tokens:
        if token.type == "() block":
            inside = significant(token.content)
            nested = bool(inside) and (inside[0].type == "() block" or (inside[0].type == "ident" and inside[0].lower_value == "not"))
            found.append(_holds(inside, leaf, deep + 1) if nested else leaf(inside))
        elif token.type == "function":  # selector(), font-tech(), style()
            found.append(leaf([token]))
        elif token.type == "ident" and token.lower_value in ("and", "or", "only"):
            either |= token.lower_value == "or"
        else:
            found.append(token.type == "ident" and token.lower_value in ("all", "screen"))
    return any(found) if either else all(found)


def _feature(tokens: list[Node]) -> bool:
    """Evaluate `(hover)`, `(min-width: 600px)` or `(400px <= width < 50em)`."""
    if not tokens:
        return False
    if tokens[0].type == "ident" and len(tokens) == 1:
        return tokens[0].lower_value in _SIZES or tokens[0].lower_value in _FEATURES
    if tokens[0].type == "ident" and tokens[1] == ":":
        return _is(tokens[0].lower_value, tokens[2:])
    return _in_range(tokens)


def _is(name: str, value: list[Node]) -> bool:
    if not value:
        return False
    name = name.removeprefix("-webkit-")
    least, most = name.startswith("min-"), name.startswith("max-")
    name = name.removeprefix("min-").removeprefix("max-")
    have = _SIZES.get(name) or _SIZES.get(name.removeprefix("device-"))
    if have is None:
        return value[0].type == "ident" and value[0].lower_value in (
            _FEATURES.get(name, _UNSET[0]),
            _UNSET[1] if name not in _FEATURES else "",
        )
    number = _length_or_ratio(value)
    return number is not None and (have >= number if least else have <= number if most else have == number)


def _length_or_ratio(tokens: list[Node]) -> float | None:
    """A length, or a ratio such as `16 / 9`."""
    values = [length(one) for one in tokens if one != "/"]
    if len(values) == 2 and values[0] is not None and values[1]:
        return values[0] / values[1]
    return values[0] if values else None


def _in_range(tokens: list[Node]) -> bool:
    parts: list[list[Node]] = [[]]
    marks: list[str] = []
    for token in tokens:
        if token in ("<", ">", "="):
            if not parts[-1] and marks:  # `<` and `=` are separate tokens
                marks[-1] += token.value
            else:
                marks.append(token.value)
                parts.append([])
        else:
            parts[-1].append(token)
    at = next((i for i, part in enumerate(parts) if part and part[0].type == "ident"), None)
    have = _SIZES.get(parts[at][0].lower_value) if at is not None else None
    if at is None or have is None or not marks:
        return False
    for i, mark in enumerate(marks):
        number = _length_or_ratio(parts[i if i < at else i + 1])
        compared = _COMPARED.get(mark if i >= at else _TURNED.get(mark, ""))
        if number is None or compared is None or not compared(have, number):
            return False
    return True
