"""Reads the manifest of a Lance dataset: the data files of a version, the columns that they hold, and the rows that are deleted.

The library works on a copy of the manifest and of the deletion files, so that it opens no store. It reads no data file. This module is
imported only to read a dataset, since the library is an extra.
"""

from __future__ import annotations

import json
import re
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.lance_layout import BLOB_2, LanceLayout, schema_text, type_name
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableFragment, TableView, packed
from veritensor_ray.core.timespans import moment
from veritensor_ray.corpus.tables.log_copy import LogCopy, said
from veritensor_ray.corpus.tables.table_kinds import LANCE, DataFile, Snapshot, TableFolder

_NAMED = re.compile(rf"{LANCE.log}/([0-9]{{1,20}})\.manifest")
_COUNTED_DOWN = 20  # digits of a manifest's name if it counts down from the largest number, so that the latest comes first
_LARGEST = (1 << 64) - 1
_NUMBERED = (0, 3)  # the first format whose columns are found by their numbers
_ONE_PLACE_EACH = (2, 1)  # the first format in which only fields without others below them have a place in a file
_PACKED = (b"packed", b"lance-encoding:packed")  # metadata of a struct that has a place of its own
_STORED = re.compile(rb"lance-encoding:|packed$|lance-schema:|ARROW:extension:")  # metadata of a column that say what it is
_WHAT = "its manifest is damaged or incomplete"
_PANIC = "PanicException"  # of Rust; it has no module, and is no Exception
_ELSEWHERE = "it is in the folder of another dataset, and such references are not followed"
_FIRST_FORMAT = (
    "it has the first Lance format, for which there is no reader; let Lance write the dataset again with `data_storage_version='stable'`"
)
_OVERLAID = "values of it are replaced by overlay files, which cannot be applied; let Lance compact the dataset"


