"""Follows the reader of an office document, and collects the texts and elements that have to change, with their places in the XML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from veritensor_ray.clean.actions import Action
from veritensor_ray.clean.formats.office.part import COMMENT
from veritensor_ray.clean.formats.office.plan import Plan
from veritensor_ray.clean.orders import Order, Unit
from veritensor_ray.extract.readers.office.sheet import place
from veritensor_ray.extract.readers.office.traced import Added, Spot, Traced
from veritensor_ray.origins import Origin

_GRIDS = frozenset({"worksheet", "macrosheet"})
_MEASURED = frozenset({"c", "row", "col", "f", "v", "r", "t"})  # elements without words in their attributes, of which sheets have many
_SHORTEST = 3  # characters of an attribute's value that is traced
_AUTHORS = frozenset({"author", "initials"})
_SHOWN = ("hidden", "comment", "metadata")


@dataclass(slots=True)
class Element:
    """An element, by the bytes where its tags begin."""

    part: str
    at: int
    close: int = -1
    shared: bool = False  # a formula that other cells depend on


@dataclass(slots=True)
class Cell:
    """A cell of a sheet. `title` is the sheet's name."""

    element: Element
    kind: str
    row: int | None
    title: str | None = None
    formula: Element | None = None

    @property
    def number(self) -> bool:
        """Whether the cell holds a number rather than a text."""
        return self.kind in ("", "n")


class Found(NamedTuple):
    """A text with orders, whose marks count its characters. `of` is the cell, and `formula` says that the text is its formula."""

    text: str
    unit: Unit
    view: str
    orders: Sequence[Order]
    cell: Cell | None
    formula: bool


@dataclass(slots=True)
class Reading:
    """What the reader met on its way that has to change."""

    plan: Plan
    found: list[Found] = field(default_factory=list)
    hidden: list[Found] = field(default_factory=list)  # texts to remove because of their view
    repeats: dict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))  # by the part that findings name
    removed: list[Element] = field(default_factory=list)
    rows: list[Cell] = field(default_factory=list)  # cells of rows to drop
    authors: list[Traced] = field(default_factory=list)
    referring: dict[Spot, int] = field(default_factory=lambda: defaultdict(int))  # cells by the shared text that they show

    def trace(self, part: str) -> PartTracer:
        """Return what follows the reading of a part."""
        return PartTracer(self, part)


class PartTracer:
    """Follows the reading of one part."""

    def __init__(self, reading: Reading, part: str) -> None:
        self._reading, self._plan, self._part = reading, reading.plan, part
        self._root: str | None = None
        self._row: int | None = None
        self._cell: Cell | None = None
        self._removing: list[Element] = []
        self._cdata = False
        self._title: str | None = None

    def start(self, tag: str, attrs: dict[str, str], at: int) -> dict[str, str]:
        """Note the start tag at byte `at`, and return its attributes with traced values."""
        local = tag.rpartition(":")[2]
        if self._root is None:
            self._root = local
        if self._root in _GRIDS:
            self._in_grid(local, attrs, at)
        if self._plan.removes(self._part, local, attrs):
            self._removing.append(Element(self._part, at))
        if not attrs or local in _MEASURED:
            return attrs
        traced = {
            key: Traced(value, (), Spot(self._part, at, local, key)) if len(value) >= _SHORTEST else value for key, value in attrs.items()
        }
        if self._plan.metadata:
            self._reading.authors += [
                Traced(value, (), Spot(self._part, at, local, key)) for key, value in attrs.items() if key.rpartition(":")[2] in _AUTHORS and value
            ]
        return traced

    def _in_grid(self, local: str, attrs: Mapping[str, str], at: int) -> None:
        if local == "c":
            where = place(attrs.get("r", ""))
            self._cell = Cell(Element(self._part, at), attrs.get("t", ""), where[0] if where else self._row)
        elif local == "row":
            number = attrs.get("r", "")
            self._row = int(number[:9]) - 1 if number.isdigit() else (-1 if self._row is None else self._row) + 1
        elif local == "f" and self._cell is not None:
            self._cell.formula = Element(self._part, at, shared=attrs.get("t", "normal") != "normal")

    def end(self, tag: str, at: int) -> None:
        """Note the end of an element, before its walker handles it."""
        local = tag.rpartition(":")[2]
        if self._cell is not None and local == "c":
            self._cell.element.close = at
        elif self._cell is not None and local == "f" and self._cell.formula is not None:
            self._cell.formula.close = at
        if self._removing and self._plan.names_removed(local):
            element = self._removing.pop()
            element.close = at
            self._reading.removed.append(element)

    def ended(self, tag: str) -> None:
        """Note the end of an element, after its walker has handled it."""
        if self._cell is not None and tag.rpartition(":")[2] == "c":
            self._cell = None

    def characters(self, text: str, at: int) -> str:
        """Return the characters at byte `at` as a traced text."""
        return Traced(text, (), Spot(self._part, at, "", None, self._cdata))

    def comment(self, text: str, at: int) -> str:
        """Return the comment at byte `at` as a traced text."""
        return Traced(text, (), Spot(self._part, at, COMMENT))

    def cdata(self, begins: bool) -> None:
        """Note that a CDATA section begins or ends."""
        self._cdata = begins

    def repeated(self, part: str | None, text: str) -> None:
        """Note a text that repeats what has been read, and is not read again."""
        if part in self._plan.parts:
            self._reading.repeats[part].append(text)

    def added(self, added: Added) -> None:
        """Note a text that is read."""
        unit = Unit(added.part, None, added.row, added.column)
        orders = [shifted for order in self._plan.orders(unit) if (shifted := _shifted(order, added)) is not None]
        cell = self._cell if self._cell is not None and added.column is not None and added.row is not None else None
        formula = cell is not None and cell.formula is not None and _inside(added.text, cell.formula)
        if cell is not None and not formula and self._plan.counts_cells and isinstance(added.text, Traced) and (spot := added.text.runs[0].spot):
            self._reading.referring[spot] += 1
        found = Found(added.text, unit, added.view, orders, cell, formula)
        if orders:
            self._reading.found.append(found)
        if self._plan.drops(added.part, added.row) or self._plan.hides(added.view, added.column):
            self._reading.hidden.append(found)


def _inside(text: str, element: Element) -> bool:
    spot = text.runs[0].spot if isinstance(text, Traced) and text else None
    return spot is not None and spot.part == element.part and element.at < spot.at < element.close


def _shifted(order: Order, added: Added) -> Order | None:
    """Return the order with the characters of this text that its mark means; None if it means another text of the unit."""
    mark = order.mark
    if order.action is Action.DROP_CELL:
        return order
    first, last = mark.start - added.start, mark.end - added.start
    if added.origins:
        first, last = _forward(mark.start, added.origins), _forward(mark.end - 1, added.origins) + 1
    if not 0 <= first <= last <= len(added.text):
        return None
    known = mark.text is not None and mark.view != "decoded"
    if known and added.text[first:last] != mark.text:
        return None
    column = mark.column or ("" if mark.view in _SHOWN else None)  # all of a text that readers do not see is stripped
    return order._replace(mark=mark._replace(start=first, end=last, straight=known, column=column))


def _forward(at: int, origins: Sequence[Origin]) -> int:
    """Return the character of an assembled text that comes from character `at` of the original, or a negative number."""
    for origin in origins:
        if origin.start <= at < origin.end:
            return origin.at + at - origin.start
    return -2
