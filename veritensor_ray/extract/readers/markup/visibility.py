"""Whether a text with certain styles can be seen: states that elements hand down; it knows no markup and no style sheets."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from veritensor_ray.extract.readers.common.colors import BLACK, WHITE, Color, parsed, same
from veritensor_ray.extract.readers.markup.styles import Declarations

_LENGTH = re.compile(r"([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))(?:e[+-]?\d{1,2})?\s*(px|pt|pc|in|cm|mm|em|rem|ex|ch|%|vw|vh|vmin|vmax)?")
_PIXELS = {"pt": 1.33, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "%": 12.8}
_OFF = 500.0  # pixels away from where a text is seen
_SIDES = ("left", "top", "right", "bottom")
_SIZES = ("width", "height", "max-width", "max-height")
_CLIPPED = re.compile(r"rect\(\s*([01](px)?[\s,]*){4}\)|inset\(\s*([5-9]\d|100)%|(circle|ellipse)\(\s*0|polygon\(\s*(0(px|%)?[\s,]*)+\)")
_SHRUNK = re.compile(
    r"scale(3d|[xy])?\(\s*0?(\.0\d*)?\s*[,)]|translate(3d|[xyz])?\(\s*(?:[^,()]{1,20},\s*)?-\s*(\d{4,}px|[5-9]\d\dpx|[1-9]\d{2,}(vw|vh|%|r?em))"
)
_WHOLE_PAGE = ("html", "body")  # hidden until a script has run: what a reader sees then is all of it


@dataclass(frozen=True, slots=True)
class State:
    """What an element hands down. `gone` is for good; the others an element within can take back."""

    gone: bool = False
    invisible: bool = False
    tiny: bool = False
    ink: Color | None = BLACK
    paper: Color | None = WHITE  # None: an image, or not known
    keeps_space: bool = False
    hidden: bool = False  # of all this


VISIBLE = State()


def hiding(state: State) -> State:
    """The state of what is never shown."""
    return state if state.gone else replace(state, gone=True, hidden=True)


def keeping(state: State) -> State:
    """The state of preformatted text."""
    return replace(state, keeps_space=True)


def unknown_paper(state: State) -> State:
    """The state on a drawing."""
    return replace(state, paper=None)


def within(state: State, styles: Declarations, name: str) -> State:
    """The state of an element with these styles in one of `state`."""
    ink, paper, size = _ink(styles, state.ink), _paper(styles, state.paper), _size(styles)
    invisible = state.invisible
    if name not in _WHOLE_PAGE:
        invisible = {"hidden": True, "collapse": True, "visible": False}.get(styles.get("visibility", ""), invisible)
    found = State(
        gone=state.gone or (name not in _WHOLE_PAGE and _is_gone(styles)),
        invisible=invisible,
        tiny=state.tiny if size is None else size <= 1,
        ink=ink,
        paper=paper,
        keeps_space=state.keeps_space,
    )
    return replace(found, hidden=found.gone or found.invisible or found.tiny or same(ink, paper))


def _ink(styles: Declarations, now: Color | None) -> Color | None:
    value = styles.get("-webkit-text-fill-color") or styles.get("color")
    return now if value is None or value in ("inherit", "currentcolor", "unset") else parsed(value)


def _paper(styles: Declarations, now: Color | None) -> Color | None:
    for name in ("background-color", "background-image", "background"):
        value = styles.get(name)
        if value is None:
            continue
        if "(" in value and not value.startswith(("rgb", "hsl")):
            return None  # an image, a gradient, a variable
        found = parsed(value) or next(filter(None, map(parsed, value.split())), None)
        if found and found[3] > 0.5:
            now = found
    return now


def _size(styles: Declarations) -> float | None:
    """The size of the font in pixels; None where it stays."""
    size = _pixels(styles.get("font-size", ""))
    if size is None and "font" in styles:
        found = re.search(r"(?<![\w.#-])(\d*\.?\d+(px|pt|em|rem|%)|0)(?![\w.])", styles["font"])
        size = _pixels(found.group(1)) if found else None
    return size


def _pixels(value: str) -> float | None:
    found = _LENGTH.match(value)
    return (
        float(found.group(1)) * _PIXELS.get(found.group(2) or "px", 12.8 if (found.group(2) or "").startswith("v") else 1.0)
        if found
        else None
    )


def _is_gone(styles: Declarations) -> bool:
    if not styles:
        return False
    return (
        styles.get("display") == "none"
        or styles.get("content-visibility") == "hidden"
        or _is_faint(styles.get("opacity", ""))
        or _is_elsewhere(styles)
        or _CLIPPED.search(styles.get("clip", "") + styles.get("clip-path", "")) is not None
        or _SHRUNK.search(styles.get("transform", "")) is not None
        or _is_closed(styles)
    )


def _is_faint(opacity: str) -> bool:
    found = re.match(r"(\d{0,6}\.?\d{0,12})(%?)", opacity)
    if found is None or not found.group(1).strip("."):
        return False
    return float(found.group(1)) / (100 if found.group(2) else 1) <= 0.05


def _is_elsewhere(styles: Declarations) -> bool:
    sides = _SIDES if styles.get("position") in ("absolute", "fixed", "relative") else ()
    values = [_pixels(styles.get(side, "")) for side in (*sides, "margin-left", "margin-top", "text-indent")]
    return any(value is not None and (value <= -_OFF or value >= 10 * _OFF) for value in values)


def _is_closed(styles: Declarations) -> bool:
    """No room for the text, and what sticks out is cut off."""
    cut = " ".join(styles.get(name, "") for name in ("overflow", "overflow-x", "overflow-y"))
    sizes = (_pixels(styles.get(name, "")) for name in _SIZES)
    return ("hidden" in cut or "clip" in cut) and any(size is not None and size <= 1 for size in sizes)
