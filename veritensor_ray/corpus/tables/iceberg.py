"""Reads the metadata of an Iceberg table: the data files of a snapshot, their partition values, their deleted rows, and the names of columns.

The library opens no store: it gets the bytes of metadata files, of manifests and of delete files from here. It reads no data file. This
module is imported only to read a table, since the library is an extra.
"""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.avro.file import AvroFile
from pyiceberg.io import FileIO, InputFile
from pyiceberg.manifest import DataFile as Written
from pyiceberg.manifest import DataFileContent, FileFormat, ManifestContent, ManifestEntry, read_manifest_list
from pyiceberg.schema import Schema, index_by_id
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.table.name_mapping import MappedField
from pyiceberg.table.snapshots import Snapshot as Committed
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableColumn, TableView, packed
from veritensor_ray.core.timespans import moment
from veritensor_ray.core.uris import is_local, one_form
from veritensor_ray.corpus.tables.table_kinds import ICEBERG, DataFile, Snapshot, TableFolder
from veritensor_ray.stores.filesystems import denied, filesystem
from veritensor_ray.stores.patience import patient
from veritensor_ray.stores.store_errors import store_code, trouble

_LOG_BYTES = bounds.TABLE_LOG
_EMPTY = "none"  # stands for the snapshot of a table that has none yet
_NUMBERED = re.compile(r"v?([0-9]+)(?:-.*)?\.metadata\.json(?:\.gz)?|v?([0-9]+)(?:-.*)?\.gz\.metadata\.json")
_HINT = "version-hint.text"
_PATH, _POSITION = 2147483546, 2147483545  # the field IDs of the two columns of a positional delete file
_FIELD_ID = b"PARQUET:field_id"
_BATCH = 65_536
_SHOWN = 300  # characters of a name that a sentence repeats

Positions = npt.NDArray[np.int64]


def snapshot(folder: TableFolder, pulse: Callable[[], None]) -> Snapshot:
    """Read a snapshot. Raises ReadError."""
    files = _TableFiles(folder, pulse)
    name = folder.head or _latest(files)
    data = files.read(f"{ICEBERG.log}/{name}")
    with _damage(name):
        metadata = TableMetadataUtil.parse_raw(_unzipped(data, name).decode())
    files.written_at(metadata.location)
    wanted = _wanted(metadata, folder.version)
    if wanted is None:
        return Snapshot(_EMPTY, {})
    return Snapshot(str(wanted.snapshot_id), _Manifests(files, metadata, wanted).data_files())


