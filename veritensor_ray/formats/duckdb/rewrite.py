"""Rewrites DuckDB databases: the changed columns are decoded and changed here, and the library writes a new file with them and everything else.

Both happen in the process for DuckDB files, which shares a folder with this one.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed, as_read_error
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.columnar.array_texts import TableOrders
from veritensor_ray.formats.columnar.arrow.read import validate_column
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.duckdb.duckdb_child import BATCH, StoredTable
from veritensor_ray.formats.duckdb.duckdb_writing import CHANGES, HELD, KEPT, WRITTEN, TableChange
from veritensor_ray.formats.duckdb.read import DuckTables, checked_header, column_label, copied_into, label_of
from veritensor_ray.formats.duckdb.structure import DuckBlocks, DuckHeader
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.masking.redaction import name_safe


def rewrite_duckdb(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the database with the ordered changes. Raises CannotRewriteError, ReadError."""
    if not any(orders):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    header = checked_header(source.file)
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        copied_into(source.file, folder)
        tables = DuckTables(source, folder, header)
        try:
            _DuckRewriter(source, orders, tables, Path(folder)).write(header)
        finally:
            tables.close()
        with Path(folder, WRITTEN).open("rb") as made:
            copy_range(made, out, 0, length(made), orders.pulse)


class _DuckRewriter:
    def __init__(self, source: Source, orders: Orders, tables: DuckTables, folder: Path) -> None:
        self._source, self._orders, self._tables, self._folder = source, orders, tables, folder
        self._copies = Copies(source.budget, max(bounds.COLUMNS, length(source.file)))

    def write(self, header: DuckHeader) -> None:
        for item in self._tables.definitions():
            self._orders.pulse()
            if isinstance(item, Gap):
                raise CannotRewriteError(f"it is damaged: {item.reason}")
        labels = [label_of(table) for table in self._tables.tables]
        if any(two.startswith(f"{one}/") for one in labels for two in labels) or len({*labels}) < len(labels):
            raise CannotRewriteError("two of its tables have names that cannot be told apart in findings")
        changes = dict[int, TableChange]()
        for table in self._tables.tables:
            if any(own := self._orders.of_part(label_of(table))):
                changes[table.oid] = self._changed(table, own)
        if self._orders.drop_residue and self._has_remains(header):
            self._orders.drop_residue()
        (self._folder / CHANGES).write_text(json.dumps({"tables": changes, "block_size": header.block_size}))
        for kind, data in self._tables.answers(task="write"):
            self._orders.pulse()
            if kind == HELD:
                raise CannotRewriteError(data.decode())

    def _has_remains(self, header: DuckHeader) -> bool:
        try:
            return any(table.deleted for table in self._tables.tables) or bool(DuckBlocks(self._source.file, header).free())
        except Malformed:
            return True

    def _changed(self, table: StoredTable, orders: Orders) -> TableChange:
        """Write the columns of a table that have orders into a file of the folder, with their changes."""
        part = label_of(table)
        ordered = TableOrders(orders, [column_label(table, column) for column in table.columns], self._source)
        touched = sorted(ordered.touched(ordered.edited(0, 1 << 62)))
        columns = [table.columns[number] for number in touched]
        name = f"changed-{table.oid}.arrows"
        writer: pa.RecordBatchStreamWriter | None = None
        first = 0
        try:
            for kind, data in self._tables.answers(task="rows", table=table.oid, columns=columns or table.columns[:1], only_text=False):
                if kind != BATCH:
                    continue
                orders.pulse()
                batch = pa.ipc.open_stream(data).read_next_batch()
                batch.validate()
                self._copies.add(batch.nbytes)
                made = self._with_changes(batch, first, touched, ordered)
                writer = writer or pa.ipc.new_stream(str(self._folder / name), made.schema)
                writer.write_batch(made)
                first += batch.num_rows
        except pa.ArrowException as error:
            raise as_read_error(error, f"the table {name_safe(part)} is damaged") from None
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise CannotRewriteError(f"its table {name_safe(part)} has no rows that could change")
        return TableChange(name, columns)

    def _with_changes(self, batch: pa.RecordBatch, first: int, touched: list[int], ordered: TableOrders) -> pa.RecordBatch:
        last = first + batch.num_rows
        dropped, edited = ordered.dropped(first, last), ordered.edited(first, last)
        for row in dropped:
            ordered.drop(row)
        columns = []
        for column, number in zip(batch.columns, touched, strict=False):  # without any, a column is there for the number of rows
            validate_column(column)
            here = ordered.rows_of(number, edited)
            columns.append(ordered.changed(column, number, True, first, here) if here else column)
        kept = np.ones(batch.num_rows, bool)
        kept[[row - first for row in dropped]] = False
        return pa.record_batch([*columns, pa.array(kept)], names=[*(f"c{number}" for number, _ in enumerate(columns)), KEPT])


__all__ = ["rewrite_duckdb"]
