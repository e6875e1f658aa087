"""Reads the strings in the header of safetensors files; tensors are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.model_files.collecting import LONG_NAME, Gathered, Names
from veritensor_ray.formats.model_files.safetensors import structure as safetensors


def read_safetensors(source: Source) -> Iterator[Item]:
    """Yield the values of `__metadata__` under their keys, and the names of the tensors."""
    header = safetensors.read_header(source.file, None)
    if header.unread:
        raise LimitExceeded("safetensors_header", f"the header has {header.size} bytes; at most {safetensors.READ} are read")
    gathered = Gathered("metadata")
    for key, text in header.metadata:
        if len(key) > LONG_NAME:
            yield from gathered.add(key, "__metadata__")
        yield from gathered.add(text, f"__metadata__.{key}")
    yield from gathered.take()
    names = Names("tensors")
    for name in header.names:
        yield from names.add(name)
    yield from names.take()
    if header.end:
        yield from behind(source.file, header.end)
    if header.problems and not header.names and not header.metadata:
        raise ReadError(f"safetensors: {header.problems[0]}")
