"""Reads a markup file to its end: passes tokens to a taker and yields the texts as they become ready."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.markup import html_tokens as t
from veritensor_ray.formats.markup.character_references import Characters


def walked(taker: t.Taker, chars: Characters, writer: Writer, *, xml: bool, html: bool) -> Iterator[Item]:
    """Process all tokens. If a limit ends them, everything before is yielded first."""
    try:
        yield from t.tokens(chars, taker, writer, xml=xml, html=html)
    except LimitExceeded:
        taker.end()
        yield from writer.rest()
        raise
    taker.end()
    yield from finished(chars, writer)


def finished(chars: Characters, writer: Writer) -> Iterator[Item]:
    """Yield the remaining texts and a gap for undecodable characters. Raises the error that ended the stream."""
    yield from writer.rest()
    yield from chars.gaps()
    if chars.damage:
        raise chars.damage
