"""The orders for one file: what to do at which place of it. Formats find the places; what takes their place is decided here."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.many_edits import FEW, Ints, ManyOrders, Numbers, Order, OrderedRange, OrdersByRow, OrdersByUnit, Unit
from veritensor_ray.formats.editing.marks import REFERENCE, Mark
from veritensor_ray.formats.editing.spans import is_there
from veritensor_ray.formats.editing.url_places import url_place

Replace = Callable[[Mark, Action, bool, str], str]  # the mark, its action, whether to keep the length, and the text to be replaced
# What readers of texts call a file in one: by how it is encoded, and where.
_ENCODED = re.compile(r"(?:^|/)(?:(?:[a-z0-9-]+\+)*base64@\d+|data-url@\d+(?:\.\w+)?)\Z")
_SAMPLES, _ALIKE, _AROUND = 20, 3, 40  # changes of an artifact that are shown, of these with one rule and action, characters on each side
_SHOWN = 400  # characters of a text, and of what takes its place, that are shown: a comment or a long mask may have millions


class Edit(NamedTuple):
    """Replace the characters from `start` to `end` of a text by `text`."""

    start: int
    end: int
    text: str


class DroppedRow(NamedTuple):
    """A row that was left out, for rows.parquet. `stays` is true if it is still there, but empty: the rows after it keep their numbers."""

    member: str | None
    row: int
    rule: str
    stays: bool = False


class Sample(NamedTuple):
    """A change and the text around it, for a dry run. The text is not redacted yet; neighbouring values are already replaced in it.

    `old` is what stood there, with everything around it as it was: only somebody who may see values is shown it.
    """

    rule: str
    action: str
    left: str
    right: str
    new: str
    old: tuple[str, str, str]


@dataclass
class Account:
    """What has been done to one artifact so far, shared by the orders of all files inside it."""

    done: Numbers = field(default_factory=Numbers)  # numbers of orders that were carried out
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # rule and action; stripped parts count under `clean.` and their kind
    rows: list[DroppedRow] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)  # the first changes of each kind, for people
    shown: Counter[tuple[str, str]] = field(default_factory=Counter)  # rule and action of those
    becomes: str = ""  # the extension of the format that the artifact was converted to


class Orders:
    """What to do to one file. A format asks by unit or by row, and changes nothing that is not ordered.

    `strip` names what to remove whether or not anything was found there. `member` is the path of the file inside its artifact.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        strip: frozenset[Strippable],
        replace: Replace,
        account: Account | None = None,
        member: str | None = None,
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self.strip, self.member, self.account, self.pulse = strip, member, account or Account(), pulse
        self._replace = replace
        self._orders = orders if isinstance(orders, ManyOrders) else ManyOrders.listed(orders)

    def __bool__(self) -> bool:
        """Whether anything is to be done to this file or to a file inside it."""
        return bool(self._orders or self.strip)

    def __iter__(self) -> Iterator[Order]:
        """Iterate over all orders, including those for files inside this one."""
        return iter(self._orders)

    @cached_property
    def over_bytes(self) -> Sequence[Order]:
        """The orders for bytes of this file."""
        return self._orders.such(lambda kind: kind.mark.over_bytes and kind.mark.member == self.member)

    @cached_property
    def units(self) -> Mapping[Unit, list[Order]]:
        """The orders for texts of this file, without those that drop a row."""
        if len(self._orders) > FEW:
            return OrdersByUnit(self._orders, [self._is_for_text(kind) for kind in self._orders.kinds])
        units: dict[Unit, list[Order]] = {}
        for order in self._orders:
            if self._is_for_text(order):
                units.setdefault(Unit(order.mark.part, order.mark.page, order.mark.row, order.mark.column), []).append(order)
        return units

    @cached_property
    def rows(self) -> Mapping[int, list[Order]]:
        """The rows of this file to drop, with the orders that say so."""
        return self._by_row(self._drops)

    @cached_property
    def _in_rows(self) -> Mapping[int, list[Order]]:
        """The orders for texts in rows."""
        return self._by_row(lambda kind: kind.mark.row is not None and self._is_for_text(kind))

    def _by_row(self, own: Callable[[Order], bool]) -> Mapping[int, list[Order]]:
        if len(self._orders) > FEW:
            return OrdersByRow(self._orders, [own(kind) for kind in self._orders.kinds])
        rows: dict[int, list[Order]] = {}
        for order in filter(own, self._orders):
            rows.setdefault(order.mark.row or 0, []).append(order)
        return rows

    def every(self) -> Sequence[Order]:
        """Return the orders for texts of this file, which has no rows, unit by unit."""
        units = self.units
        return units.every() if isinstance(units, OrdersByUnit) else [*itertools.chain.from_iterable(units.values())]

    def _is_own(self, kind: Order) -> bool:
        return kind.mark.member == self.member and not kind.mark.over_bytes

    def _drops(self, kind: Order) -> bool:
        return kind.action is Action.DROP_ROW and kind.mark.row is not None and self._is_own(kind)

    def _is_for_text(self, kind: Order) -> bool:
        return self._is_own(kind) and not self._drops(kind)

    @cached_property
    def columns(self) -> Container[str | None]:
        """The columns of the texts that have orders."""
        return {kind.mark.column for kind in self._orders.kinds if self._is_for_text(kind)}

    def concern(self, row: int) -> bool:
        """Return whether a row is to be dropped, or has orders for its texts."""
        return row in self._in_rows or row in self.rows

    def member_orders(self, name: str) -> Orders:
        """Return the orders for a file inside this one. `name` is the name that the reader of the container gives it."""
        path = f"{self.member}!/{name}" if self.member else name
        paths, limits, places = self._by_member
        same = slice(limits[bisect_left(paths, path)], limits[bisect_right(paths, path)])
        below = slice(limits[bisect_left(paths, f"{path}!/")], limits[bisect_left(paths, f"{path}!0")])  # `0` is the character after `/`
        inner = self._orders.at(np.concatenate([places[same], places[below]]))
        return Orders(inner, self.strip, self._replace, self.account, path, self.pulse)

    @cached_property
    def _by_member(self) -> tuple[list[str], list[int], Ints]:
        """The paths of files inside this one that have orders, where these begin, and their places: an archive asks for each of its members."""
        members = [None if kind.mark.member == self.member else kind.mark.member or "" for kind in self._orders.kinds]
        paths = sorted({member for member in members if member is not None})
        ranks = {path: rank for rank, path in enumerate(paths)}
        of_orders = np.array([-1 if member is None else ranks[member] for member in members], np.int64)[self._orders.which]
        places = np.argsort(of_orders, kind="stable")
        limits: list[int] = np.searchsorted(of_orders[places], np.arange(len(paths) + 1)).tolist()
        return paths, limits, places

    @cached_property
    def encoded_files(self) -> Sequence[str]:
        """The names of files with orders that stand in a text of this file in base64."""
        return list(dict.fromkeys(name for kind in self._orders.kinds if (name := self._encoded(kind)) is not None))

    def _encoded(self, kind: Order) -> str | None:
        """Return the name of the file in base64 that an order is for, if it is for one in a text of this file."""
        member, above = kind.mark.member or "", f"{self.member}!/" if self.member else ""
        name = member.removeprefix(above).partition("!/")[0]
        return name if member.startswith(above) and _ENCODED.search(name) else None

    def of_part(self, part: str) -> Orders:
        """Return the orders for a part of this file that is a table, as if it were the only one, with those for the files that are its values."""
        above = f"{self.member}!/" if self.member else ""
        inside = f"{above}{part}/"

        def is_in_it(kind: Order) -> bool:
            mark = kind.mark
            return mark.part == part and not mark.over_bytes if mark.member == self.member else (mark.member or "").startswith(inside)

        chosen = []
        for order in self._orders.such(is_in_it):
            mark = order.mark
            is_own = mark.member == self.member
            mark = mark._replace(part=None) if is_own else mark._replace(member=above + (mark.member or "").removeprefix(inside))
            chosen.append(Order(order.number, mark, order.action, order.keep_length))
        return Orders(chosen, self.strip, self._replace, self.account, self.member, self.pulse)

    def for_content(self) -> Orders:
        """Return the orders for the text that this compressed file holds. Those over the compressed bytes are not among them."""
        own = self._orders.such(lambda kind: self._is_own(kind) or self._encoded(kind) is not None)
        return Orders(own, self.strip, self._replace, self.account, self.member, self.pulse)

    def drop_row(self, row: int, over_bytes: Iterable[Order] = ()) -> None:
        """Account for a row that the caller has left out, and for everything else that was ordered in it.

        `over_bytes` are orders for bytes of the row.
        """
        for order in (*self.rows.get(row, ()), *over_bytes):
            self.tick(order)
            if order.action is Action.DROP_ROW:
                self.account.rows.append(DroppedRow(self.member, row, order.mark.rule))
        self.account.done.update(order.number for order in self._in_rows.get(row, ()))  # gone with the row

    def tick(self, order: Order) -> None:
        """Account for an order that was carried out."""
        if order.number not in self.account.done:
            self.account.done.add(order.number)
            self.account.counts[order.mark.rule, order.action.value] += 1

    def stripped(self, kind: Strippable, count: int = 1) -> None:
        """Account for content that was removed because of its kind."""
        self.account.counts[f"clean.{kind.value}", Action.STRIP.value] += count

    def converted(self, extension: str) -> None:
        """Account for a conversion of the whole artifact to the format with this extension."""
        self.account.becomes = extension
        self.account.counts["clean.converted", extension.removeprefix(".")] += 1

    @property
    def drop_residue(self) -> Callable[[], None] | None:
        """What accounts for bytes that no program reads and that are not carried over; None if they stay, because nothing was found."""
        return self._dropped if self._orders else None

    def _dropped(self) -> None:
        self.account.counts["clean.residue", Action.STRIP.value] += 1

    def replaced(self) -> dict[str, str]:
        """Return the texts that masks and pseudonyms replace in this file and in the files inside it, with what takes their place."""
        found: dict[str, str] = {}
        for order in self._orders:
            mark = order.mark
            if mark.text is not None and mark.straight and order.action in (Action.MASK, Action.PSEUDONYM) and mark.text not in found:
                found[mark.text] = self._replace(mark, order.action, order.keep_length, mark.text)
        return found

    def signature_broken(self) -> None:
        """Account for a signature that the changes make invalid."""
        self.account.counts["clean.signature", "invalid"] += 1

    def page_pictured(self) -> None:
        """Account for a page that becomes a picture, because a text cannot be taken out of it."""
        self.account.counts["clean.page", "picture"] += 1

    def done_so_far(self) -> Account:
        """Return what has been done, for `undo_since`."""
        return deepcopy(self.account)

    def undo_since(self, before: Account) -> None:
        """Forget what was done since `before`, when a file is to be written in another way."""
        vars(self.account).update(vars(before))

    def encoded_again(self) -> None:
        """Account for a picture whose pixels are encoded another time in a format that loses some of them."""
        self.account.counts["clean.picture", "re-encoded"] += 1

    def edits(self, unit: Unit, value: str) -> list[Edit]:
        """Return the changes to the text of a unit: ascending, not overlapping. Their orders are ticked off.

        An order is left undone if the text is not what its engine saw: then the file is held back, rather than changed in a wrong place.
        Orders that drop a row or a cell are for the caller (`rows`, `drops_cell`).
        """
        found: list[OrderedRange] = []
        for order in self.units.get(unit, ()):
            if order.action not in (Action.DROP_ROW, Action.DROP_CELL) and is_there(order.mark, value):
                found += order.spans(value)
        return self.merged(found, value)

    def edits_that_fit(self, unit: Unit, value: str, fits: Callable[[Sequence[Edit]], bool]) -> list[Edit]:
        """Return the changes to the text of a unit in a place of limited size: if they do not fit, masks become as long as what they replace."""
        here = self.units.get(unit, ())
        if fits(Orders(here, self.strip, self._replace, None, self.member).edits(unit, value)):
            return self.edits(unit, value)
        shorter = [order._replace(keep_length=True) for order in here]
        return Orders(shorter, self.strip, self._replace, self.account, self.member, self.pulse).edits(unit, value)

    def merged(self, found: list[OrderedRange], value: str) -> list[Edit]:
        """Return the changes to ranges of a text: overlapping ones are joined, and the order with the longest says what takes their place.

        All orders are ticked off.
        """
        return self.joined(sorted(found, key=lambda one: (one[0], -one[1])), value)

    def joined(self, ascending: Iterable[OrderedRange], value: str) -> list[Edit]:
        """Return the same for ranges in order of their beginning; of those that begin together, the longest comes first."""
        edits: list[Edit] = []
        shown: list[tuple[Edit, Order]] = []
        group: list[OrderedRange] = []
        end = 0
        for one in ascending:
            if group and one[0] >= end:
                self._join(group, end, value, edits, shown)
                group = []
            end = max(end, one[1]) if group else one[1]
            group.append(one)
        if group:
            self._join(group, end, value, edits, shown)
        self._sample(value, edits, shown)
        return edits

    def _join(self, group: Sequence[OrderedRange], end: int, value: str, edits: list[Edit], shown: list[tuple[Edit, Order]]) -> None:
        """Add the edit for ranges that overlap, also to what is to be shown, if it is among the first of its kind."""
        start, chief = group[0].start, (group[0] if len(group) == 1 else max(group, key=_weight)).order
        if chief.action is Action.STRIP:
            edits.append(Edit(start, end, ""))
        else:
            place = url_place(value, start, end, chief.mark.rule)
            new = self._replace(chief.mark, chief.action, chief.keep_length, value[place.start : place.end])
            edits.append(Edit(place.start, place.end, place.fitted(new)))
        kind = chief.mark.rule, chief.action.value
        if self.account.shown[kind] < _ALIKE and self.account.shown.total() < _SAMPLES:
            self.account.shown[kind] += 1
            shown.append((edits[-1], chief))
        for _, _, order in group:
            self.tick(order)

    def _sample(self, value: str, edits: Sequence[Edit], shown: Sequence[tuple[Edit, Order]]) -> None:
        """Keep changes with some text around them, in which neighbouring values are replaced too."""
        for edit, order in shown:
            first, last = max(0, edit.start - _AROUND), min(len(value), edit.end + _AROUND)
            left = applied(value[first : edit.start], _within(edits, first, edit.start))
            right = applied(value[edit.end : last], _within(edits, edit.end, last))
            old = value[first : edit.start], _shortened(value[edit.start : min(edit.end, edit.start + _SHOWN + 1)]), value[edit.end : last]
            self.account.samples.append(Sample(order.mark.rule, order.action.value, left, right, _shortened(edit.text), old))

    def drops_cell(self, unit: Unit) -> bool:
        """Return whether the whole value of a unit is to be emptied; if so, its orders are ticked off."""
        orders = self.units.get(unit, ())
        if not any(order.action is Action.DROP_CELL for order in orders):
            return False
        for order in orders:
            self.tick(order)
        return True

    def cell(self, unit: Unit, value: str) -> str:
        """Return the value of a cell as it should be: unchanged, changed in places, or empty. The row is for the caller to drop."""
        if unit not in self.units:
            return value
        return "" if self.drops_cell(unit) else applied(value, self.edits(unit, value))

    @property
    def undone(self) -> Sequence[Order]:
        """Return the orders that nobody has carried out yet."""
        return self._orders.at(np.array(self.account.done.lacks(self._orders.numbers), np.int64))


def _weight(one: OrderedRange) -> tuple[int, bool]:
    """Return what decides among orders that overlap: the length, and of equal ones, that a name of a file becomes another name."""
    return one.end - one.start, one.order.mark.rule == REFERENCE


def applied(value: str, edits: Iterable[Edit]) -> str:
    """Return the text with its changes; they ascend and do not overlap."""
    pieces, at = [], 0
    for edit in edits:
        pieces += [value[at : edit.start], edit.text]
        at = edit.end
    return "".join([*pieces, value[at:]])


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _within(edits: Iterable[Edit], first: int, last: int) -> list[Edit]:
    """Return the changes that lie in a range, counted from its beginning; one at its edge is cut."""
    near = [one for one in edits if one.start < last and first < one.end]
    return [Edit(max(one.start, first) - first, min(one.end, last) - first, one.text) for one in near]


__all__ = ["Account", "DroppedRow", "Edit", "Order", "OrderedRange", "Orders", "Replace", "Sample", "Unit", "applied"]
