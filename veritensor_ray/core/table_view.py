"""What the snapshot of a table shows of one of its data files: which columns, by which names, with which shared values, and which rows.

It travels in the plan as JSON, and depends on no kind of table.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: its name in the table and in the file.

    If it has a number, a column of the file with the same field ID is meant, whatever its name. `inner` holds the fields of a struct, the
    item of a list, or the key and the value of a map.
    """

    name: str
    stored: str
    number: int | None = None
    inner: tuple[TableColumn, ...] = ()

    def to_json(self) -> list[Any]:
        """Return plain data for `from_json`."""
        return [self.name, self.stored, self.number, [one.to_json() for one in self.inner]]

    @classmethod
    def from_json(cls, data: list[Any]) -> TableColumn:
        """Return the column that `to_json` described."""
        name, stored, number, inner = data
        return cls(name, stored, number, tuple(map(cls.from_json, inner)))


class TableFragment(NamedTuple):
    """A part of a table's rows: its number, and how many rows it has, deleted ones among them. Several files may have columns of these rows."""

    number: int
    rows: int
    is_shared: bool


@dataclass(frozen=True, slots=True)
class TableView:
    """What a snapshot shows of a data file.

    Columns that are not in `columns` are not part of the table. `constants` are columns whose value is the same in every row, unless the
    file has the column; if the `log_decides`, they have this value in any case, and a file may only repeat it. `deleted` has a bit for each row, the lowest first; rows beyond its end are not deleted.

    `lance` is what the library for Lance files has to know of this one, as JSON. It takes the place of `columns` and `constants`; a file
    without it is a Parquet file.

    `about` is what the log of a copy of the table has to say, as JSON of the module for its kind; it is empty if no such log can be written.
    `fragment` is what the rows of the file are, in a table that numbers them so.
    """

    columns: tuple[TableColumn, ...]
    constants: tuple[tuple[str, str], ...] = ()
    deleted: bytes = b""
    lance: str = ""
    about: str = ""
    log_decides: bool = False
    fragment: TableFragment | None = None

    def living(self, first: int, count: int) -> Mask:
        """Return which of some rows are part of the table."""
        start = first // 8
        bits = np.unpackbits(np.frombuffer(self.deleted, np.uint8)[start : (first + count + 7) // 8], bitorder="little").astype(bool)
        found = np.ones(count, bool)
        here = bits[first - start * 8 :][:count]
        found[: len(here)] = ~here
        return found

    @property
    def hidden(self) -> int:
        """The number of deleted rows."""
        return int.from_bytes(self.deleted, "little").bit_count()

    def to_bytes(self) -> bytes:
        """Return the view as JSON. Equal views give equal bytes."""
        deleted = base64.b85encode(zlib.compress(self.deleted)).decode() if self.deleted else ""
        columns = [one.to_json() for one in self.columns]
        return json.dumps([columns, self.constants, deleted, self.lance, self.about, self.log_decides, self.fragment]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TableView:
        """Return the view that `to_bytes` gave."""
        columns, constants, deleted, lance, about, decides, fragment = json.loads(data)
        bits = zlib.decompress(base64.b85decode(deleted)) if deleted else b""
        shared = tuple((name, value) for name, value in constants)
        place = fragment and TableFragment(*fragment)
        return cls(tuple(map(TableColumn.from_json, columns)), shared, bits, lance, about, decides, place)


def packed(deleted: Iterable[bool] | Mask) -> bytes:
    """Return `TableView.deleted` for rows in order. Nothing is said of rows after the last deleted one."""
    return np.packbits(np.asarray(deleted, bool), bitorder="little").tobytes().rstrip(b"\0")


__all__ = ["Mask", "TableColumn", "TableFragment", "TableView", "packed"]
