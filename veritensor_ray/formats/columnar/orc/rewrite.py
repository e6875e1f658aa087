"""Rewrites ORC files: a process of its own decodes one, its rows are changed, and the library writes them into a new file.

That file is read again and compared, value by value, before it counts. It has the types, the compression and the metadata of the original.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import as_read_error
from veritensor_ray.formats.columnar.array_texts import TableOrders, kept
from veritensor_ray.formats.columnar.arrow.read import validate_column
from veritensor_ray.formats.columnar.orc.orc_footer import with_footer_of
from veritensor_ray.formats.columnar.orc.orc_process import decoded_orc
from veritensor_ray.formats.columnar.orc.read import ORC_BROKEN, OrcTail
from veritensor_ray.formats.columnar.table_metadata import changed_metadata, is_stripped
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.records import protobuf

_CODECS = {0: "uncompressed", 1: "zlib", 2: "snappy", 4: "lz4", 5: "zstd"}
_VERSION, _BLOCK = 4, 3  # fields of a postscript
_METADATA, _STRIDE = 5, 8  # fields of a footer
_STRUCT, _UNION, _VARCHAR, _CHAR = 12, 13, 16, 17
_SMALLEST, _LARGEST = 1 << 10, 1 << 22  # bytes of a block that is compressed at once
_OLD = b"\0\x0b"  # version 0.11
_WHAT = "not a complete ORC file"
_DIFFERENT = "the file that was written differs from the original in more than what was ordered"


def rewrite_orc(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes. Raises CannotRewriteError, ReadError."""
    tail = _tail_of(source)
    pairs = _pairs(tail)
    if not (any(orders) or is_stripped([key for key, _ in pairs], orders)):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        rewriter = _OrcRewriter(source, orders, tail, Path(folder))
        with rewriter.written([(key, new) for key, value in pairs if (new := changed_metadata(key, value, orders)) is not None]) as made:
            copy_range(made, out, 0, length(made), orders.pulse)


def _tail_of(source: Source) -> OrcTail:
    try:
        return OrcTail(source)
    except ORC_BROKEN as error:
        raise as_read_error(error, _WHAT) from None


def _pairs(tail: OrcTail) -> list[tuple[bytes, bytes]]:
    """Return the metadata of a file."""
    found = (dict(protobuf.fields(value)) for number, value in tail.footer if number == _METADATA and isinstance(value, bytes))
    return [(bytes(one.get(1, b"")), bytes(one.get(2, b""))) for one in found]


