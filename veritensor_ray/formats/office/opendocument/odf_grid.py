"""Tracks the position and visibility of cells while the rows of an OpenDocument sheet are read."""

from __future__ import annotations

from veritensor_ray.formats.office.opendocument.odf_styles import OdfStyles
from veritensor_ray.formats.office.shared.text_blocks import column_name
from veritensor_ray.formats.office.shared.xml_parts import Attributes, attribute

_RANGES = 500
_LAST = 1 << 40  # maximum row or column: a cell repeated a billion times is read once, but still counted
_UNSEEN = ("collapse", "filter")
_VALUES = {**dict.fromkeys(("float", "currency", "percentage"), "value"), "string": "string-value"}


class Grid:
    """Counts rows and columns, including repeated ones. `cell` holds the paragraphs of the open cell."""

    def __init__(self, styles: OdfStyles) -> None:
        self._styles = styles
        self.cell: list[str] | None = None
        self.value: str | None = None
        self.unseen = False  # whether anything in the cell, or the whole cell, is hidden
        self.begin()

    def begin(self) -> None:
        """Begin a new sheet."""
        self._row, self._rows, self._column, self._columns = -1, 1, -1, 1
        self._row_unseen = False
        self._next = 0
        self._hidden: list[tuple[int, int]] = []
        self._unseen_by_default: list[tuple[int, int]] = []

    @property
    def row(self) -> int:
        """The current row, counted from 0."""
        return max(0, self._row)

    @property
    def column(self) -> str:
        """The current column, in letters."""
        return column_name(self._column)

    def open_column(self, attrs: Attributes) -> None:
        """Begin one or several columns."""
        first = self._next
        self._next = min(_LAST, first + _count(attrs, "number-columns-repeated"))
        place = (first, self._next - 1)
        if attribute(attrs, "visibility", "table") in _UNSEEN:
            _add(self._hidden, place)
        default = attribute(attrs, "default-cell-style-name", "table")
        if default and self._hides(default):
            _add(self._unseen_by_default, place)

    def open_row(self, attrs: Attributes) -> None:
        """Begin the next row, after the repeats of the previous one."""
        self._row = min(_LAST, self._row + self._rows)
        self._rows = _count(attrs, "number-rows-repeated")
        self._row_unseen = attribute(attrs, "visibility", "table") in _UNSEEN
        self._column, self._columns = -1, 1

    def open_cell(self, attrs: Attributes) -> None:
        """Begin the next cell, whose text is taken once however often it is repeated."""
        self._column = min(_LAST, self._column + self._columns)
        self._columns = _count(attrs, "number-columns-repeated")
        self.cell = []
        style = attribute(attrs, "style-name", "table")
        self.unseen = self._row_unseen or self._within(self._hidden)
        self.unseen |= self._hides(style) if style else self._within(self._unseen_by_default)
        kind = attribute(attrs, "value-type", "office")
        self.value = attribute(attrs, _VALUES[kind], "office") if kind in _VALUES else None

    def _within(self, ranges: list[tuple[int, int]]) -> bool:
        return any(first <= self._column <= last for first, last in ranges)

    def _hides(self, name: str) -> bool:
        style = self._styles.get("table-cell", name)
        return bool(style.unseen or style.tiny or (style.white and not style.shaded))


def _add(ranges: list[tuple[int, int]], place: tuple[int, int]) -> None:
    """Add a range, merging it with an adjacent one."""
    if ranges and ranges[-1][1] + 1 == place[0]:
        ranges[-1] = (ranges[-1][0], place[1])
    elif len(ranges) < _RANGES:
        ranges.append(place)


def _count(attrs: Attributes, name: str) -> int:
    value = attribute(attrs, name, "table") or "1"
    return max(1, int(value[:12])) if value[:12].isdigit() else 1
