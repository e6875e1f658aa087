"""Rewrites Avro files: single values change, records go, and the file is read again before it counts as made.

Blocks without changes are copied as they are. In the others, only the bytes of the values that change are replaced, so that every type,
also one that no library knows, stays what it was. Codec, sync marker and metadata stay too.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import zstandard

from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.columnar.array_texts import encoded_again
from veritensor_ray.formats.columnar.avro.read import BROKEN, UNPACK, AvroFile, read_header
from veritensor_ray.formats.columnar.avro.structure import Compiler, RecordSink, Step
from veritensor_ray.formats.columnar.blobs import as_text
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Orders, Unit
from veritensor_ray.formats.editing.splice import spliced_value
from veritensor_ray.formats.recognition import by_magic

_MAGIC = b"Obj\x01"
_OWN = "avro."  # how keys begin without which the file could not be read
_SCHEMA = "avro.schema"
# What decides how records are read, and by which names: everything else in a schema is for people.
_DECIDING = frozenset(
    {"type", "items", "values", "fields", "name", "namespace", "aliases", "symbols", "size", "logicalType", "precision", "scale"}
)
_STRINGS = ("string", ["string"], ["string", "null"], {"type": "string"})
_SHORTEST_MAGIC = 8
_WHAT = "not a complete Avro file"
_DIFFERENT = "the file that was written differs from the original in more than what was ordered"


class _Leaf(NamedTuple):
    """A string or bytes of a record: where it begins with its length (negative without one), and its content."""

    at: int
    begin: int
    end: int
    column: str
    is_text: bool
    is_key: bool = False


class _SizedItems(NamedTuple):
    """Items of an array or a map before which their length in bytes stands.

    Their leaves are those between two numbers, and the frames within are those from a number up to this one.
    """

    at: int
    end: int
    size: int
    first_leaf: int
    last_leaf: int
    first_frame: int


class _ReplacedBytes(NamedTuple):
    """Bytes of a record that are replaced."""

    start: int
    end: int
    new: bytes


class _Leaves(RecordSink):
    """The values of one record, and the lengths that depend on them."""

    def __init__(self) -> None:
        self.leaves: list[_Leaf] = []
        self.frames: list[_SizedItems] = []
        self._open: list[tuple[int, int, int, int]] = []

    def string(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        self.leaves.append(_Leaf(at, begin, end, column, is_text=True))

    def key(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        self.leaves.append(_Leaf(at, begin, end, column, is_text=True, is_key=True))

    def blob(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        self.leaves.append(_Leaf(at, begin, end, column, is_text=False))

    def opened(self, at: int, end: int) -> None:
        self._open.append((at, end, len(self.leaves), len(self.frames)))

    def closed(self, end: int) -> None:
        at, begin, first_leaf, first_frame = self._open.pop()
        self.frames.append(_SizedItems(at, begin, end - begin, first_leaf, len(self.leaves), first_frame))


def rewrite_avro(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes. Raises CannotRewriteError, ReadError."""
    rewriter = _AvroRewriter(source, orders)
    rewriter.write(out)
    rewriter.check(out)


