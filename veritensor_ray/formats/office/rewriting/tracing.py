"""Follows the reader of an office document, and collects the texts and elements that have to change, with their places in the XML."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.editing.edits import Order
from veritensor_ray.formats.office.excel.sheet import place
from veritensor_ray.formats.office.rewriting.part import COMMENT
from veritensor_ray.formats.office.rewriting.rewrite_plan import Added, Plan
from veritensor_ray.formats.office.shared.traced import Spot, Traced

_MEASURED = frozenset({"c", "row", "col", "f", "v", "r", "t"})  # elements of which sheets have many, without words in their attributes
_OF_CELLS = frozenset({"c", "row", "f"})
_PULSE = 1 << 14  # texts between two signs of life
_SHORTEST = 3  # characters of an attribute's value that is traced
_AUTHORS = frozenset({"author", "initials"})


@dataclass(slots=True)
class XmlElement:
    """An element, by the bytes where its tags begin."""

    part: str
    at: int
    close: int = -1


@dataclass(slots=True)
class Formula(XmlElement):
    """A formula. Other cells may share it."""

    shared: bool = False


@dataclass(slots=True)
class SheetCell(XmlElement):
    """A cell of a sheet: its type attribute, its row, and its formula."""

    kind: str = ""
    row: int | None = None
    formula: Formula | None = None

    @property
    def number(self) -> bool:
        """Whether the cell holds a number rather than a text."""
        return self.kind in ("", "n")


class Found(NamedTuple):
    """A text as it was read, and the orders for it. `in_formula` says that it is the formula of the cell."""

    read: Added
    orders: list[Order]
    cell: SheetCell | None
    in_formula: bool


@dataclass(slots=True)
class Collected:
    """What the reader met on its way that has to change, or that the changes depend on."""

    plan: Plan
    pulse: Callable[[], None]
    found: list[Found] = field(default_factory=list)  # texts with orders
    unwanted: list[Found] = field(default_factory=list)  # texts that go as a whole: in rows to empty, or because of their view
    removed: list[XmlElement] = field(default_factory=list)
    repeats: dict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))  # texts by the part that findings name
    authors: list[Traced] = field(default_factory=list)
    in_rows: list[SheetCell] = field(default_factory=list)  # cells of rows with the number of a row to empty, in any sheet
    titles: dict[str, str | None] = field(default_factory=dict)  # the sheets' names by part
    referring: Counter[Spot] = field(default_factory=Counter)  # how many cells show a shared text

    def sheet_of(self, cell: SheetCell) -> str | None:
        """Return the name of the sheet that a cell of a row to empty stands in."""
        return self.titles.get(cell.part, "")

    def trace(self, part: str) -> PartTracer:
        """Return what follows the reading of a part."""
        self.pulse()
        return PartTracer(self, part)


class _Followed(dict[str, bool]):
    """Whether elements of a name are followed to their ends, looked up once for each name."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def __missing__(self, tag: str) -> bool:
        local = tag.rpartition(":")[2]
        self[tag] = found = local in _OF_CELLS or self._plan.may_remove(local)
        return found


