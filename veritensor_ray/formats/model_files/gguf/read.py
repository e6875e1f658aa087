"""Reads the strings in the metadata of GGUF files; tensors are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import Malformed, ReadError
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.model_files.collecting import Gathered, Names
from veritensor_ray.formats.model_files.gguf.structure import GgufHeader, GgufTexts

_FEW = 1000


def read_gguf(source: Source) -> Iterator[Item]:
    """Yield strings under their keys. Keys, vocabularies and tensor names become the lines of a few strings."""
    source.account.claim(0, 4, "structure")
    header = GgufHeader(source.file)
    gathered, problem = Gathered("metadata"), ""
    try:
        for found in header.texts():
            yield from _texts(found, gathered)
    except Malformed as error:
        problem = str(error)
    yield from gathered.take()
    keys = Names("keys")
    for key in header.keys:
        yield from keys.add(key)
    yield from keys.take()
    if problem:
        raise ReadError(f"GGUF: {problem}")
    source.account.claim(0, header.end, "text")
    for start, end in header.spans:
        source.account.claim(start, end, "values")


def _texts(found: GgufTexts, gathered: Gathered) -> Iterator[Item]:
    if (found.first is None and found.key != "tensors") or (found.first == 0 and len(found.texts) < _FEW):
        for number, text in enumerate(found.texts):
            yield from gathered.add(text, found.key, None if found.first is None else number)
        return
    names = Names(found.key)
    for text in found.texts:
        if len(text) > 256:  # too long for a token
            yield from gathered.add(text, found.key)
        else:
            yield from names.add(text)
    yield from names.take()