class _AvroRewriter:
    def __init__(self, source: Source, orders: Orders) -> None:
        self._source, self._orders = source, orders
        self._file = _opened(source.file)
        self._codec = self._file.header.get("avro.codec", b"null").decode("ascii", "replace")
        if self._codec not in UNPACK:
            raise ReadError("no reader for the codec of its blocks")
        self._walk = _walk_of(self._file.header.get(_SCHEMA, b""))
        self._inside = _in_records(orders)
        self._concerned = {unit.row for unit in orders.units if unit.row is not None} | {*orders.rows} | {*self._inside}
        self._rows = sorted(self._concerned)

    def write(self, out: BinaryIO) -> None:
        """Write the header and all blocks."""
        metadata = self._metadata()
        same = metadata == self._file.file.metadata
        out.write(self._file.head if same else _MAGIC + _encoded_map(metadata) + self._file.sync)
        for rows, packed in self._file.blocks():
            self._orders.pulse()
            if self._is_concerned(rows):
                left, data = self._changed(self._unpacked(packed), rows)
                if left:
                    _write_block(out, left, _PACK[self._codec](data), self._file.sync)
            else:
                _write_block(out, len(rows), packed, self._file.sync)

    def check(self, out: BinaryIO) -> None:
        """Read the new file beside the old one. Raises CannotRewriteError unless they differ only in what was ordered."""
        new = _opened(out)
        self._file = _opened(self._source.file)
        if _skeleton(new.header.get(_SCHEMA, b"")) != _skeleton(self._file.header.get(_SCHEMA, b"")) or new.sync != self._file.sync:
            raise CannotRewriteError(_DIFFERENT)
        made = new.blocks()
        for rows, packed in self._file.blocks():
            self._orders.pulse()
            stay = [row for row in rows if row not in self._orders.rows] if self._is_concerned(rows) else rows
            if not stay:
                continue
            again, packed_again = next(made, (range(0), b""))
            if len(again) != len(stay) or (stay is rows and packed != packed_again):
                raise CannotRewriteError(_DIFFERENT)
            if stay is not rows:
                self._compare(self._unpacked(packed), rows, self._unpacked(packed_again), again)
        if next(made, None) is not None:
            raise CannotRewriteError(_DIFFERENT)

    def _compare(self, old: bytes, rows: range, new: bytes, again: range) -> None:
        others = _records(self._walk, new, again)
        begin = first = 0
        for row, end in _records(self._walk, old, rows):
            if row not in self._orders.rows:
                _, last = next(others)
                one, two = old[begin:end], new[first:last]
                if one != two and (row not in self._concerned or self._rest(one, row) != self._rest(two, row)):
                    raise CannotRewriteError(_DIFFERENT)
                first = last
            begin = end
        if first != len(new):
            raise CannotRewriteError(_DIFFERENT)

    def _rest(self, record: bytes, row: int) -> list[bytes | str]:
        """Return a record without the values that have orders, and without the lengths that depend on them."""
        found = _leaves(self._walk, record)
        cuts = [(leaf.at if leaf.at >= 0 else leaf.begin, leaf.end, leaf.column) for leaf in found.leaves if self._is_ordered(leaf, row)]
        cuts += [(frame.at, frame.end, "") for frame in found.frames]
        made: list[bytes | str] = []
        at = 0
        for start, end, column in sorted(cuts):
            made += [record[at:start], column]
            at = end
        return [*made, record[at:]]

    def _is_ordered(self, leaf: _Leaf, row: int) -> bool:
        return Unit(row=row, column=leaf.column) in self._orders.units or f"{row}/{leaf.column}" in self._inside.get(row, {}).values()

    def _is_concerned(self, rows: range) -> bool:
        at = bisect_left(self._rows, rows.start)
        return at < len(self._rows) and self._rows[at] < rows.stop

    def _unpacked(self, packed: bytes) -> bytes:
        try:
            data, behind = UNPACK[self._codec](packed)
        except BROKEN as error:
            raise as_read_error(error, _WHAT) from None
        self._source.budget.add(len(data) if self._codec != "null" else 0)
        if behind and self._orders.drop_residue:
            self._orders.drop_residue()
        return data

    def _changed(self, data: bytes, rows: range) -> tuple[int, bytes]:
        """Return the number and the bytes of the records of a block that stay, with their changes."""
        pieces: list[bytes] = []
        at = 0
        for row, end in _records(self._walk, data, rows):
            if row in self._orders.rows:
                self._orders.drop_row(row)
                self._orders.account.done.update(self._inside.get(row, ()))
            else:
                pieces.append(self._record(data[at:end], row) if row in self._concerned else data[at:end])
            at = end
        if at < len(data) and self._orders.drop_residue:
            self._orders.drop_residue()
        return len(pieces), b"".join(pieces)

    def _record(self, record: bytes, row: int) -> bytes:
        found = _leaves(self._walk, record)
        times = Counter(leaf.column for leaf in found.leaves)
        changes: list[_ReplacedBytes] = []
        keys: Counter[tuple[str, bytes]] = Counter()
        new_keys: set[tuple[str, bytes]] = set()
        grown = [0]  # by how many bytes the values up to each number become longer
        for leaf in found.leaves:
            old = record[leaf.begin : leaf.end]
            new = self._value(leaf, old, row, is_shared=times[leaf.column] > 1) if old else old
            if leaf.is_key:
                keys[leaf.column, new] += 1
                new_keys |= {(leaf.column, new)} if new != old else set()
            change = _ReplacedBytes(leaf.begin, leaf.end, new) if leaf.at < 0 else _ReplacedBytes(leaf.at, leaf.end, _sized(new))
            changes += [change] if new != old else []
            grown.append(grown[-1] + (len(change.new) - (change.end - change.start) if new != old else 0))
        if any(keys[one] > 1 for one in new_keys):
            raise CannotRewriteError("two keys of a map would become equal; pseudonyms differ where masks do not")
        changes += _lengths(found.frames, grown)
        return _replaced(record, sorted(changes))

    def _value(self, leaf: _Leaf, old: bytes, row: int, is_shared: bool) -> bytes:
        """Return a value as it should be. If others of the record have the same name, it is changed only if it is the one that was seen."""
        unit, orders = Unit(row=row, column=leaf.column), self._orders
        if not leaf.is_text and len(old) >= _SHORTEST_MAGIC and by_magic(old[:HEAD_BYTES]) is not None:
            return self._member(f"{row}/{leaf.column}", old)
        here = orders.units.get(unit, ())
        text = old.decode("utf-8", "replace") if leaf.is_text else as_text(old)
        if not here or text is None or any((order.mark.decoded_via or "").endswith("strings") for order in here):
            return old
        if is_shared and not all(order.mark.straight for order in here):
            return old
        if any(order.action is Action.DROP_CELL for order in here) and leaf.at >= 0:
            if is_shared and not all(text[order.mark.start : order.mark.end] == order.mark.text for order in here):
                return old
            orders.drops_cell(unit)
            return b""
        edits = orders.edits(unit, text)
        new = spliced_value(old, edits) if leaf.is_text else encoded_again(old, text, edits)
        if new is None or (leaf.at < 0 and len(new) != len(old)):
            raise CannotRewriteError("bytes with a finding have a fixed length, or are not a text in a known encoding")
        return new

    def _member(self, name: str, old: bytes) -> bytes:
        inner = self._orders.member_orders(name)
        content = member(name, io.BytesIO(old), self._source, inner) if any(inner) else None
        if content is None:
            return old
        with closing(content):
            return content.read()

    def _metadata(self) -> list[tuple[str, bytes]]:
        """Return the metadata as they should be."""
        made: list[tuple[str, bytes]] = []
        for key, value in self._file.file.metadata:
            unit, new, is_own = Unit(column=key[:256]), value, key.startswith(_OWN)
            if not is_own and self._orders.drops_cell(unit):
                continue
            if unit in self._orders.units:
                new = spliced_value(value, self._orders.edits(unit, value.decode("utf-8", "replace")))
            if key == _SCHEMA and new != value and _skeleton(new) != _skeleton(value):
                raise CannotRewriteError("a finding is in a name or a type of its schema, by which programs read the values")
            if Strippable.METADATA in self._orders.strip and not is_own:
                self._orders.stripped(Strippable.METADATA)
                continue
            made.append((key, new))
        return made


