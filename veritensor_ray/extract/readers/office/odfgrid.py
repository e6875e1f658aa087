"""A sheet of OpenDocument while its rows are read: where a cell stands, and whether it is seen; it takes no text itself."""

from __future__ import annotations

from veritensor_ray.extract.readers.office.odfstyles import OdfStyles
from veritensor_ray.extract.readers.office.texts import column_name
from veritensor_ray.extract.readers.office.xml import Attributes, attribute

_RANGES = 500
_LAST = 1 << 40  # row or column: what is repeated a billion times is one text, and the count goes on
_UNSEEN = ("collapse", "filter")
_NUMBERS = ("float", "currency", "percentage")


class Grid:
    """Counts rows and columns, repeated ones too. `cell` has the paragraphs of the cell that is open."""

    def __init__(self, styles: OdfStyles) -> None:
        self._styles = styles
        self.cell: list[str] | None = None
        self.value: str | None = None
        self.unseen = False  # something in the cell, or all of it
        self.begin()

    def begin(self) -> None:
        """A new sheet."""
        self._row, self._rows, self._column, self._columns = -1, 1, -1, 1
        self._row_unseen = False
        self._next = 0
        self._hidden: list[tuple[int, int]] = []
        self._unseen_by_default: list[tuple[int, int]] = []

    @property
    def row(self) -> int:
        """From 0."""
        return max(0, self._row)

    @property
    def column(self) -> str:
        """In letters."""
        return column_name(self._column)

    def open_column(self, attrs: Attributes) -> None:
        """One or many of them."""
        first = self._next
        self._next = min(_LAST, first + _count(attrs, "number-columns-repeated"))
        place = (first, self._next - 1)
        if attribute(attrs, "visibility", "table") in _UNSEEN:
            _add(self._hidden, place)
        default = attribute(attrs, "default-cell-style-name", "table")
        if default and self._hides(default):
            _add(self._unseen_by_default, place)

    def open_row(self, attrs: Attributes) -> None:
        """The next one, behind the repeats of the one before."""
        self._row = min(_LAST, self._row + self._rows)
        self._rows = _count(attrs, "number-rows-repeated")
        self._row_unseen = attribute(attrs, "visibility", "table") in _UNSEEN
        self._column, self._columns = -1, 1

    def open_cell(self, attrs: Attributes) -> None:
        """The next one; its text is taken once, however often it is repeated."""
        self._column = min(_LAST, self._column + self._columns)
        self._columns = _count(attrs, "number-columns-repeated")
        self.cell = []
        style = attribute(attrs, "style-name", "table")
        self.unseen = self._row_unseen or self._within(self._hidden)
        self.unseen |= self._hides(style) if style else self._within(self._unseen_by_default)
        self.value = attribute(attrs, "value", "office") if attribute(attrs, "value-type", "office") in _NUMBERS else None

    def _within(self, ranges: list[tuple[int, int]]) -> bool:
        return any(first <= self._column <= last for first, last in ranges)

    def _hides(self, name: str) -> bool:
        style = self._styles.get("table-cell", name)
        return bool(style.unseen or style.tiny or (style.white and not style.shaded))


def _add(ranges: list[tuple[int, int]], place: tuple[int, int]) -> None:
    """Side by side they are one."""
    if ranges and ranges[-1][1] + 1 == place[0]:
        ranges[-1] = (ranges[-1][0], place[1])
    elif len(ranges) < _RANGES:
        ranges.append(place)


def _count(attrs: Attributes, name: str) -> int:
    value = attribute(attrs, name, "table") or "1"
    return max(1, int(value[:12])) if value[:12].isdigit() else 1
