"""Reads OpenDocument styles as far as they can hide text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.colors import near_white
from veritensor_ray.formats.office.shared.xml_parts import Attributes, attribute

_STYLES = bounds.STYLES
_PARENTS = 20
_TINY = 0.0354  # centimeters: one point
_LENGTH = re.compile(r"(-?\d{1,9}(?:\.\d{1,20})?)(cm|mm|in|pt|pc|px)?")
_CENTIMETRES = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 0.03528, "pc": 0.4233, "px": 0.02646, None: 1.0}


@dataclass(slots=True)
class Style:
    """The properties of a style; None means unset, so that its parent's value applies."""

    parent: str | None = None
    unseen: bool | None = None  # not displayed at all
    white: bool | None = None
    tiny: bool | None = None
    shaded: bool | None = None

    def within(self, around: Style) -> Style:
        """The style of a span inside a paragraph or another span, which also hide it if they are hidden."""
        return Style(
            None,
            self.unseen or around.unseen,
            around.white if self.white is None else self.white,
            around.tiny if self.tiny is None else self.tiny,
            around.shaded if self.shaded is None else self.shaded,
        )


_NOTHING = Style()


class OdfStyles:
    """The styles by family and name, from `styles.xml` and the beginning of `content.xml`."""

    def __init__(self) -> None:
        self._styles: dict[str, Style] = {}
        self._found: dict[str, Style] = {}
        self._now: Style | None = None
        self.page_width = 0.0
        self.page_height = 0.0
        self.handlers: dict[str, Callable[[Attributes], None]] = {
            "style": self._open,
            "default-style": self._open,
            "text-properties": self._text,
            "paragraph-properties": self._ground,
            "table-cell-properties": self._ground,
            "graphic-properties": self._graphic,
            "section-properties": self._display,
            "table-properties": self._display,
            "drawing-page-properties": self._slide,
            "page-layout-properties": self._page,
        }

    def _open(self, attrs: Attributes) -> None:
        self._found.clear()
        key = f"{attribute(attrs, 'family', 'style')}/{attribute(attrs, 'name', 'style') or ''}"
        parent = attribute(attrs, "parent-style-name", "style")
        self._now = Style(f"{key.partition('/')[0]}/{parent}" if parent else None)
        if len(self._styles) < _STYLES:
            self._styles[key] = self._now

    def close(self) -> None:
        """End a style."""
        self._now = None

    def _text(self, attrs: Attributes) -> None:
        if (now := self._now) is None:
            return
        if (display := attribute(attrs, "display", "text")) is not None:
            now.unseen = display == "none"
        if (colour := attribute(attrs, "color", "fo")) is not None:
            now.white = near_white(colour.lstrip("#"))
        if (size := attribute(attrs, "font-size", "fo")) is not None and not size.endswith("%"):
            now.tiny = 0 < length(size) <= _TINY or size in ("0pt", "0cm", "0in")
        if attribute(attrs, "use-window-font-color", "style") == "true":
            now.white = False  # its opacity has no meaning then: LibreOffice writes 0%
        elif colour is not None and (opacity := attribute(attrs, "opacity", "loext")) is not None:
            now.unseen = now.unseen or opacity in ("0%", "1%", "2%", "3%")
        self._ground(attrs)

    def _ground(self, attrs: Attributes) -> None:
        ground = attribute(attrs, "background-color", "fo")
        if self._now is not None and ground is not None:
            self._now.shaded = ground != "transparent" and not near_white(ground.lstrip("#"))

    def _graphic(self, attrs: Attributes) -> None:
        fill = attribute(attrs, "fill", "draw")
        if self._now is not None and fill is not None:
            self._now.shaded = fill != "none" and not near_white((attribute(attrs, "fill-color", "draw") or "").lstrip("#"))
        self._ground(attrs)

    def _display(self, attrs: Attributes) -> None:
        display = attribute(attrs, "display", "table") or attribute(attrs, "display", "text")
        if self._now is not None and display is not None:
            self._now.unseen = display in ("false", "none")

    def _slide(self, attrs: Attributes) -> None:
        visibility = attribute(attrs, "visibility", "presentation")
        if self._now is not None and visibility is not None:
            self._now.unseen = visibility == "hidden"

    def _page(self, attrs: Attributes) -> None:
        self.page_width = max(self.page_width, length(attribute(attrs, "page-width", "fo") or "0"))
        self.page_height = max(self.page_height, length(attribute(attrs, "page-height", "fo") or "0"))

    def get(self, family: str, name: str | None) -> Style:
        """The resolved style, from the style itself, its ancestors or the default of its family. All styles precede the first text."""
        key: str | None = f"{family}/{name or ''}"
        if key in self._found:
            return self._found[key]
        if key not in self._styles:
            return self._styles.get(f"{family}/", _NOTHING)
        found = self._found[key] = Style()
        for _ in range(_PARENTS):
            style = self._styles.get(key or "")
            if style is None:
                break
            _inherit(found, style)
            key = style.parent
        _inherit(found, self._styles.get(f"{family}/", _NOTHING))
        return found


def _inherit(into: Style, base: Style) -> None:
    into.unseen = base.unseen if into.unseen is None else into.unseen
    into.white = base.white if into.white is None else into.white
    into.tiny = base.tiny if into.tiny is None else into.tiny
    into.shaded = base.shaded if into.shaded is None else into.shaded


def length(value: str) -> float:
    """A length in centimeters; 0 if it is invalid."""
    found = _LENGTH.fullmatch(value.strip())
    return float(found[1]) * _CENTIMETRES[found[2]] if found else 0.0
