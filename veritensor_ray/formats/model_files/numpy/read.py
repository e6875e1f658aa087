"""Reads npy arrays: their strings, with the index as row. An array of objects is a pickle after the header and is read as one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, Malformed, ReadError
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.model_files.collecting import Gathered, in_blocks
from veritensor_ray.formats.model_files.numpy import structure as npy
from veritensor_ray.formats.model_files.numpy.numpy_texts import array_parts, as_texts, text_fields
from veritensor_ray.formats.model_files.pickle.read import read_pickles

_ITEM = bounds.NPY_ITEM


def read_npy(source: Source) -> Iterator[Item]:
    """Yield the strings of arrays of str, bytes or records; numbers contain none. Raises ReadError for a damaged header."""
    try:
        header = npy.read_header(source.file)
    except Malformed as error:
        raise ReadError(str(error)) from None
    if header.objects:
        yield from read_pickles(source.file, header.offset)
        return
    if header.dtype.itemsize > _ITEM:
        raise LimitExceeded("npy_item", f"one item of the array has {header.dtype.itemsize} bytes")
    fields = list(text_fields(header.dtype))
    gathered = Gathered()
    for name in _names(header.dtype):
        yield from gathered.add(name, "fields")
    yield from gathered.take()
    if fields:
        yield from _texts(source, header, fields)
    yield from behind(source.file, header.offset + header.dtype.itemsize * math.prod(header.shape))


def _texts(source: Source, header: npy.NpyHeader, fields: list[tuple[str, ...]]) -> Iterator[Item]:
    for first, part in array_parts(source.file, header.dtype, math.prod(header.shape)):
        for path in fields:
            values = part
            for name in path:
                values = values[name]
            width = max(1, values.size // max(1, len(part)))  # strings in one item of the array
            texts, index = as_texts(values.reshape(-1))
            yield from in_blocks(texts, first + index // width, ".".join(path) or "array")


def _names(dtype: Any, level: int = 0) -> Iterator[str]:
    for name in dtype.names or ():
        yield name
        if level < 8:
            yield from _names(dtype.fields[name][0].base, level + 1)
