"""Writes a safetensors file tensor by tensor, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.formats.common.spool import CHUNK
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.safetensors.structure import READ

_ALIGNED = 8
_METADATA = {"format": "pt"}  # transformers loads no file without it


@dataclass(frozen=True, slots=True)
class NewTensor:
    """A tensor to write: its type as safetensors calls it, and its bytes, `size` in all, which can be asked for again."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    values: Callable[[], Iterable[bytes]]


def write_safetensors(tensors: Sequence[NewTensor], out: BinaryIO) -> None:
    """Write a file with the tensors, in this order. Raises CannotRewriteError."""
    described: dict[str, Any] = {"__metadata__": _METADATA}
    at = 0
    for tensor in tensors:
        described[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (at, at + tensor.size)}
        at += tensor.size
    header = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % _ALIGNED)
    if len(header) > READ:
        raise CannotRewriteError(f"the names of its tensors need more than {READ:,} bytes")
    out.write(len(header).to_bytes(8, "little"))
    out.write(header)
    for tensor in tensors:
        begin = out.tell()
        for piece in tensor.values():
            out.write(piece)
        if out.tell() - begin != tensor.size:
            raise CannotRewriteError("the values of one of its tensors end early")


def prove_equal(tensors: Sequence[NewTensor], copy: BinaryIO) -> None:
    """Raise CannotRewriteError unless a written file holds these tensors, as the library of the format reads it, with the same bytes."""
    from safetensors import SafetensorError, safe_open  # few runs need it

    copy.flush()
    try:
        with safe_open(f"/proc/self/fd/{copy.fileno()}", framework="np") as library:
            if set(library.keys()) != {tensor.name for tensor in tensors}:
                raise CannotRewriteError("its copy does not hold the same tensors")
            for tensor in tensors:
                found = library.get_slice(tensor.name)
                if found.get_dtype() != tensor.dtype or tuple(found.get_shape()) != tensor.shape:
                    raise CannotRewriteError("a tensor of its copy has another type or shape")
    except SafetensorError:
        raise CannotRewriteError("the library of safetensors does not read its copy") from None
    copy.seek(0)
    begin = 8 + int.from_bytes(copy.read(8), "little")
    described = json.loads(copy.read(begin - 8))
    for tensor in tensors:
        start, end = described[tensor.name]["data_offsets"]
        copy.seek(begin + start)
        if end - start != tensor.size or any(copy.read(len(piece)) != piece for piece in tensor.values()):
            raise CannotRewriteError("the values of a tensor of its copy are not the same")


def blocks_of(values: np.ndarray[Any, Any]) -> Iterator[bytes]:
    """Yield the bytes of an array in order and in pieces."""
    if values.nbytes <= CHUNK:
        yield values.tobytes()
    elif (rows := CHUNK // values[0].nbytes) > 0:
        for first in range(0, len(values), rows):
            yield values[first : first + rows].tobytes()
    else:
        for row in values:
            yield from blocks_of(row)
