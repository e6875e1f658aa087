"""Tracks the background of Word text (colored cells, filled shapes, a colored page), on which white words are visible."""

from __future__ import annotations

from veritensor_ray.formats.common.colors import near_white
from veritensor_ray.formats.office.shared.xml_parts import Attributes, End, Start, attribute
from veritensor_ray.formats.office.word.word_styles import Styles

_FILLS = ("solidFill", "gradFill", "blipFill", "pattFill")
_OLD_SHAPES = ("shape", "rect", "roundrect", "oval")


class Ground:
    """Follows the elements of a body."""

    def __init__(self, styles: Styles) -> None:
        self._styles = styles
        self._tables: list[bool] = []  # whether the table's style colors cells
        self._cells: list[bool] = []
        self._shapes: list[bool] = []
        self._outlines = 0
        self._page = False
        self.starts: dict[str, Start] = {
            "tbl": lambda attrs: self._tables.append(False),
            "tblStyle": self._table_style,
            "tc": lambda attrs: self._cells.append(bool(self._tables) and self._tables[-1]),
            "wsp": lambda attrs: self._shapes.append(False),
            "ln": self._outline,
            "background": self._background,
            **dict.fromkeys(_FILLS, self._fill),
            **dict.fromkeys(_OLD_SHAPES, self.old_shape),
        }
        self.ends: dict[str, End] = {
            "tbl": lambda: _leave(self._tables),
            "tc": lambda: _leave(self._cells),
            "ln": self._outline_end,
            **dict.fromkeys(("wsp", *_OLD_SHAPES), lambda: _leave(self._shapes)),
        }

    @property
    def coloured(self) -> bool:
        """Whether the background at this position is not white."""
        return self._page or (bool(self._cells) and self._cells[-1]) or (bool(self._shapes) and self._shapes[-1])

    def shade(self, shaded: bool) -> None:
        """Set the shading of the open cell."""
        if self._cells:
            self._cells[-1] = shaded

    def _table_style(self, attrs: Attributes) -> None:
        if self._tables:
            self._tables[-1] = self._styles.colours(attribute(attrs, "val"))

    def _outline(self, attrs: Attributes) -> None:
        self._outlines += 1

    def _outline_end(self) -> None:
        self._outlines -= 1

    def _fill(self, attrs: Attributes) -> None:
        if self._shapes and not self._outlines:
            self._shapes[-1] = True

    def old_shape(self, attrs: Attributes) -> None:
        """Begin a VML shape, which is filled white by default."""
        fill = (attribute(attrs, "fillcolor") or "").partition(" ")[0].lstrip("#").lower()
        filled = (attribute(attrs, "filled") or "t").lower() not in ("f", "false", "0")
        self._shapes.append(filled and fill not in ("", "white", "fff", "window") and not near_white(fill))

    def _background(self, attrs: Attributes) -> None:
        self._page = not near_white(attribute(attrs, "color") or "FFFFFF")


def _leave(around: list[bool]) -> None:
    if around:
        around.pop()
