"""What is to be done to one office document: orders by unit, rows to drop, parts to remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from veritensor_ray.clean.actions import Strippable
from veritensor_ray.clean.orders import Order, Orders, Unit

_ANCHORS = frozenset({"commentRangeStart", "commentRangeEnd", "commentReference"})


class Plan:
    """The orders for a document, and what follows from the removal of parts.

    `unlinked` names relationships, by part and id, whose `legacyDrawing` elements go with them.
    """

    def __init__(self, orders: Orders, unlinked: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._orders, self._unlinked = orders, unlinked
        self.comments = Strippable.COMMENTS in orders.strip
        self.metadata = Strippable.METADATA in orders.strip
        self._hidden = Strippable.HIDDEN_TEXT in orders.strip
        self.rows: dict[tuple[str | None, int], list[Order]] = {}
        for row, some in orders.rows.items():
            for order in some:
                self.rows.setdefault((order.mark.part, row), []).append(order)
        self.parts = {unit.part for unit in orders.units}
        self.counts_cells = self._hidden or bool(self.rows) or any(order.action.value == "drop-cell" for order in orders)

    def orders(self, unit: Unit) -> Sequence[Order]:
        """Return the orders for a unit."""
        return self._orders.units.get(unit, ())

    def drops(self, part: str | None, row: int | None) -> bool:
        """Return whether a row of a sheet is to be emptied."""
        return row is not None and (part, row) in self.rows

    def hides(self, view: str, column: str | None) -> bool:
        """Return whether a text is to be removed because of its view. A sheet needs its name."""
        return (self._hidden and view == "hidden" and column != "sheet") or (self.comments and view == "comment")

    def names_removed(self, tag: str) -> bool:
        """Return whether elements of that name may be removed."""
        return (self.comments and tag in _ANCHORS) or (bool(self._unlinked) and tag == "legacyDrawing")

    def removes(self, part: str, tag: str, attrs: Mapping[str, str]) -> bool:
        """Return whether an element is to be removed."""
        if not self.names_removed(tag):
            return False
        return tag != "legacyDrawing" or any(key.endswith(":id") and (part, value) in self._unlinked for key, value in attrs.items())
