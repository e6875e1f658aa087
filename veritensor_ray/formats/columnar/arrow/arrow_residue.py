"""Finds bytes in the buffers of Arrow arrays that belong to no value: in null slots, between values, and in dictionaries without a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.columnar.text_columns import has_text, is_binary, is_string, is_view
from veritensor_ray.formats.residue.hidden import hidden

_Flags = np.ndarray[Any, np.dtype[np.bool_]]
_VIEW = np.dtype([("size", "<i4"), ("start", "V4"), ("buffer", "<i4"), ("at", "<i4")])
_ALIGNED = 64  # bytes of which the size of a buffer may be a multiple
_INLINE = 12  # bytes of a value that stands in its view


class ArrowResidue:
    """Looks at the columns of consecutive batches. Values of dictionaries count as used if a row of any batch refers to them."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[pa.Array, _Flags]] = {}
        self._tails: dict[str, bytes] = {}
        self._views: dict[str, tuple[list[pa.Buffer], list[tuple[Any, Any, Any]]]] = {}

    def see(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """Yield what stands in the buffers of a batch and in none of its values."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for piece in self._below(column, np.ones(len(column), bool), name[:200]):
                yield from hidden(piece, name[:256])

    def rest(self) -> Iterator[Block]:
        """Yield what no row of any batch has."""
        yield from hidden(b"\0".join(self._left()))

    def _below(self, column: pa.Array, used: _Flags, path: str) -> Iterator[bytes]:
        """Yield the bytes of unused slots of a column and of those below it."""
        kind = column.type
        if isinstance(kind, pa.BaseExtensionType):
            yield from self._below(column.storage, used, path)
            return
        if column.null_count and not pa.types.is_union(kind):
            used = used & column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_dictionary(kind):
            yield from self._dictionary(column, used, path)
        elif pa.types.is_struct(kind):
            for i in range(kind.num_fields):
                yield from self._below(column.field(i), used, f"{path}.{kind.field(i).name}"[-256:])
        elif pa.types.is_union(kind):
            codes = column.type_codes.to_numpy()
            for i in range(kind.num_fields):
                chosen = used & (codes == kind.type_codes[i])
                child = column.field(i)
                if kind.mode == "dense":
                    chosen = _at(column.offsets.to_numpy()[chosen], len(child))
                yield from self._below(child, chosen, f"{path}.{kind.field(i).name}"[-256:])
        elif pa.types.is_map(kind):
            inner = _ranges(column.offsets.to_numpy(), used, len(column.keys))
            yield from (*self._below(column.keys, inner, f"{path}.key"), *self._below(column.items, inner, f"{path}.value"))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            yield from self._below(column.values, _ranges(column.offsets.to_numpy(), used, len(column.values)), path)
        elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
            starts, sizes = column.offsets.to_numpy(), column.sizes.to_numpy()
            yield from self._shared(column.values, _spans(starts[used], (starts + sizes)[used], len(column.values)), path)
        elif pa.types.is_fixed_size_list(kind):
            inner = np.zeros(len(column.values), bool)
            first, size = column.offset * kind.list_size, len(column) * kind.list_size
            inner[first : first + size] = np.repeat(used, kind.list_size)
            yield from self._below(column.values, inner, path)
        elif is_view(kind):
            yield from self._of_views(column, used, path)
        elif is_string(kind) or is_binary(kind):
            dead, tail, begin = _of_values(column, used)
            yield dead
            before = self._tails.get(path, b"")
            if not begin.startswith(before[: len(begin)]):  # pyarrow writes a few bytes of the next batch behind the last value of one
                yield before
            self._tails[path] = tail[:_ALIGNED]
            yield tail[_ALIGNED:]
        elif not pa.types.is_run_end_encoded(kind) and not pa.types.is_null(kind):
            yield _of_numbers(column, used)

    def _dictionary(self, column: pa.DictionaryArray, used: _Flags, path: str) -> Iterator[bytes]:
        if has_text(column.type.value_type):
            codes = column.indices.filter(pa.array(used)).to_numpy(zero_copy_only=False).astype(np.int64)
            yield from self._shared(column.dictionary, _at(codes, len(column.dictionary)), path)

    def _shared(self, values: pa.Array, used: _Flags, path: str) -> Iterator[bytes]:
        """Take note of the used values among those that batches share. Yield those that nobody used if others take their place."""
        known, flags = self._values.get(path, (values, used))
        if known is not values and not known.equals(values):
            if len(values) < len(known) or not values.slice(0, len(known)).equals(known):
                yield from self._unused(path)
                flags = used
            flags = np.append(flags, np.zeros(len(values) - len(flags), bool))
        self._values[path] = values, flags | used

    def _unused(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of shared values that nobody used, and forget them."""
        values, flags = self._values.pop(path)
        inner = ArrowResidue()
        yield from (*inner._below(values, flags, path), *inner._left())

    def _left(self) -> Iterator[bytes]:
        """Yield what may have been part of a further batch."""
        for path in list(self._values):
            yield from self._unused(path)
        for path in list(self._views):
            yield from self._behind_views(path)
        yield from self._tails.values()

    def _of_views(self, column: pa.Array, used: _Flags, path: str) -> Iterator[bytes]:
        """Yield the bytes of views, and of the buffers behind them, that are part of no used value. Batches may share the buffers."""
        _, views, *buffers = column.buffers()
        if views is None:
            return
        raw = np.frombuffer(views, np.uint8)[: 16 * (column.offset + len(column))]
        found = raw.view(_VIEW)[column.offset :]
        yield raw.reshape(-1, 16)[column.offset :][~used].tobytes()
        known, ranges = self._views.get(path, (buffers, []))
        if len(known) != len(buffers) or not all(one.equals(other) for one, other in zip(known, buffers, strict=True)):
            yield from self._behind_views(path)
            ranges = []
        far = found[used & (found["size"] > _INLINE)]
        ranges.append((far["buffer"].copy(), far["at"].astype(np.int64), far["at"].astype(np.int64) + far["size"]))
        self._views[path] = buffers, ranges

    def _behind_views(self, path: str) -> Iterator[bytes]:
        buffers, ranges = self._views.pop(path)
        numbers, starts, ends = (np.concatenate(every) for every in zip(*ranges, strict=True))
        for number, buffer in enumerate(buffers):
            yield from _unused(buffer, starts[numbers == number], ends[numbers == number])


def _at(places: Any, size: int) -> _Flags:
    flags = np.zeros(size, bool)
    flags[places[(places >= 0) & (places < size)]] = True
    return flags


def _spans(starts: Any, ends: Any, size: int) -> _Flags:
    """Return which of `size` values are in one of the ranges."""
    steps = np.zeros(size + 1, np.int64)
    np.add.at(steps, np.clip(starts, 0, size), 1)
    np.add.at(steps, np.clip(ends, 0, size), -1)
    flags: _Flags = np.cumsum(steps[:-1]) > 0
    return flags


def _ranges(offsets: Any, used: _Flags, size: int) -> _Flags:
    """Return which of `size` values are in the range of a used list."""
    if not len(used) or used.all():
        flags = np.zeros(size, bool)
        flags[int(offsets[0]) if len(offsets) else 0 : int(offsets[-1]) if len(offsets) else 0] = True
        return flags
    return _spans(offsets[:-1][used], offsets[1:][used], size)


def _of_values(column: pa.Array, used: _Flags) -> tuple[bytes, bytes, bytes]:
    """Return the bytes of a buffer of strings that are part of no used one; what follows the last one; and the beginning of the first one."""
    _, places, buffer = column.buffers()
    if buffer is None:
        return b"", b"", b""
    form = np.int64 if pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type) else np.int32
    found = np.frombuffer(places, form) if places is not None and len(column) else np.zeros(1, form)
    offsets = found[column.offset : column.offset + len(column) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    data = memoryview(buffer)
    pieces = [bytes(data[:first])]
    if not used.all():
        dead = np.flatnonzero(~used & (np.diff(offsets) > 0))
        pieces += [bytes(data[start:end]) for start, end in zip(offsets[dead].tolist(), offsets[dead + 1].tolist(), strict=True)]
    return b"\0".join(pieces), bytes(data[last:]), bytes(data[first : min(last, first + _ALIGNED)])


def _of_numbers(column: pa.Array, used: _Flags) -> bytes:
    """Return the bytes of unused slots of values of a fixed size."""
    buffer, width = column.buffers()[1], getattr(column.type, "bit_width", 0)
    if buffer is None or width % 8 or width < 8 or not len(column):
        return b""
    data, size = np.frombuffer(buffer, np.uint8), width // 8
    first, last = column.offset * size, (column.offset + len(column)) * size
    slots = data[first:last].reshape(-1, size)
    dead = b"" if used.all() else slots[~used].tobytes()
    return data[:first].tobytes() + dead + b"\0" + data[last:].tobytes()


def _unused(buffer: pa.Buffer, starts: Any, ends: Any) -> Iterator[bytes]:
    """Yield what is in none of the ranges."""
    order = np.argsort(starts, kind="stable")
    begins = np.append(starts[order], buffer.size).tolist()
    before = np.append(0, np.maximum.accumulate(ends[order])).tolist()
    data = memoryview(buffer)
    yield from (bytes(data[start:end]) for start, end in zip(before, begins, strict=True) if start < end)