class _OpenAvro:
    """An Avro file behind its header."""

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self.file = AvroFile(stream)
        self.header, self.sync = read_header(self.file)
        self.head = self.file.data[: self.file.at]

    def blocks(self) -> Iterator[tuple[range, bytes]]:
        """Yield the numbers of the records of each block, and its packed content. Raises ReadError for a damaged file."""
        row = 0
        for count, packed, _ in self.file.blocks(self.sync):
            if self.file.lost or self.file.ends_early or self.file.data[self.file.at - 16 : self.file.at] != self.sync:
                raise ReadError(_WHAT)
            yield range(row, row + count), packed
            row += count
        if self.file.lost or self.file.ends_early:
            raise ReadError(_WHAT)


def _opened(stream: BinaryIO) -> _OpenAvro:
    try:
        return _OpenAvro(stream)
    except BROKEN as error:
        raise as_read_error(error, _WHAT) from None


def _walk_of(schema: bytes) -> Step:
    try:
        return Compiler().compile(json.loads(schema))
    except (ValueError, RecursionError) as error:
        raise as_read_error(error, f"{_WHAT}: no schema") from None


def _in_records(orders: Orders) -> dict[int, dict[int, str]]:
    """Return the orders for files that are values, by record: the numbers of the orders, with the names of the files."""
    found: dict[int, dict[int, str]] = {}
    above = f"{orders.member}!/" if orders.member else ""
    for order in orders:
        path = order.mark.member or ""
        if path != (orders.member or "") and path.startswith(above):
            name = path.removeprefix(above).partition("!/")[0]
            row, slash, _ = name.partition("/")
            if slash and row.isdecimal():
                found.setdefault(int(row), {})[order.number] = name
    return found


