"""Turns files that hold tensors or arrays and nothing else into safetensors files: checkpoints of PyTorch, pickles of NumPy and joblib."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.format_table import COMPRESSED
from veritensor_ray.core.media_types import NPY, PICKLE, PYTORCH
from veritensor_ray.core.wording import counted
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.spool import spooled
from veritensor_ray.formats.common.streams import decompressed
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.numpy.pickled_arrays import PickledArray, read_arrays
from veritensor_ray.formats.model_files.numpy.structure import read_header
from veritensor_ray.formats.model_files.pickle.events import Broken
from veritensor_ray.formats.model_files.safetensors.write import NewTensor, prove_equal, write_safetensors
from veritensor_ray.formats.model_files.torch.checkpoint import is_old_checkpoint
from veritensor_ray.formats.model_files.torch.convert import checkpoint_to_safetensors
from veritensor_ray.formats.opened_files import opened

_GROWTH = bounds.TENSOR_GROWTH
Pulse = Callable[[], None]


def to_safetensors(source: Source, out: BinaryIO, pulse: Pulse) -> str:
    """Write the tensors or arrays of a file to `out`, a real file, and say what that is.

    Raises CannotRewriteError if it holds anything besides or if the copy does not prove to be equal, without a message if it is no such file;
    and ReadError.
    """
    kind = source.kind.media_type
    if kind in COMPRESSED:
        return _unpacked(source, out, pulse)
    if kind == PYTORCH or (kind == PICKLE and is_old_checkpoint(source.file, pulse)):
        return checkpoint_to_safetensors(source, out, pulse)
    if kind == PICKLE:
        return _arrays(source.file, 0, out, pulse)
    if kind == NPY:
        source.file.seek(0)
        try:
            header = read_header(source.file)
        except Malformed as error:
            raise CannotRewriteError(str(error)) from None
        if header.objects:
            return _arrays(source.file, header.offset, out, pulse)
    raise CannotRewriteError("")


def _unpacked(source: Source, out: BinaryIO, pulse: Pulse) -> str:
    """Do it with the content of a compressed file."""
    stream, _ = decompressed(source.file, source.kind.media_type, source.budget)
    content, broken = spooled(stream, pulse)
    with closing(content):
        inner = opened(content, source.name, source.limits, source.budget)
        if inner.kind.media_type not in (PICKLE, NPY, PYTORCH):
            raise CannotRewriteError("")
        if broken is not None:
            raise broken
        return to_safetensors(inner, out, pulse)


def _arrays(file: BinaryIO, begin: int, out: BinaryIO, pulse: Pulse) -> str:
    """Write the arrays of the pickle that begins at a byte of a file."""
    file.seek(begin)
    try:
        found = read_arrays(file, pulse)
    except Broken as broken:
        raise CannotRewriteError(str(broken)) from None
    if sum(array.size for array in found.values()) > _GROWTH * length(file):
        raise CannotRewriteError(f"its arrays repeat values, and would take more than {_GROWTH} times its size")
    ordered = sorted(found.items(), key=lambda one: (-_item(one[1]), one[0]))  # aligned for their types
    new = [NewTensor(name, one.dtype, one.shape, one.size, partial(one.values, pulse)) for name, one in ordered]
    write_safetensors(new, out)
    prove_equal(new, out)
    return f"safetensors with {counted(len(new), 'array')}"


def _item(array: PickledArray) -> int:
    return array.type.size if array.type else 0


__all__ = ["to_safetensors"]
