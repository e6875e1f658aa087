"""Reads HDF5: strings in attributes and datasets, and names. Links to other files are never followed, and numbers are not read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, Malformed, ReadError, as_read_error, told
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.blobs import as_text
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.first_bytes import KNOWN
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.model_files.collecting import Gathered, Names, in_blocks
from veritensor_ray.formats.model_files.hdf5 import structure as hdf5
from veritensor_ray.formats.model_files.hdf5.hdf5_strings import Hdf5Strings
from veritensor_ray.formats.model_files.numpy.numpy_texts import as_texts, text_fields
from veritensor_ray.formats.recognition import by_magic

_HELD = bounds.HDF5
_STEP = 4096  # items of a dataset that are read at once
_FEW = 64  # values too few to justify a separate block
_CHARS = 4 << 20
_ITEMS = bounds.HDF5_ITEMS
_FAILURES = bounds.HDF5_FAILURES
_CONFIGS = ("model_config", "training_config", "keras_version", "layer_names")


def read_hdf5(source: Source) -> Iterator[Item]:
    """Read the file. `column` is the path, `row` the index in a dataset.

    Keras' configuration is visible text, other attributes are metadata.
    """
    file, known = source.file, Hdf5Strings(source)
    source.account.claim(0, 8, "structure")
    if source.via:
        data = file.read(_HELD + 1)
        if len(data) > _HELD:
            raise LimitExceeded("hdf5_bytes", f"an HDF5 file inside a {source.via} stream is larger than {_HELD} bytes")
        file = io.BytesIO(data)
    guarded = hdf5.Guarded(file)
    try:
        with hdf5.opened(guarded) as root:
            yield from _Hdf5Walk(Copies(source.budget, file.seek(0, io.SEEK_END)), known).items(root)
    except Malformed as error:
        raise ReadError(str(error)) from None
    if not source.via:
        known.claim(file.seek(0, io.SEEK_END))
    if guarded.too_long:
        yield Gap("values of variable length claim to be longer than the file; they were not read", count=guarded.too_long)


class _Hdf5Walk:
    """Walks through all groups and visits each object once."""

    def __init__(self, copies: Copies, known: Hdf5Strings) -> None:
        self._copies, self._known = copies, known
        self._visible, self._metadata, self._names = Gathered(), Gathered("metadata"), Names("names")
        self._failures = self._no_text = 0
        self._no_text_at = ""

    def items(self, root: Any) -> Iterator[Item]:
        for found in hdf5.objects(root):
            if self._failures >= _FAILURES:
                yield Gap(f"{_FAILURES} values cannot be read; the others were not tried", location=found.path, bound="hdf5_failures")
                break
            if isinstance(found, hdf5.Elsewhere):
                yield Gap(f"{found.what} was not followed", location=found.path, code=ReasonCode.ELSEWHERE)
                continue
            if isinstance(found, hdf5.Damaged):
                yield Gap(f"the object cannot be read: {found.reason}", location=found.path)
                continue
            yield from self._names.add(found.path)
            for name in found.names:  # those of links that are not followed too
                self._known.text(name)
                if is_text(name):
                    yield from self._names.add(name)
            yield from self._attributes(found)
            if found.is_dataset:
                yield from self._guarded(found)
        yield from (*self._visible.take(), *self._metadata.take(), *self._names.take())
        if self._no_text:
            reason = f"{self._no_text} byte values are not UTF-8 text and were not read"
            yield Gap(reason, self._no_text_at, count=self._no_text, coverage="no-reader")

    def _attributes(self, found: hdf5.Hdf5Item) -> Iterator[Item]:
        for name, value in hdf5.attributes(found.item):
            column = f"{found.path}@{name}"
            if is_text(name):
                yield from self._names.add(name)
            self._known.text(name)
            if isinstance(value, Exception):
                self._failures += 1
                if self._failures >= _FAILURES:
                    break
                yield Gap(f"an attribute cannot be read: {told(value)}", location=column)
                continue
            target = self._visible if name in _CONFIGS else self._metadata
            if isinstance(value, (np.ndarray, np.void)) and not value.dtype.hasobject:  # strings of a fixed length stand side by side
                for field in self._known.type(value.dtype):
                    yield from self._names.add(field)
                self._known.text(value.tobytes())
            for number, one in enumerate(_flat(value)):
                self._known.text(one)
                yield from self._value(one, column, number if number else None, target)

    def _guarded(self, found: hdf5.Hdf5Item) -> Iterator[Item]:
        try:
            yield from self._dataset(found.item, found.path)
        except (LimitExceeded, ReadError):
            raise
        except Exception as error:  # noqa: BLE001  # h5py raises arbitrary exceptions for damaged data; the other datasets are still read
            self._failures += 1
            yield Gap.of(as_read_error(error, "the dataset cannot be read"), found.path)

    def _dataset(self, item: Any, path: str) -> Iterator[Item]:
        place = hdf5.stored_elsewhere(item)
        if place:
            yield Gap("the dataset's data in other files was not read", location=path, code=ReasonCode.ELSEWHERE)
            return
        for name in self._known.type(item.dtype):
            yield from self._names.add(name)
        if not item.size or not item.id.get_storage_size():
            return
        if not _holds_text(item.dtype):
            yield from self._known.data(item, is_text=False)
            return
        if item.size > _ITEMS:
            yield Gap(f"the dataset has {item.size} items; only the first {_ITEMS} were read", location=path, bound="hdf5_items")
        step = rows_at_once(item)
        chunk, row_of_chunks = hdf5.chunking(item)
        if chunk:
            if row_of_chunks > hdf5.CHUNKS and step < min(item.chunks[0], item.shape[0]):
                what = f"the chunks of the dataset are compressed, and those of one row expand to {row_of_chunks} bytes; they were not read"
                yield Gap(what, location=path, bound="held_bytes")
                return
            # chunks at the edge hold more than belongs to the dataset
            self._copies.add(max(0, item.id.get_num_chunks() * chunk - item.size * item.id.get_type().get_size()))
        for first, part in _parts(item, step):
            self._copies.add(_bytes(part))  # chunks may be compressed, and many items may share one value
            if (texts := _only_texts(part)) is not None:
                if part.dtype.kind == "O":
                    for value in part.reshape(-1):
                        self._known.value(value)
                yield from self._visible.take()
                index = np.flatnonzero(pc.binary_length(texts).to_numpy())
                yield from in_blocks(texts.take(pa.array(index)), first + index // (part.size // len(part)), path)
                continue
            for number, value in enumerate(part):
                for one in _flat(value):
                    self._known.value(one)
                    yield from self._value(one, path, first + number, self._visible)
        if item.size <= _ITEMS:
            yield from self._known.data(item, is_text=True)

    def _value(self, value: str | bytes, column: str, row: int | None, target: Gathered) -> Iterator[Block | Member]:
        """Yield a string, or bytes that are text or a file: PyTables keeps pickles in attributes and arrays."""
        if isinstance(value, bytes):
            if by_magic(value[:1024]) and len(value) > 8:
                yield from target.take()
                yield Member(f"{column.strip('/')}@{row or 0}", cast(Any, io.BytesIO(value)))
                return
            text = as_text(value) if 3 * value.count(0) > len(value) else None  # it may be UTF-16
            value = text or value.decode("utf-8", "replace")
            if value.count("\ufffd") > 0.1 * len(value):
                self._no_text, self._no_text_at = self._no_text + 1, self._no_text_at or column
                return
        yield from target.add(value.replace("\0", "\n"), column, row)


def _holds_text(dtype: Any) -> bool:
    """Whether values are strings, bytes of any length, or records that contain some."""
    if dtype.kind == "O" or (dtype.kind == "V" and not dtype.names):
        return True
    inner = [dtype.fields[name][0].kind for name in dtype.names or ()]
    return "O" in inner or any(True for _ in text_fields(dtype))


def rows_at_once(item: Any) -> int:
    """The number of rows to read at once: a few thousand values, within the memory limit."""
    width = _width(item)
    return max(1, min(_STEP // width, bounds.HELD // (width * max(1, int(item.dtype.itemsize)))))


def _width(item: Any) -> int:
    return max(1, int(item.size) // max(1, int(item.shape[0]))) if item.shape else 1


def _parts(item: Any, step: int) -> Iterator[tuple[int, Any]]:
    """Yield `step` rows at a time, with the index of the first."""
    if item.shape == ():
        yield 0, [item[()]]
        return
    for first in range(0, min(item.shape[0], max(1, _ITEMS // _width(item))), step):
        yield first, item[first : first + step]


def _bytes(part: Any) -> int:
    """The size in bytes of all values of a part, including those of variable length."""
    if isinstance(part, np.ndarray) and part.dtype.kind != "O":
        return int(part.nbytes)
    values = part.reshape(-1) if isinstance(part, np.ndarray) else part
    return sum(len(value) for value in values if isinstance(value, (bytes, str)))


def _only_texts(part: Any) -> pa.Array | None:
    """The values of an array of bytes if all are strings; None if they have to be examined one by one."""
    if not isinstance(part, np.ndarray) or part.dtype.kind not in "SO" or part.size < _FEW:
        return None
    values = part.reshape(-1).tolist()
    if set(map(type, values)) != {bytes} or not 0 < sum(map(len, values)) < _CHARS:
        return None
    array = pa.array(values, pa.binary())
    data, starts = np.frombuffer(array.buffers()[2], np.uint8), np.frombuffer(array.buffers()[1], np.int32, len(array))
    suspects = np.zeros(len(array), bool)
    for place, pairs in KNOWN.in_text.items():
        at = np.minimum(starts + place, len(data) - 2)
        suspects |= pairs[data[at] * np.uint16(256) + data[at + 1]]
    try:
        plain = data.min() >= ord("\t") and not any(by_magic(values[i][:1024]) for i in np.flatnonzero(suspects))
        return array.cast(pa.string()) if plain else None
    except pa.ArrowInvalid:
        return None


def _flat(value: Any, level: int = 0) -> Iterator[Any]:
    """Yield the single values of an array, a record or a list."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "US" and value.ndim:
        yield from as_texts(value.reshape(-1))[0].to_pylist()
    elif isinstance(value, np.ndarray) and value.dtype == np.uint8:
        yield value.tobytes()
    elif isinstance(value, (np.ndarray, np.void)) and level < 8 and (value.dtype.names or value.dtype.kind == "O"):
        names = value.dtype.names
        for one in [value[name] for name in names] if names else value.reshape(-1).tolist():
            yield from _flat(one, level + 1)
    elif isinstance(value, (list, tuple)) and level < 8:
        for one in value:
            yield from _flat(one, level + 1)
    elif isinstance(value, np.void):
        yield value.tobytes()
    elif isinstance(value, (str, bytes)):
        yield value
