"""Shows batches of a data file as the snapshot of a table has them: its columns by its names, and no deleted rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.core.table_view import Mask, TableColumn, TableView
from veritensor_ray.core.wording import counted
from veritensor_ray.formats.columnar.leaf_paths import offsets_of
from veritensor_ray.formats.common.column_paths import shorten

_FIELD_ID = b"PARQUET:field_id"
_NOT_SHOWN = 20  # columns that a gap names


class ViewedFile:
    """A data file in a table. Without a view, everything is shown as it is."""

    def __init__(self, view: TableView | None, schema: pa.Schema, rows: int) -> None:
        self._view, self._schema, self._rows = view, schema, rows
        self._columns = _matched(view.columns, list(schema)) if view else {}

    def shows(self, name: str) -> bool:
        """Return whether a column of the file is part of the table."""
        return self._view is None or name in self._columns

    def keeps(self, name: str) -> bool:
        """Return whether a copy of the file has a column. It does not repeat values of a log, since it could not change them there."""
        return self.shows(name) and not (self._view and self._view.log_decides and self.called(name) in dict(self._view.constants))

    def called(self, name: str) -> str | None:
        """Return what the table calls a column of the file, or None if it does not have it."""
        if self._view is None:
            return name
        return self._columns[name].name if name in self._columns else None

    @property
    def hides(self) -> str | None:
        """What the file holds that the table does not have, or None."""
        hidden = self._view.hidden if self._view else 0
        others = len(list(_others(self._view.columns, list(self._schema), ""))) if self._view else 0
        return hidden_words(hidden, others)

    def deleted(self, first: int, last: int) -> list[int]:
        """Return the rows of a range that are deleted."""
        if self._view is None:
            return []
        found: list[int] = (np.flatnonzero(~self._view.living(first, last - first)) + first).tolist()
        return found

    def is_whole(self, name: str) -> bool:
        """Return whether the table has all that a column of the file holds."""
        return self._view is None or not any(_others_inside(self._schema.field(name).type, self._columns[name], ""))

    def shown(self, batch: pa.RecordBatch, first: int) -> tuple[pa.RecordBatch, Any]:
        """Return a batch that begins at a row of the file without what is not shown, and the rows of the file that are left."""
        batch, rows = living_rows(self._view, batch, first)
        if self._view is None:
            return batch, rows
        seen = [self._columns[name] for name in batch.schema.names]
        columns = [_projected(column, one) for column, one in zip(batch.columns, seen, strict=True)]
        return pa.RecordBatch.from_arrays(columns, [one.name for one in seen]) if columns else batch, rows

    def beside(self) -> Iterator[Block | Gap]:
        """Yield the values that all rows share, once for the file, and what is in the file but not in the table."""
        if self._view is None:
            return
        stored = {one.name for one in self._columns.values()}
        constants = [(name, value) for name, value in self._view.constants if self._view.log_decides or name not in stored]
        if constants and self._view.hidden < self._rows:
            names, values = zip(*constants, strict=True)
            yield Block(list(values), column=[shorten(name) for name in names])
        yield from deleted_rows(self._view)
        if others := list(_others(self._view.columns, list(self._schema), "")):
            yield dropped_columns(len(others), others)


def hidden_words(rows: int, columns: int) -> str | None:
    """Return a phrase for what a file holds besides the data of its table, such as "2 deleted rows", or None."""
    said = [counted(count, what) for count, what in ((rows, "deleted row"), (columns, "dropped column")) if count]
    return " and ".join(said) or None


def living_rows(view: TableView | None, batch: pa.RecordBatch, first: int) -> tuple[pa.RecordBatch, Any]:
    """Return the rows of a batch that are not deleted, and their numbers. The batch begins at the row `first` of the file."""
    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
    living = None if view is None else view.living(first, batch.num_rows)
    return (batch, rows) if living is None or living.all() else (_kept(batch, living), rows[living])


def deleted_rows(view: TableView) -> Iterator[Gap]:
    """Yield a gap for the deleted rows of a file, if it has some."""
    if hidden := view.hidden:
        was = "is still in the file: it was" if hidden == 1 else "are still in the file: they were"
        yield _left_out(f"{counted(hidden, 'deleted row')} {was} not read, and its bytes as a whole were not searched", hidden)


def dropped_columns(count: int, names: Sequence[str] = ()) -> Gap:
    """Return a gap for columns of a file that the table does not have. Their names may be unknown."""
    named = f": {', '.join(names[:_NOT_SHOWN])}" if names else ""
    return _left_out(f"columns that are not in the table's snapshot were not read{named}", count)


def _kept(batch: pa.RecordBatch, living: Mask) -> pa.RecordBatch:
    """Return some rows of a batch. They are cut out and put together, since pyarrow cannot filter views."""
    edges = np.flatnonzero(np.diff(living, prepend=False, append=False)).reshape(-1, 2)
    return pa.concat_batches([batch.slice(0, 0), *(batch.slice(first, end - first) for first, end in edges.tolist())])


def _left_out(reason: str, count: int) -> Gap:
    return Gap(reason, count=count, coverage=ReasonCode.HIDDEN_BY_SNAPSHOT, code=ReasonCode.HIDDEN_BY_SNAPSHOT)


def _matched(columns: Sequence[TableColumn], fields: Sequence[pa.Field]) -> dict[str, TableColumn]:
    """Return the columns of a table by their names in the file."""
    numbers = {one.number: one for one in columns if one.number is not None}
    names = {one.stored: one for one in columns}
    found = {}
    for field in fields:
        number = (field.metadata or {}).get(_FIELD_ID, b"")
        column = numbers.get(int(number)) if numbers and number.isdigit() else names.get(field.name)
        if column is not None:
            found[field.name] = column
    return found


def _others(columns: Sequence[TableColumn], fields: Sequence[pa.Field], above: str) -> Iterator[str]:
    """Yield the paths of fields that the table does not have, in any depth."""
    known = _matched(columns, fields)
    for field in fields:
        if field.name not in known:
            yield f"{above}{shorten(field.name)}"
        else:
            yield from _others_inside(field.type, known[field.name], f"{above}{shorten(field.name)}.")


def _others_inside(kind: pa.DataType, shape: TableColumn, above: str) -> Iterator[str]:
    if pa.types.is_struct(kind):
        yield from _others(shape.inner, list(kind), above)
    elif shape.inner and (pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        for inner, one in zip((kind.key_type, kind.item_type) if pa.types.is_map(kind) else (kind.value_type,), shape.inner, strict=False):
            yield from _others_inside(inner, one, above)


def _projected(column: pa.Array, shape: TableColumn) -> pa.Array:
    """Return a column with the fields of its structs as the table has them, in any depth."""
    if not _differs(column.type, shape):
        return column
    kind, mask = column.type, column.is_null() if column.null_count else None
    if pa.types.is_struct(kind):
        seen = _matched(shape.inner, list(kind))
        children = [(seen[field.name], pc.struct_field(column, i)) for i, field in enumerate(kind) if field.name in seen]
        arrays = [_projected(array, one) for one, array in children]
        fields = [pa.field(one.name, array.type) for (one, _), array in zip(children, arrays, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=fields, mask=mask) if fields else pa.nulls(len(column))
    if pa.types.is_map(kind):
        entries = column.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
        inner = pc.list_flatten(entries)
        keys, values = (_projected(pc.struct_field(inner, i), shape.inner[i]) for i in range(2))
        return pa.MapArray.from_arrays(offsets_of(column, pa.int32()), keys, values, mask=mask)
    made, width = (pa.LargeListArray, pa.int64()) if pa.types.is_large_list(kind) else (pa.ListArray, pa.int32())
    return made.from_arrays(offsets_of(column, width), _projected(pc.list_flatten(column), shape.inner[0]), mask=mask)


def _differs(kind: pa.DataType, shape: TableColumn) -> bool:
    """Return whether a type has structs whose fields the table calls otherwise, or does not have."""
    if pa.types.is_struct(kind):
        seen = _matched(shape.inner, list(kind))
        return len(seen) < kind.num_fields or any(
            field.name != seen[field.name].name or _differs(field.type, seen[field.name]) for field in kind
        )
    if pa.types.is_map(kind):
        return len(shape.inner) == 2 and (_differs(kind.key_type, shape.inner[0]) or _differs(kind.item_type, shape.inner[1]))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return len(shape.inner) == 1 and _differs(kind.value_type, shape.inner[0])
    return False


__all__ = ["ViewedFile", "deleted_rows", "dropped_columns", "hidden_words", "living_rows"]
