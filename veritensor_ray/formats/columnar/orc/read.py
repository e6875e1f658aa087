"""Reads ORC: the strings of each column, one stripe at a time. The C++ library is not used, because damaged files crash it."""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import lz4.block
import numpy as np
import pyarrow as pa
import zstandard

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, Malformed, as_read_error
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar import snappy
from veritensor_ray.formats.columnar.blobs import Blobs, BlobValue
from veritensor_ray.formats.columnar.leaf_paths import member_name
from veritensor_ray.formats.columnar.orc import structure as orc_runs
from veritensor_ray.formats.columnar.orc.orc_statistics import OrcStatistics
from veritensor_ray.formats.columnar.text_columns import stretches
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.utf8 import utf8
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.records import protobuf
from veritensor_ray.formats.residue.hidden import hidden

_STRING, _BINARY, _LIST, _MAP, _STRUCT, _UNION, _VARCHAR, _CHAR = 7, 8, 10, 11, 12, 13, 16, 17
_TEXT = (_STRING, _VARCHAR, _CHAR)
_PRESENT, _DATA, _LENGTH, _DICTIONARY = range(4)
_NONE, _ZLIB, _SNAPPY, _LZ4, _ZSTD = 0, 1, 2, 4, 5
_ROW_INDEX = 6
_VERSION, _MAGIC = 4, 8000  # of the postscript
_ZONE = re.compile(rb"[A-Za-z0-9_+/-]{1,40}")
_HELD = bounds.STRIPE  # bytes: of a stream that is held whole, of one value, and of an expanded chunk
_VALUES = bounds.STRIPE_ROWS  # values in a column of a stripe
_TYPES, _DEPTH = 20_000, 50
_BATCH_VALUES, _BATCH_BYTES = 4096, 4 << 20
ORC_BROKEN = (
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
    OSError,
    zlib.error,
    zstandard.ZstdError,
    lz4.block.LZ4BlockError,
    pa.ArrowException,
)


@dataclass(slots=True)
class _Type:
    kind: int = 0
    children: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Stripe:
    """A stripe: its offset, the lengths of its index, data and footer, and its rows; then its streams by column and kind, and its encodings
    by column.
    """

    numbers: dict[int, int]
    streams: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    encodings: list[tuple[int, int]] = field(default_factory=list)


def read_orc(source: Source) -> Iterator[Item]:
    """Read a file. A column of a stripe that cannot be decoded does not affect the others."""
    try:
        file = OrcTail(source)
    except ORC_BROKEN as error:
        raise as_read_error(error, "not a complete ORC file") from None
    reader = _StripeReader(file, source)
    for stripe in file.stripes:
        yield from reader.read(stripe)
    if file.metadata:
        yield Block([text for _, text in file.metadata], column=[key for key, _ in file.metadata], view="metadata")
    if names := [name for name in dict.fromkeys(file.names()) if is_text(name)]:
        yield Block(names, column="schema", view="metadata")
    yield from file.hidden("footer")
    yield from reader.limits.rest()
    yield from reader.blobs.gaps()