class _OrcRewriter:
    def __init__(self, source: Source, orders: Orders, tail: OrcTail, folder: Path) -> None:
        self._source, self._orders, self._tail, self._folder = source, orders, tail, folder
        self._original, self._decoded, self._changed = (folder / name for name in ("original.orc", "decoded.arrows", "changed.arrows"))

    def written(self, metadata: list[tuple[bytes, bytes]]) -> BinaryIO:
        """Return the new file, opened. Raises CannotRewriteError, ReadError."""
        with self._original.open("wb") as copy:
            copy_range(self._source.file, copy, 0, None, self._orders.pulse)
        size = self._original.stat().st_size
        decoded_orc(self._original, self._decoded, size + bounds.HELD + self._source.budget.left, self._orders.pulse)
        self._source.budget.add(max(0, self._decoded.stat().st_size - size))
        path = self._folder / "new.orc"
        try:
            self._write(path)
            file = path.open("r+b")
        except pa.ArrowException as error:
            raise CannotRewriteError(f"its columns cannot be written again: {as_read_error(error, 'pyarrow')}") from None
        try:
            new = OrcTail(replace(self._source, file=file))
            with_footer_of(file, new, self._tail, metadata)
            file.flush()
            self._compare(path)
        except BaseException:
            file.close()
            raise
        return file

    def _write(self, path: Path) -> None:
        """Change the rows, keep them as an Arrow stream too, and write the new file."""
        from pyarrow import orc

        with pa.OSFile(str(self._decoded)) as decoded, pa.OSFile(str(self._changed), "wb") as changed:
            rows = pa.ipc.open_stream(decoded)
            ordered = TableOrders(self._orders, rows.schema.names, self._source, numbered=False)
            self._check_types(rows.schema, ordered)
            with pa.ipc.new_stream(changed, rows.schema) as again, orc.ORCWriter(str(path), **self._options()) as writer:
                writer.write(rows.schema.empty_table())
                first = 0
                for batch in rows:
                    self._orders.pulse()
                    made = _with_changes(batch, first, ordered)
                    first += batch.num_rows
                    again.write_batch(made)
                    writer.write(pa.Table.from_batches([made]))

    def _check_types(self, schema: pa.Schema, ordered: TableOrders) -> None:
        """Raise CannotRewriteError for types that the library cannot write, or if texts of limited length change: a mask may have no room."""
        types = self._tail.types
        if any(made.kind == _UNION for made in types):
            raise CannotRewriteError("it has a union, which the library for ORC reads but does not write")
        touched = ordered.touched(ordered.edited(0, 1 << 62))
        for number, child in enumerate(types[0].children if types and types[0].kind == _STRUCT else ()):
            if number in touched and self._is_limited(child):
                raise CannotRewriteError(f"its column {schema.names[number]} is of a type with a greatest length (CHAR, VARCHAR)"[:200])

    def _is_limited(self, number: int) -> bool:
        made = self._tail.types[number]
        return made.kind in (_VARCHAR, _CHAR) or any(self._is_limited(child) for child in made.children if child > number)

    def _options(self) -> dict[str, Any]:
        """Return how the file is written: as the original, as far as its tail says so."""
        tail = self._tail
        postscript, footer = dict(tail.postscript), dict(tail.footer)
        stripes = [sum(one.numbers.get(number, 0) for number in (2, 3, 4)) for one in tail.stripes]
        return {
            "compression": _CODECS[tail.codec],
            "compression_block_size": min(max(int(postscript.get(_BLOCK, 1 << 18)), _SMALLEST), _LARGEST),
            "file_version": "0.11" if postscript.get(_VERSION) == _OLD else "0.12",
            "row_index_stride": min(int(footer.get(_STRIDE, 10_000)), 1 << 30),
            "stripe_size": bounds.HELD if len(stripes) < 2 else min(max(max(stripes), 1 << 16), bounds.HELD),
            "dictionary_key_size_threshold": 0.8,
        }

    def _compare(self, path: Path) -> None:
        """Raise CannotRewriteError unless the new file has the rows that were to be written."""
        from pyarrow import orc

        with pa.OSFile(str(self._changed)) as changed:
            rows = pa.ipc.open_stream(changed)
            file = orc.ORCFile(str(path))
            left = (file.read_stripe(number) for number in range(file.nstripes))
            waiting = next(left, None)
            for batch in rows:
                self._orders.pulse()
                at = 0
                while at < batch.num_rows:
                    if waiting is None or not waiting.num_rows:
                        if (waiting := next(left, None)) is None:
                            raise CannotRewriteError(_DIFFERENT)
                        continue
                    many = min(batch.num_rows - at, waiting.num_rows)
                    pairs = zip(batch.slice(at, many).columns, waiting.slice(0, many).columns, strict=True)
                    if not all(same_values(one, two) for one, two in pairs):
                        raise CannotRewriteError(_DIFFERENT)
                    at, waiting = at + many, waiting.slice(many)
            if (waiting is not None and waiting.num_rows) or next(left, None) is not None:
                raise CannotRewriteError(_DIFFERENT)


def _with_changes(batch: pa.RecordBatch, first: int, ordered: TableOrders) -> pa.RecordBatch:
    last = first + batch.num_rows
    dropped, edited = ordered.dropped(first, last), ordered.edited(first, last)
    for row in dropped:
        ordered.drop(row)
    columns = []
    for number, field in enumerate(batch.schema):
        column = batch.column(number)
        try:
            validate_column(column)
        except pa.ArrowException as error:
            raise as_read_error(error, _WHAT) from None
        if here := ordered.rows_of(number, edited):
            column = ordered.changed(column, number, field.nullable, first, here)
        columns.append(kept(column, first, dropped))
    return pa.record_batch(columns, schema=batch.schema)


def same_values(one: pa.Array, two: pa.Array) -> bool:
    """Return whether two arrays have the same type and the same values, numbers that are none among them."""
    kind = one.type
    if kind != two.type or len(one) != len(two) or not one.is_valid().equals(two.is_valid()):
        return False
    if pa.types.is_floating(kind):
        bits = pa.int64() if pa.types.is_float64(kind) else pa.int32()
        return bool(one.drop_null().view(bits).equals(two.drop_null().view(bits)))
    if pa.types.is_struct(kind):
        here, there = one.drop_null(), two.drop_null()
        return all(same_values(pc.struct_field(here, [i]), pc.struct_field(there, [i])) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        plain = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
        return same_values(one.cast(plain), two.cast(plain))
    if pa.types.is_list(kind):
        return bool(pc.list_value_length(one).equals(pc.list_value_length(two))) and same_values(pc.list_flatten(one), pc.list_flatten(two))
    return bool(one.equals(two))


__all__ = ["rewrite_orc", "same_values"]