class _TableFiles(FileIO):
    """Gives the library the bytes of files of a table, which it names by the place where the table was written.

    The folder may be a copy of that place. Nothing outside of it is opened.
    """

    def __init__(self, folder: TableFolder, pulse: Callable[[], None]) -> None:
        super().__init__()
        self._folder, self._pulse, self._left, self._place = folder, pulse, _LOG_BYTES, ""
        self._fs, base = filesystem(folder.uri, folder.stores)
        self._base = base.rstrip("/")

    def written_at(self, location: str) -> None:
        """Set the place that the table's metadata gives for it."""
        self._place = one_form(location).rstrip("/")

    def inside(self, location: str) -> str | None:
        """Return the path in the table's folder that a location stands for, or None if it is outside."""
        place = one_form(location)
        name = place.removeprefix(f"{self._place}/")
        return None if name == place or {"", ".", ".."} & set(name.split("/")) else name

    def spend(self, size: int) -> None:
        """Count bytes that are kept in memory. Raises LimitExceeded."""
        self._left -= size
        if self._left < 0:
            raise LimitExceeded("table_log_bytes", f"its metadata and delete files take more than {_LOG_BYTES:,} bytes")

    def names(self) -> list[str]:
        """Return the names of its metadata files. Raises ReadError."""
        self._check_links([ICEBERG.log])
        try:
            found = patient(partial(self._fs.ls, f"{self._base}/{ICEBERG.log}", detail=False), self._pulse)
        except Exception as error:  # noqa: BLE001  # every store raises its own kind
            raise ReadError(denied(self._folder.uri, "list", error), store_code(error)) from None
        return sorted(str(one).rstrip("/").rpartition("/")[2] for one in found)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file. Raises ReadError."""
        self._pulse()
        self._check_links(name.split("/"))
        path = f"{self._base}/{name}"
        try:
            about = patient(partial(self._fs.info, path), self._pulse)
        except Exception as error:  # noqa: BLE001  # every store raises its own kind
            raise self._denied(name, error) from None
        if about["type"] != "file":
            raise ReadError(f"{name[:_SHOWN]} is not a file")
        self.spend(about["size"])
        try:
            return bytes(patient(partial(self._fs.cat_file, path), self._pulse))
        except Exception as error:  # noqa: BLE001  # as above
            raise self._denied(name, error) from None

    def _denied(self, name: str, error: Exception) -> ReadError:
        if isinstance(error, FileNotFoundError) and trouble(error) is None:
            return ReadError(f"{name[:_SHOWN]} does not exist", ReasonCode.NOT_FOUND)
        return ReadError(denied(f"{self._folder.uri}/{name[:_SHOWN]}", "read", error), store_code(error))

    def located(self, location: str) -> tuple[str, bytes]:
        """Return the path and the bytes of a file that the metadata names. Raises ReadError."""
        name = self.inside(location)
        if name is None:
            raise ReadError(
                f"its metadata names {location[:_SHOWN]}, which is outside of the table's folder, and such paths are not followed"
            )
        return name, self.read(name)

    def new_input(self, location: str) -> InputFile:
        """Return an Avro file. The library takes one that was cut off for one that ends there. Raises ReadError."""
        name, data = self.located(location)
        whole = _InMemory(location, data)
        with _damage(name), AvroFile[Any](whole) as file:
            if not data.endswith(file.header.sync):
                raise ReadError(f"{name[:_SHOWN]} is cut off", ReasonCode.DAMAGED)
        return whole

    def new_output(self, location: str) -> NoReturn:
        """Refuse: no table is written."""
        raise NotImplementedError

    def delete(self, location: object) -> NoReturn:
        """Refuse: no table is written."""
        raise NotImplementedError

    def _check_links(self, parts: Sequence[str]) -> None:
        """Check that no part of a path in a folder of this machine is a link. Links are followed only as in a listing."""
        if not is_local(self._folder.uri) or self._folder.follow_links:
            return
        for depth in range(1, len(parts) + 1):
            if Path(self._base, *parts[:depth]).is_symlink():
                raise ReadError(f"{'/'.join(parts[:depth])[:_SHOWN]} is a symbolic link (not followed; see follow_links)", ReasonCode.LINK)


class _InMemory(InputFile):
    """A file of which all bytes are known."""

    def __init__(self, location: str, data: bytes) -> None:
        super().__init__(location)
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def exists(self) -> bool:
        """Return True."""
        return True

    def open(self, seekable: bool = True) -> io.BytesIO:
        """Return the bytes as a stream."""
        return io.BytesIO(self._data)


@contextlib.contextmanager
def _damage(name: str) -> Iterator[None]:
    """Say which file is damaged, whatever the library raises."""
    try:
        yield
    except ReadError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a file: a hostile one may raise anything in the library
        raise as_read_error(error, f"{name[:_SHOWN]} is damaged or of an unknown form") from None


def _latest(files: _TableFiles) -> str:
    """Return the name of the newest metadata file. Of several with the same number, a hint names the one. Raises ReadError."""
    names = files.names()
    ranks: dict[int, list[str]] = {}
    for name in names:
        if ICEBERG.proof is not None and ICEBERG.proof.fullmatch(name) and name != _HINT:
            found = _NUMBERED.fullmatch(name)
            ranks.setdefault(int(found[1] or found[2]) if found else -1, []).append(name)
    if not ranks:
        raise ReadError("it has no metadata file", ReasonCode.NOT_FOUND)
    latest = ranks[max(ranks)]
    if len(latest) > 1 and _HINT in names:
        hint = files.read(f"{ICEBERG.log}/{_HINT}").decode(errors="replace").strip()
        latest = [name for name in latest if name in (hint, f"{hint}.metadata.json", f"v{hint}.metadata.json")] or latest
    if len(latest) > 1:
        raise ReadError(
            f"{latest[0]} and {latest[1]} both claim to be its latest metadata. Name the one that counts as the source, "
            f"such as iceberg+file:///path/to/table/{ICEBERG.log}/{latest[0]}"
        )
    return latest[0]


def _unzipped(data: bytes, name: str) -> bytes:
    """Return the text of a metadata file, which may be compressed."""
    if ".gz" not in name:
        return data
    unzip = zlib.decompressobj(31)
    text = unzip.decompress(data, _LOG_BYTES)
    if unzip.unconsumed_tail:
        raise LimitExceeded("table_log_bytes", f"its metadata takes more than {_LOG_BYTES:,} bytes")
    if not unzip.eof:
        raise ReadError(f"{name} is cut off", ReasonCode.DAMAGED)
    return text


def _wanted(metadata: TableMetadata, version: str | None) -> Committed | None:
    """Return the snapshot that is wanted, or None if the table has none yet. Raises ReadError."""
    latest = metadata.current_snapshot()
    if version is None or version == _EMPTY:
        return latest if version is None else None
    number = int(version) if version.isdecimal() else _at(metadata, latest, version)
    found = metadata.snapshot_by_id(number)
    if found is None:
        known = f"the latest is snapshot {latest.snapshot_id} of the table" if latest else "it has none yet"
        raise ReadError(f"it has no snapshot {number}, which may have expired; {known}", ReasonCode.NOT_FOUND)
    return found


def _at(metadata: TableMetadata, latest: Committed | None, wanted: str) -> int:
    """Return the number of the snapshot that was the latest at a moment. Raises ReadError."""
    at = moment(wanted, datetime.now(UTC), -1)
    history = [(one.timestamp_ms, one.snapshot_id) for one in metadata.snapshot_log]
    if not history and latest is not None:
        history = [(latest.timestamp_ms, latest.snapshot_id)]
    before = [number for time, number in history if time <= at.timestamp() * 1000]
    if not before:
        raise ReadError(f"its history does not reach back to {at:%Y-%m-%d %H:%M:%S %Z}", ReasonCode.NOT_FOUND)
    return before[-1]


class _OfSnapshot(NamedTuple):
    """A data file of the snapshot. `name` is None if it is outside of the table's folder."""

    name: str | None
    file: Written
    sequence: int


