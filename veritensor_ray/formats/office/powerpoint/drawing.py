"""Walks over DrawingML text: slides, charts, diagrams and shapes on sheets. It does not open packages."""

from __future__ import annotations

from dataclasses import dataclass

from veritensor_ray.formats.common.colors import near_white
from veritensor_ray.formats.office.shared.generic_xml import is_number
from veritensor_ray.formats.office.shared.paragraphs import Pieces, length_of, pieces_of, told
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Walker, attribute

_LONGEST = 1 << 20
_TINY = 100  # hundredths of a point
_CLEAR = 5000  # thousandths of a percent
_SHAPES = ("sp", "pic", "graphicFrame", "cxnSp", "grpSp")
_RECTANGLES = 500


@dataclass(slots=True)
class _Shape:
    """A shape that has not ended. `box` is None if its layout defines its position."""

    hidden: bool
    box: tuple[int, int, int, int] | None = None
    offset: tuple[int, int] | None = None
    filled: bool = False
    transforms: int = 0


class Drawing(Walker):
    """The paragraphs of a part. `start` counts its characters, with paragraphs joined by line ends.

    With the `size` of the slide, text beside it counts as hidden. `white` says that the background is known to be white.
    """

    def __init__(
        self, texts: Texts, view: str = "visible", size: tuple[int, int] | None = None, white: bool = False, hidden: bool = False
    ) -> None:
        super().__init__(texts)
        self._view, self._size, self._white, self._hidden = view, size, white, hidden
        self._shapes: list[_Shape] = []
        self._below: list[tuple[int, int, int, int]] = []  # the areas painted beneath the next shape
        self._anywhere = False  # whether something is painted at an unknown position
        self._pieces: Pieces = []
        self._run_hidden = False
        self._at = 0
        self._run = self._line = self._fill = self._body = 0
        self._in_properties = self._background = False
        self.starts = {
            **dict.fromkeys(_SHAPES, self._shape),
            **dict.fromkeys(("r", "fld"), self._open_run),
            **dict.fromkeys(("rPr", "defRPr"), self._properties),
            **dict.fromkeys(("gradFill", "blipFill", "pattFill"), self._paint),
            "pic": self._picture,
            "cNvPr": self._named,
            "off": self._offset,
            "ext": self._extent,
            "solidFill": self._solid,
            "noFill": self._clear,
            "srgbClr": lambda attrs: self._colour(near_white(attribute(attrs, "val", "a") or "")),
            "schemeClr": lambda attrs: self._colour((attribute(attrs, "val", "a") or "") in ("bg1", "lt1")),
            "prstClr": lambda attrs: self._colour(attribute(attrs, "val", "a") == "white"),
            "alpha": self._alpha,
            "ln": lambda attrs: setattr(self, "_line", self._line + 1),
            "txBody": lambda attrs: setattr(self, "_body", self._body + 1),
            "t": self._text,
            "v": self._text,
            "br": lambda attrs: self._piece().append("\n"),
            "hlinkClick": self._action,
            "sld": self._slide,
            "bg": lambda attrs: setattr(self, "_background", True),
        }
        self.ends |= {
            **dict.fromkeys(_SHAPES, self._shape_end),
            **dict.fromkeys(("r", "fld"), self._run_end),
            **dict.fromkeys(("rPr", "defRPr"), self._properties_end),
            "solidFill": lambda: setattr(self, "_fill", max(0, self._fill - 1)),
            "ln": lambda: setattr(self, "_line", self._line - 1),
            "txBody": lambda: setattr(self, "_body", self._body - 1),
            "t": lambda: self.listen(None),
            "v": self._value_end,
            "p": self._give,
            "bg": lambda: setattr(self, "_background", False),
        }

    def _slide(self, attrs: Attributes) -> None:
        if (attribute(attrs, "show", "p") or "1").lower() in ("0", "false"):
            self._hidden = True

    # Shapes: where they are and what they cover

    def _shape(self, attrs: Attributes) -> None:
        self._shapes.append(_Shape(bool(self._shapes) and self._shapes[-1].hidden))

    def _picture(self, attrs: Attributes) -> None:
        self._shape(attrs)
        self._shapes[-1].filled = True

    def _shape_end(self) -> None:
        if not self._shapes:
            return
        shape = self._shapes.pop()
        if shape.filled and shape.box and len(self._below) < _RECTANGLES and not self._shapes:
            self._below.append(shape.box)
        elif shape.filled:
            self._anywhere = True

    def _named(self, attrs: Attributes) -> None:
        if self._shapes and (attribute(attrs, "hidden", "p") or "0").lower() in ("1", "true"):
            self._shapes[-1].hidden = True
        for key in ("descr", "title"):
            value = attribute(attrs, key, "p")
            if value and value.strip():
                self.texts.add(value, "metadata", column="alt text")

    def _offset(self, attrs: Attributes) -> None:
        if self._shapes and self._shapes[-1].offset is None:
            self._shapes[-1].offset = (_whole(attrs, "x"), _whole(attrs, "y"))

    def _extent(self, attrs: Attributes) -> None:
        """Read the extent of a transform; extension lists have an `ext` too. Shapes in a group use the coordinates of the group."""
        if not self._shapes or "cx" not in attrs:
            return
        shape = self._shapes[-1]
        if shape.box is not None or shape.offset is None:
            return
        (x, y), width, height = shape.offset, _whole(attrs, "cx"), _whole(attrs, "cy")
        shape.box = (x, y, x + width, y + height)
        if self._size and len(self._shapes) == 1:
            shape.hidden |= x + width <= 0 or y + height <= 0 or x >= self._size[0] or y >= self._size[1]

    def _paint(self, attrs: Attributes) -> None:
        if self._background:
            self._white = False  # unless a color follows
        elif self._shapes and not self._line and not self._in_properties and not self._body:
            self._shapes[-1].filled = True

    # Runs and their color

    def _open_run(self, attrs: Attributes) -> None:
        self._run += 1
        self._run_hidden = False

    def _run_end(self) -> None:
        self._run = max(0, self._run - 1)
        self._run_hidden = False

    def _properties(self, attrs: Attributes) -> None:
        self._in_properties = True
        size = attribute(attrs, "sz", "a")
        if self._run and size and size.isdigit() and int(size[:9]) <= _TINY:
            self._run_hidden = True

    def _properties_end(self) -> None:
        self._in_properties = False

    def _solid(self, attrs: Attributes) -> None:
        self._fill += 1
        self._paint(attrs)

    def _of_run(self) -> bool:
        return bool(self._run) and self._in_properties and not self._line

    def _clear(self, attrs: Attributes) -> None:
        if self._of_run():
            self._run_hidden = True

    def _colour(self, white: bool) -> None:
        if self._background:
            self._white = white
        elif white and self._of_run() and self._fill and self._white and not self._on_paint():
            self._run_hidden = True

    def _alpha(self, attrs: Attributes) -> None:
        value = (attribute(attrs, "val", "a") or "").rstrip("%")
        if self._of_run() and value.isdigit() and int(value[:9]) <= _CLEAR:
            self._run_hidden = True

    def _on_paint(self) -> bool:
        """Whether something may be painted beneath the text of the open shape."""
        if self._anywhere or any(shape.filled or shape.box is None for shape in self._shapes):
            return self._anywhere or any(shape.filled for shape in self._shapes) or bool(self._below)
        if not self._shapes:
            return True
        left, top, right, bottom = self._shapes[0].box or (0, 0, 0, 0)
        return any(left < r and right > x and top < b and bottom > y for x, y, r, b in self._below)

    # Text

    def _piece(self) -> list[str]:
        hidden = self._run_hidden or self._hidden or (bool(self._shapes) and self._shapes[-1].hidden)
        return pieces_of(self._pieces, "hidden" if hidden else self._view)

    def _text(self, attrs: Attributes) -> None:
        self.listen(self._piece().append)

    def _value_end(self) -> None:
        """End a chart value, which is a separate text."""
        self.listen(None)
        if is_number("".join("".join(pieces) for _, pieces in self._pieces)):
            self._pieces = []
        self._give()

    def _give(self, ended: bool = True) -> None:
        pieces, self._pieces = self._pieces, []
        texts, length = told(pieces, self._at, self.join)
        for kind, text, start, origins in texts:
            self.texts.add(text, kind, start=start, origins=origins)
        self._at += length + ended if length else 0

    def _action(self, attrs: Attributes) -> None:
        action = attribute(attrs, "action", "a") or ""
        if action.startswith(("ppaction://program", "ppaction://macro", "ppaction://ole")):
            self.texts.add(action, "metadata", column="action", notice="external-content")

    def overflow(self) -> None:
        """Emit an unfinished paragraph in pieces."""
        if length_of(self._pieces) > _LONGEST:
            self._give(ended=False)

    def done(self) -> None:
        """Emit the paragraph in which the part ended."""
        self._give()


def _whole(attrs: Attributes, name: str) -> int:
    value = attribute(attrs, name, "a") or "0"
    try:
        return int(value[:18])
    except ValueError:
        return 0
