"""Parses colors in the syntax of style sheets."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinycss2 import color5, parse_one_component_value
from tinycss2.ast import Node

from veritensor_ray.formats.common.colors import BLACK, WHITE, Color
from veritensor_ray.formats.markup.css.css_values import length, significant, split

if TYPE_CHECKING:
    from tinycss2.color4 import Color as Parsed

_LONGEST = 256
_DEEP = 8  # nested mixtures
_SYSTEM = {  # as on a screen with light colors
    **dict.fromkeys(("canvas", "field", "window", "infobackground"), WHITE),
    **dict.fromkeys(("canvastext", "fieldtext", "buttontext", "windowtext", "infotext"), BLACK),
}
_SRGB = ((3.2409699, -1.5373832, -0.4986108), (-0.9692436, 1.8759675, 0.0415551), (0.0556301, -0.2039770, 1.0569715))
_D50_TO_D65 = ((0.9554734, -0.0230985, 0.0632593), (-0.0283697, 1.0099955, 0.0210414), (0.0123140, -0.0205077, 1.3303659))


@functools.lru_cache(2048)
def parsed(text: str) -> Color | None:
    """Parse a color from its name, its digits (without `#` in old HTML) or its function; None if it is invalid."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return None
    if len(text) in (6, 8) and all(digit in "0123456789abcdefABCDEF" for digit in text):
        text = "#" + text
    return color(parse_one_component_value(text, skip_comments=True), None)


def color(token: Node, current: Color | None, deep: int = 0) -> Color | None:
    """The color of a token. `current` is the color of the text."""
    if token.type == "ident" and (found := _SYSTEM.get(token.lower_value)):
        return found
    if token.type == "function" and token.lower_name == "color-mix" and deep < _DEEP:
        return _mixed(token.arguments, current, deep)
    if token.type not in ("ident", "hash", "function"):
        return None
    try:
        found = color5.parse_color(token)
        return current if found == "currentcolor" else _rgb(found) if found else None
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, NotImplementedError, RecursionError):
        return None  # the exceptions that the library raises for invalid colors


def _rgb(found: Parsed) -> Color | None:
    space = found.space
    if space in ("lab", "lch"):
        space, found = "xyz-d50", found.to("xyz-d50")
    elif space in ("oklab", "oklch"):
        space, found = "xyz-d65", found.to("xyz-d65")
    elif space in ("hsl", "hwb"):
        space, found = "srgb", found.to("srgb")
    elif space.startswith("--") or space == "device-cmyk":
        return None
    channels = [channel or 0.0 for channel in found.coordinates]
    if space == "xyz-d50":
        channels = _times(_D50_TO_D65, channels)
    if space.startswith("xyz"):
        channels = _times(_SRGB, channels)
    if space.startswith("xyz") or space == "srgb-linear":
        channels = [12.92 * one if one <= 0.0031308 else 1.055 * one ** (1 / 2.4) - 0.055 for one in channels]
    red, green, blue = (255 * min(max(one, 0.0), 1.0) for one in channels)  # wider color spaces are close enough to this one
    return (red, green, blue, found.alpha)


def _times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _mixed(arguments: Sequence[Node], current: Color | None, deep: int) -> Color | None:
    """Evaluate `color-mix()` as if every color space were that of the screen: accurate enough to decide whether a text is visible."""
    parts = []
    for part in split(significant(arguments))[1:]:
        share = next((length(token, percent=0.01) for token in part if token.type == "percentage"), None)
        found = next(filter(None, (color(token, current, deep + 1) for token in part)), None)
        if found is None:
            return None
        parts.append((found, share))
    if len(parts) != 2:
        return None
    (one, first), (other, second) = parts
    first = (1 - second if second is not None else 0.5) if first is None else first
    second = 1 - first if second is None else second
    if first + second <= 0:
        return None
    whole = first + second
    a, b = one[3] * first / whole, other[3] * second / whole
    if a + b <= 0:
        return (0.0, 0.0, 0.0, 0.0)
    red, green, blue = ((x * a + y * b) / (a + b) for x, y in zip(one[:3], other[:3], strict=True))
    return (red, green, blue, (a + b) * min(whole, 1.0))
