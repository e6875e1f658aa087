"""The orders for one file: what to do at which place of it. Formats find the places; what takes their place is decided here."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from veritensor_ray.cleaning.actions import Action, Strippable
from veritensor_ray.cleaning.spans import Range, Runs, invisible_runs, is_there, spans
from veritensor_ray.findings.marks import Mark

Replace = Callable[[Mark, Action, bool, str], str]  # the mark, its action, whether to keep the length, and the text to be replaced
_SAMPLES, _AROUND = 5, 40  # changes of an artifact that are shown, and characters on each side


class Unit(NamedTuple):
    """A text within a file, named as its reader names it. All fields are None for a file that is one text."""

    part: str | None = None
    page: int | None = None
    row: int | None = None
    column: str | None = None


class Order(NamedTuple):
    """One mark and what to do about it. `number` identifies it within its artifact."""

    number: int
    mark: Mark
    action: Action
    keep_length: bool

    def spans(self, value: str, at: Range | None = None, runs: Runs = invisible_runs) -> list[OrderedRange]:
        """Return the ranges of a text that are to be changed, each with this order; see `spans.spans`."""
        return [OrderedRange(start, end, self) for start, end in spans(self.mark, self.action, value, at, runs)]


class OrderedRange(NamedTuple):
    """Characters of a text or of a file, and the order for them."""

    start: int
    end: int
    order: Order


class Edit(NamedTuple):
    """Replace the characters from `start` to `end` of a text by `text`."""

    start: int
    end: int
    text: str


class DroppedRow(NamedTuple):
    """A row that was left out, for rows.parquet."""

    member: str | None
    row: int
    rule: str


class Sample(NamedTuple):
    """A change and the text around it, for a dry run. The text is not redacted yet; neighbouring values are already replaced in it."""

    rule: str
    action: str
    left: str
    right: str
    new: str


@dataclass
class Account:
    """What has been done to one artifact so far, shared by the orders of all files inside it."""

    done: set[int] = field(default_factory=set)  # numbers of orders that were carried out
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # rule and action; stripped parts count under `clean.` and their kind
    rows: list[DroppedRow] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)  # the first changes, for people


class Orders:
    """What to do to one file. A format asks by unit or by row, and changes nothing that is not ordered.

    `strip` names what to remove whether or not anything was found there. `member` is the path of the file inside its artifact.
    """

    def __init__(
        self,
        orders: Iterable[Order],
        strip: frozenset[Strippable],
        replace: Replace,
        account: Account | None = None,
        member: str | None = None,
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self.strip, self.member, self.account, self.pulse = strip, member, account or Account(), pulse
        self._replace = replace
        self._orders = list(orders)
        own = [order for order in self._orders if order.mark.member == member]
        self.over_bytes = [order for order in own if order.mark.over_bytes]
        self._units: dict[Unit, list[Order]] = {}
        self._rows: dict[int, list[Order]] = {}
        self._in_rows: dict[int, list[int]] = {}
        for order in own:
            mark = order.mark
            if mark.over_bytes:
                continue
            if order.action is Action.DROP_ROW and mark.row is not None:
                self._rows.setdefault(mark.row, []).append(order)
            else:
                self._units.setdefault(Unit(mark.part, mark.page, mark.row, mark.column), []).append(order)
                if mark.row is not None:
                    self._in_rows.setdefault(mark.row, []).append(order.number)

    def __bool__(self) -> bool:
        """Whether anything is to be done to this file or to a file inside it."""
        return bool(self._orders or self.strip)

    def __iter__(self) -> Iterator[Order]:
        """Iterate over all orders, including those for files inside this one."""
        return iter(self._orders)

    @property
    def units(self) -> Mapping[Unit, list[Order]]:
        """The orders for texts of this file, without those that drop a row."""
        return self._units

    @property
    def rows(self) -> Mapping[int, list[Order]]:
        """The rows of this file to drop, with the orders that say so."""
        return self._rows

    def member_orders(self, name: str) -> Orders:
        """Return the orders for a file inside this one. `name` is the name that the reader of the container gives it."""
        path = f"{self.member}!/{name}" if self.member else name
        paths = self._member_paths
        inner = self._by_member[bisect_left(paths, path) : bisect_right(paths, path)]
        inner += self._by_member[bisect_left(paths, f"{path}!/") : bisect_left(paths, f"{path}!0")]  # `0` is the character after `/`
        return Orders(inner, self.strip, self._replace, self.account, path, self.pulse)

    @cached_property
    def _by_member(self) -> list[Order]:
        """The orders for files inside this one, sorted by member: an archive asks for each of its members."""
        return sorted((order for order in self._orders if order.mark.member != self.member), key=lambda order: order.mark.member or "")

    @cached_property
    def _member_paths(self) -> list[str]:
        return [order.mark.member or "" for order in self._by_member]

    def for_content(self) -> Orders:
        """Return the orders for the text that this compressed file holds. Those over the compressed bytes are not among them."""
        inner = [order for order in self._orders if order.mark.member == self.member and not order.mark.over_bytes]
        return Orders(inner, self.strip, self._replace, self.account, self.member, self.pulse)

    def drop_row(self, row: int, over_bytes: Iterable[Order] = ()) -> None:
        """Account for a row that the caller has left out, and for everything else that was ordered in it.

        `over_bytes` are orders for bytes of the row.
        """
        for order in (*self._rows.get(row, ()), *over_bytes):
            self.tick(order)
            if order.action is Action.DROP_ROW:
                self.account.rows.append(DroppedRow(self.member, row, order.mark.rule))
        self.account.done.update(self._in_rows.get(row, ()))  # gone with the row

    def tick(self, order: Order) -> None:
        """Account for an order that was carried out."""
        if order.number not in self.account.done:
            self.account.done.add(order.number)
            self.account.counts[order.mark.rule, order.action.value] += 1

    def stripped(self, kind: Strippable, count: int = 1) -> None:
        """Account for content that was removed because of its kind."""
        self.account.counts[f"clean.{kind.value}", Action.STRIP.value] += count

    def edits(self, unit: Unit, value: str) -> list[Edit]:
        """Return the changes to the text of a unit: ascending, not overlapping. Their orders are ticked off.

        An order is left undone if the text is not what its engine saw: then the file is held back, rather than changed in a wrong place.
        Orders that drop a row or a cell are for the caller (`rows`, `drops_cell`).
        """
        found: list[OrderedRange] = []
        for order in self._units.get(unit, ()):
            if order.action not in (Action.DROP_ROW, Action.DROP_CELL) and is_there(order.mark, value):
                found += order.spans(value)
        return self.merged(found, value)

    def merged(self, found: list[OrderedRange], value: str) -> list[Edit]:
        """Return the changes to ranges of a text: overlapping ones are joined, and the order with the longest says what takes their place.

        All orders are ticked off.
        """
        edits: list[Edit] = []
        chiefs: list[Order] = []
        found.sort(key=lambda one: (one[0], -one[1]))
        at = 0
        while at < len(found):
            start, end, chief = found[at]
            group = [chief]
            at += 1
            longest = end - start
            while at < len(found) and found[at][0] < end:
                first, last, order = found[at]
                end = max(end, last)
                if last - first > longest:
                    longest, chief = last - first, order
                group.append(order)
                at += 1
            new = "" if chief.action is Action.STRIP else self._replace(chief.mark, chief.action, chief.keep_length, value[start:end])
            edits.append(Edit(start, end, new))
            chiefs.append(chief)
            for order in group:
                self.tick(order)
        self._sample(value, edits, chiefs)
        return edits

    def _sample(self, value: str, edits: Sequence[Edit], chiefs: Sequence[Order]) -> None:
        """Keep the first few changes with some text around them, in which neighbouring values are replaced too."""
        for edit, order in zip(edits, chiefs, strict=True):
            if len(self.account.samples) >= _SAMPLES:
                return
            first, last = max(0, edit.start - _AROUND), min(len(value), edit.end + _AROUND)
            left = applied(value[first : edit.start], _within(edits, first, edit.start))
            right = applied(value[edit.end : last], _within(edits, edit.end, last))
            self.account.samples.append(Sample(order.mark.rule, order.action.value, left, right, edit.text))

    def drops_cell(self, unit: Unit) -> bool:
        """Return whether the whole value of a unit is to be emptied; if so, its orders are ticked off."""
        orders = self._units.get(unit, ())
        if not any(order.action is Action.DROP_CELL for order in orders):
            return False
        for order in orders:
            self.tick(order)
        return True

    def cell(self, unit: Unit, value: str) -> str:
        """Return the value of a cell as it should be: unchanged, changed in places, or empty. The row is for the caller to drop."""
        if unit not in self._units:
            return value
        return "" if self.drops_cell(unit) else applied(value, self.edits(unit, value))

    @property
    def undone(self) -> list[Order]:
        """Return the orders that nobody has carried out yet."""
        return [order for order in self._orders if order.number not in self.account.done]


def applied(value: str, edits: Iterable[Edit]) -> str:
    """Return the text with its changes; they ascend and do not overlap."""
    pieces, at = [], 0
    for edit in edits:
        pieces += [value[at : edit.start], edit.text]
        at = edit.end
    return "".join([*pieces, value[at:]])


def _within(edits: Iterable[Edit], first: int, last: int) -> list[Edit]:
    """Return the changes that lie in a range, counted from its beginning; one at its edge is cut."""
    near = [one for one in edits if one.start < last and first < one.end]
    return [Edit(max(one.start, first) - first, min(one.end, last) - first, one.text) for one in near]
