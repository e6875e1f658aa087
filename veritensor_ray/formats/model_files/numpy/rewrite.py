"""Rewrites npy arrays of strings: single strings change, and all become wider if one of them needs more room."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.core.errors import Malformed, ReadError
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders, Unit
from veritensor_ray.formats.model_files.numpy import structure as npy
from veritensor_ray.formats.model_files.numpy.numpy_texts import array_parts, as_texts

_COLUMN = "array"
_GROWTH = 4  # times as wide as before that strings may become


def rewrite_npy(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the array with the ordered changes. Orders for records, numbers and objects stay undone. Raises CannotRewriteError, ReadError."""
    source.file.seek(0)
    try:
        header = npy.read_header(source.file)
    except Malformed as error:
        raise ReadError(str(error)) from None
    if header.dtype.kind not in "US" or not header.dtype.itemsize:
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    new = dict(_changed(source, header, orders))
    dtype = _wide_enough(header.dtype, new)
    if dtype == header.dtype:
        copy_range(source.file, out, 0, header.offset, orders.pulse)
    else:
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": header.fortran, "shape": header.shape}
        np.lib.format.write_array_header_1_0(out, described)
    rows = sorted(new)
    source.file.seek(header.offset)
    for first, part in array_parts(source.file, header.dtype, math.prod(header.shape)):
        orders.pulse()
        made = part.astype(dtype)
        for row in rows[bisect_left(rows, first) : bisect_left(rows, first + len(part))]:
            made[row - first] = new[row]
        out.write(made.tobytes())
    copy_range(source.file, out, header.offset + header.size, None, orders.pulse)


def _changed(source: Source, header: npy.NpyHeader, orders: Orders) -> Iterator[tuple[int, str | bytes]]:
    """Yield the strings that change, by their index."""
    wide = header.dtype.kind == "U"
    for first, part in array_parts(source.file, header.dtype, math.prod(header.shape)):
        orders.pulse()
        texts, index = as_texts(part)
        for at, row in enumerate((first + index).tolist()):
            unit = Unit(None, None, row, _COLUMN)
            if not orders.concern(row) or unit not in orders.units:
                continue
            text = texts[at].as_py()
            if not _is_exact(part[row - first], text):
                raise CannotRewriteError(f"string {row} of the array is not valid Unicode")
            if (new := orders.cell(unit, text)) != text:
                yield row, new if wide else new.encode()


def _is_exact(item: Any, text: str) -> bool:
    """Return whether a string is what the reader made of it."""
    return bool(item == (text if isinstance(item, str) else text.encode()))


def _wide_enough(dtype: np.dtype[Any], new: dict[int, str | bytes]) -> np.dtype[Any]:
    """Return the type of strings that all have room in."""
    width = dtype.itemsize // (4 if dtype.kind == "U" else 1)
    needed = max(map(len, new.values()), default=0)
    if needed <= width:
        return dtype
    if needed > _GROWTH * width:
        raise CannotRewriteError(f"strings of {width} characters would have to become {needed} wide")
    return np.dtype(f"{dtype.kind}{needed}").newbyteorder(dtype.byteorder)


__all__ = ["rewrite_npy"]
