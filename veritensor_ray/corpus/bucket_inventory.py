"""Reads an S3 inventory: the objects of a bucket as S3 itself listed them into files, in the order of a listing.

The rows go through a database on disk, since an inventory is not sorted and may have more rows than memory could hold. It opens no object
of the bucket that it lists.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import StoreError
from veritensor_ray.stores.filesystems import Stores, denied, filesystem
from veritensor_ray.stores.patience import patient

_MEMORY = "1GB"
_BATCH = 50_000  # rows
_PIECE = 8 << 20
_SQL = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": _MEMORY,
    "threads": "2",
}
# The columns that are used, as Parquet and ORC name them. CSV spells them in other ways, such as LastModifiedDate.
_COLUMNS = (
    *("key", "is_latest", "is_delete_marker", "size", "last_modified_date", "e_tag", "storage_class"),
    "intelligent_tiering_access_tier",
)
_NEEDED = ("key", "size")
_TABLE = "CREATE TABLE objects (folder VARCHAR, key VARCHAR, size BIGINT, etag VARCHAR, modified DOUBLE, archive VARCHAR)"
# A folder, and all that is below it, before the next one. The folder whose name is empty comes after the objects beside it.
_ORDER = "ORDER BY replace(folder, '/', chr(1)), folder, starts_with(key, '/'), key"


_TIER = "intelligent_tiering_access_tier"
_INSERT = f"""INSERT INTO objects SELECT regexp_extract(key, '^(.*)/[^/]*$', 1, 's'), key, try_cast(size AS BIGINT), nullif(trim(e_tag, '"'), ''),
    epoch(try_cast(last_modified_date AS TIMESTAMP)), CASE WHEN storage_class IN ('GLACIER', 'DEEP_ARCHIVE') THEN storage_class
    WHEN contains({_TIER}, 'ARCHIVE') THEN {_TIER} END FROM batch
    WHERE starts_with(key, ?) AND NOT coalesce(size::VARCHAR = '0' AND ends_with(key, '/'), false)
    AND coalesce(nullif(is_latest::VARCHAR, '')::BOOLEAN, true) AND NOT coalesce(nullif(is_delete_marker::VARCHAR, '')::BOOLEAN, false)"""  # noqa: S608  # constants


class InventoryRow(NamedTuple):
    """An object of an inventory. `folder` is the part of its key before the last slash, `archive` the archive that it is in."""

    folder: str
    key: str
    size: int | None
    etag: str | None
    modified: float | None
    archive: str | None


@dataclass(frozen=True, slots=True)
class InventoryManifest:
    """What a manifest says: the bucket, when it was listed, and the files of the inventory in the bucket of the manifest."""

    uri: str
    bucket: str
    created: str
    format: str
    columns: tuple[str, ...]
    files: tuple[tuple[str, int, str | None], ...]  # key, size, MD5


def manifest(uri: str, stores: Stores) -> InventoryManifest:
    """Read a manifest. Raises StoreError."""
    try:
        fs, path = filesystem(uri, stores)
        said = json.loads(
            patient(partial(fs.cat_file, path, start=0, end=bounds.INVENTORY_MANIFEST))
        )  # what is larger is cut off, so no JSON
        files = tuple((str(one["key"]), int(one["size"]), one.get("MD5checksum")) for one in said["files"])
        columns = _columns(said["fileFormat"], said["fileSchema"])
        made = InventoryManifest(uri, str(said["sourceBucket"]), str(said.get("creationTimestamp", "")), said["fileFormat"], columns, files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{uri} is not the manifest.json of an S3 inventory ({type(error).__name__}). Name this file, as S3 wrote it"
        ) from None
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, "read", error)) from None
    if made.format not in _FORMATS:
        raise StoreError(f"the inventory {uri} has the format {made.format!r}, but only {', '.join(_FORMATS)} are known")
    if missing := [name for name in _NEEDED if name not in columns]:
        raise StoreError(f"the inventory {uri} lacks the field {missing[0]}. Add it to the inventory's configuration in S3")
    return made


def _columns(kind: str, schema: str) -> tuple[str, ...]:
    """Return the names of the columns, by those of Parquet and ORC; others stay as they are."""
    if kind == "CSV":
        known = {name.replace("_", ""): name for name in _COLUMNS}
        names = [name.strip() for name in schema.split(",")]
        return tuple(known.get(name.replace("_", "").lower(), name) for name in names)
    pattern = r"\s(\w+)(?:\s*\([^)]*\)+)?\s*;" if kind == "Parquet" else r"(\w+):"
    return tuple(re.findall(pattern, schema))


class BucketInventory:
    """The rows of an inventory below a prefix of its bucket. Raises StoreError if a file is missing or damaged."""

    def __init__(self, about: InventoryManifest, stores: Stores, prefix: str) -> None:
        self._about, self._stores, self._prefix = about, stores, prefix

    @contextlib.contextmanager
    def opened(self) -> Iterator[InventoryRows]:
        """Load the inventory into a database that is removed afterwards."""
        try:
            with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as place:
                yield from self._opened(place)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise StoreError(
                f"the inventory {self._about.uri} cannot be sorted in {tempfile.gettempdir()} ({type(error).__name__}). Make room there, or "
                "set TMPDIR to a folder with more"
            ) from None

    def _opened(self, place: str) -> Iterator[InventoryRows]:
        config: dict[str, Any] = _SQL | {"temp_directory": f"{place}/spilled"}
        with duckdb.connect(f"{place}/inventory", config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute("SET TimeZone = 'UTC'")  # else the times of Parquet and ORC are those of the machine's zone
            connection.execute(_TABLE)
            for number, _ in enumerate(self._about.files):
                self._load(connection, number, Path(place) / "file")
            yield InventoryRows(connection)

    def _load(self, connection: duckdb.DuckDBPyConnection, number: int, place: Path) -> None:
        key, size, digest = self._about.files[number]
        named = f"the file {key} of the inventory {self._about.uri}"
        try:
            patient(partial(self._fetch, key, place))
        except Exception as error:  # every store raises its own kind
            if _is_full(error):
                raise
            raise StoreError(f"{named} is missing or cannot be read: {denied(key, 'read', error)}") from None
        with place.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if place.stat().st_size != size or digest not in (None, found):
            raise StoreError(
                f"{named} is not the one that the manifest names: its size or its MD5 differ. Use an inventory that is complete"
            )
        try:
            for batch in _FORMATS[self._about.format](place, self._about.columns):
                self._insert(connection, batch)
        except (pa.ArrowException, duckdb.Error, ValueError, KeyError, OSError, EOFError) as error:
            if _is_full(error):
                raise
            raise StoreError(f"{named} is damaged ({type(error).__name__}). Use another inventory") from None
        place.unlink()

    def _fetch(self, key: str, place: Path) -> None:
        bucket = self._about.uri.split("/")[2]
        uri = f"s3://{bucket}/{key}"
        fs, path = filesystem(uri, self._stores)
        with fs.open(path, "rb", block_size=_PIECE) as source, place.open("wb") as out:
            shutil.copyfileobj(source, out, _PIECE)

    def _insert(self, connection: duckdb.DuckDBPyConnection, batch: pa.Table) -> None:
        if self._about.format == "CSV":
            batch = batch.set_column(batch.column_names.index("key"), "key", _decoded(batch.column("key")))
        for name in set(_COLUMNS) - set(batch.column_names):
            batch = batch.append_column(name, pa.nulls(batch.num_rows, pa.string()))
        connection.register("batch", batch)
        connection.execute(_INSERT, [self._prefix])
        connection.unregister("batch")


def _is_full(error: Exception) -> bool:
    """Return whether an error says that the disk of this machine is full, and nothing of an inventory."""
    full = duckdb.IOException | duckdb.OutOfMemoryException | duckdb.TransactionException  # the last if a commit finds no room
    return isinstance(error, full) or getattr(error, "errno", None) in (ENOSPC, EDQUOT)


class InventoryRows:
    """The rows of an inventory, loaded."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def names_in(self, folder: str) -> list[str]:
        """Return the names of the objects in a folder."""
        rows = self._connection.execute("SELECT key FROM objects WHERE folder = ?", [folder]).fetchall()
        return [str(key).rpartition("/")[2] for (key,) in rows]

    def folders_with(self, name: str) -> list[str]:
        """Return the folders that have a folder of this name in them."""
        wanted = "SELECT DISTINCT folder FROM objects WHERE folder = ? OR ends_with(folder, ?) ORDER BY folder"
        rows = self._connection.execute(wanted, [name, f"/{name}"]).fetchall()
        return [str(folder)[: -len(name)].rstrip("/") for (folder,) in rows]

    def sorted(self) -> Iterator[InventoryRow]:
        """Yield the rows in the order of a listing: the objects of a folder, and then those in the folders below it."""
        rows = self._connection.sql(f"SELECT folder, key, size, etag, modified, archive FROM objects {_ORDER}")  # noqa: S608  # a constant
        for batch in rows.to_arrow_reader(_BATCH):
            yield from map(InventoryRow, *(column.to_pylist() for column in batch.columns))


