"""Follows findings into a file that was converted to another format: their places are others there, but what they found is not.

An order for a text applies wherever this text stands in the new file. Its text may be gone: programs do not convert what they do not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.wording import counted
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Order
from veritensor_ray.formats.editing.marks import Mark

_MOST = bounds.FOLLOWED  # different texts in one file
_MAY_GO = ("metadata", "residue")  # views of texts that a conversion may leave out: properties, and what no program shows
_MACROS = "macro"  # begins the names of parts with code, which no conversion keeps
_SHORTEST_LINE = 4  # characters of a line of a longer text that is looked for by itself


class SoughtText(NamedTuple):
    """A text to look for, and the rule and the severity of the marks where it stands. Any white space matches any other."""

    rule: str
    severity: str
    text: str


Look = Callable[[Sequence[SoughtText]], Iterable[Mark]]  # where texts stand in a file, as its reader shows it


class FollowedOrders(NamedTuple):
    """The orders for the converted file, and those whose texts are not in it any more."""

    orders: list[Order]
    gone: list[Order]


def followed(orders: Iterable[Order], old: BinaryIO, look: Look, first: int) -> FollowedOrders:
    """Return the orders for the new file, numbered from `first`, for those for the `old` one.

    Raises CannotRewriteError if a text that people see is not there any more, since it may be there in pieces.
    """
    asked: dict[SoughtText, list[Order]] = {}
    for order in orders:
        asked.setdefault(SoughtText(order.mark.rule, order.mark.severity, _words(_text(order.mark, old))), []).append(order)
        if len(asked) > _MOST:
            raise CannotRewriteError(f"it has more than {_MOST:,} different findings to follow into the converted file (followed)")
    made = _Made(first)
    missing = made.add(look([*asked]), {one: one for one in asked}, asked)
    lines = {one: [*_lines(asked[one][0].mark)] for one in missing}
    if any(lines.values()):
        wholes = {one._replace(text=line): one for one, some in lines.items() for line in some}
        absent = made.add(look([*wholes]), wholes, asked)
        missing = [one for one in missing if not lines[one] or any(one._replace(text=line) in absent for line in lines[one])]
    lost = [order for one in missing for order in asked[one] if not _may_be_gone(order.mark)]
    if lost:
        rules = ", ".join(rule for rule, _ in Counter(order.mark.rule for order in lost).most_common(3))
        raise CannotRewriteError(f"{counted(len(lost), 'finding')} cannot be found again in the converted file: {rules}")
    return FollowedOrders(made.orders, [order for one in missing for order in asked[one]])


class _Made:
    """The orders made so far."""

    def __init__(self, first: int) -> None:
        self.orders: list[Order] = []
        self._next = first

    def add(
        self, marks: Iterable[Mark], wholes: Mapping[SoughtText, SoughtText], asked: Mapping[SoughtText, Sequence[Order]]
    ) -> list[SoughtText]:
        """Add orders for marks of texts, each of which is all or a line of a text that was asked for. Returns the texts without a mark."""
        missing = dict.fromkeys(wholes)
        for mark in marks:
            sought = SoughtText(mark.rule, mark.severity, _words(mark.text or ""))
            if (whole := wholes.get(sought)) is not None:
                old = asked[whole][0]
                missing.pop(sought, None)
                self.orders.append(Order(self._next, mark, old.action, old.keep_length))
                self._next += 1
        return [*missing]


def _text(mark: Mark, old: BinaryIO) -> str:
    """Return what a mark found; of one over bytes, what they say. Raises CannotRewriteError."""
    if mark.over_bytes and mark.member is None:
        old.seek(mark.start)
        data = old.read(min(mark.end - mark.start, bounds.MACRO))
        return data.decode("utf-16-le" if b"\0" in data else "latin-1", "replace")
    if mark.text is None:
        raise CannotRewriteError(f"a finding of {mark.rule} cannot be followed into the converted file")
    return mark.text


def _words(text: str) -> str:
    return " ".join(text.split())


def _lines(mark: Mark) -> Iterator[str]:
    """Yield the lines of a text that has several, because paragraphs and cells are texts of their own in another format."""
    lines = [_words(line) for line in (mark.text or "").replace("\t", "\n").splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _may_be_gone(mark: Mark) -> bool:
    return mark.view in _MAY_GO or mark.over_bytes or mark.rule.startswith("structure.") or (mark.part or "").startswith(_MACROS)


__all__ = ["FollowedOrders", "Look", "SoughtText", "followed"]
