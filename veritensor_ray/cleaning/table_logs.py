"""Gives the copies of Delta tables logs of their own: one commit, with the data files that are in the copy.

What it needs to know of the tables waits beside the copies from the time of the plan on, since by the time of publication their logs may
have changed. It does not depend on the library that reads logs.
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_manifest import MANIFEST, Result
from veritensor_ray.cleaning.copy_places import staged
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import JSONL
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.listing import unprintable
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.tables.table_kinds import DELTA
from veritensor_ray.stores.outputs import OutputStore

_NAME = "tables.parquet"
_COMMIT = f"{DELTA.log}/{0:020}.json"
_NOTED = pa.schema([("artifact", pa.string()), ("below", pa.int32()), ("view", pa.dictionary(pa.int32(), pa.binary()))])
_BATCH = 4096  # rows that are read at once
_IN_COPY = pa.array([Result.COPIED.value, Result.CLEANED.value])
_WRITTEN = "written for the copy of a Delta table"
_EMPTY = "none of the table's data files is in the copy"


class _DataFile(NamedTuple):
    """A data file of a copied table: the artifact of its table's folder, how many parts of its name lie below that, and what its view holds."""

    table: str
    below: int
    constants: tuple[tuple[str, str], ...]
    deleted: bytes


class MadeLog(NamedTuple):
    """A log that a copy needs: its row of the manifest, and its content; None if there is none to write."""

    row: dict[str, Any]
    data: bytes | None


def noted(rows: Iterable[PlanRow], cleaning: Cleaning, run: str) -> Iterator[PlanRow]:
    """Yield the rows of a plan, and keep what the logs of the copies have to say of the data files of Delta tables."""
    found = []
    for row in rows:
        if row.view is not None and row.part == 0 and row.table is not None:
            found.append((row.artifact, int(row.table.rpartition(":")[2]), row.view))
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
        abouts: dict[str, str] = {}  # by the folder of the table
        for artifact, below, view in _read(store.read(f"{work}/{_NAME}")):
            table = _parted(artifact, below)[0]
            self._known[artifact] = _DataFile(table, below, view.constants, view.deleted)
            if view.about:
                abouts[table] = view.about
        self._about = {table: json.loads(about) for table, about in abouts.items()}
        self._adds: dict[str, dict[str, list[dict[str, Any]]]] = {table: {} for table in self._about}  # by the folder of the copy

    @property
    def artifacts(self) -> set[str]:
        """The names that the logs have in the manifest."""
        return {_joined(table, _COMMIT) for table in self._about}

    def add(self, manifest: pa.Table) -> None:
        """Take note of data files that are in the copy."""
        if not self._known:
            return
        copies = manifest.select(["artifact", "path", "clean_size"]).filter(pc.is_in(manifest["result"], _IN_COPY))
        for row in copies.to_pylist():
            known = self._known.get(row["artifact"])
            if known is not None and known.table in self._about and row["path"] is not None:
                folder, name = _parted(row["path"], known.below)
                stored = name if self._store.local is None else unprintable(name)
                action = _add(stored, row["clean_size"], known.constants, self._about[known.table])
                self._adds[known.table].setdefault(folder, []).append(action)

    def deleted(self, artifact: str) -> bytes:
        """Return which rows of an artifact its table had deleted, as in `TableView.deleted`."""
        known = self._known.get(artifact)
        return b"" if known is None else known.deleted

    def made(self) -> Iterator[MadeLog]:
        """Yield the log of each table."""
        for table, folders in sorted(self._adds.items()):
            if not folders:
                yield MadeLog(_row(_joined(table, _COMMIT), Result.LEFT_OUT, _EMPTY), None)
            for folder, adds in folders.items():
                data = _commit(table, self._about[table], adds)
                row = _row(_joined(table, _COMMIT), Result.CLEANED, _WRITTEN) | {"path": _joined(folder, _COMMIT), "media_type": JSONL}
                yield MadeLog(row | {"clean_size": len(data), "clean_sha256": hashlib.sha256(data).hexdigest()}, data)

    def written(self, made: MadeLog, stage: str) -> dict[str, Any]:
        """Write a log to where the copies wait, and return its row of the manifest. It is left out if the destination cannot have its name."""
        try:
            if made.data is not None:
                with staged(self._store, stage, made.row["path"], lambda: None) as out:
                    out.write(made.data)
        except ReadError as error:
            return _row(made.row["artifact"], Result.LEFT_OUT, str(error))
        return made.row


def _read(data: bytes | None) -> Iterator[tuple[str, int, TableView]]:
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
                views[digest] = replace(view, columns=(), about=abouts.setdefault(view.about, view.about))
            yield row["artifact"], row["below"], views[digest]


def _row(artifact: str, result: Result, reason: str) -> dict[str, Any]:
    row = dict.fromkeys(MANIFEST.names) | {"artifact": artifact, "result": result.value, "reason": reason}
    return row | {"actions": [], "changes": 0, "rows_dropped": 0}


def _parted(name: str, below: int) -> tuple[str, str]:
    """Return the folder of a table, and the rest of the name of a data file."""
    parts = name.split("/")
    return "/".join(parts[:-below]), "/".join(parts[-below:])


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _add(name: str | bytes, size: int, constants: tuple[tuple[str, str], ...], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the action for a data file. It says nothing of the values in it, which its footer does."""
    shared = dict(constants)
    values = {stored: _as_stored(shared.get(name), kind) for name, stored, kind in about["partitions"]}
    path = quote(name, safe="/=")
    return {"add": {"path": path, "partitionValues": values, "size": size, "modificationTime": 0, "dataChange": True}}


def _as_stored(value: str | None, kind: str) -> str | None:
    """Return a partition value as logs write it."""
    if value is None:
        return None
    return value.lower() if kind == "boolean" else value.removesuffix("+00:00") if kind == "timestamp" else value


def _commit(table: str, about: Mapping[str, Any], adds: list[dict[str, Any]]) -> bytes:
    """Return the only commit of a log. Equal copies have equal logs."""
    schema = json.dumps(about["schema"])
    number = uuid.UUID(bytes=hashlib.sha256(f"{table}\0{schema}".encode("utf-8", "surrogateescape")).digest()[:16], version=5)
    features = about["features"]
    protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 2}
    if features:
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    metadata = {
        "id": str(number),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [name for name, _, _ in about["partitions"]],
        "configuration": about["configuration"],
    }
    actions = [{"protocol": protocol}, {"metaData": metadata}, *sorted(adds, key=lambda one: str(one["add"]["path"]))]
    return "".join(f"{json.dumps(action)}\n" for action in actions).encode()


__all__ = ["MadeLog", "TableLogs", "noted"]
