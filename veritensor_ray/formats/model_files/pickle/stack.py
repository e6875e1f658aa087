"""A bounded model of an unpickler's stack: values that lie too deep are lost, and names from there are unresolved."""

from __future__ import annotations

from veritensor_ray.core import bounds
from veritensor_ray.formats.model_files.pickle.pickle_values import LOST

_ITEMS = bounds.PICKLE_STACK
_MARKS = 10_000


class Stack:
    """`top` holds the values above the last mark. `faults` counts errors at which an unpickler would fail, and which are ignored here."""

    def __init__(self) -> None:
        self.top: list[object] = []
        self.faults = 0
        self._below: list[list[object]] = []  # one list per mark
        self._parked = 0  # the number of items in them

    def push(self, value: object) -> None:
        """Push a value."""
        self.top.append(value)
        if len(self.top) > _ITEMS:
            del self.top[: _ITEMS // 2]

    def pop(self) -> object:
        """Pop the last value, or LOST if there is none."""
        if self.top:
            return self.top.pop()
        self.faults += 1
        return LOST

    def pop_or_mark(self) -> None:
        """Execute POP, which removes a mark if that is on top."""
        if self.top or not self._below:
            self.pop()
        else:
            self.since_mark()

    def below(self) -> object:
        """Return the value below the last mark, or LOST if there is none."""
        return self._below[-1][-1] if self._below and self._below[-1] else LOST

    def mark(self) -> None:
        """Push a mark."""
        self._below.append(self.top)
        self._parked += len(self.top)
        self.top = []
        if len(self._below) > _MARKS or self._parked > 8 * _ITEMS:
            del self._below[: max(1, len(self._below) // 2)]
            self._parked = sum(map(len, self._below))

    def since_mark(self) -> list[object]:
        """Pop everything above the last mark, and the mark."""
        items = self.top
        if self._below:
            self.top = self._below.pop()
            self._parked -= len(self.top)
        else:
            self.faults += 1
            self.top = []
        return items
