"""Rewrites data files of Lance datasets: the library decodes one, its living rows are changed, and the library writes them into a new file.

Both happen in the process for Lance files, which shares a folder with this one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.core.lance_layout import LanceLayout, type_name
from veritensor_ray.core.table_view import TableView
from veritensor_ray.formats.columnar.array_texts import TableOrders, kept
from veritensor_ray.formats.columnar.arrow.read import validate_column
from veritensor_ray.formats.columnar.lance.lance_child import BATCH, CHANGED, WRITTEN, LanceRequest
from veritensor_ray.formats.columnar.lance.lance_process import decoded
from veritensor_ray.formats.columnar.lance.read import in_folder, is_blob
from veritensor_ray.formats.columnar.lance.recognise import is_lance
from veritensor_ray.formats.columnar.viewed_columns import hidden_words
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders

_WHAT = "not a complete Lance file"
_END = 64  # bytes that show whether it is a Lance file


def rewrite_lance(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write what the dataset has of a data file, with the ordered changes."""
    view = source.view
    hides = view is not None and bool(hidden_in(view, source.file))
    if not (any(orders) or hides):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    if view is None or not view.lance:
        raise CannotRewriteError("Lance files outside of a dataset are not rewritten")
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        _LanceRewriter(source, view, orders, folder).write()
        with Path(folder, WRITTEN).open("rb") as made:
            copy_range(made, out, 0, None, orders.pulse)


def hidden_in(view: TableView, file: BinaryIO) -> str | None:
    """Return what a data file holds that its dataset does not have, or None. Raises ReadError if it is something else."""
    file.seek(max(0, length(file) - _END))
    if not is_lance(file.read(_END)):
        raise ReadError(_WHAT)
    return hidden_words(view.hidden, LanceLayout.from_json(view.lance).dropped if view.lance else 0)


class _LanceRewriter:
    def __init__(self, source: Source, view: TableView, orders: Orders, folder: str) -> None:
        self._source, self._view, self._orders, self._folder = source, view, orders, folder
        layout = LanceLayout.from_json(view.lance)
        if view.fragment is not None and view.fragment.is_shared and orders.rows:
            raise CannotRewriteError(
                "no row of it can be dropped, because other files hold further columns of its rows; let Lance write the dataset again"
            )
        self._plain = pa.schema([_plain(field) for field in layout.schema])
        self._ordered = TableOrders(orders, self._plain.names, source)
        self._copies = Copies(source.budget, max(bounds.COLUMNS, length(source.file)))

    def write(self) -> None:
        in_folder(self._source.file, self._folder)
        try:
            with pa.ipc.new_stream(str(Path(self._folder, CHANGED)), self._plain) as writer:
                for batch in self._batches():
                    writer.write_batch(batch)
        except pa.ArrowException as error:
            raise as_read_error(error, _WHAT) from None
        for _ in decoded(LanceRequest(self._folder, self._view.lance, task="write")):
            self._orders.pulse()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the living rows with their changes."""
        first = 0
        for kind, data in decoded(LanceRequest(self._folder, self._view.lance, self._plain.names)):
            if kind == BATCH:
                self._orders.pulse()
                batch = pa.ipc.open_stream(data).read_next_batch()
                batch.validate()
                self._copies.add(batch.nbytes)
                yield self._changed(batch, first)
                first += batch.num_rows

    def _changed(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        last = first + batch.num_rows
        dropped, edited = self._ordered.dropped(first, last), self._ordered.edited(first, last)
        for row in dropped:
            self._ordered.drop(row)
        living = self._view.living(first, batch.num_rows)
        gone = sorted({*dropped, *(row for row in range(first, last) if not living[row - first])})
        columns = []
        for number, field in enumerate(self._plain):
            column = batch.column(field.name)
            validate_column(column)
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()  # or values that no row has any more would stay in the dictionary
            if here := self._ordered.rows_of(number, edited):
                column = self._ordered.changed(column, number, field.nullable, first, here)
            columns.append(kept(column, first, gone))
        return pa.record_batch(columns, schema=self._plain)


def _plain(field: pa.Field) -> pa.Field:
    """Return a column as it is changed, without a dictionary. Raises CannotRewriteError if it cannot be written again."""
    kind = field.type
    if pa.types.is_dictionary(kind):
        return field.with_type(kind.value_type)
    if special := _special(field):
        raise CannotRewriteError(f"it has a column with {special}, which cannot be written again")
    return field


def _special(field: pa.Field) -> str | None:
    """Return what in a column, in any depth, cannot be written again."""
    kind = field.type
    if is_blob(field):
        return "values that are stored outside of it"
    if type_name(field):
        return "a type of its own"
    if pa.types.is_dictionary(kind):
        return "a dictionary inside of other values"
    return next((said for i in range(kind.num_fields) if (said := _special(kind.field(i)))), None)


__all__ = ["hidden_in", "rewrite_lance"]
