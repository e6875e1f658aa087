"""Reads bytes with the reader of their kind and flattens blocks to rows that a table of expectations can hold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.common.streams import decompressed
from veritensor_ray.formats.format_registry import reader_for

Read = tuple[list[Block], list[Gap]]


def read(data: bytes, kind: Kind, limits: Limits | None = None, packed: str | None = None, **about: Any) -> Read:
    """Blocks and gaps of `data`; `packed` is the media type of the compression around it."""
    return split(reader_source(data, kind, limits, packed, **about))


def reader_source(data: bytes, kind: Kind, limits: Limits | None = None, packed: str | None = None, **about: Any) -> Source:
    """A Source over bytes."""
    limits = limits or Limits()
    if packed:
        budget = Budget(limits, len(data))
        stream, about["via"] = decompressed(io.BytesIO(data), packed, budget)
        return Source(stream, kind, limits, budget=budget, **about)
    return Source(io.BytesIO(data), kind, limits, **about)


def split(source: Source) -> Read:
    """Everything that the reader yields, but for the residue: `tests/formats/residue` is about that."""
    reader = reader_for(source.kind)
    assert reader is not None
    found = list(reader(source))
    return [b for b in found if isinstance(b, Block) and b.view != "residue"], [g for g in found if isinstance(g, Gap)]


def members(data: bytes, kind: Kind, limits: Limits | None = None, **about: Any) -> dict[str, bytes]:
    """Name and content of the members that the reader yields, each read when it is its turn."""
    source = reader_source(data, kind, limits, **about)
    reader = reader_for(kind)
    assert reader is not None
    return {found.name: found.file.read() for found in reader(source) if isinstance(found, Member)}


def until_error(source: Source, error: type[Exception]) -> tuple[Read, Exception]:
    """What the reader yields before it raises `error`."""
    reader = reader_for(source.kind)
    assert reader is not None
    blocks: list[Block] = []
    gaps: list[Gap] = []
    try:
        for found in reader(source):
            if isinstance(found, Block):
                blocks.append(found)
            elif isinstance(found, Gap):
                gaps.append(found)
    except error as raised:
        return (blocks, gaps), raised
    raise AssertionError(f"{error.__name__} was not raised")


def flat(blocks: Sequence[Block], *names: str) -> list[Any]:
    """A row a text: the text alone, or a tuple of it and the named fields."""
    rows: list[Any] = []
    for block in blocks:
        texts = _values(block.texts, 0)
        fields = [_values(getattr(block, name), len(texts)) for name in names]
        rows += list(zip(texts, *fields, strict=True)) if names else texts
    return rows


def _values(value: Any, count: int) -> list[Any]:
    if isinstance(value, pa.Array):
        return list(value.to_pylist())
    return list(value) if isinstance(value, (list, tuple)) else [value] * count


def reasons(gaps: Sequence[Gap]) -> list[str]:
    """Why something was not read."""
    return [gap.reason for gap in gaps]
