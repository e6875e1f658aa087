"""Accounts for the bytes of an HDF5 file: the data of its datasets, and those strings between them that have been read as names or values.

HDF5 keeps names, attributes and values of variable length between the data. Whatever is there and has not been read is left: comments, fill
values, values that nothing refers to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.account import Reading
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.residue.hidden import hidden
from veritensor_ray.formats.residue.known_text import KnownText
from veritensor_ray.formats.residue.strings import SHORTEST, strings

_HEAP = b"GCOL\x01\0\0\0"  # the beginning of a collection of values of variable length
_HEAP_HEAD = 16
# How blocks of the file's own structure begin. Before them is a checksum, which may look like letters. The head of an object also holds four
# times, which are equal unless the object was changed later. Here only their lowest bytes may differ, so no text can hide in them.
_STRUCTURE = re.compile(
    rb"OHDR\x02[\x20-\x3f].(.{3})(?:.\1){3}|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FSHD|FSSE|SMTB|SMLI|FAHD|FADB|EAHD|EAIB|EASB|EADB",
    re.DOTALL,
)
_VALUES = bounds.HDF5_ITEMS  # values of variable length that are remembered
_REMEMBERED = 100_000  # of a dataset
_BEFORE, _BEHIND = 2, 4  # bytes beside a string that may look like part of it, such as a checksum
_SURE = 5  # characters that prove that a string is known


class Hdf5Strings:
    """What has been read of a file."""

    def __init__(self, source: Source) -> None:
        self._file, self._account = source.file, source.account
        self._texts: dict[str, None] = {}
        self._values: set[int] = set()

    def text(self, text: str | bytes) -> None:
        """Note a name, or a value of an attribute."""
        if len(text) >= _SURE:
            self._texts[text if isinstance(text, str) else text.decode("utf-8", "replace")] = None
            self.value(text)

    def value(self, value: str | bytes) -> None:
        """Note a value of variable length."""
        if len(value) >= SHORTEST and len(self._values) < _VALUES:
            self._values.add(hash((value.encode("utf-8", "replace") if isinstance(value, str) else value).rstrip(b"\0")))

    def type(self, dtype: Any) -> Iterator[str]:
        """Note the names of the fields of a type, and yield those that may be more than names."""
        import h5py

        for name in (*(dtype.names or ()), *(h5py.check_enum_dtype(dtype) or ())):
            self.text(name)
            if is_text(name):
                yield name
        for name in dtype.names or ():
            yield from self.type(dtype.fields[name][0].base)

    def data(self, dataset: Any, is_text: bool) -> Iterator[Block]:
        """Claim the data of a dataset, and yield the strings in the parts of its chunks that are outside of it."""
        packed = bool(dataset.id.get_create_plist().get_nfilters())
        reading: Reading = "text" if is_text else "packed" if packed else "values"
        size, start = dataset.id.get_storage_size(), dataset.id.get_offset()
        if start is not None:
            self._account.claim(start, start + size, reading)
        if not dataset.chunks:
            return
        is_plain = not packed and not dataset.dtype.hasobject
        for about in _chunks(dataset):
            self._account.claim(about.byte_offset, about.byte_offset + about.size, reading)
            inside = tuple(slice(0, max(0, end - first)) for first, end in zip(about.chunk_offset, dataset.shape, strict=True))
            if is_plain and any(one.stop < most for one, most in zip(inside, dataset.chunks, strict=True)):
                chunk = np.frombuffer(dataset.id.read_direct_chunk(about.chunk_offset)[1], dataset.dtype).reshape(dataset.chunks).copy()
                chunk[inside] = np.zeros((), dataset.dtype)
                yield from hidden(chunk.tobytes(), "outside of the dataset")

    def claim(self, size: int) -> None:
        """Claim the strings between the data that are known. A range that is too large to be looked at is left."""
        known = KnownText(self._texts)
        for start, end in list(self._account.unclaimed(size)):
            if end - start <= bounds.HELD:
                self._file.seek(start)
                self._claim(bytearray(self._file.read(end - start)), start, known)

    def _claim(self, data: bytearray, start: int, known: KnownText) -> None:
        at = data.find(_HEAP)
        while at >= 0:
            at = data.find(_HEAP, self._claim_heap(data, at, start))
        for block in _STRUCTURE.finditer(bytes(data)):
            self._account.claim(start + block.start(), start + block.end(), "values")
            data[block.start() : block.end()] = bytes(block.end() - block.start())
        for found in strings(bytes(data)):
            tries = (found.text[first : len(found.text) - last] for first, last in _TRIES)
            if any(len(text) >= _SURE and not known.lacks(text) for text in tries):
                self._account.claim(start + found.at, start + found.at + found.size, "text")

    def _claim_heap(self, data: bytearray, at: int, start: int) -> int:
        """Claim the known values of a collection, and take them out of the data. Return where the next one may begin."""
        end = min(at + int.from_bytes(data[at + 8 : at + 16], "little"), len(data))
        place = at + 16
        while place + _HEAP_HEAD <= end and data[place : place + 2] != b"\0\0":
            size = int.from_bytes(data[place + 8 : place + _HEAP_HEAD], "little")
            first = place + _HEAP_HEAD
            if first + size > end:
                break
            if hash(bytes(data[first : first + size]).rstrip(b"\0")) in self._values:
                self._account.claim(start + place, start + first + size, "text")
                data[place : first + size] = bytes(first + size - place)
            place = first + size + -size % 8
        return max(place, at + 1)


def _chunks(dataset: Any) -> list[Any]:
    """Return where the chunks of a dataset are, up to a limit. To ask for one by its number would count from the first one each time."""
    found: list[Any] = []

    def add(about: Any) -> bool | None:
        found.append(about)
        return True if len(found) >= _REMEMBERED else None

    dataset.id.chunk_iter(add)
    return found


_TRIES = [(first, last) for first in range(_BEFORE + 1) for last in range(_BEHIND + 1)]
