"""The last net below a rewritten file: no value that was removed from it may still stand in it, in whatever place and spelling.

Rewriters change what readers have shown. This search does not depend on formats: it looks at all bytes of the copy, and at those of every
compressed stream in it, to any depth.
"""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple, cast
from urllib.parse import unquote

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.spool import CHUNK, spooled
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.compressed.found_streams import FoundStream, found_streams
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Order, Replace
from veritensor_ray.formats.editing.marks import REFERENCE, Mark, Marks
from veritensor_ray.masking.redaction import PERSONAL, SECRET, name_safe
from veritensor_ray.masking.values_in_bytes import OVERLAP, ValuesInBytes

_SHORTEST = 8  # characters of a value that is searched for; shorter ones stand in many places by chance
_SHORTEST_NUMBER = 10  # digits of a number without any other character: tables are full of shorter ones
_ANYWHERE = ("pii.date-of-birth",)  # rules whose values say nothing about anybody in another place: other columns have the same dates
_VARIED = 5  # different characters of such a value: 000-00-0000 identifies nobody
_KEY_LINE = 24  # characters of a line of a value that has several, such as a private key
_KEY_LINES = 16
_TELLING = re.compile(r"\d|@")  # a value of letters alone, such as a name, is also a word that stays where no engine took it for one
Pulse = Callable[[], None]


def removed_values(marks: Marks, orders: Iterable[Order], categories: Mapping[str, str], replace: Replace) -> ValuesInBytes:
    """Return the values that are removed from an artifact and may nowhere stay in it.

    That excludes what the policy keeps in some place of the artifact, and what takes the place of another value.
    """
    values: dict[str, str] = {}
    new: set[str] = set()
    numbers = array("q")
    for order in orders:
        numbers.append(order.number)
        category = categories.get(order.mark.rule, "")
        if order.mark.text is None or order.mark.rule in _ANYWHERE or len(values) >= bounds.VALUES:
            continue
        if order.mark.rule == REFERENCE and len(order.mark.text) >= _SHORTEST:
            values[unquote(order.mark.text)] = PERSONAL  # as a whole: a name with its extension is not a word that also stands elsewhere
        if category in (SECRET, PERSONAL):
            values |= dict.fromkeys(telling(order.mark.text), category)
            if order.action is Action.PSEUDONYM:
                new.add(replace(order.mark, order.action, order.keep_length, order.mark.text))
    others = (mark.text for mark in _others(marks, numbers) if mark.text is not None) if values else ()
    kept = {value for text in others for value in telling(text)} | new
    left = [value for value in values if value not in kept]
    return ValuesInBytes(left, frozenset(value for value in left if values[value] == PERSONAL))


def _others(marks: Marks, ordered: array[int]) -> Iterator[Mark]:
    """Yield the marks that have no order."""
    kept = np.ones(len(marks), np.bool_)
    kept[ordered] = False
    return (marks[number] for number in np.flatnonzero(kept).tolist())


def telling(text: str) -> Iterator[str]:
    """Yield what of a value cannot stand somewhere by chance: all of it, or the lines of a key."""
    text = text.strip()
    lines = [line for line in text.splitlines() if len(line) >= _KEY_LINE and not line.startswith("--")][:_KEY_LINES]
    for value in lines if "\n" in text else [text]:
        least = _SHORTEST_NUMBER if value.isdigit() else _SHORTEST
        if len(value) >= least and len(set(value)) >= _VARIED and _TELLING.search(value):
            yield value


class _StillThere(NamedTuple):
    """Where a value still stands: a byte of the copy, or of a stream inside it."""

    at: int
    within: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(("a value that was removed is still in the copy", *(f"in {one}" for one in self.within), f"at byte {self.at:,}"))


def still_there(file: BinaryIO, values: ValuesInBytes, limits: Limits, pulse: Pulse) -> str | None:
    """Return where a value still stands in a seekable copy, or why that cannot be said, without the value; None if it is nowhere."""
    if not values:
        return None
    try:
        found = _Net(values, Budget(limits, length(file)), limits.depth, pulse).search(file, ())
    except LimitExceeded as error:
        return f"its copy cannot be searched for the values that were removed: {error}"
    return None if found is None else str(found)


class _Net:
    def __init__(self, values: ValuesInBytes, budget: Budget, depth: int, pulse: Pulse) -> None:
        self._values, self._budget, self._depth, self._pulse = values, budget, depth, pulse

    def search(self, file: BinaryIO, within: tuple[str, ...]) -> _StillThere | None:
        """Search a file and, as far as files may be nested, the streams in it."""
        at = self._first(file)
        if at is not None:
            return _StillThere(at, within)
        for stream in found_streams(file, self._budget, self._pulse) if len(within) < self._depth else ():
            content, error = spooled(cast("BinaryIO", Pieces(stream.content)), self._pulse)
            with contextlib.closing(content):
                found = self.search(content, (*within, _named(stream)))
            if found is not None:
                return found
            if error is not None:
                raise error
        return None

    def _first(self, file: BinaryIO) -> int | None:
        """Return where the first value stands in the bytes of a file."""
        size, start, data = length(file), 0, b""
        file.seek(0)
        while more := file.read(CHUNK):
            self._pulse()
            data += more
            found = self._values.first(data, begins=not start, ends=start + len(data) >= size)
            if found is not None:
                return start + found.at
            start, data = start + max(0, len(data) - OVERLAP), data[-OVERLAP:]
        return None


def _named(stream: FoundStream) -> str:
    return name_safe(stream.name) if stream.name is not None else f"the {stream.kind} stream at byte {stream.start:,}"


__all__ = ["removed_values", "still_there", "telling"]
