"""Changes the texts inside Arrow arrays, however nested. They are named by row and path, exactly as the reader of tables names them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.formats.columnar.blobs import as_text, is_picture
from veritensor_ray.formats.columnar.leaf_paths import LeafPath, field_path, labels, list_items, map_entries, offsets_of, place_of_member
from veritensor_ray.formats.columnar.picture_cells import PictureCells
from veritensor_ray.formats.columnar.text_columns import as_bytes, is_string, is_text_type, is_view, without_views
from veritensor_ray.formats.common.column_paths import shorten
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, Order, Orders, Unit, applied
from veritensor_ray.formats.editing.splice import spliced_value
from veritensor_ray.formats.recognition import by_magic

_SHORTEST_MAGIC = 8
_STEP = re.compile(r"[.\[]")
_CODECS = (("utf-8", b""), ("utf-16-le", b""), ("utf-16-be", b""), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"))


class TableOrders:
    """The orders for the texts of one table, by row and column. `numbered` says that its reader names the items of lists by their number."""

    def __init__(self, orders: Orders, names: Sequence[str], source: Source, numbered: bool = True) -> None:
        self.orders, self._numbered = orders, numbered
        self._pictures = PictureCells(orders, source)
        self._labels = [shorten(name) for name in names]
        numbers: dict[str, set[int]] = {}
        for number, label in enumerate(self._labels):
            numbers.setdefault(label, set()).add(number)
        both = [{number, *numbers[above]} for number, label in enumerate(self._labels) for above in _above(label) if above in numbers]
        self._shared = {number for some in both if len(some) > 1 for number in some}  # other columns may have texts with the same names
        self._columns: dict[int, frozenset[int]] = {}  # by row
        known: dict[frozenset[int], frozenset[int]] = {}  # many rows have the same
        for unit in itertools.chain(orders.units, self._pictures):
            if unit.row is not None and unit.column is not None and unit.part is None and unit.page is None:
                columns = self._columns.get(unit.row, frozenset()).union(*(numbers.get(label, ()) for label in _above(unit.column)))
                self._columns[unit.row] = known.setdefault(columns, columns)
        self._members = _members(orders)
        self._edited = np.array(sorted(self._columns), np.int64)
        self._dropped = np.array(sorted(orders.rows), np.int64)

    def edited(self, first: int, last: int) -> list[int]:
        """Return the rows of a range that have orders for their texts, without those that are left out."""
        found = self._edited[np.searchsorted(self._edited, first) : np.searchsorted(self._edited, last)]
        return [row for row in found.tolist() if row not in self.orders.rows]

    def dropped(self, first: int, last: int) -> list[int]:
        """Return the rows of a range that are to be left out."""
        found: list[int] = self._dropped[np.searchsorted(self._dropped, first) : np.searchsorted(self._dropped, last)].tolist()
        return found

    def drop(self, row: int) -> None:
        """Account for a row that was left out, with the files that its values were."""
        self.orders.drop_row(row)
        self.orders.account.done.update(self._members.get(row, ()))

    def touched(self, rows: Sequence[int]) -> set[int]:
        """Return the columns, by number, in which any of the rows has orders."""
        return set().union(*(self._columns[row] for row in rows))

    def rows_of(self, column: int, rows: Sequence[int]) -> list[int]:
        """Return those of the rows that have orders in a column."""
        return [row for row in rows if column in self._columns[row]]

    def changed(self, column: pa.Array, number: int, nullable: bool, first: int, rows: Sequence[int]) -> pa.Array:
        """Return a column with its orders carried out. `first` is the row of its first value, `rows` those that have orders in it."""
        at = [row - first for row in rows]
        return merged(column, at, self.values(taken(column, at), number, nullable, rows))

    def values(self, some: pa.Array, number: int, nullable: bool, rows: Sequence[int]) -> pa.Array:
        """Return the values of a column in some rows, with their orders carried out."""
        texts = _LeafEditor(self.orders, self._pictures, is_shared=number in self._shared, numbered=self._numbered)
        return texts.edited(some, nullable, self._labels[number], np.array(rows, np.int64))


def _above(path: str) -> Iterator[str]:
    """Yield the names of columns that a path may begin with; a name may have dots and brackets itself."""
    yield from (path[: found.start()] for found in _STEP.finditer(path))
    yield path


def _members(orders: Orders) -> dict[int, list[int]]:
    """Return the orders for files that are values of binary columns, by row."""
    found: dict[int, list[int]] = {}
    above = f"{orders.member}!/" if orders.member else ""
    for order in orders:
        member = order.mark.member or ""
        if member.startswith(above) and (place := place_of_member(member.removeprefix(above))) is not None:
            found.setdefault(place[0], []).append(order.number)
    return found


def merged(column: pa.Array, at: Sequence[int], new: pa.Array) -> pa.Array:
    """Return the column with new values at some places."""
    chosen = np.arange(len(column))
    chosen[list(at)] = np.arange(len(column), len(column) + len(new))
    return taken(pa.concat_arrays([column, new]), chosen)


def kept(column: pa.Array, first: int, dropped: Sequence[int]) -> pa.Array:
    """Return the column without some rows; `first` is the row of its first value."""
    if not dropped:
        return column
    stays = np.ones(len(column), bool)
    stays[[row - first for row in dropped]] = False
    return taken(column, np.flatnonzero(stays))


def taken(column: pa.Array, at: Sequence[int] | np.ndarray[Any, Any]) -> pa.Array:
    """Return some values of a column, in buffers that have no others."""
    some = without_views(column).take(pa.array(at, pa.int64()))  # pyarrow cannot take views, and a slice of them keeps all buffers
    return some.cast(column.type) if is_view(column.type) else some


class _LeafEditor:
    """Carries out the orders in arrays that consist of rows with orders.

    `is_shared` says that another column may have texts with the same names. A text is then changed only if it is the one that was seen.
    """

    def __init__(self, orders: Orders, pictures: PictureCells, is_shared: bool, numbered: bool) -> None:
        self._orders, self._pictures, self._is_shared, self._numbered = orders, pictures, is_shared, numbered

    def edited(self, column: pa.Array, nullable: bool, path: LeafPath, rows: Any) -> pa.Array:
        """Return an array of the same type. `rows` has the row of each value."""
        kind = column.type
        if isinstance(kind, pa.BaseExtensionType):
            return kind.wrap_array(self.edited(column.storage, nullable, path, rows))
        if pa.types.is_struct(kind):
            return self._struct(column, path, rows)
        if pa.types.is_map(kind):
            return self._map(column, path, rows)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            return self._list(column, path, rows)
        if is_view(kind):  # a cast gives the values a buffer without the old ones
            return self._leaf(without_views(column), nullable, path, rows).cast(kind)
        if is_text_type(kind) or pa.types.is_fixed_size_binary(kind):
            return self._leaf(column, nullable, path, rows)
        if pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            raise CannotRewriteError(f"it has findings in a column of the type {kind}")
        return column

    def _struct(self, column: pa.StructArray, path: LeafPath, rows: Any) -> pa.Array:
        fields = list(column.type)
        if not fields:
            return column
        children = [self.edited(column.field(i), field.nullable, field_path(path, field), rows) for i, field in enumerate(fields)]
        return pa.StructArray.from_arrays(children, fields=fields, mask=column.is_null())

    def _map(self, column: pa.MapArray, path: LeafPath, rows: Any) -> pa.Array:
        kind = column.type
        inner = map_entries(column, path, rows)
        key, value = (field_path(inner.path, field) for field in inner.values.type)
        keys = self.edited(inner.values.field(0), False, key, inner.rows)
        items = self.edited(inner.values.field(1), kind.item_field.nullable, value, inner.rows)
        return pa.MapArray.from_arrays(offsets_of(column, pa.int32()), keys, items, type=kind, mask=_mask(column))

    def _list(self, column: pa.Array, path: LeafPath, rows: Any) -> pa.Array:
        kind = column.type
        inner = list_items(column, path, rows)
        named = inner.path if self._numbered else _without_numbers(inner.path)
        values = self.edited(inner.values, kind.value_field.nullable, named, inner.rows)
        if pa.types.is_fixed_size_list(kind):
            return self._fixed_size(column, values)
        made = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        width = pa.int64() if pa.types.is_large_list(kind) else pa.int32()
        return made.from_arrays(offsets_of(column, width), values, type=kind, mask=_mask(column))

    def _fixed_size(self, column: pa.Array, values: pa.Array) -> pa.Array:
        """Put values where they were; a list that is null has places for values too."""
        size = column.type.list_size
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        chosen = np.zeros((len(column), size), np.int64)
        chosen[valid] = np.arange(int(valid.sum()) * size).reshape(-1, size)
        spread = np.repeat(~valid, size)
        taken = values.take(pa.array(chosen.ravel(), pa.int64(), mask=spread))
        return pa.FixedSizeListArray.from_arrays(taken, type=column.type, mask=_mask(column))

    def _leaf(self, column: pa.Array, nullable: bool, path: LeafPath, rows: Any) -> pa.Array:
        orders, kind = self._orders, column.type
        paths = labels(path, column).to_pylist()
        units = [Unit(row=row, column=its) for row, its in zip(rows.tolist(), paths, strict=True)]
        wanted = [i for i, unit in enumerate(units) if unit in orders.units or unit in self._pictures]
        if not wanted:
            return column
        times = Counter(units)
        raw_kind = as_bytes(kind)
        values = column.view(raw_kind).to_pylist()
        for i in wanted:
            if values[i]:
                shared = self._is_shared or times[units[i]] > 1
                values[i] = self._value(units[i], values[i], kind, nullable, shared)
        return pa.array(values, raw_kind).view(kind)

    def _value(self, unit: Unit, raw: bytes, kind: pa.DataType, nullable: bool, shared: bool) -> bytes | None:
        orders = self._orders
        is_text = is_string(kind)
        here = [] if shared and not is_text else orders.units.get(unit, ())
        text = raw.decode("utf-8", "replace") if is_text else binary_text(raw)
        if any(order.action is Action.DROP_CELL for order in here) and (nullable or not pa.types.is_fixed_size_binary(kind)):
            if shared and not all(_is_seen(order, text or "") for order in here):
                return raw
            orders.drops_cell(unit)
            return None if nullable else b""
        if not is_text and is_picture(raw):
            return raw if shared else self._fitting(self._pictures.changed(unit, raw), raw, kind)
        if text is None or (shared and not all(order.mark.straight for order in here)):
            return raw
        if not is_text and any((order.mark.decoded_via or "").endswith("strings") for order in here):
            return raw
        new: bytes | None = raw
        edits = orders.edits(unit, text)
        if is_text and not shared and (files := self._pictures.in_text(unit, text)):
            edits = sorted([*edits, *files])
            if any(one.end > two.start for one, two in itertools.pairwise(edits)):
                raise CannotRewriteError("a finding lies in the base64 of a file that changes")
        if edits:
            new = spliced_value(raw, edits) if is_text else encoded_again(raw, text, edits)
        return self._fitting(new, raw, kind)

    def _fitting(self, new: bytes | None, raw: bytes, kind: pa.DataType) -> bytes:
        """Return the new value. Raises CannotRewriteError if a column of the type cannot have it."""
        if new is None or (pa.types.is_fixed_size_binary(kind) and len(new) != len(raw)):
            raise CannotRewriteError(f"a binary value of the type {kind} cannot be changed")
        return new


def _without_numbers(path: LeafPath) -> LeafPath:
    """Return the paths of the items of lists as they are if all items of a list have the same."""
    return pc.replace_substring_regex(path, r"\[\d+\]$", "[]") if isinstance(path, pa.Array) else path


def _is_seen(order: Order, text: str) -> bool:
    mark = order.mark
    return bool(mark.straight and text[mark.start : mark.end] == mark.text)


def binary_text(raw: bytes) -> str | None:
    """Return a binary value as text if the reader takes it for text."""
    if is_picture(raw) or (len(raw) >= _SHORTEST_MAGIC and by_magic(raw[:HEAD_BYTES]) is not None):
        return None
    return as_text(raw)


def encoded_again(raw: bytes, text: str, edits: Sequence[Edit]) -> bytes | None:
    """Return a changed binary value in the encoding that it had."""
    for codec, mark in _CODECS:
        if mark + text.encode(codec, "replace") == raw:
            return mark + applied(text, edits).encode(codec, "replace")
    return None


def _mask(column: pa.Array) -> pa.Array | None:
    return column.is_null() if column.null_count else None
