"""Reads the strings in the header of safetensors files; tensors are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.model_files.collecting import Gathered, Names
from veritensor_ray.formats.model_files.safetensors import structure as safetensors


def read_safetensors(source: Source) -> Iterator[Item]:
    """Yield the values of `__metadata__` under their keys, and the names of the tensors."""
    header = safetensors.read_header(source.file, None)
    if header.unread:
        raise LimitExceeded("safetensors_header", f"the header has {header.size} bytes; at most {safetensors.READ} are read")
    source.account.claim(0, 8, "structure")
    if not header.problems or header.end:
        source.account.claim(8, 8 + header.size, "text")
    gathered = Gathered("metadata")
    for key, text in header.metadata:
        if is_text(key):
            yield from gathered.add(key, "__metadata__")
        yield from gathered.add(text, f"__metadata__.{key}")
    for text in header.others:
        yield from gathered.add(text, "tensors")
    yield from gathered.take()
    names = Names("tensors")
    for name in header.names:
        yield from names.add(name)
    yield from names.take()
    if header.end:
        for start, end in header.spans:
            source.account.claim(start, end, "values")
        yield from behind(source, header.end)
    if header.problems and not header.names and not header.metadata:
        raise ReadError(f"safetensors: {header.problems[0]}")
