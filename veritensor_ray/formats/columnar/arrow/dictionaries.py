"""Changes columns of Arrow files whose values are numbers of a dictionary: values that no row has any more must leave the dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.formats.columnar.text_columns import as_bytes
from veritensor_ray.formats.editing.actions import CannotRewriteError

_Codes = np.ndarray[Any, np.dtype[np.int64]]
_NONE = -1


class Dictionary:
    """The dictionary of one column. All batches are shown to it with `see`; after `settle`, `column` gives each batch its new column.

    The new dictionary has the old values in the old order. A new value takes the place of the one that it replaces if no row has that
    any more; other new values are appended.
    """

    def __init__(self, kind: pa.DictionaryType) -> None:
        self._kind = kind
        self._values: list[Any] = []
        self._known: dict[Any, int] = {}
        self._last: tuple[pa.Array, _Codes] | None = None
        self._after: set[int] = set()
        self._changes: list[tuple[_Codes, list[int], list[Any]]] = []  # of each batch: its codes, and the places and values that are new
        self._new: pa.Array = None
        self._codes: list[_Codes] = []

    def see(self, column: pa.DictionaryArray, at: Sequence[int], new: pa.Array | None, dropped: Sequence[int]) -> None:
        """Take note of a batch, in which the values at some places are replaced and those at others left out."""
        codes = self._coded(column)
        stays = np.ones(len(codes), bool)
        stays[[*at, *dropped]] = False
        self._after.update(np.unique(codes[stays]).tolist())
        self._changes.append((codes, list(at), [] if new is None else _raw(new).to_pylist()))

    def _coded(self, column: pa.DictionaryArray) -> _Codes:
        """Return the numbers of the values in the dictionary of the whole file, -1 for null."""
        if self._last is None or not (self._last[0] is column.dictionary or self._last[0].equals(column.dictionary)):
            values = _raw(column.dictionary).to_pylist()
            if self._last is None:  # a value may be there twice
                self._values = values
                self._known = {value: number for number, value in reversed([*enumerate(values)])}
                numbers = np.arange(len(values))
            else:
                numbers = np.array([self._number(value) for value in values], np.int64)
            self._last = column.dictionary, numbers
        indices = pc.fill_null(column.indices.cast(pa.int64()), _NONE).to_numpy(zero_copy_only=False)
        codes: _Codes = np.append(self._last[1], _NONE)[indices]
        return codes

    def _number(self, value: Any) -> int:
        if value not in self._known:
            self._known[value] = len(self._values)
            self._values.append(value)
        return self._known[value]

    def settle(self) -> None:
        """Make the new dictionary."""
        lost = set(range(len(self._values))) - self._after  # those that no row ever had too: nobody has checked them
        for number in lost:
            if self._known.get(self._values[number]) == number:
                del self._known[self._values[number]]
        for codes, at, values in self._changes:
            made = codes.copy()
            for place, value in zip(at, values, strict=True):
                made[place] = _NONE if value is None else self._place(value, int(codes[place]), lost)
            self._codes.append(made)
        kept = np.array([number for number in range(len(self._values)) if number not in lost], np.int64)
        if len(kept) > 2 ** (self._kind.index_type.bit_width - (not pa.types.is_unsigned_integer(self._kind.index_type))):
            raise CannotRewriteError("a dictionary would have more values than its numbers can count")
        moved = np.full(len(self._values) + 1, _NONE, np.int64)
        moved[kept] = np.arange(len(kept))
        self._codes = [moved[codes] for codes in self._codes]
        values = [self._values[number] for number in kept.tolist()]
        self._new = pa.array(values, as_bytes(self._kind.value_type)).view(self._kind.value_type)
        self._changes.clear()

    def _place(self, value: Any, old: int, lost: set[int]) -> int:
        """Return the number of a new value."""
        if value in self._known:
            return self._known[value]
        if old in lost:
            lost.remove(old)
            self._values[old] = value
            self._known[value] = old
        return self._number(value)

    def column(self, batch: int) -> pa.DictionaryArray:
        """Return the column of a batch with its new values. Rows that are to be left out are null if no other row has their value."""
        codes = self._codes[batch]
        indices = pa.array(np.maximum(codes, 0), pa.int64(), mask=codes == _NONE).cast(self._kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, self._new, ordered=self._kind.ordered)


def _raw(values: pa.Array) -> pa.Array:
    return values.view(as_bytes(values.type))
