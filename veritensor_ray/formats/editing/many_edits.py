"""Orders in columns, for files with a million findings: an order is an object only while somebody works with it."""

from __future__ import annotations

import itertools
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast, overload

import numpy as np

from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.marks import Mark, Marks
from veritensor_ray.formats.editing.spans import Range, Runs, invisible_runs, spans

Ints = np.ndarray[Any, np.dtype[np.int64]]
FEW = 64  # orders that are kept as objects, which is faster; more of them take too much memory


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


class ManyOrders(Sequence[Order]):
    """Orders, of which there may be a million: each is made from its mark when somebody asks for it.

    Orders of one kind differ only in number and in what differs between marks of one kind. `kinds` holds one of each, and `which` the kind
    of each order, by its place in `kinds`. Without `marks`, every order is a kind of its own.
    """

    def __init__(self, kinds: Sequence[Order], which: Ints, numbers: Ints, marks: Marks | None = None) -> None:
        self.kinds, self.which, self.numbers, self._marks = kinds, which, numbers, marks
        self._which, self._numbers = which.data, numbers.data  # items of these are integers of Python

    @classmethod
    def listed(cls, orders: Sequence[Order]) -> ManyOrders:
        """Return these orders."""
        return cls(orders, np.arange(len(orders)), np.array([order.number for order in orders], np.int64))

    @classmethod
    def of(cls, marks: Marks, decided: Sequence[tuple[Action, bool]]) -> ManyOrders:
        """Return the orders for marks, without those to keep something. `decided` gives each kind's action, and whether to keep the length."""
        kinds = [Order(number, mark, *some) for number, (mark, some) in enumerate(zip(marks.kinds, decided, strict=True))]
        orders = cls(kinds, marks.which.astype(np.int64), np.arange(len(marks)), marks)
        return orders.such(lambda kind: kind.action is not Action.KEEP)

    def such(self, wanted: Callable[[Order], bool]) -> ManyOrders:
        """Return the orders of some kinds."""
        chosen = [wanted(kind) for kind in self.kinds]
        return self if all(chosen) else self.at(np.flatnonzero(np.array(chosen)[self.which]))

    def at(self, places: Ints) -> ManyOrders:
        """Return the orders at some places of this sequence."""
        if not len(places):
            return ManyOrders((), places, places)
        kinds, which = np.unique(self.which[places], return_inverse=True)
        return ManyOrders([self.kinds[kind] for kind in kinds.tolist()], which, self.numbers[places], self._marks)

    @property
    def rows(self) -> Ints:
        """The row of each order, -1 for one that has none."""
        of_kinds = np.array([-1 if kind.mark.row is None else kind.mark.row for kind in self.kinds], np.int64)[self.which]
        return of_kinds if self._marks is None else np.where(of_kinds < 0, -1, self._marks.rows[self.numbers])

    def __len__(self) -> int:
        return len(self.which)

    @overload
    def __getitem__(self, at: int) -> Order: ...
    @overload
    def __getitem__(self, at: slice) -> ManyOrders: ...
    def __getitem__(self, at: int | slice) -> Order | ManyOrders:
        if isinstance(at, slice):
            return self.at(np.arange(len(self))[at])
        kind = self.kinds[self._which[at]]
        if self._marks is None:
            return kind
        number = self._numbers[at]
        return Order(number, self._marks[number], kind.action, kind.keep_length)

    def __iter__(self) -> Iterator[Order]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence) and len(self) == len(other) and all(itertools.starmap(operator.eq, zip(self, other, strict=True)))
        )

    __hash__ = None  # type: ignore[assignment]