def snapshot(folder: TableFolder, pulse: Callable[[], None]) -> Snapshot:
    """Read a snapshot. Raises ReadError."""
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as place:
        manifests = _LanceVersions(LogCopy(folder, Path(place), pulse), place)
        try:
            version = manifests.wanted(folder.version)
            return Snapshot(str(version), manifests.files(manifests.opened(version)))
        except (ValueError, OSError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
            raise ReadError(f"{_WHAT}: {said(error, place)}") from None
        except BaseException as error:
            if type(error).__name__ != _PANIC:
                raise
            raise ReadError(f"{_WHAT}: the library panics") from None


class _LanceVersions:
    """The versions of a dataset. Only the manifests that are opened are copied."""

    def __init__(self, copy: LogCopy, place: str) -> None:
        self._copy, self._place = copy, place
        self._names = {_version(found[1]): found[0] for name in copy.names(LANCE.log) if (found := _NAMED.fullmatch(name))}
        if not self._names:
            raise ReadError(f"its folder {LANCE.log} has no manifest", ReasonCode.NOT_FOUND)

    def opened(self, version: int) -> Any:
        """Return the dataset in a version that it has."""
        self._copy.fetch(LANCE.log, self._names[version].__eq__)
        return lance.dataset(self._place, version=version)

    def wanted(self, named: str | None) -> int:
        """Return the version that a user or a plan names. Raises ReadError if there is none."""
        versions = sorted(self._names)
        if named is None:
            return versions[-1]
        if not named.isdecimal():
            return self._at(moment(named, datetime.now(UTC), -1), versions)
        if int(named) > versions[-1]:
            raise ReadError(f"it has no version {named}; the latest is {versions[-1]}", ReasonCode.NOT_FOUND)
        if int(named) not in self._names:
            reason = f"its version {named} can no longer be read, because its manifest was removed; the earliest is {versions[0]}"
            raise ReadError(reason, ReasonCode.NOT_FOUND)
        return int(named)

    def _at(self, at: datetime, versions: list[int]) -> int:
        """Return the version of a moment. Of many manifests, only a few have to be opened, because later ones have later times."""
        number = bisect_right(versions, at.timestamp(), key=self._written)
        if not number:
            raise ReadError(f"its manifests do not reach back to {at:%Y-%m-%d %H:%M:%S %Z}", ReasonCode.NOT_FOUND)
        return versions[number - 1]

    def _written(self, version: int) -> float:
        listed = self.opened(version).versions()
        return next(float(one["timestamp"].timestamp()) for one in listed if one["version"] == version)

    def files(self, table: Any) -> dict[bytes, DataFile]:
        """Return the data files of a version with their views."""
        fragments = table.get_fragments()
        about = {fragment.fragment_id: fragment.metadata for fragment in fragments}
        vectors = {one.deletion_file() for one in fragments if _has_deletions(about[one.fragment_id])}
        if vectors:
            self._copy.fetch("_deletions", vectors.__contains__)
        schema = pa.schema([_bare(field) for field in table.schema])
        layouts, of_copy = _Layouts(schema, table.lance_schema.fields()), _about(schema, about.values())
        found: dict[bytes, DataFile] = {}
        for fragment in fragments:
            metadata = about[fragment.fragment_id]
            deleted = _deleted(fragment) if _has_deletions(metadata) else b""
            for file in metadata.files:
                name = f"data/{file.path}".encode()
                if name in found:
                    raise ReadError("its manifest names a data file twice")
                place = TableFragment(fragment.fragment_id, metadata.physical_rows or 0, len(metadata.files) > 1)
                view = TableView((), (), deleted, layouts.of(file), of_copy, fragment=place).to_bytes()
                found[name] = DataFile(file.file_size_bytes or None, view, _problem(metadata, file))
        return found


def _version(digits: str) -> int:
    return _LARGEST - int(digits) if len(digits) == _COUNTED_DOWN else int(digits)


def _about(schema: pa.Schema, fragments: Iterable[Any]) -> str:
    """Return what the manifest of a copy has to say.

    It is empty if files of values beside the data files would have to be copied too, and for early manifests, which do not count rows.
    """
    if any(map(_is_elsewhere, schema)) or not all(one.physical_rows for one in fragments):
        return ""
    return json.dumps({"schema": schema_text(pa.schema([field.with_nullable(True) for field in schema]))})  # a copy may lack files


def _is_elsewhere(field: pa.Field) -> bool:
    """Return whether values of a column, in any depth, may stand in files of their own."""
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    return type_name(field) == BLOB_2 or any(_is_elsewhere(kind.field(i)) for i in range(kind.num_fields))


def _bare(field: pa.Field) -> pa.Field:
    """Return a column with only the metadata that say how it is stored and what its type is, in any depth."""
    kind, known = field.type, {key: value for key, value in (field.metadata or {}).items() if _STORED.match(key)}
    if pa.types.is_struct(kind):
        kind = pa.struct([_bare(inner) for inner in kind])
    elif pa.types.is_list(kind):
        kind = pa.list_(_bare(kind.value_field))
    elif pa.types.is_large_list(kind):
        kind = pa.large_list(_bare(kind.value_field))
    return pa.field(field.name, kind, field.nullable, known or None)


def _has_deletions(metadata: Any) -> bool:
    """Return whether rows of a fragment are deleted, by a file in the dataset's own folder. The library must not look into others."""
    return metadata.deletion_file is not None and metadata.deletion_file.base_id is None


def _problem(metadata: Any, file: Any) -> str | None:
    """Return why a data file cannot be read, if that is known."""
    if file.base_id is not None or (metadata.deletion_file is not None and metadata.deletion_file.base_id is not None):
        return _ELSEWHERE
    if ":/" in file.path or file.path.startswith("/") or ".." in file.path.split("/"):
        return "it is outside of the table's folder, and such paths are not followed"
    if (file.file_major_version, file.file_minor_version) < _NUMBERED:
        return _FIRST_FORMAT
    return _OVERLAID if metadata.overlays else None


def _deleted(fragment: Any) -> bytes:
    """Return the deleted rows of a fragment as in a view. No data file is needed to know them."""
    gone = np.ones(fragment.physical_rows, bool)
    for batch in fragment.scanner(columns=[], with_row_address=True).to_batches():
        gone[batch.column("_rowaddr").to_numpy() & 0xFFFF_FFFF] = False
    return packed(gone)


class _Layouts:
    """Describes how data files hold the columns of a dataset. Most files hold the same ones in the same way."""

    def __init__(self, schema: pa.Schema, fields: Iterable[Any]) -> None:
        self._schema, self._fields = schema, list(fields)
        self._made: dict[str, str] = {}

    def of(self, file: Any) -> str:
        """Return the layout of a data file as JSON."""
        key = f"{file.fields} {file.column_indices} {file.file_major_version} {file.file_minor_version}"
        if key not in self._made:
            self._made[key] = self._layout(file).to_json()
        return self._made[key]

    def _layout(self, file: Any) -> LanceLayout:
        version = (file.file_major_version, file.file_minor_version)
        held, paths = set(file.fields), dict[int, tuple[str, ...]]()
        kept = (_kept(field, known, held, version, (), paths) for field, known in zip(self._schema, self._fields, strict=True))
        schema = pa.schema([field for field in kept if field is not None])
        return LanceLayout(schema, tuple(paths.get(number, ()) for number in file.fields), tuple(file.column_indices), version)


def _kept(
    field: pa.Field, known: Any, held: set[int], version: tuple[int, int], above: tuple[str, ...], paths: dict[int, tuple[str, ...]]
) -> pa.Field | None:
    """Return what of a field stands in a file, and note the path of each of its parts. `known` has the numbers by which files hold fields."""
    number, path = known.id(), (*above, known.name())
    below = [] if _is_whole(field, known, version) and number in held else _below(field.type, known)
    if not below:
        if number not in held:
            return None
        paths[number] = path
        return field
    kept = [_kept(inner, one, held, version, path, paths) for inner, one in below]
    if all(one is None for one in kept):
        return None
    if number in held:
        paths[number] = path
    return field.with_type(_put_together(field.type, kept))


def _is_whole(field: pa.Field, known: Any, version: tuple[int, int]) -> bool:
    """Return whether a field that stands in a file does so with everything below it. Early formats also list the fields above others."""
    if version >= _ONE_PLACE_EACH or not known.children():
        return True
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    return any(metadata.get(name) == b"true" for name in _PACKED)


def _below(kind: pa.DataType, known: Any) -> list[tuple[pa.Field, Any]]:
    """Return the fields below one, as Arrow and as the library know them."""
    inner: list[pa.Field] = []
    if isinstance(kind, pa.BaseExtensionType):
        return _below(kind.storage_type, known)
    if pa.types.is_struct(kind):
        inner = list(kind)
    elif pa.types.is_map(kind):
        inner = [pa.field("entries", pa.struct([kind.key_field, kind.item_field]), nullable=False)]
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = [kind.value_field]
    children = known.children()
    return list(zip(inner, children, strict=True)) if len(inner) == len(children) else []  # a list of numbers has no field for these


def _put_together(kind: pa.DataType, kept: list[pa.Field | None]) -> pa.DataType:
    """Return a type with the parts that stand in a file."""
    if isinstance(kind, pa.BaseExtensionType):
        return kind
    fields = [one for one in kept if one is not None]
    if pa.types.is_struct(kind):
        return pa.struct(fields)
    if pa.types.is_map(kind):
        return pa.map_(*fields[0].type) if fields[0].type.num_fields == 2 else pa.list_(fields[0])
    if pa.types.is_large_list(kind):
        return pa.large_list(fields[0])
    return pa.list_(fields[0], kind.list_size) if pa.types.is_fixed_size_list(kind) else pa.list_(fields[0])


__all__ = ["snapshot"]
