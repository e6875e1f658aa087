"""Checks that every text leads back to the characters of the file that it says it comes from."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.format_registry import reader_for

_WHITE = str.maketrans("\t\n\r\f", "    ")


def items(data: bytes, media_type: str, encoding: str | None = "utf-8") -> list[Item]:
    """Everything that the reader of that type yields."""
    kind = Kind(media_type, encoding)
    reader = reader_for(kind)
    assert reader
    return list(reader(Source(io.BytesIO(data), kind, Limits())))


def texts(found: Sequence[Item]) -> Iterator[tuple[str, str, str | None]]:
    """View, text and column of each text."""
    for block in found:
        if isinstance(block, Block):
            for i, text in enumerate(block.texts):
                yield block.view, text, block.column[i] if block.column is not None else None


def by_view(data: bytes, media_type: str, encoding: str | None = "utf-8") -> dict[str, list[str]]:
    """Texts by view; of metadata, `column: text`."""
    rows: dict[str, list[str]] = {}
    for view, text, column in texts(items(data, media_type, encoding)):
        rows.setdefault(view, []).append(f"{column}: {text}" if view == "metadata" and column else text)
    return rows


def check(found: Sequence[Item], original: str) -> None:
    """Raises AssertionError for a place that is wrong."""
    breaks = [i for i, character in enumerate(original) if character == "\n"]
    for block in found:
        if isinstance(block, Block):
            assert block.origins is not None
            for text, origins in zip(block.texts, block.origins, strict=True):
                ends = [*(origin.at for origin in origins[1:]), len(text)]
                assert not origins or origins[0].at == 0
                for origin, end in zip(origins, ends, strict=True):
                    source = original[origin.start : origin.end]
                    assert source or text[origin.at : end] == " "
                    assert origin.line == 1 + bisect_left(breaks, origin.start)
                    if source and len(source) == end - origin.at and not source.startswith(("&", "\\", "|")):
                        assert text[origin.at : end] in (source, source.translate(_WHITE))


def harmless(data: bytes, media_type: str, encoding: str | None = "utf-8") -> None:
    """Whatever the bytes are, only the errors that a reader may raise."""
    try:
        found = items(data, media_type, encoding)
    except ReadError:
        return
    for item in found:
        assert not isinstance(item, Gap) or item.reason
    check(found, data.decode(encoding or "latin-1", "replace"))
