"""Reads the non-weight content of Keras HDF5 files. h5py does the reading, and no objects are built from it."""

from __future__ import annotations

import bisect
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed, told

LARGEST = bounds.HELD
_HEAP = b"GCOL\x01\0\0\0"  # the beginning of a collection of variable-length values
_HEAP_BYTES = bounds.HELD  # maximum size of one collection; HDF5 writes 4096 bytes, or as many as its single value needs
_KNOWN = 64  # collections whose values are remembered
_POINTERS = 128 << 10  # bytes of a read that may be pointers to such values: the reader requests a few thousand of 16 bytes each


# What looks like a pointer with a length at the fourth byte, but is part of the format: a node of symbols with up to 16 of them, or the
# layout of a virtual dataset. As lengths, they would be less than 300 MB.
_STRUCTURE = re.compile(rb"SNOD\x01\x00[\x00-\x10]|.{5}\x04\x03", re.DOTALL)
CHUNKS = bounds.HELD  # bytes of a dataset's chunks that are kept unpacked; a larger chunk is unpacked for every partial read
_SLOTS = 10_007  # slots for them: a prime, so that neighbors do not share one


def end_of(file: BinaryIO) -> int | None:
    """Return where the file ends according to its superblock (HDF5 File Format Specification, II.A); None if it is not at the beginning."""
    file.seek(0)
    head = file.read(64)
    if not head.startswith(b"\x89HDF\r\n\x1a\n") or len(head) < 64:
        return None
    version = head[8]
    size, at = (head[13], 24 + 4 * version) if version < 2 else (head[9], 12)
    if version > 3 or size != 8:  # the size of an address; the end follows the base address and another one
        return None
    base, end = (int.from_bytes(head[start : start + 8], "little") for start in (at, at + 16))
    return end if base == 0 else None


class Guarded(io.RawIOBase):
    """The file as h5py reads it, with impossible variable-length values removed.

    HDF5 allocates whatever length they declare, and version 2.0 loops forever over a collection in which a value is longer than the rest,
    or not longer than nothing. A pointer with such a length is returned as empty and counted in `too_long`; reading such a collection
    raises OSError.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, file.seek(0, io.SEEK_END)
        self._at = 0
        self._sound: dict[int, int] = {}  # where collections begin, and their sizes
        self._begins: list[int] = []  # the same places, ascending
        self._known: dict[int, dict[int, int]] = {}
        self.too_long = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        before = min(self._at, len(_HEAP) - 1)  # a signature may be split between two reads
        self._file.seek(self._at - before)
        data = self._file.read(before + len(buffer) + len(_HEAP) - 1)
        found = data.find(_HEAP)
        while found >= 0:
            self._check(self._at - before + found)
            found = data.find(_HEAP, found + 1)
        asked = data[before : before + len(buffer)]
        if len(asked) <= _POINTERS:
            asked = self._without_long(asked)
        buffer[: len(asked)] = asked
        self._at += len(asked)
        return len(asked)

    def _without_long(self, data: bytes) -> bytes:
        """Remove invalid pointers, which consist of a length (four bytes), the address of a collection (eight bytes), and a number."""
        for first in range(4, min(12, len(data))):
            addresses = np.frombuffer(data[first : len(data) - (len(data) - first) % 8], "<u8")
            for i in np.flatnonzero((addresses > 0) & (addresses < self._size)).tolist():
                at = first + 8 * i - 4
                long = int.from_bytes(data[at : at + 4], "little") > self._size and _STRUCTURE.match(data, max(0, at - 3)) is None
                if long and self._is_heap(int(addresses[i])) and not self._is_header(at, data[at + 12 : at + 16], int(addresses[i])):
                    self.too_long += 1
                    data = data[:at] + bytes(4) + data[at + 4 :]
        return data

    def _is_header(self, at: int, number: bytes, heap: int) -> bool:
        """Return whether what looks like a pointer is the end of a value in a collection and the head of the next one.

        Then the number of the value that it points to is only by chance that of one. `at` counts from the position of the file.
        """
        place = self._at + at
        around = next(iter(self._begins[bisect.bisect_right(self._begins, place) - 1 :]), place + 1)
        if not around <= place < around + self._sound.get(around, 0):
            return False
        heads, there = self._values(around), self._values(heap)
        return int.from_bytes(number, "little") not in there.values() and any(head in heads for head in range(place - 15, place + 16))

    def _values(self, heap: int) -> dict[int, int]:
        """Return where the heads of the values of a collection are, with the number of each; nothing after too many collections."""
        if heap not in self._known and len(self._known) < _KNOWN:
            found = self._known[heap] = dict[int, int]()
            self._file.seek(heap)
            data = self._file.read(self._sound.get(heap, 0))
            place = 16
            while place + 16 <= len(data):
                number, length = int.from_bytes(data[place : place + 2], "little"), int.from_bytes(data[place + 8 : place + 16], "little")
                found[heap + place] = number
                place += length if number == 0 else 16 + length + -length % 8
        return self._known.get(heap, {})

    def _is_heap(self, at: int) -> bool:
        self._file.seek(at)
        return self._file.read(len(_HEAP)) == _HEAP

    def _check(self, at: int) -> None:
        if at in self._sound:
            return
        self._file.seek(at + len(_HEAP))
        size = int.from_bytes(self._file.read(8), "little")
        # if sizes have four bytes, the second four are the number and reference count of the first object
        width = 8 if size >> 32 == 0 else 4
        size &= 0xFFFF_FFFF
        if size > min(self._size - at, _HEAP_BYTES):
            raise OSError(f"the variable-length values at {at} claim to have {size} bytes, more than the file")
        self._file.seek(at)
        heap = self._file.read(size)
        head = 8 + width
        place = head + -head % 8
        while place + head <= size:
            length = int.from_bytes(heap[place + 8 : place + head], "little")
            # number 0 is free space, whose length includes its header
            taken = length if heap[place : place + 2] == b"\0\0" else head + -head % 8 + length + -length % 8
            if not head <= taken <= size - place:
                raise OSError(f"a variable-length value at {at + place} claims to have {length} bytes, more than its collection")
            place += taken
        self._sound[at] = size
        bisect.insort(self._begins, at)


def opened(file: BinaryIO | Guarded) -> Any:
    """Open a file object as an h5py.File. Raises Malformed."""
    import h5py

    try:
        return h5py.File(file if isinstance(file, Guarded) else Guarded(file), "r", locking=False, rdcc_nbytes=CHUNKS, rdcc_nslots=_SLOTS)
    except Exception as error:  # noqa: BLE001  # h5py raises arbitrary exceptions for damaged data
        raise Malformed(f"not a complete HDF5 file: {told(error)}") from None


def keras_config(root: Any, name: str = "model_config") -> str | None:
    """An attribute of the root that is the configuration of a model, as JSON; None if it is missing. Raises Malformed."""
    try:
        value = root.attrs.get(name)
    except Exception as error:  # noqa: BLE001  # as above
        raise Malformed(f"the attribute {name} is unreadable: {told(error)}") from None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    if len(value) > LARGEST:
        raise Malformed(f"the attribute {name} has {len(value)} characters")
    return value


@dataclass(frozen=True, slots=True)
class Hdf5Item:
    """A group or dataset, its path, and the names in the group."""

    path: str
    item: Any
    is_dataset: bool
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A link to another file."""

    path: str
    what: str
    target: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """An object that h5py cannot open."""

    path: str
    reason: str


