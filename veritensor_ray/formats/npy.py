"""The header of an npy file; it reads no data and never allows pickles."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.errors import Malformed

_HEADER = 65_536  # bytes; numpy itself takes 10,000 unless told to trust a file


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """Shape and type of the array; `offset` is where its data begins, `objects` says that the data is a pickle."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def objects(self) -> bool:
        """Whether a pickle stands in place of the data."""
        return bool(self.dtype.hasobject)


def read_header(file: BinaryIO) -> NpyHeader:
    """The header; `file` stands at its beginning, and at the data afterwards. Raises Malformed."""
    lib = np.lib.format
    try:
        version = lib.read_magic(file)
        read = {(1, 0): lib.read_array_header_1_0, (2, 0): lib.read_array_header_2_0, (3, 0): lib.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            shape, fortran, dtype = read(file, max_header_size=_HEADER)
    except Exception as error:  # noqa: BLE001  # a header is a Python literal and the description of a type: both raise whatever they like
        raise Malformed(f"no npy header: {str(error).partition(chr(10))[0][:200]}") from None
    return NpyHeader(shape, dtype, fortran, file.tell())
