"""Reads Word styles as far as they can hide text: vanish, white, tiny."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from veritensor_ray.formats.common.colors import near_white
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Walker, attribute

_OFF = frozenset({"0", "false", "off", "none"})
_INHERITED = 20  # maximum length of a chain of styles based on each other
_STYLES = 50_000
TINY = 2  # half points


@dataclass(slots=True)
class Look:
    """The look of a run; None means unset, so that the style's value applies."""

    vanish: bool | None = None
    white: bool | None = None
    tiny: bool | None = None
    shaded: bool | None = None  # on a background that is not white

    def over(self, base: Look) -> Look:
        """This look, with unset values taken from `base`."""
        return Look(
            base.vanish if self.vanish is None else self.vanish,
            base.white if self.white is None else self.white,
            base.tiny if self.tiny is None else self.tiny,
            base.shaded if self.shaded is None else self.shaded,
        )

    def copy(self) -> Look:
        """A copy that can be changed."""
        return Look(self.vanish, self.white, self.tiny, self.shaded)

    def hides(self, backed: bool) -> bool:
        """Whether such text is invisible. `backed` says that it is on a colored cell, shape or page."""
        return bool(self.vanish or self.tiny or (self.white and not self.shaded and not backed))


def is_on(attrs: Attributes) -> bool:
    """Whether a toggle is on, which is the default."""
    return (attribute(attrs, "val") or "").lower() not in _OFF


def is_white(attrs: Attributes) -> bool:
    """Whether a text color is white."""
    theme = attribute(attrs, "themeColor")
    if theme is not None:
        return theme in ("background1", "light1") and attribute(attrs, "themeShade") is None
    return near_white(attribute(attrs, "val") or "")


def is_shade(attrs: Attributes) -> bool:
    """Whether a shading fill is a color on which white is visible."""
    fill = attribute(attrs, "fill") or "auto"
    theme = attribute(attrs, "themeFill")
    pattern = attribute(attrs, "val") or "clear"
    if theme is not None:
        return theme not in ("background1", "light1") or attribute(attrs, "themeFillShade") is not None
    return (fill.lower() != "auto" and not near_white(fill)) or pattern not in ("clear", "nil")


def is_tiny(attrs: Attributes) -> bool:
    """Whether a size in half points is tiny."""
    try:
        return float(attribute(attrs, "val") or "") <= TINY
    except ValueError:
        return False


def look_starts(look: Callable[[], Look | None]) -> dict[str, Callable[[Attributes], None]]:
    """Handlers of the run properties that change `look()`, which is None if properties have no effect."""

    def setter(name: str, value: Callable[[Attributes], bool]) -> Callable[[Attributes], None]:
        def change(attrs: Attributes) -> None:
            if (now := look()) is not None:
                setattr(now, name, value(attrs))

        return change

    vanish = setter("vanish", is_on)
    return {
        "vanish": vanish,
        "specVanish": vanish,
        "webHidden": vanish,
        "color": setter("white", is_white),
        "sz": setter("tiny", is_tiny),
        "shd": setter("shaded", is_shade),
        "highlight": setter("shaded", lambda attrs: attribute(attrs, "val") not in ("white", "none")),
    }


class Styles(Walker):
    """`styles.xml`: looks by style id, and the table styles that color cells."""

    def __init__(self) -> None:
        super().__init__(Texts("styles"))
        self.tables: set[str] = set()
        self.default = ""
        self._looks: dict[str, tuple[Look, str | None]] = {}
        self._base = Look()
        self._now: Look | None = None
        self._kind, self._id = "", ""
        self._resolved: dict[str, Look] = {}
        self.starts = {
            **look_starts(lambda: self._now),
            "style": self._style,
            "basedOn": self._based_on,
            "rPrDefault": lambda attrs: setattr(self, "_now", self._base),
        }
        self.starts["shd"] = self._shade
        self.ends = {"style": self._end, "rPrDefault": self._end}

    def _style(self, attrs: Attributes) -> None:
        self._id = attribute(attrs, "styleId") or ""
        self._kind = attribute(attrs, "type") or ""
        self._now = Look()
        if len(self._looks) < _STYLES:
            self._looks[self._id] = (self._now, None)
        if self._kind == "paragraph" and "default" in " ".join(attrs) and (attribute(attrs, "default") or "") not in _OFF:
            self.default = self._id

    def _based_on(self, attrs: Attributes) -> None:
        if self._id in self._looks:
            self._looks[self._id] = (self._looks[self._id][0], attribute(attrs, "val"))

    def _shade(self, attrs: Attributes) -> None:
        if self._now is None:
            return
        self._now.shaded = is_shade(attrs)
        if self._kind == "table" and self._now.shaded:
            self.tables.add(self._id)

    def _end(self) -> None:
        self._now = None

    def look(self, style: str | None) -> Look:
        """The look of a paragraph style, including the document's defaults."""
        return self.own(style or self.default).over(self._base)

    def own(self, style: str) -> Look:
        """The look that a style defines, itself or through the styles it is based on."""
        if style not in self._looks:
            return Look()
        if style not in self._resolved:
            found, seen = Look(), 0
            name: str | None = style
            while name is not None and name in self._looks and seen < _INHERITED:
                own, base = self._looks[name]
                found, name, seen = found.over(own), base, seen + 1
            self._resolved[style] = found
        return self._resolved[style]

    def colours(self, table: str | None) -> bool:
        """Whether a table style colors cells, itself or through the style it is based on."""
        seen = 0
        while table is not None and seen < _INHERITED:
            if table in self.tables:
                return True
            table, seen = self._looks.get(table, (None, None))[1], seen + 1
        return False
