"""The texts in values of HDF5 files as they are in memory: in arrays of strings and in records, to any depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_DEEPEST = 8  # fields in fields; the reader does not go further either


class TextSlot(NamedTuple):
    """A place in an array that holds a string: the array, and the index in it. `room` is the number of bytes that fit, or None for any."""

    array: Any
    at: int
    room: int | None

    @property
    def raw(self) -> bytes:
        """The string, as it is stored."""
        value = self.array.flat[self.at]
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)

    def put(self, raw: bytes) -> None:
        """Replace the string."""
        self.array.flat[self.at] = raw


def text_slots(array: Any, depth: int = 0) -> Iterator[TextSlot | None]:
    """Yield the strings of an array in the order in which the reader counts them; None for something that it counts and that is not a string."""
    dtype = array.dtype
    if dtype.names and depth < _DEEPEST:
        for name in dtype.names:
            yield from text_slots(array[name], depth + 1)
    elif dtype.kind == "S":
        # the reader leaves out the empty ones of several
        yield from (TextSlot(array, at, dtype.itemsize) for at in range(array.size) if array.flat[at] or not array.ndim)
    elif dtype.kind == "O":
        for at, value in enumerate(array.flat):
            yield TextSlot(array, at, None) if isinstance(value, (bytes, str)) else None
    elif dtype == np.uint8 or dtype.kind == "V":
        yield None


def stored(dataset: Any) -> Any:
    """Return the value of a dataset or an attribute that is a single item or small, with the types that it has in the file."""
    import h5py

    made = np.empty(dataset.shape, dataset.dtype)
    if isinstance(dataset, h5py.Dataset):
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, made)
    else:
        dataset.read(made)
    return made


def frozen(array: Any) -> Any:
    """Return something that is equal for two arrays if and only if all of their values are, bit by bit. What fills up records does not count."""
    if array.dtype.names:
        return tuple(frozen(array[name]) for name in array.dtype.names)
    if array.dtype.kind == "O":
        return tuple(frozen(one) if isinstance(one, np.ndarray) else one for one in array.flat)
    return array.tobytes()


__all__ = ["TextSlot", "frozen", "stored", "text_slots"]
