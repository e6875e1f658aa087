"""Follows the reader of an OpenDocument: cells, elements to remove, and values in attributes that the reader does not give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.opendocument.odf_links import INSIDE
from veritensor_ray.formats.office.rewriting.part_changes import NewWords
from veritensor_ray.formats.office.rewriting.rewrite_plan import Plan
from veritensor_ray.formats.office.rewriting.tracing import Collected, PartTracer, SheetCell, XmlElement, spot_of
from veritensor_ray.formats.office.shared.traced import Traced

MACRO_RULES = "structure.macro"
PREVIEWS = "ObjectReplacements/"
_CELLS = ("table-cell", "covered-table-cell")
_OF_COMMENTS = ("annotation", "annotation-end")
_OF_AUTHORS = ("sender-initials", "creator-initials")
_OF_MACROS = ("script", "event-listener")
_FOLLOWED = (*_CELLS, "annotation", "binary-data", "image")
_SHORTEST = 3  # characters of a value that is looked for in attributes
_REMEMBERED = 1 << 16  # values of attributes of which it is known whether they hold anything to change


class OdfPlan(Plan):
    """What is to be done to one OpenDocument."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        every = [order for some in orders.units.values() for order in some]
        unwanted = any(order.action is Action.STRIP and order.mark.rule.startswith(MACRO_RULES) for order in orders)
        self.macros = unwanted or Strippable.MACROS in orders.strip
        self._words = NewWords({order.mark.text: "" for order in every if order.mark.text and len(order.mark.text) >= _SHORTEST})
        self._mentions: dict[str, bool] = {}

    def mentions(self, value: str) -> bool:
        """Return whether the value of an attribute, or a text that nobody reads, holds a text with an order."""
        found = self._mentions.get(value)
        if found is None:
            found = next(self._words.edits(value), None) is not None
            if len(self._mentions) < _REMEMBERED:
                self._mentions[value] = found
        return found

    def hides(self, view: str, column: str | None) -> bool:
        """Return whether a text is to be removed because of its view."""
        return super().hides(view, column) or (self.metadata and view == "metadata" and column == "author")

    def takes_out(self, tag: str) -> Strippable | None:
        """Return the kind of content because of which elements of that name are removed; None if they stay."""
        prefix, _, local = tag.rpartition(":")
        if self.comments and local in _OF_COMMENTS:
            return Strippable.COMMENTS
        if self.metadata and (local in _OF_AUTHORS or (local == "meta" and prefix != "text")):
            return Strippable.METADATA
        return Strippable.MACROS if self.macros and local in _OF_MACROS else None


@dataclass(slots=True)
class OdfCell(SheetCell):
    """A cell, with its attributes as the file has them. `kind` is the type of its value, `shown` the text that programs show."""

    attributes: dict[str, str] = field(default_factory=dict)
    sheet: str | None = None
    shown: str = ""

    @property
    def number(self) -> bool:
        """What is said of Excel's cells; here, the text and the value of a cell stand beside each other."""
        return False

    @property
    def typed(self) -> bool:
        """Whether the cell has a value that is not a text."""
        return self.kind not in ("", "string")


@dataclass(slots=True)
class OdfCollected(Collected):
    """What the reader met in an OpenDocument. `unread` are attributes with a text that has an order, by their place, which no reader gave."""

    plan: OdfPlan
    unread: dict[tuple[str, int, str | None], Traced] = field(default_factory=dict)
    files: list[XmlElement] = field(default_factory=list)  # elements with the base64 of a file
    previews: dict[str, list[XmlElement]] = field(default_factory=dict)  # elements that show the picture of an object, by that of its part
    taken_out: list[Strippable] = field(default_factory=list)  # why elements are removed, for each of them

    def sheet_of(self, cell: SheetCell) -> str | None:
        """Return the name of the sheet that a cell stands in."""
        return cell.sheet if isinstance(cell, OdfCell) else None

    def trace(self, part: str) -> OdfTracer:
        """Return what follows the reading of a part."""
        self.pulse()
        return OdfTracer(self, self.plan, part)


class _FollowedElements(dict[str, bool]):
    """Whether elements of a name are followed to their ends, looked up once for each name."""

    def __init__(self, plan: OdfPlan) -> None:
        super().__init__()
        self._plan = plan

    def __missing__(self, tag: str) -> bool:
        self[tag] = found = tag.rpartition(":")[2] in _FOLLOWED or self._plan.takes_out(tag) is not None
        return found


