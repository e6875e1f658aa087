"""Write tables as numbered Parquet files, with a few thousand rows in memory at a time. It does not depend on columns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.stores.outputs import OutputStore

_FLUSH_ROWS = 5_000
_FILE_ROWS = 1_000_000


class TableWriter:
    """A table `name` of an output. Rows pass `through` a function that keeps their schema and number."""

    def __init__(self, store: OutputStore, name: str, schema: pa.Schema, through: Callable[[pa.Table], pa.Table] | None = None) -> None:
        self._store, self._name, self._schema, self._through = store, name, schema, through
        self._rows: list[dict[str, Any]] = []
        self._number = self._written = 0
        self._stack = contextlib.ExitStack()
        self._writer = self._open()

    def _open(self) -> Any:
        file = self._stack.enter_context(self._store.writer(f"{self._name}/part-{self._number:05d}.parquet"))
        return self._stack.enter_context(pq.ParquetWriter(file, self._schema, compression="zstd"))

    def add(self, row: dict[str, Any]) -> None:
        """Add a row. Rows are kept until there are some thousands."""
        self._rows.append(row)
        if len(self._rows) >= _FLUSH_ROWS:
            self._flush()

    def write(self, table: pa.Table) -> None:
        """Write many rows at once."""
        if self._written >= _FILE_ROWS:
            self._stack.close()
            self._number, self._written = self._number + 1, 0
            self._writer = self._open()
        self._writer.write_table(self._through(table) if self._through else table)
        self._written += table.num_rows

    def _flush(self) -> None:
        if self._rows:
            self.write(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def close(self) -> None:
        """Write the remaining rows and publish the file."""
        self._flush()
        self._stack.close()
