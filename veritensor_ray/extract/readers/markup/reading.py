"""Reads a markup file to its end: passes tokens to a taker and yields the texts as they become ready."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.errors import LimitExceeded
from veritensor_ray.extract.readers.common.writer import Writer
from veritensor_ray.extract.readers.markup import tokens as t
from veritensor_ray.extract.readers.markup.characters import Characters
from veritensor_ray.extract.source import Item


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
