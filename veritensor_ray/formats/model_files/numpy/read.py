"""Reads npy arrays: their strings, with the index as row. An array of objects is a pickle after the header and is read as one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, Malformed, ReadError
from veritensor_ray.formats.columnar.column_numbers import LEAST_LONG, may_be_personal, number_texts, reaches
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.model_files.collecting import Gathered, in_blocks
from veritensor_ray.formats.model_files.numpy import structure as npy
from veritensor_ray.formats.model_files.numpy.numpy_texts import array_parts, as_texts, has_other_codes, text_fields, unnamed_bytes
from veritensor_ray.formats.model_files.pickle.read import read_pickles
from veritensor_ray.formats.residue.hidden import hidden

_ITEM = bounds.NPY_ITEM
_LONG = 8  # bytes of a number that can have twelve digits


def read_npy(source: Source) -> Iterator[Item]:
    """Yield the strings of arrays of str, bytes or records; numbers contain none. Raises ReadError for a damaged header."""
    try:
        header = npy.read_header(source.file)
    except Malformed as error:
        raise ReadError(str(error)) from None
    if header.objects:
        _claim_header(source, header)
        yield from read_pickles(source, header.offset)
        return
    if header.dtype.itemsize > _ITEM:
        raise LimitExceeded("npy_item", f"one item of the array has {header.dtype.itemsize} bytes")
    _claim_header(source, header)
    fields = list(text_fields(header.dtype))
    gathered = Gathered()
    for name in _names(header.dtype):
        yield from gathered.add(name, "fields")
    yield from gathered.take()
    unnamed = unnamed_bytes(header.dtype)
    if fields or unnamed:
        yield from _texts(source, header, fields, unnamed)
    elif header.dtype.kind in "iuf" and header.dtype.itemsize == _LONG:
        yield from _numbers(source, header)
    end = header.offset + header.dtype.itemsize * math.prod(header.shape)
    source.account.claim(header.offset, end, "text" if fields else "values")
    yield from behind(source, end)


def _claim_header(source: Source, header: npy.NpyHeader) -> None:
    """Claim the header if it is as NumPy writes it: it is a literal of Python, in which comments may stand."""
    source.account.claim(0, 6, "structure")
    source.file.seek(0)
    start = 10 if source.file.read(7)[6:] == b"\x01" else 12
    source.file.seek(start)
    text = source.file.read(header.offset - start)
    if text.strip(b" \n") == header.literal().encode("utf-8"):
        source.account.claim(6, header.offset, "structure")
    source.file.seek(header.offset)


def _texts(source: Source, header: npy.NpyHeader, fields: list[tuple[str, ...]], unnamed: list[tuple[int, int]]) -> Iterator[Item]:
    for first, part in array_parts(source.file, header.dtype, math.prod(header.shape)):
        for start, end in unnamed:
            raw = np.frombuffer(part, "u1").reshape(len(part), -1)[:, start:end]
            yield from hidden(raw.tobytes(), f"bytes {start} to {end} of each item")
        for path in fields:
            values = part
            for name in path:
                values = values[name]
            width = max(1, values.size // max(1, len(part)))  # strings in one item of the array
            texts, index = as_texts(values.reshape(-1))
            if has_other_codes(values):  # something else stands there, and is searched
                start = header.offset + first * header.dtype.itemsize
                source.account.claim(start, start + part.nbytes, "values")
            yield from in_blocks(texts, first + index // width, ".".join(path) or "array")


def _numbers(source: Source, header: npy.NpyHeader) -> Iterator[Item]:
    """Yield the whole numbers of at least twelve digits."""
    try:
        for first, part in array_parts(source.file, header.dtype, math.prod(header.shape)):
            numbers = pa.array(part.astype(header.dtype.newbyteorder("="), copy=False))
            if reaches(numbers, LEAST_LONG):
                wanted = may_be_personal(numbers)
                yield from in_blocks(number_texts(numbers.filter(wanted)), first + np.flatnonzero(wanted), "array")
    except ReadError:  # nothing else is missing
        return


def _names(dtype: Any) -> Iterator[str]:
    """Yield the names of fields, and their titles."""
    for name in dtype.names or ():
        kind, _, *titles = dtype.fields[name]
        yield from (name, *map(str, titles))
        yield from _names(kind.base)