class OrcTail:
    """The tail of the file: types, stripes and metadata."""

    def __init__(self, source: Source) -> None:
        self.file, self.budget, self.account = source.file, source.budget, source.account
        self.size = self.file.seek(0, io.SEEK_END)
        self._copies = Copies(self.budget, self.size)
        self.account.claim(0, 3, "structure")
        self.unread: list[bytes] = []  # parts of the footer that say nothing about the columns
        self.limits, self._columns = OrcStatistics(), 0
        self.types: list[_Type] = []
        self.stripes: list[_Stripe] = []
        self.metadata: list[tuple[str, str]] = []
        tail = self._piece(self.size - 1, 1)
        listed = list(protobuf.fields(self._piece(self.size - 1 - tail[0], tail[0])))
        about = dict(listed)
        if about.get(_MAGIC) != b"ORC":
            raise Malformed("there is no postscript at its end")
        self.unread += [value for number, value in listed if isinstance(value, bytes) and number not in (_VERSION, _MAGIC)]
        self.postscript = listed
        self.codec, length = _as_number(about.get(2, 0)), _as_number(about.get(1, 0))
        self.most = min(_HELD, _as_number(about.get(3, 1 << 18)))
        if self.codec not in (_NONE, _ZLIB, _SNAPPY, _LZ4, _ZSTD):
            raise Malformed(f"no reader for compression {self.codec}")
        self.footer_at = end = self.size - 1 - tail[0] - length
        self.footer = list(protobuf.fields(self.whole(end, length)))
        for number, value in self.footer:
            self._field(number, value)
        self.account.claim(end, self.size, "structure")
        with contextlib.suppress(*ORC_BROKEN, LimitExceeded):  # what has a fault here is left to the residue
            self._stripe_statistics(end, _as_number(about.get(5, 0)))

    def _stripe_statistics(self, end: int, length: int) -> None:
        for number, value in protobuf.fields(self.whole(end - length, length)):
            if number == 1 and isinstance(value, bytes):
                for column, (_, one) in enumerate(protobuf.fields(value)):
                    self.limits.add(column, one if isinstance(one, bytes) else b"")
            elif isinstance(value, bytes):
                self.unread.append(value)
        self.account.claim(end - length, end, "structure")

    def hidden(self, column: str) -> Iterator[Block]:
        """Yield the strings in what was not read so far."""
        for data in self.unread:
            yield from hidden(data, column)
        self.unread.clear()

    def names(self) -> Iterator[str]:
        """Yield the names of fields, and the keys and values of their attributes."""
        for made in self.types:
            yield from (*made.names, *made.said)

    def _field(self, number: int, value: bytes | int) -> None:
        if isinstance(value, int):
            return
        if number == 3:
            self.stripes.append(_Stripe({key: _as_number(content) for key, content in protobuf.fields(value)}))
        elif number == 4:
            self.types.append(_type(value))
        elif number == 5:
            item = dict(protobuf.fields(value))
            self.metadata.append((_as_text(item.get(1, b""))[:256], _as_text(item.get(2, b""))))
            self.metadata += [("keys", key)] if is_text(key := _as_text(item.get(1, b""))) else []
        elif number == 7:
            self.limits.add(self._columns, value)
            self._columns += 1
        else:
            self.unread.append(value)
        if len(self.types) > _TYPES:
            raise Malformed(f"it has more than {_TYPES} types")

    def _piece(self, at: int, length: int) -> bytes:
        if at < 0 or length < 0 or at + length > self.size:
            raise Malformed("a part lies outside the file")
        self.file.seek(at)
        return self.file.read(length)

    def whole(self, at: int, length: int) -> bytes:
        """The whole content of a stream."""
        return _ColumnStream(self, at, length).read(_HELD + 1, whole=True)

    def chunk(self, at: int, left: int) -> tuple[bytes, int]:
        """The next unpacked piece of a stream, and the number of bytes that it occupies in the file."""
        if self.codec == _NONE:
            size = min(left, 1 << 20)
            self._copies.add(size)
            return self._piece(at, size), size
        head = int.from_bytes(self._piece(at, 3), "little")
        packed = self._piece(at + 3, min(head >> 1, left - 3))
        data = packed if head & 1 else _unpacked(packed, self.codec, self.most)
        if head & 1:
            self._copies.add(len(data))
        else:
            self.budget.add(len(data))
        return data, 3 + len(packed)


def _type(value: bytes) -> _Type:
    made = _Type()
    for number, content in protobuf.fields(value):
        if number == 1:
            made.kind = _as_number(content)
        elif number == 2:
            made.children += protobuf.varints(content) if isinstance(content, bytes) else [content]
        elif number == 3:
            made.names.append(_as_text(content))
        elif isinstance(content, bytes):
            made.said += [_as_text(one) for _, one in protobuf.fields(content)]
    return made


def _as_number(value: bytes | int) -> int:
    if isinstance(value, bytes):
        raise Malformed("bytes stand in place of a number")  # the data is invalid, not an argument
    return value


def _as_text(value: bytes | int) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _unpacked(packed: bytes, codec: int, most: int) -> bytes:
    if codec == _ZLIB:
        data = zlib.decompressobj(-15).decompress(packed, _HELD)
    elif codec == _ZSTD:
        data = zstandard.ZstdDecompressor().stream_reader(packed).read(_HELD)
    elif codec == _SNAPPY:
        return snappy.unpacked(packed, _HELD, "stripe_bytes")
    else:
        data = lz4.block.decompress(packed, uncompressed_size=most)
    if len(data) >= _HELD:
        raise LimitExceeded("stripe_bytes", f"a chunk expands to more than {_HELD} bytes")
    return bytes(data)