def _records(walk: Step, data: bytes, rows: range) -> Iterator[tuple[int, int]]:
    """Yield the number of each record of a block, and where it ends. Raises ReadError for a damaged block."""
    at, sink = 0, RecordSink()
    for row in rows:
        before, at = at, _walked(walk, data, at, sink)
        if at == before:
            raise CannotRewriteError("its records are empty")
        yield row, at


def _walked(walk: Step, data: bytes, at: int, sink: RecordSink) -> int:
    try:
        return walk(data, at, sink)
    except BROKEN as error:
        raise as_read_error(error, _WHAT) from None


def _leaves(walk: Step, record: bytes) -> _Leaves:
    found = _Leaves()
    _walked(walk, record, 0, found)
    return found


def _lengths(frames: Sequence[_SizedItems], grown: Sequence[int]) -> Iterator[_ReplacedBytes]:
    """Yield the changes to lengths in bytes. `grown` says how much longer the values become, up to each of them.

    Frames are in the order in which they end, so those within another one come directly before it.
    """
    longer = [0]  # by how many bytes the lengths up to each frame become longer themselves
    for frame in frames:
        more = grown[frame.last_leaf] - grown[frame.first_leaf] + longer[-1] - longer[frame.first_frame]
        new = _zigzag(frame.size + more) if more else b""
        if new:
            yield _ReplacedBytes(frame.at, frame.end, new)
        longer.append(longer[-1] + (len(new) - (frame.end - frame.at) if new else 0))


def _replaced(record: bytes, changes: Sequence[_ReplacedBytes]) -> bytes:
    pieces, at = [], 0
    for change in changes:
        pieces += [record[at : change.start], change.new]
        at = change.end
    return b"".join([*pieces, record[at:]])


def _skeleton(schema: bytes) -> Any:
    """Return what a schema says about how records are read. Raises CannotRewriteError if it is no longer one."""
    try:
        return _deciding(json.loads(schema))
    except (ValueError, RecursionError):
        raise CannotRewriteError("its schema would no longer be valid") from None


def _deciding(part: Any) -> Any:
    if isinstance(part, list):
        return [_deciding(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {key: _deciding(value) for key, value in part.items() if key in _DECIDING}
    if "default" in part:
        made["default"] = str if isinstance(part["default"], str) and part.get("type") in _STRINGS else part["default"]
    return made


def _zigzag(number: int) -> bytes:
    value, made = (number << 1) ^ (number >> 63), bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _sized(data: bytes) -> bytes:
    return _zigzag(len(data)) + data


def _encoded_map(pairs: Sequence[tuple[str, bytes]]) -> bytes:
    entries = b"".join(_sized(key.encode()) + _sized(value) for key, value in pairs)
    return (_zigzag(len(pairs)) + entries if pairs else b"") + b"\0"


def _write_block(out: BinaryIO, count: int, packed: bytes, sync: bytes) -> None:
    out.write(_zigzag(count) + _sized(packed) + sync)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


_PACK: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda data: data,
    "deflate": _deflated,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "snappy": lambda data: bytes(pa.compress(data, "snappy", asbytes=True)) + struct.pack(">I", zlib.crc32(data)),
    "zstandard": lambda data: zstandard.ZstdCompressor().compress(data),
}

__all__ = ["rewrite_avro"]
