"""How a markup file is read to its end: tokens to whoever takes them, texts given off as they come; it knows no element."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.errors import LimitExceeded
from veritensor_ray.extract.readers.common.writer import Writer
from veritensor_ray.extract.readers.markup import tokens as t
from veritensor_ray.extract.readers.markup.characters import Characters
from veritensor_ray.extract.source import Item


def walked(taker: t.Taker, chars: Characters, writer: Writer, *, xml: bool, html: bool) -> Iterator[Item]:
    """All tokens; where a bound ends them, what was taken before is given off first."""
    try:
        yield from t.tokens(chars, taker, writer, xml=xml, html=html)
    except LimitExceeded:
        taker.end()
        yield from writer.rest()
        raise
    taker.end()
    yield from finished(chars, writer)


def finished(chars: Characters, writer: Writer) -> Iterator[Item]:
    """The rest of the texts, and what the file's bytes had wrong with them. Raises the damage that its stream ended with."""
    yield from writer.rest()
    yield from chars.gaps()
    if chars.damage:
        raise chars.damage