def objects(root: Any) -> Iterator[Hdf5Item | Elsewhere | Damaged]:
    """Yield every object once, whatever the links between groups. Links to other files are reported but not followed."""
    import h5py

    seen: set[Any] = set()
    stack: list[tuple[str, Any]] = [("/", root)]
    while stack:
        path, item = stack.pop()
        try:
            info = h5py.h5o.get_info(item.id)
            if (info.fileno, info.addr) in seen:
                continue
            seen.add((info.fileno, info.addr))
            names = list(item) if isinstance(item, h5py.Group) else []
        except Exception as error:  # noqa: BLE001  # h5py raises arbitrary exceptions for damaged data
            yield Damaged(path, told(error))
            continue
        yield Hdf5Item(path, item, isinstance(item, h5py.Dataset), names)
        inner: list[tuple[str, Any]] = []
        for name in names:
            yield from _follow(path, item, name, inner)
        stack.extend(reversed(inner))


def _follow(path: str, group: Any, name: str, stack: list[tuple[str, Any]]) -> Iterator[Elsewhere | Damaged]:
    import h5py

    inner = f"{path.rstrip('/')}/{name}"[-1024:]
    try:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield Elsewhere(inner, "a link to another file", f"{link.filename}:{link.path}")
        elif isinstance(link, h5py.HardLink):
            stack.append((inner, group[name]))
    except Exception as error:  # noqa: BLE001  # as above
        yield Damaged(inner, told(error))


def attributes(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name of each attribute with its value, or with the exception that reading it raised."""
    try:
        names = list(item.attrs)
    except Exception as error:  # noqa: BLE001  # as above
        yield "", error
        return
    for name in names:
        try:
            yield name, item.attrs[name]
        except Exception as error:  # noqa: BLE001  # as above
            yield name, error


def stored_elsewhere(dataset: Any) -> str:
    """The names of the files that hold a dataset's data; empty if this file holds it."""
    try:
        return _sources(dataset)
    except Exception as error:  # noqa: BLE001  # as above; without this information, the data is not read either
        return f"unknown ({told(error)})"


def claimed(dataset: Any) -> int:
    """The bytes that a dataset claims to have, if they are far more than the file holds of them; else 0."""
    try:
        size, stored = int(dataset.size or 0) * int(dataset.dtype.itemsize), int(dataset.id.get_storage_size())
    except Exception:  # noqa: BLE001  # as above; a dataset of unknown size claims nothing
        return 0
    return size if size > bounds.HDF5_CLAIMED and stored < size // 1000 else 0


def _sources(dataset: Any) -> str:
    if dataset.is_virtual:
        return ", ".join(str(source.file_name) for source in dataset.virtual_sources() if source.file_name != ".")
    return ", ".join(str(part[0]) for part in dataset.external or ())


def chunking(dataset: Any) -> tuple[int, int]:
    """The size in bytes of a compressed chunk, and of all chunks that contain part of one row; 0 if the chunks are not compressed."""
    if not dataset.chunks or not dataset.id.get_create_plist().get_nfilters():
        return 0, 0
    chunk = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    beside = (math.ceil(size / step) for size, step in zip(dataset.shape[1:], dataset.chunks[1:], strict=True))
    return chunk, chunk * math.prod(beside)
