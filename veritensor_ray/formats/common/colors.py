"""Colors, and whether two of them look the same."""

from __future__ import annotations

Color = tuple[float, float, float, float]  # red, green, blue from 0 to 255; opacity from 0 to 1
BLACK: Color = (0.0, 0.0, 0.0, 1.0)
WHITE: Color = (255.0, 255.0, 255.0, 1.0)
_NEAR = 20  # out of 255, in every channel
_NEAR_WHITE = 0xF4  # in an Office document
_FAINT = 0.1


def over(top: Color, ground: Color | None) -> Color | None:
    """The visible color of `top` on `ground`; None if that is not known."""
    if top[3] >= 1:
        return top
    if ground is None:
        return None
    red, green, blue = (a * top[3] + b * (1 - top[3]) for a, b in zip(top[:3], ground[:3], strict=True))
    return (red, green, blue, 1.0)


def same(ink: Color | None, paper: Color | None) -> bool:
    """Whether `ink` is unreadable on `paper`. Unknown colors count as readable."""
    if ink is None:
        return False
    if ink[3] <= _FAINT:
        return True
    seen = over(ink, paper)
    return paper is not None and seen is not None and all(abs(a - b) <= _NEAR for a, b in zip(seen[:3], paper[:3], strict=True))


def near_white(color: str) -> bool:
    """Whether a color of six hexadecimal digits, as Office documents write it, cannot be distinguished from white paper."""
    try:
        return len(color) == 6 and all(int(color[i : i + 2], 16) >= _NEAR_WHITE for i in (0, 2, 4))
    except ValueError:
        return False
