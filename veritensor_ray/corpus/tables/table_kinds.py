"""The kinds of tables, and what reading a snapshot of one gives. A further kind is a row of `KINDS` and a module with a function `snapshot`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import pyarrow as pa

from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.stores.filesystems import Stores


class TableKind(NamedTuple):
    """A kind of table: its name in URIs, what it is called, the folder by which it is recognized, and the extra with its library.

    `module` has the function `snapshot`. `files` matches the names of data files and of what belongs to them; other files stand beside the table.
    """

    name: str
    title: str
    log: str
    extra: str
    module: str
    files: re.Pattern[bytes]


DELTA = TableKind("delta", "Delta table", "_delta_log", "delta", ".delta", re.compile(rb".*\.parquet|deletion_vector_.*\.bin", re.DOTALL))
KINDS = {kind.name: kind for kind in (DELTA,)}
_BY_LOG = {kind.log: kind for kind in KINDS.values()}


class TableFolder(NamedTuple):
    """A folder to read as a table. `version` is a snapshot as the user or a plan names it; without one, the latest is read."""

    kind: str
    uri: str
    stores: Stores
    version: str | None = None
    follow_links: bool = False


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


def kind_of(folders: Collection[str]) -> TableKind | None:
    """Return which kind of table a folder is, judged by the names of the folders in it."""
    return next((_BY_LOG[name] for name in folders if name in _BY_LOG), None)


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
    "KINDS",
    "DataFile",
    "Noting",
    "Opener",
    "Snapshot",
    "TableFolder",
    "TableKind",
    "kind_of",
    "loaded",
    "opened",
]
