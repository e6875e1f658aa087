"""Reads Excel's cell formats as far as they can hide a cell: background color, zero size, and number formats that show nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.colors import near_white
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Walker, attribute

_T = TypeVar("_T")
_FORMATS = bounds.STYLES
_INDEXED = {"0": "000000", "1": "FFFFFF", "8": "000000", "9": "FFFFFF"}
_THEME = {"0": "FFFFFF", "1": "000000"}  # light 1 and dark 1, as in nearly all themes
_WHITE = "FFFFFF"
_SHOWS_NOTHING = re.compile(r'(?:"")?;(?:"")?(?:;(?:"")?){0,2}')


class CellFormats(Walker):
    """`styles.xml`. `hidden` holds the numbers of cell formats that make cells invisible."""

    def __init__(self) -> None:
        super().__init__(Texts("styles"))
        self.hidden: set[str] = set()
        self._fonts: list[tuple[str | None, bool]] = []  # the color, and whether the font has no size
        self._fills: list[str | None] = []
        self._nothing: set[str] = set()
        self._count = 0
        self._inside = ""
        self._font: tuple[str | None, bool] | None = None
        self._pattern: str | None = None
        self._ground: str | None = None
        self.starts = {
            "fonts": lambda attrs: self._enter("fonts"),
            "fills": lambda attrs: self._enter("fills"),
            "cellXfs": lambda attrs: self._enter("cellXfs"),
            "numFmt": self._number_format,
            "font": self._open_font,
            "color": self._colour,
            "sz": self._size,
            "patternFill": self._fill,
            "fgColor": self._foreground,
            "gradientFill": self._gradient,
            "xf": self._format,
        }
        self.ends = {
            "fonts": lambda: self._enter(""),
            "fills": lambda: self._enter(""),
            "cellXfs": lambda: self._enter(""),
            "font": self._close_font,
            "fill": self._close_fill,
        }

    def _enter(self, name: str) -> None:
        self._inside = name

    def _number_format(self, attrs: Attributes) -> None:
        code = attribute(attrs, "formatCode", "") or ""
        if _SHOWS_NOTHING.fullmatch(code) and len(self._nothing) < _FORMATS:
            self._nothing.add(attribute(attrs, "numFmtId", "") or "")

    def _open_font(self, attrs: Attributes) -> None:
        if self._inside == "fonts":
            self._font = (None, False)

    def _colour(self, attrs: Attributes) -> None:
        if self._font is not None:
            self._font = (colour(attrs), self._font[1])

    def _size(self, attrs: Attributes) -> None:
        if self._font is not None:
            try:
                self._font = (self._font[0], float(attribute(attrs, "val", "") or "11") <= 1)
            except ValueError:
                return

    def _close_font(self) -> None:
        if self._font is not None and len(self._fonts) < _FORMATS:
            self._fonts.append(self._font)
        self._font = None

    def _fill(self, attrs: Attributes) -> None:
        self._pattern = attribute(attrs, "patternType", "")
        self._ground = _WHITE if self._pattern in (None, "none") else "other"

    def _foreground(self, attrs: Attributes) -> None:
        if self._inside == "fills" and self._pattern == "solid":
            self._ground = colour(attrs)

    def _gradient(self, attrs: Attributes) -> None:
        self._ground = "other"

    def _close_fill(self) -> None:
        if self._inside == "fills" and len(self._fills) < _FORMATS:
            self._fills.append(self._ground)
        self._ground, self._pattern = _WHITE, None

    def _format(self, attrs: Attributes) -> None:
        if self._inside != "cellXfs":
            return
        number, self._count = str(self._count), self._count + 1
        if self._count > _FORMATS:
            return
        font = _item(self._fonts, attribute(attrs, "fontId", "")) or (None, False)
        ground = _item(self._fills, attribute(attrs, "fillId", "")) or _WHITE
        if font[1] or (font[0] is not None and font[0] == ground) or attribute(attrs, "numFmtId", "") in self._nothing:
            self.hidden.add(number)


def colour(attrs: Attributes) -> str | None:
    """A color in comparable form, with nearly white equal to white; None means automatic."""
    rgb, theme, indexed = (attribute(attrs, name, "") for name in ("rgb", "theme", "indexed"))
    tint = attribute(attrs, "tint", "") or "0"
    if theme is not None:
        known = _THEME.get(theme) if tint in ("0", "0.0") else None
        return known or f"theme {theme[:20]} {tint[:20]}"
    if indexed is not None:
        return _INDEXED.get(indexed, f"indexed {indexed[:20]}")
    if rgb is not None:
        digits = rgb[-6:].upper()
        return _WHITE if near_white(digits) else digits
    return None


def _item(items: Sequence[_T], index: str | None) -> _T | None:
    if index is None or not index[:9].isdigit():
        return None
    at = int(index[:9])
    return items[at] if at < len(items) else None
