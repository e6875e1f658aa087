"""Reads the header of an npy file. It reads no data and never allows pickles."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.core.errors import Malformed, told

_HEADER = 65_536  # in bytes; NumPy itself accepts 10,000 unless the file is declared trusted


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """The shape and type of the array. `offset` is the position of its data; `objects` says that the data is a pickle."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def objects(self) -> bool:
        """Whether the data is a pickle."""
        return bool(self.dtype.hasobject)

    @property
    def size(self) -> int:
        """The number of bytes of an array without objects."""
        return math.prod(self.shape) * self.dtype.itemsize

    def literal(self) -> str:
        """The header as NumPy writes it."""
        described = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": self.fortran, "shape": self.shape}
        return "".join(["{", *(f"{key!r}: {value!r}, " for key, value in described.items()), "}"])


def read_header(file: BinaryIO) -> NpyHeader:
    """Read the header of `file`, which is at its beginning; afterwards it is at the data. Raises Malformed."""
    lib = np.lib.format
    try:
        version = lib.read_magic(file)
        read = {(1, 0): lib.read_array_header_1_0, (2, 0): lib.read_array_header_2_0, (3, 0): lib.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers written by Python 2
            shape, fortran, dtype = read(file, max_header_size=_HEADER)
    except Exception as error:  # noqa: BLE001  # parsing a header and its type can raise arbitrary exceptions
        raise Malformed(f"invalid npy header: {told(error)}") from None
    return NpyHeader(shape, dtype, fortran, file.tell())