def _decoded(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return keys of a CSV file, which are encoded as in a form of the web: a plus is a space."""
    if not pc.any(pc.match_substring_regex(keys, "[%+]")).as_py():
        return keys
    return pa.chunked_array([pa.array([unquote_plus(key) if "%" in key or "+" in key else key for key in keys.to_pylist()], pa.string())])


def _csv(place: Path, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    with place.open("rb") as file:
        stream = pa.CompressedInputStream(file, "gzip") if file.read(2) == b"\x1f\x8b" else pa.PythonFile(file)
        file.seek(0)
        reader = pacsv.open_csv(
            stream,
            pacsv.ReadOptions(column_names=list(columns), block_size=_PIECE),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), include_columns=[name for name in columns if name in _COLUMNS]
            ),
        )
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _parquet(place: Path, _: tuple[str, ...]) -> Iterator[pa.Table]:
    with pq.ParquetFile(place) as file:
        names = [name for name in file.schema_arrow.names if name in _COLUMNS]
        for batch in file.iter_batches(_BATCH, columns=names):
            yield pa.Table.from_batches([batch])


def _orc(place: Path, _: tuple[str, ...]) -> Iterator[pa.Table]:
    from pyarrow import orc

    file = orc.ORCFile(str(place))
    names = [name for name in file.schema.names if name in _COLUMNS]
    for stripe in range(file.nstripes):
        yield pa.Table.from_batches([file.read_stripe(stripe, names)])


_FORMATS: Mapping[str, Callable[[Path, tuple[str, ...]], Iterator[pa.Table]]] = {"CSV": _csv, "Parquet": _parquet, "ORC": _orc}