class PartTracer:
    """Follows the reading of one part."""

    def __init__(self, reading: Collected, part: str) -> None:
        self._reading, self._plan, self._part = reading, reading.plan, part
        self.wants: Mapping[str, bool] = _Followed(reading.plan)
        self._rows = {row for _, row in reading.plan.rows}
        self._row = -1
        self._added = 0
        self._cell: SheetCell | None = None
        self._removing: list[tuple[str, XmlElement]] = []
        self._cdata = False

    def start(self, tag: str, attrs: dict[str, str], at: int) -> dict[str, str]:
        """Note the start tag of a followed element, or one with attributes, at byte `at`. Returns its attributes with traced values."""
        local = tag.rpartition(":")[2]
        if local in _MEASURED:
            self._in_grid(local, attrs, at)
            return attrs
        if self.wants[tag] and self._plan.removes(self._part, local, attrs):
            self._removing.append((tag, XmlElement(self._part, at)))
        part = self._part
        if self._plan.metadata:
            authors = ((key, value) for key, value in attrs.items() if value and key.rpartition(":")[2] in _AUTHORS)
            self._reading.authors += [Traced(value, (), (part, at, local, key)) for key, value in authors]
        return {key: Traced(value, (), (part, at, local, key)) if len(value) >= _SHORTEST else value for key, value in attrs.items()}

    def _in_grid(self, local: str, attrs: Mapping[str, str], at: int) -> None:
        if local == "c":
            self._cell = cell = SheetCell(self._part, at, kind=attrs.get("t", ""))
            if self._rows:
                where = place(attrs.get("r", ""))
                cell.row = where[0] if where else self._row
                if cell.row in self._rows:
                    self._reading.in_rows.append(cell)
        elif local == "row":
            number = attrs.get("r", "")
            self._row = int(number[:9]) - 1 if number.isdigit() else self._row + 1
        elif local == "f" and self._cell is not None:
            self._cell.formula = Formula(self._part, at, shared=attrs.get("t", "normal") != "normal")

    def end(self, tag: str, at: int) -> None:
        """Note the end tag of a followed element at byte `at`, before its walker handles it."""
        if self._removing and self._removing[-1][0] == tag:
            element = self._removing.pop()[1]
            element.close = at
            self._reading.removed.append(element)
        elif self._cell is not None and tag.endswith("c"):
            self._cell.close = at
        elif self._cell is not None and self._cell.formula is not None and tag.endswith("f"):
            self._cell.formula.close = at

    def ended(self, tag: str) -> None:
        """Note the end of a followed element after its walker has handled it."""
        if self._cell is not None and self._cell.close >= 0:
            self._cell = None

    def taking(self, take: Callable[[str], object], parser: Any) -> Callable[[str], object]:
        """Return what receives the characters of the parser, and gives them to `take` as traced texts."""
        part = self._part

        def traced(text: str) -> None:
            take(Traced(text, (), (part, parser.CurrentByteIndex, "", None, self._cdata)))

        return traced

    def comment(self, text: str, at: int) -> str:
        """Return the comment at byte `at` as a traced text."""
        return Traced(text, (), (self._part, at, COMMENT))

    def cdata(self, begins: bool) -> None:
        """Note that a CDATA section begins or ends."""
        self._cdata = begins

    def repeated(self, part: str | None, text: str) -> None:
        """Note a text that repeats what has been read, and is not read again."""
        if part in self._plan.parts or self._plan.hides("hidden", None):
            self._reading.repeats[part].append(text)

    def placed(self, part: str | None, row: int) -> None:
        """Cells of Excel say themselves where they stand."""

    def in_formula(self, text: str, cell: SheetCell) -> bool:
        """Return whether a text is from the formula of a cell."""
        return cell.formula is not None and _inside(text, cell.formula)

    def added(
        self, part: str | None, text: str, view: str, column: str | None, row: int | None, start: int, origins: Sequence[Origin] | None
    ) -> None:
        """Note a text that is read; see `Texts.add`."""
        self._added += 1
        if not self._added % _PULSE:
            self._reading.pulse()
        plan, cell = self._plan, self._cell
        in_formula = cell is not None and self.in_formula(text, cell)
        if cell is not None and plan.empties_cells:
            self._reading.titles[self._part] = part
            if not in_formula and (spot := spot_of(text)) is not None:
                self._reading.referring[spot] += 1
        ordered = plan.has_orders(part, row, column)
        unwanted = plan.drops(part, row) or plan.hides(view, column)
        if not ordered and not unwanted:
            return
        read = Added(part, text, view, column, row, start, origins)
        found = Found(read, plan.orders(read) if ordered else [], cell, in_formula)
        if found.orders:
            self._reading.found.append(found)
        if unwanted:
            self._reading.unwanted.append(found)


def spot_of(text: str) -> Spot | None:
    """Return where a text begins in the file, if it is known."""
    return text.spot if isinstance(text, Traced) else None


def _inside(text: str, element: XmlElement) -> bool:
    spot = spot_of(text)
    return spot is not None and spot.part == element.part and element.at < spot.at < element.close
