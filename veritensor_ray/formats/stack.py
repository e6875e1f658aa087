"""The stack of an unpickler, bounded: what lies too deep is lost, and names that come from there are unresolved; it knows no opcode."""

from __future__ import annotations

from veritensor_ray import bounds
from veritensor_ray.formats.pickle_values import DULL

_ITEMS = bounds.PICKLE_STACK
_MARKS = 10_000


class Stack:
    """`top` holds what stands above the last mark; `faults` counts what an unpickler would refuse, which is passed over here."""

    def __init__(self) -> None:
        self.top: list[object] = []
        self.faults = 0
        self._below: list[list[object]] = []  # a list for each mark
        self._parked = 0  # items in them

    def push(self, value: object) -> None:
        """One more."""
        self.top.append(value)
        if len(self.top) > _ITEMS:
            del self.top[: _ITEMS // 2]

    def pop(self) -> object:
        """The last one, or DULL where there is none."""
        if self.top:
            return self.top.pop()
        self.faults += 1
        return DULL

    def pop_or_mark(self) -> None:
        """What POP does: where a mark is the last, it is the mark."""
        if self.top or not self._below:
            self.pop()
        else:
            self.since_mark()

    def mark(self) -> None:
        """Put a mark."""
        self._below.append(self.top)
        self._parked += len(self.top)
        self.top = []
        if len(self._below) > _MARKS or self._parked > 8 * _ITEMS:
            del self._below[: max(1, len(self._below) // 2)]
            self._parked = sum(map(len, self._below))

    def since_mark(self) -> list[object]:
        """Everything above the last mark, and the mark, taken off."""
        items = self.top
        if self._below:
            self.top = self._below.pop()
            self._parked -= len(self.top)
        else:
            self.faults += 1
            self.top = []
        return items
