"""Reads files with their readers and then what these leave, as the audit does; with places in which text is planted."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from tests.formats.reading import flat, reader_source
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.recognition import recognise
from veritensor_ray.formats.residue.read import read_residue

ADDRESS = "jane.doe@vault-mail.org"
PLANTED = ADDRESS.encode()


def both(data: bytes, name: str) -> tuple[list[Item], list[Item]]:
    """What the reader yields, and what the residue does. Members are replaced by their bytes."""
    source = reader_source(data, recognise(io.BytesIO(data), name[name.rindex(".") :]).kind, name=name)
    reader = reader_for(source.kind)
    assert reader is not None
    return list(_items(reader(source))), list(_items(read_residue(source, len(data)) if source.account.kept else iter(())))


def _items(items: Iterator[Item]) -> Iterator[Item]:
    with contextlib.suppress(ReadError):
        for item in items:
            if isinstance(item, Member):
                item = Member(item.name, io.BytesIO(item.file.read()))
            yield item


def texts(items: list[Item]) -> list[str]:
    """The texts in the blocks and members."""
    blocks = [one for one in items if isinstance(one, Block)]
    return [*flat(blocks), *(one.file.read().decode("latin-1") for one in items if isinstance(one, Member))]


def found(data: bytes, name: str) -> bool:
    """Whether the address is in a text, wherever it comes from."""
    return any(ADDRESS in text for items in both(data, name) for text in texts(items))