class OdfTracer(PartTracer):
    """Follows the reading of one part."""

    def __init__(self, reading: OdfCollected, plan: OdfPlan, part: str) -> None:
        super().__init__(reading, part)
        self.wants = _FollowedElements(plan)
        self._odf, self._odf_plan = reading, plan
        self._around: list[SheetCell | None] = []  # the cells around the open one; None for a comment, whose text is not that of its cell
        self._open: list[tuple[str, XmlElement]] = []  # elements whose ends are needed

    def start(self, tag: str, attrs: dict[str, str], at: int) -> dict[str, str]:
        """Note the start tag of a followed element, or one with attributes, at byte `at`. Returns its attributes with traced values."""
        local = tag.rpartition(":")[2]
        if self.wants[tag]:
            self._follow(tag, local, attrs, at)
        traced: dict[str, str] = {}
        for key, value in attrs.items():
            if len(value) < _SHORTEST:
                traced[key] = value
                continue
            traced[key] = text = Traced(value, (), (self._part, at, local, key))
            if self._odf_plan.mentions(value) and _is_free(key, value):
                self._odf.unread[self._part, at, key] = text
        return traced

    def _follow(self, tag: str, local: str, attrs: dict[str, str], at: int) -> None:
        element = XmlElement(self._part, at)
        if (kind := self._odf_plan.takes_out(tag)) is not None:
            if kind is not Strippable.COMMENTS:  # whose texts are counted
                self._odf.taken_out.append(kind)
            self._removing.append((tag, element))
        if local in _CELLS:
            self._enter(OdfCell(self._part, at, kind=_value(attrs, "value-type"), attributes=attrs))
        elif local == "annotation":
            self._enter(None)
        elif local == "binary-data":
            self._odf.files.append(element)
            self._open.append((tag, element))
        elif local == "image" and PREVIEWS in (target := _value(attrs, "href")):
            self._odf.previews.setdefault(target.removeprefix("./"), []).append(element)
            self._open.append((tag, element))

    def _enter(self, cell: OdfCell | None) -> None:
        self._around.append(self._cell)
        self._cell = cell

    def end(self, tag: str, at: int) -> None:
        """Note the end tag of a followed element at byte `at`, before its walker handles it."""
        if self._removing and self._removing[-1][0] == tag:
            element = self._removing.pop()[1]
            element.close = at
            self._odf.removed.append(element)
        if self._open and self._open[-1][0] == tag:
            self._open.pop()[1].close = at

    def ended(self, tag: str) -> None:
        """Note the end of a followed element after its walker has handled it."""
        if self._around and tag.rpartition(":")[2] in (*_CELLS, "annotation"):
            self._cell = self._around.pop()

    def placed(self, part: str | None, row: int) -> None:
        """Note in which row of which sheet the open cell stands."""
        if isinstance(cell := self._cell, OdfCell):
            cell.sheet, cell.row = part, row
            if self._plan.drops(part, row):
                self._odf.in_rows.append(cell)

    def in_formula(self, text: str, cell: SheetCell) -> bool:
        """Return whether a text is the formula of a cell."""
        spot = spot_of(text)
        return spot is not None and spot.key is not None and local_name(spot.key) == "formula" and spot.at == cell.at

    def repeated(self, part: str | None, text: str) -> None:
        """Note a text that repeats what has been read, and is not read again."""
        if self._plan.metadata or self._plan.hides("hidden", None) or self._odf_plan.mentions(text):
            self._odf.repeats[part].append(text)

    def added(
        self, part: str | None, text: str, view: str, column: str | None, row: int | None, start: int, origins: Sequence[Origin] | None
    ) -> None:
        """Note a text that is read; see `Texts.add`."""
        spot = spot_of(text)
        if spot is not None and spot.key is not None:
            self._odf.unread.pop((spot.part, spot.at, spot.key), None)
        elif row is not None and isinstance(self._cell, OdfCell):
            self._cell.shown = text
        super().added(part, text, view, column, row, start, origins)


def local_name(key: str) -> str:
    """Return the name of an attribute without its prefix."""
    return key.rpartition(":")[2]


def _value(attrs: dict[str, str], name: str) -> str:
    return next((value for key, value in attrs.items() if local_name(key) == name), "")


def _is_free(key: str, value: str) -> bool:
    """Return whether an attribute says something, rather than being what another one refers to, or such a reference."""
    name = local_name(key)
    if key.startswith("xmlns") or (name == "href" and value.startswith(INSIDE)):
        return False
    return key == "draw:name" or not (name.endswith(("name", "id", "full-path")) or name == "about")
