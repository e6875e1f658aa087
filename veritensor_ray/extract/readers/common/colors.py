"""Colours of style sheets, and whether two of them look the same; it knows no style."""

from __future__ import annotations

import colorsys
import functools
import re

from PIL import ImageColor

Color = tuple[float, float, float, float]  # red, green, blue from 0 to 255; opacity from 0 to 1
BLACK: Color = (0.0, 0.0, 0.0, 1.0)
WHITE: Color = (255.0, 255.0, 255.0, 1.0)
_NEAR = 20  # of 255, in every channel
_NEAR_WHITE = 0xF4  # in a document of Office
_HEX = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{3,80})\)")
_NUMBER = re.compile(r"(-?[\d.]{1,12})(%?)")


@functools.lru_cache(2048)
def parsed(text: str) -> Color | None:
    """A colour from its name, its digits or its function; None for what is none."""
    text = text.strip()
    if text == "transparent":
        return (0.0, 0.0, 0.0, 0.0)
    named = ImageColor.colormap.get(text, text)
    if isinstance(named, tuple):  # Pillow keeps the numbers of a name that somebody has asked it for
        return (float(named[0]), float(named[1]), float(named[2]), 1.0)
    text = named
    if found := _HEX.fullmatch(text):
        return _hex(found.group(1)) if text[0] == "#" or len(text) in (6, 8) else None
    found = _FUNCTION.fullmatch(text)
    return _function(found.group(1), found.group(2)) if found else None


def _hex(digits: str) -> Color:
    if len(digits) < 5:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, opacity = (int(digits[i : i + 2] or "ff", 16) for i in (0, 2, 4, 6))
    return (float(red), float(green), float(blue), opacity / 255)


def _function(kind: str, inside: str) -> Color | None:
    numbers = _NUMBER.findall(inside)
    try:
        values = [float(value) / (100 if percent else 1) for value, percent in numbers]
    except ValueError:
        return None
    if len(values) < 3:
        return None
    opacity = values[3] if len(values) > 3 else 1.0
    if kind == "hsl":
        red, green, blue = (255 * part for part in colorsys.hls_to_rgb(values[0] / 360 % 1, min(values[2], 1.0), min(values[1], 1.0)))
    else:
        red, green, blue = (255 * value if percent else value for value, (_, percent) in zip(values[:3], numbers, strict=False))
    return (red, green, blue, opacity)


def same(ink: Color | None, paper: Color | None) -> bool:
    """Whether nobody can read `ink` on `paper`; what is not known can be read."""
    if ink is None:
        return False
    return ink[3] <= 0.1 or (paper is not None and all(abs(a - b) <= _NEAR for a, b in zip(ink[:3], paper[:3], strict=True)))


def near_white(color: str) -> bool:
    """Whether a colour of six hexadecimal digits, as documents of Office have them, cannot be told from white paper."""
    try:
        return len(color) == 6 and all(int(color[i : i + 2], 16) >= _NEAR_WHITE for i in (0, 2, 4))
    except ValueError:
        return False
