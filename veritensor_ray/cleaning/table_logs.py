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
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_manifest import MANIFEST, Result
from veritensor_ray.core.media_types import JSONL
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.tables.table_kinds import DELTA
from veritensor_ray.stores.outputs import OutputStore

_NAME = "tables.parquet"
_COMMIT = f"{DELTA.log}/{0:020}.json"
_NOTED = pa.schema([("artifact", pa.string()), ("below", pa.int32()), ("view", pa.dictionary(pa.int32(), pa.binary()))])
_IN_COPY = pa.array([Result.COPIED.value, Result.CLEANED.value])
_WRITTEN = "written for the copy of a Delta table"
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
        self._known = dict(_read(store.read(f"{work}/{_NAME}")))
        views = {one.table: one.view for one in self._known.values() if one.view.about}
        self._about = {table: json.loads(view.about) for table, view in views.items()}
        self._adds: dict[str, dict[str, list[dict[str, Any]]]] = {table: {} for table in self._about}  # by the folder of the copy

    @property
    def artifacts(self) -> set[str]:
        """The names that the logs have in the manifest."""
        return {_joined(table, _COMMIT) for table in self._about}

    def add(self, manifest: pa.Table) -> None:
        """Take note of data files that are in the copy."""
        if not self._known:
            return
        wanted = pc.and_(pc.is_in(manifest["artifact"], pa.array(list(self._known))), pc.is_in(manifest["result"], _IN_COPY))
        for row in manifest.filter(wanted).to_pylist():
            known = self._known[row["artifact"]]
            if known.table in self._about and row["path"] is not None:
                folder, name = _parted(row["path"], known.below)
                self._adds[known.table].setdefault(folder, []).append(_add(name, row["clean_size"], known.view, self._about[known.table]))

    def made(self) -> Iterator[MadeLog]:
        """Yield the log of each table."""
        for table, folders in sorted(self._adds.items()):
            row = dict.fromkeys(MANIFEST.names) | {"artifact": _joined(table, _COMMIT), "actions": [], "changes": 0, "rows_dropped": 0}
            if not folders:
                yield MadeLog(row | {"result": Result.LEFT_OUT.value, "reason": _EMPTY}, None)
            for folder, adds in folders.items():
                data = _commit(table, self._about[table], adds)
                row |= {"result": Result.CLEANED.value, "path": _joined(folder, _COMMIT), "reason": _WRITTEN, "media_type": JSONL}
                yield MadeLog(row | {"clean_size": len(data), "clean_sha256": hashlib.sha256(data).hexdigest()}, data)


def _read(data: bytes | None) -> Iterator[tuple[str, _DataFile]]:
    if data is not None:
        views: dict[bytes, TableView] = {}
        for row in pq.read_table(io.BytesIO(data)).to_pylist():
            view = views.get(row["view"]) or views.setdefault(row["view"], TableView.from_bytes(row["view"]))
            yield row["artifact"], _DataFile(_parted(row["artifact"], row["below"])[0], row["below"], view)


def _parted(name: str, below: int) -> tuple[str, str]:
    """Return the folder of a table, and the rest of the name of a data file."""
    parts = name.split("/")
    return "/".join(parts[:-below]), "/".join(parts[-below:])


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _add(name: str, size: int, view: TableView, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the action for a data file. It says nothing of the values in it, which its footer does."""
    shared = dict(view.constants)
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
