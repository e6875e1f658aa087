"""The least and greatest strings that the statistics of ORC files have, to be compared with the values of the columns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.records import protobuf
from veritensor_ray.formats.residue.hidden import hidden

_NUMBERS = (1, 2, 3, 5, 7, 8, 9, 10, 11, 12)  # fields of statistics that hold nothing but numbers
_STRINGS, _DECIMALS = 4, 6
_CUT = 1000  # bytes from which on a bound may be the beginning of a value
_DECIMAL = re.compile(rb"[0-9.eE+-]*")


class OrcStatistics:
    """The strings in the statistics of a file, by column. Those that are values of the column are forgotten."""

    def __init__(self) -> None:
        self._left: dict[int, set[bytes]] = defaultdict(set)

    def add(self, column: int, statistics: bytes) -> None:
        """Take note of the statistics of a column. Raises ValueError."""
        for number, value in protobuf.fields(statistics):
            if number == _STRINGS and isinstance(value, bytes):
                self._left[column].update(one for _, one in protobuf.fields(value) if isinstance(one, bytes) and len(one) < _CUT)
            elif number == _DECIMALS and isinstance(value, bytes):
                self._left[column].update(
                    one for _, one in protobuf.fields(value) if isinstance(one, bytes) and not _DECIMAL.fullmatch(one)
                )
            elif number not in _NUMBERS and isinstance(value, bytes):
                self._left[column].add(value)

    def see(self, column: int, values: pa.Array) -> None:
        """Forget the strings that are values of a column."""
        if left := self._left.get(column):
            some = pa.array(sorted(left), pa.binary())
            left -= set(some.filter(pc.is_in(some, value_set=values)).to_pylist())

    def rest(self) -> Iterator[Block]:
        """Yield the strings that are not values."""
        for column, left in self._left.items():
            yield from hidden(b"\0".join(sorted(left)), f"statistics of column {column}")
