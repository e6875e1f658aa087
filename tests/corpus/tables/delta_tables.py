"""Makes Delta tables with the library's writer, and the parts of a log that it does not write: deletion vectors and renamed columns."""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def write(folder: Path, table: Mapping[str, Any] | pa.Table, **options: Any) -> None:
    """Write a table, or append to one, with the library."""
    from deltalake import write_deltalake

    write_deltalake(str(folder), table if isinstance(table, pa.Table) else pa.table(table), **options)


def commits(folder: Path) -> list[Path]:
    """The commits in a log, the oldest first."""
    return sorted((folder / "_delta_log").glob("*.json"))


def actions(commit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in commit.read_text().splitlines() if line]


def commit(folder: Path, *made: Mapping[str, Any]) -> None:
    """Add a commit with these actions."""
    target = folder / "_delta_log" / f"{len(commits(folder)):020}.json"
    target.write_text("\n".join(json.dumps(one) for one in ({"commitInfo": {"operation": "TEST"}}, *made)))


def adds(folder: Path) -> list[dict[str, Any]]:
    """What the commits say of the data files that were ever added."""
    return [action["add"] for one in commits(folder) for action in actions(one) if "add" in action]


def changed_log(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change every action of every commit."""
    for one in commits(folder):
        made = actions(one)
        for action in made:
            change(action)
        one.write_text("\n".join(json.dumps(action) for action in made))


def with_feature(action: dict[str, Any], name: str, **configuration: str) -> None:
    """Let a table use a feature of the protocol."""
    if "protocol" in action:
        features = sorted({*action["protocol"].get("readerFeatures", ()), name})
        action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    if "metaData" in action:
        action["metaData"]["configuration"] |= configuration


def delete(folder: Path, rows: Iterable[int], inline: bool = False, file: int = -1, path: str | None = None) -> None:
    """Delete rows of a data file with a deletion vector, in the log or in a file. `path` names another place for it."""
    changed_log(folder, lambda action: with_feature(action, "deletionVectors", **{"delta.enableDeletionVectors": "true"}))
    gone = sorted(rows)
    data, add = _bitmap(gone), adds(folder)[file]
    name = uuid.uuid4()
    vector: dict[str, Any] = {"storageType": "i", "pathOrInlineDv": _z85(data), "sizeInBytes": len(data), "cardinality": len(gone)}
    if not inline:
        vector |= {"storageType": "u", "pathOrInlineDv": _z85(name.bytes), "offset": 1}
        stored = b"\x01" + struct.pack(">i", len(data)) + data + struct.pack(">I", zlib.crc32(data))
        (folder / f"deletion_vector_{name}.bin").write_bytes(stored)
    if path is not None:
        vector |= {"storageType": "p", "pathOrInlineDv": path, "offset": 1}
    removed = {name: add[name] for name in ("path", "partitionValues", "size")}
    removed |= {"deletionTimestamp": add["modificationTime"], "dataChange": True, "extendedFileMetadata": True}
    old = add.get("deletionVector")
    commit(folder, {"remove": removed | ({"deletionVector": old} if old else {})}, {"add": add | {"deletionVector": vector}})


def renamed(folder: Path, names: Mapping[str, str], dropped: Iterable[str] = (), mode: str = "name") -> None:
    """Give columns other names, in any depth, and drop some, without a change to a data file."""

    def fields(some: list[dict[str, Any]], numbers: Iterator[int]) -> list[dict[str, Any]]:
        kept = []
        for field in some:
            number, stored = next(numbers), field["name"]
            about = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": stored}
            if (inner := _inner(field["type"])) is not None:
                inner["fields"] = fields(inner["fields"], numbers)
            if stored not in dropped:
                kept.append({**field, "name": names.get(stored, stored), "metadata": about})
        return kept

    def change(action: dict[str, Any]) -> None:
        with_feature(action, "columnMapping", **{"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "999"})
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            action["metaData"]["schemaString"] = json.dumps({**schema, "fields": fields(schema["fields"], count(1))})
            action["metaData"]["partitionColumns"] = [names.get(one, one) for one in action["metaData"]["partitionColumns"]]

    changed_log(folder, change)


def _inner(kind: Any) -> dict[str, Any] | None:
    """The struct in a type, in any depth."""
    while isinstance(kind, dict) and kind["type"] != "struct":
        kind = kind.get("elementType") or kind["valueType"]
    return kind if isinstance(kind, dict) else None


def living(folder: Path, **options: Any) -> pa.Table:
    """The rows of a snapshot as the library reads them."""
    from deltalake import DeltaTable

    table = DeltaTable(str(folder), **options)
    rows = pa.table(table.scan().read_all())
    plain = pa.schema(table.schema()).remove_metadata()
    return rows.select(plain.names).cast(plain)  # without views, which Parquet files cannot be written from


def _bitmap(rows: list[int]) -> bytes:
    """The rows as the protocol stores them: one 32-bit Roaring bitmap of arrays."""
    groups: dict[int, list[int]] = {}
    for row in rows:
        groups.setdefault(row >> 16, []).append(row & 0xFFFF)
    keys = b"".join(struct.pack("<HH", key, len(some) - 1) for key, some in groups.items())
    at, offsets = 8 + 8 * len(groups), b""
    for some in groups.values():
        offsets += struct.pack("<I", at)
        at += 2 * len(some)
    values = b"".join(struct.pack(f"<{len(some)}H", *some) for some in groups.values())
    return struct.pack("<iqi", 1681511377, 1, 0) + struct.pack("<II", 12346, len(groups)) + keys + offsets + values


def _z85(data: bytes) -> str:
    data += bytes(-len(data) % 4)
    text = ""
    for start in range(0, len(data), 4):
        value = int.from_bytes(data[start : start + 4], "big")
        text += "".join(_Z85[value // 85**power % 85] for power in range(4, -1, -1))
    return text
