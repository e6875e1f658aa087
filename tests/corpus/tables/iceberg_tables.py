"""Makes Iceberg tables with the library's writer, and what it does not write: positional delete files, and metadata that is changed by hand."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

AGES = ("max_ref_age_ms", "max_snapshot_age_ms", "min_snapshots_to_keep")  # of a branch, which none of these tables limits


def catalog(warehouse: Path) -> Any:
    """A catalog in an SQLite file beside the folders of its tables."""
    from pyiceberg.catalog.sql import SqlCatalog

    warehouse.mkdir(parents=True, exist_ok=True)
    made = SqlCatalog("lake", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
    made.create_namespace_if_not_exists("all")
    return made


def create(folder: Path, rows: Mapping[str, Any] | pa.Table, by: Iterable[str] = (), **properties: str) -> Any:
    """Make a table in a folder, partitioned by the values of some columns, with its first rows."""
    from pyiceberg.transforms import IdentityTransform

    first = rows if isinstance(rows, pa.Table) else pa.table(rows)
    made = catalog(folder.parent)
    table = made.create_table(f"all.{folder.name}", first.schema, location=f"file://{folder}", properties=properties)
    with table.update_spec() as spec:
        for name in by:
            spec.add_field(name, IdentityTransform(), f"{name}_part")
    table.append(first)
    return table


def data_files(table: Any) -> list[Any]:
    """The data files of the latest snapshot."""
    return [task.file for task in table.scan().plan_files()]


def heads(folder: Path) -> list[Path]:
    """The metadata files of a table, the oldest first."""
    return sorted((folder / "metadata").glob("*.metadata.json"))


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the latest metadata file."""
    said = json.loads(heads(folder)[-1].read_text())
    change(said)
    heads(folder)[-1].write_text(json.dumps(said))


def zipped(folder: Path, name: str) -> None:
    """Compress the latest metadata file, with such an ending."""
    latest = heads(folder)[-1]
    latest.with_name(latest.name.replace(".metadata.json", name)).write_bytes(gzip.compress(latest.read_bytes()))
    latest.unlink()


def delete(table: Any, rows: Mapping[str, Iterable[int]], kind: str = "position", form: str = "PARQUET", place: str | None = None) -> None:
    """Delete rows of data files with a delete file, which the library cannot write. The files may have any names."""
    from pyiceberg.manifest import DataFileContent

    gone = [(path, row) for path, some in rows.items() for row in some]
    fields = [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"}),
    ]
    made = pa.table([[path for path, _ in gone], [row for _, row in gone]], schema=pa.schema(fields))
    path = place or f"{table.location()}/data/{uuid.uuid4()}-deletes.{form.lower()}"
    if place is None:
        pq.write_table(made, path.removeprefix("file://"))
    content = DataFileContent.POSITION_DELETES if kind == "position" else DataFileContent.EQUALITY_DELETES
    like = next((one for one in data_files(table) if one.file_path in rows), None)
    commit(table, content, path, form, len(gone), like, [1] if kind == "equality" else None)


def commit(
    table: Any,
    content: int,
    path: str,
    form: str = "PARQUET",
    count: int = 1,
    like: Any = None,
    equal: list[int] | None = None,
    size: int = 1,
) -> None:
    """Add a snapshot with a file that the library did not write, in the same partition as another."""
    from pyiceberg.manifest import (
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestContent,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestWriterV2,
        write_manifest_list,
    )
    from pyiceberg.table.refs import SnapshotRefType
    from pyiceberg.table.snapshots import Operation, Snapshot, Summary
    from pyiceberg.table.update import AddSnapshotUpdate, AssertRefSnapshotId, SetSnapshotRefUpdate
    from pyiceberg.typedef import Record

    is_data = content == DataFileContent.DATA
    spec = table.specs()[like.spec_id] if hasattr(like, "spec_id") else table.spec()

    class Writer(ManifestWriterV2):
        def content(self) -> ManifestContent:
            return ManifestContent.DATA if is_data else ManifestContent.DELETES

    file = DataFile.from_args(
        content=DataFileContent(content),
        file_path=path,
        file_format=FileFormat(form),
        partition=like.partition if like else Record(*[None] * len(spec.fields)),
        record_count=count,
        file_size_in_bytes=size,
        equality_ids=equal,
    )
    file.spec_id = spec.spec_id
    base, name = table.location(), uuid.uuid4()
    number, last, sequence = table.metadata.new_snapshot_id(), table.current_snapshot(), table.metadata.next_sequence_number()
    with Writer(spec, table.schema(), table.io.new_output(f"{base}/metadata/{name}-m0.avro"), number, "null") as manifest:
        manifest.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=number, data_file=file))
    listed = f"{base}/metadata/snap-{name}.avro"
    with write_manifest_list(2, table.io.new_output(listed), number, last.snapshot_id, sequence, "null") as manifests:
        manifests.add_manifests([*last.manifests(table.io), manifest.to_manifest_file()])
    added = Snapshot(
        snapshot_id=number,
        parent_snapshot_id=last.snapshot_id,
        sequence_number=sequence,
        manifest_list=listed,
        summary=Summary(Operation.OVERWRITE),
        schema_id=table.schema().schema_id,
    )
    head = SetSnapshotRefUpdate(ref_name="main", type=SnapshotRefType.BRANCH, snapshot_id=number, **dict.fromkeys(AGES))
    with table.transaction() as changing:
        changing._apply((AddSnapshotUpdate(snapshot=added), head), (AssertRefSnapshotId(ref="main", snapshot_id=last.snapshot_id),))


def living(table: Any) -> pa.Table:
    """The rows of the latest snapshot as the library reads them."""
    return table.scan().to_arrow()
