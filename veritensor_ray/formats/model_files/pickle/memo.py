"""The memo of a pickle: numbered as unpicklers do, but holding only names and short texts."""

from __future__ import annotations

from veritensor_ray.core import bounds
from veritensor_ray.formats.model_files.pickle.pickle_values import LOST, Called, Name

_ENTRIES = bounds.PICKLE_MEMO
_CHARS = bounds.HELD
_LONGEST = 256  # characters of a text that may be a name, or tell what it is for
_SPARSE = bounds.PICKLE_SPARSE


class Memo:
    """Maps indexes to values. `count` is the next index that MEMOIZE uses, which is the number of indexes in use."""

    def __init__(self, below: Memo | None = None) -> None:
        self._below = below
        self._values: dict[int, object] = {}
        self._chars = 0
        self._dense = below.count if below else 0  # all indexes below this are in use
        self._sparse: set[int] = set()

    @property
    def count(self) -> int:
        """The number of indexes in use."""
        return self._dense + len(self._sparse)

    def __contains__(self, index: int) -> bool:
        return index < self._dense or index in self._sparse

    def put(self, index: int, value: object) -> None:
        """Store a value. Values that cannot matter for a call are only counted."""
        if index == self._dense:
            self._dense += 1
            while self._sparse and self._dense in self._sparse:
                self._sparse.discard(self._dense)
                self._dense += 1
        elif index > self._dense and len(self._sparse) < _SPARSE:
            self._sparse.add(index)
        if _matters(value) and len(self._values) < _ENTRIES and self._chars < _CHARS:
            self._chars += len(value) if isinstance(value, str) else 64
            self._values[index] = value
        elif self._below:
            self._values[index] = LOST
        elif self._values:
            self._values.pop(index, None)

    def overlay(self) -> Memo:
        """A memo that extends this one without changing it."""
        return Memo(self)

    def get(self, index: int) -> object:
        """The stored value, or LOST."""
        if index in self._values:
            return self._values[index]
        return self._below.get(index) if self._below else LOST


def _matters(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST
    if isinstance(value, Called):
        return isinstance(value.function, Name) and value.function.name in ("dtype", "NumpyArrayWrapper")
    return isinstance(value, Name)
