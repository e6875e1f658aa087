"""Writes the logs of copied Delta tables. It does not depend on the library that reads logs."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from veritensor_ray.cleaning.copied_tables.log_writers import DataCopy, LogWriter
from veritensor_ray.core.media_types import JSONL
from veritensor_ray.corpus.tables.table_kinds import DELTA


def _commit(table: str, about: Mapping[str, Any], files: Sequence[DataCopy]) -> bytes:
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
    adds = [_add(one, about) for one in files]
    actions = [{"protocol": protocol}, {"metaData": metadata}, *sorted(adds, key=lambda one: str(one["add"]["path"]))]
    return "".join(f"{json.dumps(action)}\n" for action in actions).encode()


def _add(file: DataCopy, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the action for a data file. It says nothing of the values in it, which its footer does."""
    shared = dict(file.view.constants)
    values = {stored: _as_stored(shared.get(name), kind) for name, stored, kind in about["partitions"]}
    path = quote(file.name, safe="/=")
    return {"add": {"path": path, "partitionValues": values, "size": file.size, "modificationTime": 0, "dataChange": True}}


def _as_stored(value: str | None, kind: str) -> str | None:
    """Return a partition value as logs write it."""
    if value is None:
        return None
    return value.lower() if kind == "boolean" else value.removesuffix("+00:00") if kind == "timestamp" else value


DELTA_LOG = LogWriter(f"{DELTA.log}/{0:020}.json", JSONL, _commit)

__all__ = ["DELTA_LOG"]
