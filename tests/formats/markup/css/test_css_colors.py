"""Colours: names, digits and functions, and which of them nobody can tell apart."""

from __future__ import annotations

import pytest
from PIL import ImageColor

from tests.cases import each
from veritensor_ray.formats.common.colors import BLACK, WHITE, Color, same
from veritensor_ray.formats.markup.css.css_colors import parsed


@each(
    ("text", "expected"),
    [
        ("white", WHITE),
        ("black", BLACK),
        ("#fff", WHITE),
        ("#FFFFFF".lower(), WHITE),
        ("ffffff", WHITE),
        ("rgb(255, 255, 255)", WHITE),
        ("rgb(100%, 100%, 100%)", WHITE),
        ("hsl(0, 0%, 100%)", WHITE),
        ("transparent", (0.0, 0.0, 0.0, 0.0)),
        ("no colour", None),
    ],
)
@each("asked", [False, True])
def test_colour(text: str, expected: Color | None, asked: bool) -> None:
    """Pillow changes its table of names when somebody asks it for one."""
    parsed.cache_clear()
    if asked:
        ImageColor.getrgb("white")
        ImageColor.getrgb("black")
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("ink", "paper", "expected"),
    [(WHITE, WHITE, True), (BLACK, WHITE, False), (None, WHITE, False), (BLACK, None, False), ((0.0, 0.0, 0.0, 0.05), WHITE, True)],
)
def test_same(ink: Color | None, paper: Color | None, expected: bool) -> None:
    assert same(ink, paper) is expected
