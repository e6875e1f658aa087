"""Turns a checkpoint of PyTorch that holds tensors and nothing else into a safetensors file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.wording import counted
from veritensor_ray.formats.common.file_ranges import copy_range, length, pieces
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.safetensors.write import NewTensor, blocks_of, prove_equal, write_safetensors
from veritensor_ray.formats.model_files.torch.checkpoint import read_checkpoint
from veritensor_ray.formats.model_files.torch.tensors import Tensor

_GROWTH = bounds.TENSOR_GROWTH
Pulse = Callable[[], None]


def checkpoint_to_safetensors(source: Source, out: BinaryIO, pulse: Pulse) -> str:
    """Write the tensors of a checkpoint to `out`, a real file, and say what that is.

    Raises CannotRewriteError if it holds anything besides or if the copy does not prove to be equal, and ReadError.
    """
    file = source.file
    found = read_checkpoint(file, source.kind.media_type, pulse)
    size = sum(tensor.size for tensor in found.tensors.values())
    if size > _GROWTH * length(file):
        raise CannotRewriteError(f"its tensors repeat values, and would take more than {_GROWTH} times its size")
    ordered = sorted(found.tensors.items(), key=lambda one: (-one[1].kind.size, one[0]))  # aligned for their types
    new = [
        NewTensor(
            name, one.kind.name, one.shape, one.size, partial(_values, file, found.places[one.storage.key] if one.size else 0, one, pulse)
        )
        for name, one in ordered
    ]
    write_safetensors(new, out)
    prove_equal(new, out)
    return f"safetensors with {counted(len(new), 'tensor')}"


def _values(file: BinaryIO, place: int, tensor: Tensor, pulse: Pulse) -> Iterator[bytes]:
    """Yield the bytes of a tensor, whose storage begins at `place`, in the order of its indexes."""
    if not tensor.size:
        return
    begin = place + tensor.offset * tensor.kind.size
    if tensor.is_dense:
        yield from pieces(file, begin, begin + tensor.size, pulse)
        return
    with tempfile.TemporaryFile() as spool:
        copy_range(file, spool, begin, begin + tensor.span * tensor.kind.size, pulse)
        spool.flush()
        values = np.memmap(spool, np.dtype(f"V{tensor.kind.size}"), "r")
        strides = [stride * tensor.kind.size if count > 1 else 0 for count, stride in zip(tensor.shape, tensor.stride, strict=True)]
        for block in blocks_of(np.lib.stride_tricks.as_strided(values, tensor.shape, strides)):
            pulse()
            yield block
