"""What is to be done to one office document: its orders by text, the rows to empty, and what goes whether or not anything was found."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders
from veritensor_ray.formats.editing.spans import UNSEEN_VIEWS

_ANCHORS = frozenset({"commentRangeStart", "commentRangeEnd", "commentReference"})
_DRAWING = "legacyDrawing"


class Added(NamedTuple):
    """A text as a walker adds it to the texts of its part."""

    part: str | None
    text: str
    view: str
    column: str | None
    row: int | None
    start: int
    origins: Sequence[Origin] | None


class Plan:
    """The orders for a document. `unlinked` names relationships, by part and id, whose old drawings hold only comments to remove."""

    def __init__(self, orders: Orders, unlinked: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._unlinked = unlinked
        self.comments = Strippable.COMMENTS in orders.strip
        self.metadata = Strippable.METADATA in orders.strip
        self._hidden = Strippable.HIDDEN_TEXT in orders.strip
        self.rows: dict[tuple[str | None, int], list[Order]] = {}
        for row, some in orders.rows.items():
            for order in some:
                self.rows.setdefault((order.mark.part, row), []).append(order)
        self.parts = {unit.part for unit in orders.units}
        self._units: dict[tuple[object, ...], _Ordered] = {unit: _Ordered(some) for unit, some in orders.units.items()}
        empties = any(order.action in (Action.STRIP, Action.DROP_CELL) for some in orders.units.values() for order in some)
        self.empties_cells = self._hidden or self.comments or bool(self.rows) or empties

    def orders(self, added: Added) -> list[Order]:
        """Return the orders for a text. Their marks count its characters."""
        return list(self._units[added.part, None, added.row, added.column].within(added))

    def has_orders(self, part: str | None, row: int | None, column: str | None) -> bool:
        """Return whether a unit has any orders."""
        return (part, None, row, column) in self._units  # tuples are equal to the units that have their fields

    def drops(self, part: str | None, row: int | None) -> bool:
        """Return whether a row of a sheet is to be emptied."""
        return bool(self.rows) and row is not None and (part, row) in self.rows

    def hides(self, view: str, column: str | None) -> bool:
        """Return whether a text is to be removed because of its view. A sheet needs its name."""
        return (self._hidden and view == "hidden" and column != "sheet") or (self.comments and view == "comment")

    def may_remove(self, tag: str) -> bool:
        """Return whether elements of that name may have to be removed."""
        return (tag == _DRAWING and bool(self._unlinked)) or (self.comments and tag in _ANCHORS)

    def removes(self, part: str, tag: str, attrs: Mapping[str, str]) -> bool:
        """Return whether an element is to be removed."""
        if tag == _DRAWING and self._unlinked:
            return any(key.endswith(":id") and (part, value) in self._unlinked for key, value in attrs.items())
        return self.comments and tag in _ANCHORS


class _Ordered:
    """The orders of one unit, by the characters that they are about. A unit without a row may be many texts: paragraphs, or links."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._cells: list[Order] = []
        self._known: dict[tuple[int, int], dict[str | None, list[Order]]] = {}
        for order in orders:
            mark = order.mark
            if order.action is Action.DROP_CELL and mark.row is not None:
                self._cells.append(order)
            elif mark.start >= 0 and mark.start <= mark.end:
                text = None if mark.view == "decoded" else mark.text
                self._known.setdefault((mark.start, mark.end), {}).setdefault(text, []).append(order)
        self._ranges = sorted(self._known)

    def within(self, added: Added) -> Iterator[Order]:
        """Yield the orders that mean this text: those over its characters, if these are what their engines saw."""
        yield from self._cells
        first, last = added.start, added.start + len(added.text)
        if added.origins:
            first, last = added.origins[0].start, max(origin.end for origin in added.origins)
        starts = [origin.start for origin in added.origins or ()]
        at = bisect_left(self._ranges, (first, first))
        while at < len(self._ranges) and self._ranges[at][0] <= last:
            start, end = self._ranges[at]
            at += 1
            begin, stop = start - added.start, end - added.start
            if added.origins:
                begin, stop = _forward(start, added.origins, starts), _forward(end - 1, added.origins, starts) + 1
            if not 0 <= begin <= stop <= len(added.text):
                continue
            known = self._known[start, end]
            for order in (*known.get(added.text[begin:stop], ()), *known.get(None, ())):
                mark = order.mark
                column = mark.column or ("" if mark.view in UNSEEN_VIEWS else None)  # a text that readers do not see is stripped as a whole
                straight = mark.text is not None and mark.view != "decoded"
                yield order._replace(mark=mark._replace(start=begin, end=stop, straight=straight, column=column))


def _forward(at: int, origins: Sequence[Origin], starts: Sequence[int]) -> int:
    """Return the character of an assembled text that comes from character `at` of the original; negative if none does.

    The origins follow each other in the original, where they begin at `starts`.
    """
    origin = origins[max(0, bisect_right(starts, at) - 1)]
    return origin.at + at - origin.start if origin.start <= at < origin.end else -2