class _ColumnStream:
    """One stream of a stripe, unpacked while it is read."""

    def __init__(self, file: OrcTail, at: int, length: int) -> None:
        self._file, self._at, self._left = file, at, length
        self._rest = b""

    def read(self, size: int, whole: bool = False) -> bytes:
        """Read exactly `size` bytes, or with `whole` the entire rest, which must be shorter than `size`.

        Raises ValueError if there are fewer.
        """
        pieces, have = [self._rest], len(self._rest)
        while have < size and self._left > 0:
            piece, taken = self._file.chunk(self._at, self._left)
            self._at, self._left = self._at + taken, self._left - taken
            pieces.append(piece)
            have += len(piece)
        if whole and have >= size:
            raise LimitExceeded("stripe_bytes", f"a stream holds more than {_HELD} bytes")
        if not whole and have < size:
            raise Malformed("a stream ends early")
        data = b"".join(pieces)
        self._rest = data[size:]
        return data[:size]

    def rest(self) -> bytes:
        """Return what is left, up to a limit."""
        with contextlib.suppress(LimitExceeded):
            return self.read(_HELD + 1, whole=True)
        return self._rest


class _StripeReader:
    def __init__(self, file: OrcTail, source: Source) -> None:
        self.blobs, self.limits = Blobs(source.budget, pictures=True), file.limits
        self._file, self._source = file, source
        self._row = 0
        self._stripe = _Stripe({})
        self._wanted = self._with_text()

    def _with_text(self) -> set[int]:
        """The types that are strings or contain strings. Children follow their parents."""
        wanted = set[int]()
        for i in range(len(self._file.types) - 1, -1, -1):
            made = self._file.types[i]
            if made.kind in (*_TEXT, _BINARY) or any(child in wanted for child in made.children):
                wanted.add(i)
        return wanted

    def read(self, stripe: _Stripe) -> Iterator[Item]:
        """Yield the strings of one stripe."""
        self._stripe = stripe
        rows = stripe.numbers.get(5, 0)
        try:
            if rows > _VALUES:
                raise LimitExceeded("stripe_rows", f"a stripe claims to have {rows} rows")
            self._footer(stripe)
            if 0 in self._wanted:
                yield from self._column(0, "", np.arange(self._row, self._row + rows, dtype=np.int64), 0)
        except ORC_BROKEN as error:
            yield Gap.of(as_read_error(error, "a stripe cannot be decoded"), f"rows from {self._row}")
        self._row += rows
        self._source.counts.rows += rows

    def _footer(self, stripe: _Stripe) -> None:
        at, index, data, footer = (stripe.numbers.get(i, 0) for i in (1, 2, 3, 4))
        account, foot = self._file.account, at + index + data
        for number, value in protobuf.fields(self._file.whole(foot, footer)):
            if number not in (1, 2) or isinstance(value, int):
                self._file.unread += [value] if isinstance(value, bytes) and not (number == 3 and _ZONE.fullmatch(value)) else []
                continue
            about = {key: content for key, content in protobuf.fields(value) if isinstance(content, int)}
            if number == 1:
                length = about.get(3, 0)
                column, kind = about.get(2, 0), about.get(1, 0)
                stripe.streams[column, kind] = at, length
                with contextlib.suppress(*ORC_BROKEN, LimitExceeded):  # what has a fault here is left to the residue
                    if kind == _ROW_INDEX:
                        self._row_index(column, at, length)
                    account.claim(at, min(at + length, foot), "text" if column in self._wanted else "packed")
                at += length
            else:
                stripe.encodings.append((about.get(1, 0), about.get(2, 0)))
        account.claim(foot, foot + footer, "structure")

    def _row_index(self, column: int, at: int, length: int) -> None:
        """Take note of the statistics in an index of rows."""
        for _, entry in protobuf.fields(self._file.whole(at, length)):
            for number, value in protobuf.fields(entry) if isinstance(entry, bytes) else ():
                if number == 2 and isinstance(value, bytes):
                    self.limits.add(column, value)

    def _column(self, number: int, path: str, rows: Any, depth: int) -> Iterator[Item]:
        """Yield the strings of a column and those below it. `rows` has the row of each of its values."""
        if number not in self._wanted:
            return
        try:
            if (_PRESENT in self._kinds(number)) and len(rows):
                rows = rows[orc_runs.bits(self._all(number, _PRESENT), len(rows))]
            yield from self._values(number, path, rows, depth)
            yield from self._file.hidden(path)
        except ORC_BROKEN as error:
            yield Gap.of(as_read_error(error, "a column cannot be decoded"), f"column {path}, rows from {self._row}"[:200])

    def _values(self, number: int, path: str, rows: Any, depth: int) -> Iterator[Item]:
        made = self._file.types[number]
        if depth > _DEPTH or any(child <= number for child in made.children):
            raise Malformed("types are nested too deeply or contain each other")
        if made.kind == _STRUCT:
            for child, name in zip(made.children, made.names, strict=False):
                yield from self._column(child, (f"{path}.{name}" if path else name)[-256:], rows, depth + 1)
        elif made.kind in (_LIST, _MAP):
            lengths = self._lengths(number, len(rows))
            inner = np.repeat(rows, lengths)
            for child, name in zip(made.children, ("",) if made.kind == _LIST else (".key", ".value"), strict=False):
                yield from self._column(child, f"{path}[]{name}"[-256:], inner, depth + 1)
        elif made.kind == _UNION:
            tags = np.frombuffer(orc_runs.run_bytes(self._all(number, _DATA), len(rows)), np.uint8)
            for i, child in enumerate(made.children):
                yield from self._column(child, path, rows[tags == i], depth + 1)
        elif made.kind in (*_TEXT, _BINARY) and len(rows):
            pieces = self._dictionary(number, rows) if self._encoding(number)[0] & 1 else self._direct(number, rows)
            for values, some in pieces:
                self.limits.see(number, values)
                yield from self._given(values, some, path, made.kind == _BINARY)

    def _given(self, values: Any, rows: Any, path: str, is_binary: bool) -> Iterator[Item]:
        if is_binary:
            cells = zip(values.to_pylist(), rows.tolist(), strict=True)
            yield from self.blobs.read(BlobValue(value, row, path, member_name(row, path)) for value, row in cells)
            return
        texts, bad = utf8(values.view(pa.string()))
        yield Block(texts, row=pa.array(rows), column=path)
        if bad:
            yield Gap(f"{bad} strings are not valid UTF-8; undecodable bytes were replaced", location=f"column {path}", count=bad)

    def _direct(self, number: int, rows: Any) -> Iterator[tuple[Any, Any]]:
        """Yield consecutive values, a few thousand at a time."""
        lengths = self._lengths(number, len(rows), bound=False)
        stream = _ColumnStream(self._file, *self._stripe.streams.get((number, _DATA), (0, 0)))
        for first, last in stretches(np.cumsum(lengths), _BATCH_BYTES, _BATCH_VALUES):
            offsets = np.concatenate(([0], np.cumsum(lengths[first:last])))
            self._file.budget.add(offsets.nbytes)  # a run of lengths may stand for any number of empty values
            yield _array(stream.read(int(offsets[-1])), offsets), rows[first:last]
        self._file.unread.append(stream.rest())

    def _dictionary(self, number: int, rows: Any) -> Iterator[tuple[Any, Any]]:
        kind, size = self._encoding(number)
        if size > _VALUES:
            raise Malformed("a dictionary is too long")
        lengths = self._lengths(number, size)
        offsets, data = np.concatenate(([0], np.cumsum(lengths))), self._all(number, _DICTIONARY)
        if offsets[-1] > len(data):
            raise Malformed("a dictionary ends early")
        entries = _array(data, offsets)
        chosen = orc_runs.numbers(self._all(number, _DATA), len(rows), kind >= 2)
        if np.any((chosen < 0) | (chosen >= size)):
            raise Malformed("a value is not in its dictionary")
        unused = np.setdiff1d(np.arange(size), chosen)
        # two zeros, because single characters with one zero each would look like UTF-16
        self._file.unread += [b"\0\0".join(entries.take(pa.array(unused)).to_pylist()), data[int(offsets[-1]) :]]
        for first, last in stretches(np.cumsum(lengths[chosen]), _BATCH_BYTES, _BATCH_VALUES):
            values = entries.take(pa.array(chosen[first:last]))
            self._file.budget.add(values.nbytes)  # copied from the dictionary, however often it is repeated
            yield values, rows[first:last]

    def _lengths(self, number: int, count: int, bound: bool = True) -> Any:
        if not count:
            return np.zeros(0, np.int64)
        found = orc_runs.numbers(self._all(number, _LENGTH), count, self._encoding(number)[0] >= 2)
        if np.any((found < 0) | (found > _HELD)) or (bound and int(found.sum()) > max(_VALUES, _HELD)):
            raise Malformed("lengths are too large")
        return found

    def _all(self, number: int, kind: int) -> bytes:
        return self._file.whole(*self._stripe.streams.get((number, kind), (0, 0)))

    def _kinds(self, number: int) -> list[int]:
        return [kind for kind in range(4) if self._stripe.streams.get((number, kind), (0, 0))[1]]

    def _encoding(self, number: int) -> tuple[int, int]:
        return self._stripe.encodings[number]


def _array(data: bytes, offsets: Any) -> Any:
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)])