class _Groups:
    """The places of some orders in their sequence, grouped by a number that their kind has and by row. Negative numbers are left out."""

    def __init__(self, orders: ManyOrders, numbers: Sequence[int], most: int) -> None:
        heads = np.array(numbers, np.int64)[orders.which]
        at = np.flatnonzero(heads >= 0)
        heads, rows = heads[at], orders.rows[at]
        ascending = np.lexsort((rows, heads))
        self._heads, rows, self.every = heads[ascending], rows[ascending], at[ascending]
        self._rows, self._at = rows.data, self.every.data
        self._limits: list[int] = [0, *np.cumsum(np.bincount(self._heads, minlength=most)).tolist()]

    @cached_property
    def _firsts(self) -> Ints:
        """Where each group begins."""
        begins = np.ones(len(self._heads), bool)
        begins[1:] = self._heads[1:] != self._heads[:-1]
        rows = np.asarray(self._rows)
        begins[1:] |= rows[1:] != rows[:-1]
        return np.flatnonzero(begins)

    def __len__(self) -> int:
        return len(self._firsts)

    def __bool__(self) -> bool:
        return len(self.every) > 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the row of each group, in the order of their first orders."""
        for first in self._firsts[np.argsort(self.every[self._firsts])]:
            yield int(self._heads[first]), self._rows[first]

    def first(self, number: int, row: int) -> int:
        """Return where a group begins; -1 if there is none."""
        last = self._limits[number + 1]
        first = bisect_left(self._rows, row, self._limits[number], last)
        return first if first < last and self._rows[first] == row else -1

    def at(self, number: int, row: int) -> list[int]:
        """Return the places of the orders of a group."""
        first = self.first(number, row)
        if first < 0:
            return []
        found: list[int] = self._at[first : bisect_right(self._rows, row, first, self._limits[number + 1])].tolist()
        return found


class OrdersByUnit(Mapping[Unit, list[Order]]):
    """The orders for texts of a file. `own` says which kinds of orders these are."""

    def __init__(self, orders: ManyOrders, own: Sequence[bool]) -> None:
        self._orders = orders
        self._numbers: dict[tuple[Any, ...], int] = {}
        of_kinds = [-1] * len(own)
        for kind in itertools.compress(range(len(own)), own):
            mark = orders.kinds[kind].mark
            of_kinds[kind] = self._numbers.setdefault((mark.part, mark.page, mark.column), len(self._numbers))
        self._groups = _Groups(orders, of_kinds, len(self._numbers))
        self._last: tuple[Unit, list[Order]] = Unit(), []  # formats ask about a unit several times

    def every(self) -> ManyOrders:
        """Return all of them. In a file without rows, those of each unit come together."""
        return self._orders.at(self._groups.every)

    def __len__(self) -> int:
        return len(self._groups)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[Unit]:
        names = list(self._numbers)
        for number, row in self._groups:
            part, page, column = names[number]
            yield Unit(part, page, None if row < 0 else row, column)

    def __contains__(self, unit: object) -> bool:
        return bool(self._found(cast("Unit", unit)))

    def __getitem__(self, unit: Unit) -> list[Order]:
        if found := self._found(unit):
            return found
        raise KeyError(unit)

    def get(self, unit: Unit, default: Any = None) -> Any:
        """Return the orders of a unit."""
        return self._found(unit) or default

    def _found(self, unit: Unit) -> list[Order]:
        part, page, row, column = unit
        number = self._numbers.get((part, page, column))
        if number is None:
            return []
        if self._last[0] != unit or not self._last[1]:
            self._last = unit, [self._orders[at] for at in self._groups.at(number, -1 if row is None else row)]
        return self._last[1]


class OrdersByRow(Mapping[int, list[Order]]):
    """Orders by row. `own` says which kinds of orders these are; all of them have rows."""

    def __init__(self, orders: ManyOrders, own: Sequence[bool]) -> None:
        self._orders = orders
        self._groups = _Groups(orders, [0 if one else -1 for one in own], 1)

    def __len__(self) -> int:
        return len(self._groups)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[int]:
        return (row for _, row in self._groups)

    def __contains__(self, row: object) -> bool:
        return self._groups.first(0, cast("int", row)) >= 0

    def __getitem__(self, row: int) -> list[Order]:
        found = self._groups.at(0, row)
        if not found:
            raise KeyError(row)
        return [self._orders[at] for at in found]


class Numbers:
    """A set of small numbers, with a byte for each."""

    def __init__(self) -> None:
        self._has = bytearray()

    def add(self, number: int) -> None:
        """Add a number."""
        if number >= len(self._has):
            self._has += bytes(number + 1)  # more than needed, because others will follow
        self._has[number] = 1

    def update(self, numbers: Iterable[int]) -> None:
        """Add numbers."""
        for number in numbers:
            self.add(number)

    def __contains__(self, number: int) -> bool:
        return number < len(self._has) and self._has[number] == 1

    def lacks(self, numbers: Ints) -> list[int]:
        """Return the places of the numbers that are not in the set."""
        if len(numbers) <= FEW:
            return [place for place, number in enumerate(numbers.tolist()) if number not in self]
        has = np.frombuffer(self._has.ljust(int(numbers.max()) + 1, b"\0"), np.bool_)
        missing: list[int] = np.flatnonzero(~has[numbers]).tolist()
        return missing
