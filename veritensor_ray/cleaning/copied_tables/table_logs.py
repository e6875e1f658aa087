"""Gives the copies of tables logs of their own, of one version, with the data files that are in the copy.

What it needs to know of the tables waits beside the copies from the time of the plan on, since by the time of publication their logs may
have changed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copied_tables.delta_logs import DELTA_LOG
from veritensor_ray.cleaning.copied_tables.lance_manifests import LANCE_MANIFEST
from veritensor_ray.cleaning.copied_tables.log_writers import DataCopy
from veritensor_ray.cleaning.copy_manifest import MANIFEST, Result
from veritensor_ray.cleaning.copy_places import staged
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.listing import unprintable
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.tables.table_kinds import DELTA, KINDS, LANCE
from veritensor_ray.stores.outputs import OutputStore

_NAME = "tables.parquet"
_WRITERS = {DELTA.name: DELTA_LOG, LANCE.name: LANCE_MANIFEST}
_NOTED = pa.schema(
    [("artifact", pa.string()), ("kind", pa.string()), ("below", pa.int32()), ("view", pa.dictionary(pa.int32(), pa.binary()))]
)
_BATCH = 4096  # rows that are read at once
_IN_COPY = pa.array([Result.COPIED.value, Result.CLEANED.value])
_EMPTY = "none of the table's data files is in the copy"


class _DataFile(NamedTuple):
    """A data file of a copied table: the artifact of its table's folder, how many parts of its name lie below that, and its view."""

    table: str
    below: int
    view: TableView


class MadeLog(NamedTuple):
    """A log that a copy needs: its row of the manifest, and its content; None if there is none to write."""

    row: dict[str, Any]
    data: bytes | None


def noted(rows: Iterable[PlanRow], cleaning: Cleaning, run: str) -> Iterator[PlanRow]:
    """Yield the rows of a plan, and keep what the logs of the copies have to say of the data files of tables."""
    found = []
    for row in rows:
        if row.view is not None and row.part == 0 and row.table is not None:
            kind, _, below = row.table.rpartition(":")
            found.append((row.artifact, kind, int(below), row.view))
        yield row
    if found:
        columns = [pa.array(values, field.type) for values, field in zip(zip(*found, strict=True), _NOTED, strict=True)]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, schema=_NOTED), buffer, compression="zstd")
        cleaning.store.put(f"{cleaning.work(run)}/{_NAME}", buffer.getvalue())


class TableLogs:
    """Makes the logs for the rows of a manifest, which it is given one table after the other. `work` is the folder of the run."""

    def __init__(self, store: OutputStore, work: str) -> None:
        self._store = store
        self._known: dict[str, _DataFile] = {}
        abouts: dict[str, tuple[str, str]] = {}  # kind and what the log has to say, by the folder of the table
        for artifact, kind, below, view in _read(store.read(f"{work}/{_NAME}")):
            table = _parted(artifact, below)[0]
            self._known[artifact] = _DataFile(table, below, view)
            if view.about:
                abouts[table] = kind, view.about
        self._about = {table: json.loads(about) for table, (_, about) in abouts.items()}
        self._kinds = {table: kind for table, (kind, _) in abouts.items()}
        self._files: dict[str, dict[str, list[DataCopy]]] = {table: {} for table in self._about}  # by the folder of the copy

    @property
    def artifacts(self) -> set[str]:
        """The names that the logs have in the manifest."""
        return {self._commit(table, table) for table in self._about}

    def _commit(self, table: str, folder: str) -> str:
        """Return the path of a table's log in a folder."""
        return _joined(folder, _WRITERS[self._kinds[table]].commit)

    def add(self, manifest: pa.Table) -> None:
        """Take note of data files that are in the copy."""
        if not self._known:
            return
        columns = ["artifact", "result", "path", "clean_size", "rows_dropped"]
        for row in manifest.select(columns).filter(pc.is_in(manifest["result"], _IN_COPY)).to_pylist():
            known = self._known.get(row["artifact"])
            if known is not None and known.table in self._about and row["path"] is not None:
                folder, name = _parted(row["path"], known.below)
                stored = name if self._store.local is None else unprintable(name)
                is_new = row["result"] == Result.CLEANED.value
                file = DataCopy(stored, row["clean_size"], row["rows_dropped"] or 0, is_new, known.view)
                self._files[known.table].setdefault(folder, []).append(file)

    def deleted(self, artifact: str) -> bytes:
        """Return which rows of an artifact its table had deleted, as in `TableView.deleted`."""
        known = self._known.get(artifact)
        return b"" if known is None else known.view.deleted

    def made(self) -> Iterator[MadeLog]:
        """Yield the log of each table."""
        for table, folders in sorted(self._files.items()):
            if not folders:
                yield MadeLog(_row(self._commit(table, table), Result.LEFT_OUT, _EMPTY), None)
            for folder, files in folders.items():
                yield self._made(table, folder, files)

    def _made(self, table: str, folder: str, files: list[DataCopy]) -> MadeLog:
        kind = self._kinds[table]
        name = self._commit(table, table)
        try:
            data = _WRITERS[kind].content(table, self._about[table], files)
        except ReadError as error:
            return MadeLog(_row(name, Result.LEFT_OUT, f"it cannot be written for the copy: {error}"), None)
        row = _row(name, Result.CLEANED, f"written for the copy of a {KINDS[kind].title}")
        row |= {"path": self._commit(table, folder), "media_type": _WRITERS[kind].media_type}
        return MadeLog(row | {"clean_size": len(data), "clean_sha256": hashlib.sha256(data).hexdigest()}, data)

    def written(self, made: MadeLog, stage: str) -> dict[str, Any]:
        """Write a log to where the copies wait, and return its row of the manifest. It is left out if the destination cannot have its name."""
        try:
            if made.data is not None:
                with staged(self._store, stage, made.row["path"], lambda: None) as out:
                    out.write(made.data)
        except ReadError as error:
            return _row(made.row["artifact"], Result.LEFT_OUT, str(error))
        return made.row


def _read(data: bytes | None) -> Iterator[tuple[str, str, int, TableView]]:
    """Yield what was noted. A view may be large, and those of a table are much the same, so what is equal in them is kept once."""
    if data is None:
        return
    abouts: dict[str, str] = {}
    views: dict[bytes, TableView] = {}  # by their digests
    for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(_BATCH):
        for row in batch.to_pylist():
            digest = hashlib.sha256(row["view"]).digest()
            if digest not in views:
                view = TableView.from_bytes(row["view"])
                lance, about = (abouts.setdefault(text, text) for text in (view.lance, view.about))
                views[digest] = replace(view, columns=(), lance=lance, about=about)
            yield row["artifact"], row["kind"], row["below"], views[digest]


def _row(artifact: str, result: Result, reason: str) -> dict[str, Any]:
    row = dict.fromkeys(MANIFEST.names) | {"artifact": artifact, "result": result.value, "reason": reason}
    return row | {"actions": [], "changes": 0, "rows_dropped": 0}


def _parted(name: str, below: int) -> tuple[str, str]:
    """Return the folder of a table, and the rest of the name of a data file."""
    parts = name.split("/")
    return "/".join(parts[:-below]), "/".join(parts[-below:])


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


__all__ = ["MadeLog", "TableLogs", "noted"]
