"""S3 inventories as S3 writes them: files of objects in one of its formats, and the manifest that names them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("bucket", pa.string()),
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("is_latest", pa.bool_()),
        ("is_delete_marker", pa.bool_()),
        ("size", pa.int64()),
        ("last_modified_date", pa.timestamp("ms", "UTC")),
        ("e_tag", pa.string()),
        ("storage_class", pa.string()),
        ("intelligent_tiering_access_tier", pa.string()),
    ]
)
_SPELLED = {
    "CSV": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IntelligentTieringAccessTier",
    "ORC": "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,"
    "last_modified_date:timestamp,e_tag:string,storage_class:string,intelligent_tiering_access_tier:string>",
    "Parquet": "message s3.inventory { required binary bucket (STRING); required binary key (STRING); optional binary version_id (STRING); "
    "optional boolean is_latest; optional boolean is_delete_marker; optional int64 size; "
    "optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); optional binary e_tag (STRING); optional binary storage_class (STRING); "
    "optional binary intelligent_tiering_access_tier (STRING); }",
}


def row(key: str, size: int | None = 5, **values: Any) -> dict[str, Any]:
    """An object."""
    common = {"bucket": "corpus", "is_latest": True, "is_delete_marker": False, "storage_class": "STANDARD"}
    return common | {"key": key, "size": size, "last_modified_date": datetime(2026, 11, 1, tzinfo=UTC)} | values


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for one in rows:
        shown = one | {"key": quote_plus(one["key"], safe="/"), "last_modified_date": f"{one['last_modified_date']:%Y-%m-%dT%H:%M:%S.000Z}"}
        values = (shown.get(name) for name in SCHEMA.names)
        writer.writerow(str(value).lower() if isinstance(value, bool) else value for value in values)
    return gzip.compress(out.getvalue().encode())


def _parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), out)
    return out.getvalue()


def _orc(rows: Sequence[dict[str, Any]]) -> bytes:
    from pyarrow import orc

    out = io.BytesIO()
    orc.write_table(pa.Table.from_pylist(list(rows), SCHEMA), out)
    return out.getvalue()


WRITERS: dict[str, Callable[[Sequence[dict[str, Any]]], bytes]] = {"CSV": _csv, "Parquet": _parquet, "ORC": _orc}
MANIFEST = "daily/corpus/all/2026-11-29T01-00Z/manifest.json"


def delivered(
    put: Callable[[str, bytes], None], parts: Iterable[Sequence[dict[str, Any]]], kind: str = "CSV", changes: dict[str, Any] | None = None
) -> None:
    """Put an inventory with these parts, and its manifest, where S3 puts them."""
    named = []
    for number, rows in enumerate(parts):
        data, key = WRITERS[kind](rows), f"daily/corpus/all/data/{number}.{kind.lower()}"
        put(key, data)
        named.append({"key": key, "size": len(data), "MD5checksum": hashlib.md5(data, usedforsecurity=False).hexdigest()})
    said = {
        "sourceBucket": "corpus",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1795914000000",
        "fileFormat": kind,
        "fileSchema": _SPELLED[kind],
        "files": named,
    }
    put(MANIFEST, json.dumps(said | (changes or {})).encode())
