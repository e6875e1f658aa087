"""Encodes a column of one row group of a Parquet file as it was encoded before."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.errors import told
from veritensor_ray.formats.columnar.parquet.parquet_file import (
    BYTES,
    CODEC,
    COLUMNS,
    CONVERTED,
    ENCODINGS,
    FIXED,
    FULL,
    INT32,
    INT64,
    INT96,
    LOGICAL,
    META,
    META_PAIRS,
    OFFSET_INDEX,
    PACKED,
    PAGE_STATISTICS,
    PATH,
    SCHEMA,
    SIZE_STATISTICS,
    STATISTICS,
    VALUES,
    Chunk,
    Leaf,
    ParquetFile,
    TopField,
    levels,
)
from veritensor_ray.formats.columnar.parquet.thrift import I64, List, Struct
from veritensor_ray.formats.editing.actions import CannotRewriteError

_CODECS = {0: "none", 1: "snappy", 2: "gzip", 4: "brotli", 5: "lz4", 6: "zstd", 7: "lz4"}
_DICTIONARIES = (2, 8)
_ENCODING_NAMES = {5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY", 9: "BYTE_STREAM_SPLIT"}
_DECIMAL, _UNSIGNED = 5, (11, 12, 13, 14)  # converted types
_L_DECIMAL, _L_INTEGER, _L_UUID = 5, 10, 14  # logical types
_L_GEOGRAPHIC = (17, 18)
_V2_PAGE = 3
_BOUNDS = (1, 2, 5, 6, 7, 8)  # of statistics: everything that is a value
DECODING = (pa.ArrowException, OSError, ValueError)


class _Encoding(NamedTuple):
    """A portion of a column as Parquet: a file with one row group, and its footer."""

    file: io.BytesIO
    parsed: ParquetFile


class FieldEncoder:
    """Encodes a column of one row group as it was encoded before."""

    def __init__(self, file: ParquetFile, group: int, field: TopField) -> None:
        self._file, self._group, self._field = file, group, field
        self._originals: list[Struct] = file.groups[group][COLUMNS][field.first : field.first + len(field.leaves)]

    def chunks(self, tables: Iterator[pa.Table]) -> Iterator[Chunk]:
        """Yield the chunks of all leaves for the values in the tables. Without a second table, they get the encodings of the original."""
        one = next(tables)
        two = next(tables, None)
        if two is None:
            encoding = self._encoded(one, dictionary=True)
            for leaf, original in enumerate(self._originals):
                chunk = encoding.parsed.chunk(0, leaf)
                self._restore(chunk, leaf, original)
                yield chunk
        else:
            yield from self._joined(chain((one, two), tables))

    def _joined(self, tables: Iterator[pa.Table]) -> Iterator[Chunk]:
        """Put the pages of many portions together. They can have no dictionary, of which a chunk has only one."""
        metas: list[Struct] = []
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in self._originals]
            for table in tables:
                encoding = self._encoded(table, dictionary=False)
                parts = [encoding.parsed.chunk(0, leaf) for leaf in range(len(files))]
                for part, file in zip(parts, files, strict=True):
                    part.data.seek(part.start)
                    file.write(part.data.read(part.size))
                metas = (
                    [_sum(*both) for both in zip(metas, (part.meta for part in parts), strict=True)]
                    if metas
                    else [part.meta for part in parts]
                )
            for leaf, (file, meta, original) in enumerate(zip(files, metas, self._originals, strict=True)):
                chunk = Chunk(meta, file, 0, meta[PACKED])
                self._restore(chunk, leaf, original)
                yield chunk

    def _restore(self, chunk: Chunk, leaf: int, original: Struct) -> None:
        """Give a chunk the path and metadata of the original, and no statistics that are sorted in another way."""
        meta = original[META]
        chunk.chunk = original
        chunk.bloom = None
        chunk.meta[PATH] = meta[PATH]
        if META_PAIRS in meta:
            chunk.meta.put(META_PAIRS, meta.kinds[META_PAIRS], meta[META_PAIRS])
        if not _sorted_alike(self._field.leaves[leaf]):
            chunk.column_index = None
            for number in _BOUNDS:
                chunk.meta.get(STATISTICS, {}).pop(number, None)
        for number in (STATISTICS, SIZE_STATISTICS):
            if number not in meta:
                chunk.meta.pop(number, None)

    def _encoded(self, table: pa.Table, dictionary: bool) -> _Encoding:
        metas = [chunk[META] for chunk in self._originals]
        header = self._file.page_header(self._group, self._field.first)
        if any(meta[CODEC] not in _CODECS for meta in metas):
            raise CannotRewriteError("it is compressed with LZO")
        out = io.BytesIO()
        try:
            names = _leaf_paths(table.schema)
            with_dictionary = [
                name for name, meta in zip(names, metas, strict=True) if dictionary and not {*_DICTIONARIES}.isdisjoint(meta[ENCODINGS])
            ]
            encodings = {
                name: encoding
                for name, meta in zip(names, metas, strict=True)
                if name not in with_dictionary
                and (encoding := next((_ENCODING_NAMES[e] for e in meta[ENCODINGS] if e in _ENCODING_NAMES), None))
            }
            with pq.ParquetWriter(
                out,
                table.schema,
                compression={name: _CODECS[meta[CODEC]] for name, meta in zip(names, metas, strict=True)},
                use_dictionary=with_dictionary or False,
                column_encoding=encodings or None,
                write_statistics=any(STATISTICS in meta for meta in metas),
                use_deprecated_int96_timestamps=any(leaf.type == INT96 for leaf in self._field.leaves),
                data_page_version="2.0" if header.get(1) == _V2_PAGE else "1.0",
                write_page_index=dictionary and any(OFFSET_INDEX in chunk for chunk in self._originals),
                write_page_checksum=4 in header,
                store_schema=False,
            ) as writer:
                writer.write_table(table, row_group_size=max(1, table.num_rows))
        except DECODING as error:
            raise CannotRewriteError(f"a column cannot be encoded: {told(error)}") from None
        parsed = ParquetFile(out)
        if len(parsed.groups) != 1 or levels(parsed.footer[SCHEMA]) != [leaf[:4] for leaf in self._field.leaves]:
            raise CannotRewriteError("a column has a type that cannot be written again")
        return _Encoding(out, parsed)


def _leaf_paths(schema: pa.Schema) -> list[str]:
    """Return the paths under which a writer knows the leaves of a schema."""
    out = io.BytesIO()
    pq.ParquetWriter(out, schema, store_schema=False).close()
    written = pq.read_metadata(io.BytesIO(out.getvalue())).schema
    return [written.column(i).path for i in range(len(written))]


def _sum(one: Struct, two: Struct) -> Struct:
    """Return the metadata of two chunks whose pages are put together."""
    made = one.copy()
    for number in (VALUES, FULL, PACKED):
        made[number] = one[number] + two[number]
    made[ENCODINGS] = List.of(sorted({*one[ENCODINGS], *two[ENCODINGS]}), one[ENCODINGS].kind)
    nulls = [meta.get(STATISTICS, {}).get(3) for meta in (one, two)]
    for number in (STATISTICS, SIZE_STATISTICS, PAGE_STATISTICS):
        made.pop(number, None)
    if None not in nulls:
        statistics = Struct()
        statistics.put(3, I64, sum(nulls))
        made.put(STATISTICS, 12, statistics)
    return made


def is_text(element: Struct) -> bool:
    logical = element.get(LOGICAL, {})
    return bool(
        element[1] == BYTES
        and element.get(CONVERTED) != _DECIMAL
        and _L_DECIMAL not in logical
        and not any(number in logical for number in _L_GEOGRAPHIC)
    )


def _sorted_alike(leaf: Leaf) -> bool:
    """Whether the smallest and largest values are the same whether or not the type says how values are to be understood."""
    element = leaf.element
    logical, converted = element.get(LOGICAL, {}), element.get(CONVERTED)
    if leaf.type == BYTES:
        return is_text(element)
    if leaf.type == FIXED:
        return (converted is None and not logical) or _L_UUID in logical
    if leaf.type in (INT32, INT64):
        return converted not in _UNSIGNED and logical.get(_L_INTEGER, {}).get(2, True) is not False
    return leaf.type != INT96
