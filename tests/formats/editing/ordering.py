"""Builds orders from what the real readers yield, and rewrites bytes with them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from tests.formats.reading import flat, read
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import Account, Order, Orders, Unit
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.format_registry import Rewriter

Text = tuple[str, Unit]


def texts_of(data: bytes, kind: Kind, limits: Limits | None = None) -> list[Text]:
    """Every text that the reader yields, with the name of its unit."""
    found = flat(read(data, kind, limits)[0], "part", "row", "column")
    return [(text, Unit(part=part, row=row, column=column)) for text, part, row, column in found]


def order(
    unit: Unit, start: int = 0, end: int = 0, text: str | None = None, action: Action = Action.MASK, number: int = 0, **about: object
) -> Order:
    """An order for a place of a unit. With a text, the mark is straight; otherwise it is one in a decoded text."""
    mark = Mark("rule", "high", None, *unit, "visible", None, start, end, text, straight=text is not None)
    return Order(number, mark._replace(**about), action, keep_length=False)  # type: ignore[arg-type]


def over_bytes(start: int, end: int, action: Action = Action.MASK, number: int = 0) -> Order:
    """An order for bytes of a file."""
    return order(Unit(), start, end, action=action, number=number, over_bytes=True)


def covering(text: str, unit: Unit, action: Action = Action.MASK, number: int = 0) -> Order:
    """An order for the whole of a text."""
    return order(unit, 0, len(text), text, action, number)


def cleaned(
    rewriter: Rewriter,
    data: bytes,
    kind: Kind,
    orders: Iterable[Order],
    mask: str = "[X]",
    strip: Sequence[Strippable] = (),
    limits: Limits | None = None,
) -> tuple[bytes, Orders]:
    """The rewritten bytes, and the orders after that."""
    given = [one._replace(number=number) for number, one in enumerate(orders)]
    told = Orders(given, frozenset(strip), lambda *_: mask, Account())
    out = io.BytesIO()
    rewriter(Source(io.BytesIO(data), kind, limits or Limits()), out, told)
    return out.getvalue(), told
