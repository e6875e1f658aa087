"""Places the orders of a text file in its characters, and fits changes to the syntax around them."""

from __future__ import annotations

import bisect
import heapq
import itertools
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, Order, OrderedRange, Orders
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.editing.spans import UNSEEN_VIEWS, Range, Runs, invisible_runs, is_there
from veritensor_ray.formats.editing.splice import over_characters

_SYNTAX = "a finding lies in its syntax, where nothing can take its place"


class Slot(NamedTuple):
    """Characters of a file in which a change can be written in one way. `kind` names the way; `quote` is the quotation mark around it."""

    start: int
    end: int
    kind: str
    quote: str = ""


def placed(
    source: Source,
    text: str,
    orders: Orders,
    whole: Callable[[Order], Sequence[Range]] | None = None,
    runs: Runs = invisible_runs,
    comments: Sequence[Range] = (),
) -> list[Edit]:
    """Return the changes to the characters of a file that is one text: ascending, not overlapping. Their orders are ticked off.

    `whole` returns all of the hidden text, comment or value that an order to strip is about. In visible text such an order removes the
    `runs` of invisible characters, if there are any. Orders without characters stay undone.

    `comments` are those that the reader does not separate from visible text: an order to strip something in one removes all of it, and an
    order to quarantine the file because of something in it is done by that.
    """
    every = orders.every()

    def reach(order: Order) -> list[OrderedRange]:
        if order.action in (Action.DROP_ROW, Action.DROP_CELL, Action.QUARANTINE) or not _has_place(order.mark, text):
            return []
        if order.action is Action.STRIP and (around := _around(comments, order.mark.start)):
            return [OrderedRange(*around, order._replace(mark=order.mark._replace(view="comment")))]
        if order.action is Action.STRIP and whole is not None and order.mark.view in UNSEEN_VIEWS:
            return [OrderedRange(start, end, order) for start, end in whole(order)]
        return order.spans(text, runs=runs)

    over_bytes = [one for start, end, order in over_characters(source, orders) for one in order.spans(text, (start, end), runs)]
    over_bytes.sort(key=_first)
    if comments:
        _put_aside(text, orders, every, comments)
    ascending = _ascending(every, reach)
    return orders.joined(heapq.merge(over_bytes, ascending, key=_first) if over_bytes else ascending, text)


def _has_place(mark: Mark, text: str) -> bool:
    return mark.start != mark.end and is_there(mark, text)


def _put_aside(text: str, orders: Orders, every: Sequence[Order], comments: Sequence[Range]) -> None:
    """Account for the orders to quarantine the file because of something in a comment that is removed."""
    gone: set[Range | None] = set()
    aside: list[Order] = []
    for order in every:
        if order.action is Action.STRIP and _has_place(order.mark, text):
            gone.add(_around(comments, order.mark.start))
        elif order.action is Action.QUARANTINE and _has_place(order.mark, text):
            aside.append(order)
    for order in aside:
        around = _around(comments, order.mark.start)
        if around and around in gone and order.mark.end <= around[1]:
            orders.tick(order._replace(action=Action.STRIP))


def _first(one: OrderedRange) -> Range:
    return one[0], -one[1]


def _ascending(every: Sequence[Order], reach: Callable[[Order], list[OrderedRange]]) -> Iterator[OrderedRange]:
    """Yield the ranges that orders reach, in order. There may be a million: each is made twice, so that they are not all kept."""
    starts, ends, places, numbers = (array("q") for _ in range(4))
    for place, order in enumerate(every):
        for number, (start, end, _) in enumerate(reach(order)):
            starts.append(start)
            ends.append(end)
            places.append(place)
            numbers.append(number)
    for at in np.lexsort((-np.array(ends), np.array(starts))).data:
        yield reach(every[places[at]])[numbers[at]]


def _around(comments: Sequence[Range], at: int) -> Range | None:
    """Return the comment that a character lies in; comments ascend."""
    number = bisect.bisect_right(comments, at, key=lambda one: one[0]) - 1
    return comments[number] if number >= 0 and at < comments[number][1] else None


def removed(ranges: Iterable[Range]) -> list[Edit]:
    """Return the removal of ranges that may overlap."""
    edits: list[Edit] = []
    for start, end in sorted(ranges):
        if edits and start < edits[-1].end:
            edits[-1] = Edit(edits[-1].start, max(end, edits[-1].end), "")
        elif start < end:
            edits.append(Edit(start, end, ""))
    return edits


