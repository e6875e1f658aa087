"""Reads the readable strings of bytes that a reader has decoded, but that no program shows."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.residue.strings import VIEW, strings


def hidden(data: bytes, column: str | None = None, part: str | None = None) -> Iterator[Block]:
    """Yield a block of the readable strings, if there are any."""
    texts = [found.text for found in strings(data)] if data.strip(b"\0") else []
    if texts:
        yield Block(texts, column=column, part=part, view=VIEW)
