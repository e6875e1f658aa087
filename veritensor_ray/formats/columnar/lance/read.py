"""Reads Lance files: those of a dataset as one of its versions has them, and others as they are.

The library opens files by their paths, and may follow what a file says to any other. It is therefore given a copy in a folder of its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.core.lance_layout import BLOB_2, LanceLayout, type_name
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.columnar.arrow.read import is_read, read_rows
from veritensor_ray.formats.columnar.key_columns import KeyColumns
from veritensor_ray.formats.columnar.lance.lance_child import ABOUT, BATCH, DATA, NAME, SCHEMA, LanceRequest
from veritensor_ray.formats.columnar.lance.lance_process import decoded
from veritensor_ray.formats.columnar.text_columns import stretches
from veritensor_ray.formats.columnar.viewed_columns import deleted_rows, dropped_columns, living_rows
from veritensor_ray.formats.common.account import Reading
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source

_WHAT = "not a complete Lance file"
_ALIGNED, _FILLING = 64, b"H"  # bytes to which parts are filled up, and with what
_PIECE_BYTES, _PIECE_ROWS = 8 << 20, 1024
_BLOB = b"lance-encoding:blob"
_INLINE = 0  # the kind of a value that stands in the file itself


def read_lance(source: Source) -> Iterator[Item]:
    """Read the columns of a file. `row` counts from the beginning of the file, even if rows are deleted."""
    if not source.file.seekable():
        raise ReadError("a Lance file can only be read as a file of its own, and not from a stream", ReasonCode.NO_READER)
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        in_folder(source.file, folder)
        yield from _LanceFile(source, folder).items()


def in_folder(file: BinaryIO, folder: str) -> None:
    """Copy a file to where the library expects it."""
    path = Path(folder, DATA, NAME)
    path.parent.mkdir()
    file.seek(0)
    with path.open("wb") as out:
        shutil.copyfileobj(file, out, _PIECE_BYTES)


class _LanceFile:
    def __init__(self, source: Source, folder: str) -> None:
        self._source, self._folder = source, folder
        self._layout = LanceLayout.from_json(source.view.lance) if source.view and source.view.lance else None
        self._about: Mapping[str, Any] = {}
        self._elsewhere = dict[str, int]()  # values of columns that are stored in other files

    def items(self) -> Iterator[Item]:
        stored = self._describe()
        schema = self._layout.schema if self._layout else stored
        if self._source.view is not None:
            yield from deleted_rows(self._source.view)
        if self._layout is not None and (dropped := self._layout.dropped):
            yield dropped_columns(dropped)
        yield from _nested_blobs(schema)
        columns = [field.name for field in schema if is_read(field.type)]
        if columns:
            columns += [name for name in KeyColumns(self._source.key).among(schema, str) if name not in columns]
            yield from read_rows(self._source, self._rows(columns))
        else:
            hidden = self._source.view.hidden if self._source.view else 0
            self._source.counts.rows += max(0, int(self._about.get("rows", 0)) - hidden)
        for name, count in self._elsewhere.items():
            reason = f"{count:,} values are stored in other files, which are not followed; those in the dataset's folder are read there"
            yield Gap(reason, location=f"column {name}"[:200], count=count, code=ReasonCode.ELSEWHERE)

    def _describe(self) -> pa.Schema:
        """Claim the parts of the file, and return the schema with which it was written."""
        answers = dict(decoded(LanceRequest(self._folder)))
        try:
            self._about = json.loads(answers[ABOUT])
            schema = pa.ipc.read_schema(pa.py_buffer(answers[SCHEMA]))
            self._claim()
        except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
            raise as_read_error(error, _WHAT) from None
        return schema

    def _claim(self) -> None:
        account, size = self._source.account, length(self._source.file)
        columns, buffers = [part for column in self._about["columns"] for part in column], self._about["global"]
        for start, much in columns:
            self._claim_part(start, start + much, "text")
        for start, much in buffers:
            self._claim_part(start, start + much, "structure")
        account.claim(max((start + much for start, much in (*columns, *buffers)), default=0), size, "structure")  # descriptions, footer

    def _claim_part(self, start: int, end: int, reading: Reading) -> None:
        """Claim a part, and what fills it up to the next multiple of a number, unless something else stands there."""
        account, filling = self._source.account, _bytes(self._source.file, end, -end % _ALIGNED)
        account.claim(start, end, reading)
        if not filling.strip(_FILLING):
            account.claim(end, end + len(filling), "structure")

    def _rows(self, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, Any]]:
        """Yield the living rows in batches of a few megabytes, with their numbers in the file."""
        blobs = [field.name for field in self._layout.schema if is_blob(field)] if self._layout else []
        first = 0
        for kind, data in decoded(LanceRequest(self._folder, self._source.view.lance if self._source.view else "", columns)):
            if kind != BATCH:
                continue
            batch = pa.ipc.open_stream(data).read_next_batch()
            batch.validate()
            for start, end in self._portions(batch, blobs):
                piece, rows = living_rows(self._source.view, batch.slice(start, end - start), first + start)
                yield self._with_blobs(piece, blobs), rows
            first += batch.num_rows

    def _portions(self, batch: pa.RecordBatch, blobs: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows whose blobs take a few megabytes."""
        if not any(name in batch.schema.names for name in blobs):
            yield 0, batch.num_rows
            return
        sizes = np.zeros(batch.num_rows, np.float64)
        for name in blobs:
            if name in batch.schema.names:
                sizes += pc.fill_null(_part(batch.column(name), "size"), 0).to_numpy(zero_copy_only=False)
        yield from stretches(np.cumsum(sizes), _PIECE_BYTES, _PIECE_ROWS)

    def _with_blobs(self, batch: pa.RecordBatch, blobs: Sequence[str]) -> pa.RecordBatch:
        """Return a batch with the values of blobs in place of their descriptions, if they stand in the file itself."""
        for name in blobs:
            at = batch.schema.get_field_index(name)
            if at < 0:
                continue
            column = batch.column(at)
            values = pa.array([self._blob(name, one) for one in column.to_pylist()], pa.large_binary())
            batch = batch.set_column(at, name, values)
            if "blob_uri" in [field.name for field in column.type]:
                batch = batch.append_column(f"{name}.blob_uri", _part(column, "blob_uri"))
        return batch

    def _blob(self, name: str, about: Mapping[str, Any] | None) -> bytes | None:
        """Return one value. One that claims to be outside of the file is damage."""
        if about is None or (not about["size"] and not about.get("kind")):
            return None
        if about.get("kind", _INLINE) != _INLINE:
            self._elsewhere[name] = self._elsewhere.get(name, 0) + 1
            return None
        start, size = about["position"], about["size"]
        if start + size > length(self._source.file):
            raise ReadError("a value lies outside of the file")
        self._claim_part(start, start + size, "members")
        return _bytes(self._source.file, start, size)


def _part(column: pa.Array, name: str) -> pa.Array:
    return pc.struct_field(column, name)


def _bytes(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def is_blob(field: pa.Field) -> bool:
    """Return whether the values of a column stand outside of it."""
    return type_name(field) == BLOB_2 or (field.metadata or {}).get(_BLOB) == b"true"


def _nested_blobs(schema: pa.Schema) -> Iterator[Gap]:
    """Yield a gap for each column with such values inside of others."""
    for field in schema:
        if not is_blob(field) and _has_blob(field.type):
            reason = "large values inside of a column are stored outside of it, and were only searched for strings and files"
            yield Gap(reason, location=f"column {field.name}"[:200], coverage=ReasonCode.NO_READER, code=ReasonCode.NO_READER)


def _has_blob(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _has_blob(kind.storage_type)
    return any(is_blob(kind.field(i)) or _has_blob(kind.field(i).type) for i in range(kind.num_fields))


__all__ = ["in_folder", "is_blob", "read_lance"]