def combined(edits: Iterable[Edit], removals: Sequence[Edit]) -> list[Edit]:
    """Return the edits and the removals in order; those that lie in a removal are not needed, and those that reach out of one are joined."""
    found: list[Edit] = []
    for edit in sorted([*removals, *edits], key=lambda one: (one.start, -one.end)):
        if not found or edit.start >= found[-1].end:
            found.append(edit)
        elif edit.end > found[-1].end:
            found[-1] = Edit(found[-1].start, edit.end, found[-1].text or edit.text)
    return found


def touched(edit: Edit, slots: Sequence[Slot], starts: Sequence[int], text: str) -> list[int]:
    """Return the numbers of the slots, which ascend, that share more than white space with an edit."""
    first = max(0, bisect.bisect_right(starts, edit.start) - 1)
    last = bisect.bisect_left(starts, edit.end)
    return [
        number
        for number in range(first, last)
        if (start := max(edit.start, slots[number].start)) < (end := min(edit.end, slots[number].end))
        and (not text[start:end].isspace() or (start, end) == edit[:2])
    ]


def near(slot: Slot, edits: Sequence[Edit]) -> bool:
    """Return whether a slot shares characters with one of the edits, which ascend and do not overlap."""
    at = bisect.bisect_left(edits, slot.end, key=lambda edit: edit.start) - 1
    return at >= 0 and edits[at].end > slot.start


def fitted(
    edits: Sequence[Edit],
    slots: Sequence[Slot],
    text: str,
    choose: Callable[[Sequence[Slot]], Sequence[Slot]],
    write: Callable[[Slot, list[Edit]], list[Edit]],
) -> list[Edit]:
    """Distribute edits over the slots that they touch, and let `write` say how each slot is changed.

    The first chosen slot gets the text, the others lose what the edit covers; everything between slots stays. Raises CannotRewriteError
    for an edit that touches no slot.
    """
    starts = [slot.start for slot in slots]
    shares: dict[Slot, list[Edit]] = {}
    for edit in edits:
        some = choose([slots[number] for number in touched(edit, slots, starts, text)])
        if not some:
            raise CannotRewriteError(_SYNTAX)
        for number, slot in enumerate(some):
            share = Edit(max(edit.start, slot.start), min(edit.end, slot.end), edit.text if not number else "")
            shares.setdefault(slot, []).append(share)
    found = sorted(itertools.chain.from_iterable(write(slot, some) for slot, some in shares.items()))
    if any(not near(Slot(edit.start, edit.end, ""), found) for edit in edits):
        raise CannotRewriteError(_SYNTAX)  # it covers quotation marks, for example, and nothing between them
    return found


def inside(edits: Iterable[Edit], start: int, end: int) -> list[Edit]:
    """Return edits without the delimiters that they cover."""
    return [Edit(max(edit.start, start), min(edit.end, end), edit.text) for edit in edits if min(edit.end, end) > max(edit.start, start)]


def widened(edits: Iterable[Edit], pattern: re.Pattern[str], text: str, start: int, end: int) -> list[Edit]:
    """Return edits that cut no match of a pattern, such as an escape sequence, in two: they take all of it. Overlapping ones are joined."""
    matches = [found.span() for found in pattern.finditer(text, start, end)]
    starts = [first for first, _ in matches]
    wide: list[Edit] = []
    for edit in edits:
        first, last = _outward(edit.start, matches, starts)[0], _outward(edit.end, matches, starts)[1]
        if wide and first < wide[-1].end:
            wide[-1] = Edit(wide[-1].start, max(last, wide[-1].end), wide[-1].text + edit.text)
        else:
            wide.append(Edit(first, last, edit.text))
    return wide


def _outward(at: int, matches: Sequence[Range], starts: Sequence[int]) -> Range:
    number = bisect.bisect_left(starts, at) - 1
    if number >= 0 and matches[number][0] < at < matches[number][1]:
        return matches[number]
    return at, at


def joined(edits: Iterable[Edit]) -> list[Edit]:
    """Return edits in which those that touch each other are one. They come in order."""
    some: list[Edit] = []
    for edit in edits:
        if some and edit.start == some[-1].end:
            some[-1] = Edit(some[-1].start, edit.end, some[-1].text + edit.text)
        else:
            some.append(edit)
    return some


def doubled(pattern: re.Pattern[str], before: str, edits: Sequence[Edit], text: str, start: int, end: int) -> Iterator[Edit]:
    """Yield the edits, and between them one that puts `before` in front of each match of a pattern: in order."""
    at = start
    for edit in (*edits, Edit(end, end, "")):
        for found in pattern.finditer(text, at, edit.start):
            yield Edit(found.start(), found.start(), before)
        if edit.end > edit.start or edit.text:
            yield edit
        at = edit.end
