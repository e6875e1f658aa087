"""Reads the log of a Delta table: the data files of a snapshot, their partition values, their deletion vectors, and the names of columns.

The library works on a copy of the log, so that it opens no store. It reads no data file. This module is imported
only to read a table, since the library is an extra.
"""

from __future__ import annotations

import fnmatch
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableColumn, TableView, packed
from veritensor_ray.core.timespans import moment
from veritensor_ray.corpus.tables.log_copy import LogCopy, said
from veritensor_ray.corpus.tables.table_kinds import DELTA, DataFile, Snapshot, TableFolder

_VECTORS = "deletionVectors"
_PHYSICAL, _NUMBER, _MODE = "delta.columnMapping.physicalName", "delta.columnMapping.id", "delta.columnMapping.mode"
_NTZ, _PARTS = "timestamp_ntz", ("elementType", "keyType", "valueType")
_PLAIN = {"string", "long", "integer", "short", "byte", "float", "double", "boolean", "binary", "date", "timestamp", _NTZ}


def snapshot(folder: TableFolder, pulse: Callable[[], None]) -> Snapshot:
    """Read a snapshot. Raises ReadError."""
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as place:
        copy = LogCopy(folder, Path(place), pulse)
        try:
            copy.fetch(DELTA.log)
            table = _table(Path(place), folder.version)
            if _VECTORS in (table.protocol().reader_features or ()):
                copy.fetch("", _is_vector)
            return Snapshot(str(table.version()), _files(table))
        except (DeltaError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise ReadError(f"its log is damaged or incomplete: {said(error, place)}") from None


def _is_vector(name: str) -> bool:
    return fnmatch.fnmatchcase(name.rpartition("/")[2], "deletion_vector_*.bin")


def _table(place: Path, wanted: str | None) -> Any:
    """Return the table in the version that is wanted. Raises ReadError if it has none."""
    latest = DeltaTable(str(place))
    if wanted is None:
        return latest
    if not wanted.isdecimal():
        return _at(latest, wanted, place)
    if int(wanted) > latest.version():
        raise ReadError(f"it has no version {wanted}; the latest is {latest.version()}", ReasonCode.NOT_FOUND)
    return _loaded(latest, int(wanted), wanted, place)


def _at(table: Any, wanted: str, place: Path) -> Any:
    """Return the table as it was at a moment."""
    at = moment(wanted, datetime.now(UTC), -1)
    first = min((place / DELTA.log).glob("*.json"), default=None)
    if first is not None and at.timestamp() < first.stat().st_mtime:
        raise ReadError(f"its log does not reach back to {at:%Y-%m-%d %H:%M:%S %Z}", ReasonCode.NOT_FOUND)
    return _loaded(table, at, wanted, place)


def _loaded(table: Any, version: int | datetime, wanted: str, place: Path) -> Any:
    try:
        table.load_as_version(version)
    except DeltaError as error:
        reason = f"its version {wanted} can no longer be read, because the log does not reach back to it: {said(error, str(place))}"
        raise ReadError(reason, ReasonCode.NOT_FOUND) from None
    return table


def _files(table: Any) -> dict[bytes, DataFile]:
    columns, constants = _columns(table)
    about = _about(table)
    actions = pa.table(table.get_add_actions(flatten=False))
    vectors = dict(_vectors(table))
    sizes, paths = actions.column("size_bytes").to_pylist(), actions.column("path").to_pylist()
    partitions = actions.column("partition").to_pylist() if "partition" in actions.column_names else [{}] * len(paths)
    plain: dict[tuple[tuple[str, str], ...], bytes] = {}  # most files of a partition have the same view
    files = {}
    for path, size, values in zip(paths, sizes, partitions, strict=True):
        shared = tuple((name, str(values[name])) for name in constants if values.get(name) is not None)
        place = unquote_to_bytes(path)
        deleted = vectors.pop(place, b"")
        if deleted or shared not in plain:
            view = TableView(columns, shared, deleted, about=about, log_decides=True).to_bytes()
            plain |= {} if deleted else {shared: view}
        files[place] = DataFile(size, view if deleted else plain[shared], _outside(path))
    if vectors:
        raise ReadError("its log has deletion vectors for files that are not in the snapshot")
    return files


def _about(table: Any) -> str:
    """Return what the log of a copy has to say: the schema without comments and constraints, and the partition columns with their types.

    It is empty if the schema has a type that only a newer protocol knows.
    """
    metadata = table.metadata()
    schema = json.loads(table.schema().to_json())
    kinds = set(_kinds(schema))
    if any(kind not in _PLAIN and not kind.startswith("decimal(") for kind in kinds):
        return ""
    mapping = {key: value for key, value in metadata.configuration.items() if key.startswith("delta.columnMapping.")}
    features = [*(["columnMapping"] if mapping.get(_MODE, "none") != "none" else []), *(["timestampNtz"] if _NTZ in kinds else [])]
    fields = {field["name"]: field for field in schema["fields"]}
    partitions = [
        (name, (fields[name].get("metadata") or {}).get(_PHYSICAL, name), fields[name]["type"]) for name in metadata.partition_columns
    ]
    if any(kind == "binary" for _, _, kind in partitions):
        return ""
    about = {"schema": _bare(schema), "partitions": partitions, "configuration": mapping, "features": features}
    return json.dumps(about, sort_keys=True)  # the library gives pairs in any order, and a view must stay the same


def _kinds(kind: Any) -> Iterator[str]:
    """Yield the names of the types in a type, in any depth."""
    if isinstance(kind, str):
        yield kind
    elif isinstance(kind, Mapping):
        for inner in (*(field["type"] for field in kind.get("fields", ())), *(kind[part] for part in _PARTS if part in kind)):
            yield from _kinds(inner)


def _bare(kind: Any) -> Any:
    """Return a type without comments and constraints, in any depth. Its values may be missing, since a copy may lack some."""
    if not isinstance(kind, Mapping):
        return kind
    made = {
        name: _bare(value) if name in _PARTS else value for name, value in kind.items() if name not in ("fields", "metadata", "nullable")
    }
    made |= {name: True for name in kind if name in ("containsNull", "valueContainsNull")}
    if "fields" in kind:
        made["fields"] = [_bare(field) for field in kind["fields"]]
    if "nullable" in kind:
        known = kind.get("metadata") or {}
        made |= {
            "type": _bare(kind["type"]),
            "nullable": True,
            "metadata": {name: known[name] for name in (_PHYSICAL, _NUMBER) if name in known},
        }
    return made


def _outside(path: str) -> str | None:
    """Return why a path is not followed, if it leads out of the table's folder."""
    if ":/" in path or path.startswith("/") or ".." in path.split("/"):
        return "it is outside of the table's folder, and such paths are not followed"
    return None


def _vectors(table: Any) -> Iterator[tuple[bytes, bytes]]:
    """Yield the deleted rows of the files that have some, by their paths."""
    base = unquote_to_bytes(Path(table.table_uri).as_uri() if "://" not in table.table_uri else table.table_uri).rstrip(b"/") + b"/"
    for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()):
        masks = batch.column("selection_vector")
        for row, path in enumerate(batch.column("filepath").to_pylist()):
            kept = masks[row].values.to_numpy(zero_copy_only=False)
            if deleted := packed(~kept):
                yield unquote_to_bytes(path).removeprefix(base), deleted


def _columns(table: Any) -> tuple[tuple[TableColumn, ...], tuple[str, ...]]:
    """Return the columns, and the names of those whose values are in the log. Some writers repeat these in data files."""
    about = table.metadata()
    by_number = about.configuration.get(_MODE) == "id"
    partitions = tuple(about.partition_columns)
    fields = json.loads(table.schema().to_json())["fields"]
    return tuple(_column(field, by_number) for field in fields), partitions


def _column(field: Mapping[str, Any], by_number: bool) -> TableColumn:
    about = field.get("metadata") or {}
    number = int(about[_NUMBER]) if by_number and _NUMBER in about else None
    return TableColumn(field["name"], about.get(_PHYSICAL, field["name"]), number, _inner(field["type"], by_number))


def _inner(kind: Any, by_number: bool) -> tuple[TableColumn, ...]:
    if not isinstance(kind, Mapping):
        return ()
    if kind["type"] == "struct":
        return tuple(_column(field, by_number) for field in kind["fields"])
    parts = ("keyType", "valueType") if kind["type"] == "map" else ("elementType",)
    return tuple(TableColumn(part, part, None, _inner(kind[part], by_number)) for part in parts)


__all__ = ["snapshot"]