class _Manifests:
    """Reads the manifests of a snapshot, and its delete files."""

    def __init__(self, files: _TableFiles, metadata: TableMetadata, wanted: Committed) -> None:
        self._files, self._metadata, self._wanted = files, metadata, wanted
        # without a new snapshot, a table has new columns too
        is_latest = wanted.snapshot_id == metadata.current_snapshot_id or wanted.schema_id is None
        self._schema = metadata.schema() if is_latest else metadata.schema_by_id(wanted.schema_id or 0) or metadata.schema()
        self._specs = metadata.specs()
        self._data: dict[str, _OfSnapshot] = {}
        self._deleted: dict[str, list[Positions]] = {}

    def data_files(self) -> dict[bytes, DataFile]:
        """Return the data files by their paths in the table's folder. Raises ReadError."""
        deletes = [entry for entry in self._entries() if not self._is_data(entry)]
        for entry in deletes:
            self._delete(entry.data_file, entry.sequence_number or 0)
        with _damage("the schema of the table"):
            columns, defaults = _columns(self._schema, self._metadata), _defaults(self._schema)
        plain: dict[tuple[tuple[str, str], ...], bytes] = {}  # most files of a partition have the same view
        found = {}
        for location, kept in self._data.items():
            shared = tuple((defaults | self._partition(kept.file)).items())
            deleted = self._mask(location, kept.file)
            if deleted or shared not in plain:
                view = TableView(columns, shared, deleted).to_bytes()
                plain |= {} if deleted else {shared: view}
            name = location if kept.name is None else kept.name
            found[name.encode()] = DataFile(kept.file.file_size_in_bytes, view if deleted else plain[shared], _problem(kept))
        return found

    def _entries(self) -> Iterator[ManifestEntry]:
        """Yield what the manifests list, data files first."""
        if not self._wanted.manifest_list:
            raise ReadError("its snapshot has no list of manifests, a form of old tables that cannot be read")
        whole = self._files.new_input(self._wanted.manifest_list)
        with _damage("the list of manifests"):
            manifests = list(read_manifest_list(whole))
        for manifest in sorted(manifests, key=lambda one: one.content):
            name = "its manifest " + manifest.manifest_path.rpartition("/")[2][:_SHOWN]
            with _damage(name):
                entries = manifest.fetch_manifest_entry(self._files)
            told = manifest.added_files_count, manifest.existing_files_count
            if None not in told and sum(one or 0 for one in told) != len(entries):
                raise ReadError(f"{name} lists {len(entries):,} files, but the list of manifests says {sum(one or 0 for one in told):,}")
            if manifest.content == ManifestContent.DATA and any(one.data_file.content != DataFileContent.DATA for one in entries):
                raise ReadError(f"{name} is one of data files, but lists a file of deleted rows")
            yield from entries

    def _is_data(self, entry: ManifestEntry) -> bool:
        """Keep a data file. Returns False for a delete file."""
        file = entry.data_file
        if file.content != DataFileContent.DATA:
            return False
        self._data[file.file_path] = _OfSnapshot(self._files.inside(file.file_path), file, entry.sequence_number or 0)
        return True

    def _delete(self, file: Written, sequence: int) -> None:
        """Note the rows that a delete file names. It applies to data files that are not younger. Raises ReadError."""
        if file.content == DataFileContent.EQUALITY_DELETES:
            raise _cannot_apply("equality deletes")
        if file.file_format != FileFormat.PARQUET:
            kind = "deletion vectors" if file.file_format == FileFormat.PUFFIN else f"{file.file_format.value.capitalize()} files"
            raise _cannot_apply(kind)
        name, data = self._files.located(file.file_path)
        with _damage(f"the delete file {name}"):
            for location, positions in _positions(data):
                kept = self._data.get(location)
                if kept is not None and kept.sequence <= sequence:
                    self._files.spend(positions.nbytes)
                    self._deleted.setdefault(location, []).append(positions)

    def _mask(self, location: str, file: Written) -> bytes:
        """Return which rows of a data file are deleted, as a view has them. Rows that the file does not have do not count."""
        if location not in self._deleted:
            return b""
        rows = np.concatenate(self._deleted.pop(location))
        rows = rows[(rows >= 0) & (rows < file.record_count)]
        if not len(rows):
            return b""
        count = int(rows.max()) + 1
        self._files.spend(count // 8)
        mask = np.zeros(count, bool)
        mask[rows] = True
        return packed(mask)

    def _partition(self, file: Written) -> dict[str, str]:
        """Return the values of columns by which the table is partitioned, which a file need not have."""
        with _damage("a partition of the table"):
            values = {}
            for value, field in zip(_values(file.partition), self._specs[file.spec_id].fields, strict=True):
                column = next((one for one in self._schema.fields if one.field_id == field.source_id), None)
                if column is not None and isinstance(field.transform, IdentityTransform) and value is not None:
                    values[column.name] = field.transform.to_human_string(column.field_type, value)
            return values


def _values(record: Any) -> list[Any]:
    return [record[at] for at in range(len(record))]


def _cannot_apply(kind: str) -> ReadError:
    reason = f"it has rows that are deleted by {kind}, which cannot be applied. Let an engine rewrite its data files without these rows"
    return ReadError(reason, ReasonCode.NO_READER)


def _problem(kept: _OfSnapshot) -> str | None:
    """Return why a data file is not read, if that is known."""
    if kept.name is None:
        return "it is outside of the table's folder, and such paths are not followed"
    kind = kept.file.file_format
    return None if kind == FileFormat.PARQUET else f"it is an {kind.value} file, to which a snapshot cannot be applied"


def _positions(data: bytes) -> Iterator[tuple[str, Positions]]:
    """Yield rows of data files that a positional delete file names, by the locations of these files."""
    file = pq.ParquetFile(io.BytesIO(data))
    numbers = {int((field.metadata or {}).get(_FIELD_ID, b"-1")): field.name for field in file.schema_arrow}
    names = [numbers.get(_PATH, "file_path"), numbers.get(_POSITION, "pos")]
    for batch in file.iter_batches(_BATCH, columns=names):
        paths, positions = batch.column(names[0]).cast(pa.string()).dictionary_encode(), batch.column(names[1]).cast(pa.int64())
        codes = paths.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        codes, rows = codes[order], positions.to_numpy(zero_copy_only=False)[order]
        edges = np.flatnonzero(np.diff(codes, prepend=-1))
        for first, part in zip(edges.tolist(), np.split(rows, edges[1:]), strict=True):
            yield paths.dictionary[int(codes[first])].as_py(), part.astype(np.int64)


def _columns(schema: Schema, metadata: TableMetadata) -> tuple[TableColumn, ...]:
    """Return the columns of a table. A file without field IDs has other names for them if the table has a mapping of names."""
    names: dict[int, list[str]] = {}

    def collect(fields: Sequence[MappedField]) -> None:
        for one in fields:
            if one.field_id is not None:
                names[one.field_id] = one.names
            collect(one.fields)

    mapping = metadata.name_mapping()
    collect(mapping.root if mapping else ())
    return tuple(column for field in schema.fields for column in _named(field, names))


def _named(field: NestedField, names: dict[int, list[str]]) -> Iterator[TableColumn]:
    """Yield a column once for each name that it may have in a file."""
    inner = _inner(field.field_type, names)
    for stored in names.get(field.field_id) or [field.name]:
        yield TableColumn(field.name, stored, field.field_id, inner)


def _inner(kind: IcebergType, names: dict[int, list[str]]) -> tuple[TableColumn, ...]:
    if isinstance(kind, StructType):
        return tuple(column for field in kind.fields for column in _named(field, names))
    if isinstance(kind, MapType):
        return TableColumn("key", "key", None, _inner(kind.key_type, names)), TableColumn(
            "value", "value", None, _inner(kind.value_type, names)
        )
    return (TableColumn("element", "element", None, _inner(kind.element_type, names)),) if isinstance(kind, ListType) else ()


def _defaults(schema: Schema) -> dict[str, str]:
    """Return the values of columns in files that are older than the column. Raises ReadError for such a value inside of a column."""
    tops = {field.field_id for field in schema.fields}
    for number, field in index_by_id(schema).items():
        if field.initial_default is not None and number not in tops:
            raise ReadError(
                f"its column {str(schema.find_column_name(number))[:_SHOWN]} has a default value inside of another column, which cannot be applied"
            )
    return {field.name: str(field.initial_default) for field in schema.fields if field.initial_default is not None}


__all__ = ["snapshot"]
