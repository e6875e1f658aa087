"""The kinds of tables, and what reading a snapshot of one gives. A further kind is a row of `KINDS` and a module with a function `snapshot`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import pyarrow as pa

from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.stores.filesystems import Stores


class TableKind(NamedTuple):
    """A kind of table: its name in URIs, what it and its snapshots are called, the folder by which it is recognized, and its library's extra.

    `module` has the function `snapshot`. `files` matches the paths of data files and of what belongs to them; other files stand beside the
    table. If other folders have the same name as `log`, `proof` matches the name of a file in it that only a table has. `describes` matches
    the paths of further files that describe the table, beside those in `log`.
    """

    name: str
    title: str
    unit: str
    log: str
    extra: str
    module: str
    files: re.Pattern[bytes]
    proof: re.Pattern[str] | None = None
    describes: re.Pattern[bytes] | None = None

    def is_log(self, name: bytes) -> bool:
        """Return whether a file, named by its path in the table's folder, describes the table."""
        return name.startswith(self.log.encode() + b"/") or (self.describes is not None and bool(self.describes.fullmatch(name)))


DELTA = TableKind(
    *("delta", "Delta table", "version", "_delta_log", "delta", ".delta"),
    re.compile(rb".*\.parquet|(.*/)?deletion_vector_[^/]*\.bin", re.DOTALL),
)
ICEBERG = TableKind(
    *("iceberg", "Iceberg table", "snapshot", "metadata", "iceberg", ".iceberg"),
    re.compile(rb".*\.(parquet|orc|avro|puffin)", re.DOTALL),
    re.compile(r".*\.metadata\.json(\.gz)?|version-hint\.text", re.DOTALL),
)
LANCE = TableKind(
    *("lance", "Lance dataset", "version", "_versions", "lance", ".lance"),
    re.compile(rb"data/[^/]*\.lance|_deletions/.*", re.DOTALL),
    re.compile(r".*\.manifest|latest_version_hint\.json", re.DOTALL),
    re.compile(rb"(_transactions|_indices|_refs)/.*", re.DOTALL),
)
KINDS = {kind.name: kind for kind in (DELTA, ICEBERG, LANCE)}  # of a folder that is two kinds, the upper one decides


class TableFolder(NamedTuple):
    """A folder to read as a table. `version` is a snapshot as the user or a plan names it; without one, the latest is read.

    `head` is the file in its log that says what the latest is, if the user or a catalog named one.
    """

    kind: str
    uri: str
    stores: Stores
    version: str | None = None
    follow_links: bool = False
    head: str | None = None


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file of a snapshot: its size as the table gives it, and its view. `problem` says why it cannot be read, if that is known."""

    size: int | None
    view: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data files of one version of a table, by their paths in its folder."""

    version: str
    files: Mapping[bytes, DataFile]


DATA_FILES = pa.schema(
    [("path", pa.binary()), ("size", pa.int64()), ("view", pa.dictionary(pa.int32(), pa.binary())), ("problem", pa.string())]
)
Opener = Callable[[TableFolder], Snapshot]  # raises ReadError


def kind_of(folders: Collection[str], names_in: Callable[[str], Iterable[str]], wanted: str | None = None) -> TableKind | None:
    """Return which kind of table a folder is, judged by the names of the folders in it, and of the files in these if need be.

    `wanted` is the kind that the user named.
    """
    kinds = (KINDS[wanted],) if wanted else KINDS.values()
    return next((kind for kind in kinds if kind.log in folders and (kind.proof is None or proven(kind, names_in(kind.log)))), None)


def proven(kind: TableKind, names: Iterable[str]) -> bool:
    """Return whether one of the files in a folder belongs to a table only."""
    return kind.proof is not None and any(map(kind.proof.fullmatch, names))


def loaded(name: str) -> ModuleType:
    """Import the module that reads a kind of table. Raises ReadError with the remedy if its library is not installed."""
    kind = KINDS[name]
    try:
        return importlib.import_module(kind.module, __package__)
    except ImportError:
        reason = f"the library for it is not installed: pip install 'veritensor-ray[{kind.extra}]'"
        raise ReadError(reason, ReasonCode.NO_READER) from None


def opened(folder: TableFolder, pulse: Callable[[], None] = lambda: None) -> Snapshot:
    """Read the snapshot of a table in this process. Raises ReadError."""
    module = loaded(folder.kind)
    try:
        found: Snapshot = module.snapshot(folder, pulse)
    except ReadError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a table: a hostile log may raise anything in its library
        raise as_read_error(error, "its snapshot cannot be read") from None
    return found


class Noting:
    """Reads snapshots, and notes which tables it read and in which version."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self.tables: list[dict[str, str | int | None]] = []

    def __call__(self, folder: TableFolder) -> Snapshot:
        """Read the snapshot of a table. Raises ReadError."""
        snapshot = self._opener(folder)
        noted: dict[str, str | int | None] = {
            "table": folder.uri,
            "kind": folder.kind,
            "version": snapshot.version,
            "data_files": len(snapshot.files),
        }
        if noted not in self.tables:  # a sample needs two listings
            self.tables.append(noted)
        return snapshot


__all__ = [
    "DATA_FILES",
    "DELTA",
    "ICEBERG",
    "KINDS",
    "LANCE",
    "DataFile",
    "Noting",
    "Opener",
    "Snapshot",
    "TableFolder",
    "TableKind",
    "kind_of",
    "loaded",
    "opened",
    "proven",
]
