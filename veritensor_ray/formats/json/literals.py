"""Strings of JSON in the text of a file: their values as readers see them, and how changes to a value become changes to the file."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from json.decoder import scanstring  # type: ignore[attr-defined]  # what `json` itself calls
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.origins import Origins
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block
from veritensor_ray.core.text_positions import Place
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Order, OrderedRange, Orders, Unit, applied
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.editing.spans import NEEDLESS, is_there
from veritensor_ray.formats.editing.splice import encoding_of, over_characters
from veritensor_ray.formats.encoded_text import layers
from veritensor_ray.formats.json.value_tree import text_of

STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NEEDLESS = re.compile(r"\\u(?!00[01])")  # an escape that JSON does not demand
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # or a backslash before such letters
_MUST = re.compile(r'["\\\x00-\x1f]')
_MUST_ASCII = re.compile(r'["\\\x00-\x1f]|[^\x00-\x7f]')
_FIRST = 32  # characters that texts are looked up by
_OUT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Dialect(NamedTuple):
    """How a parser reads escapes. The two parsers differ in surrogates that have no partner."""

    escape: re.Pattern[str]
    lone: str


def _escape(second: str) -> re.Pattern[str]:
    return re.compile(rf"\\u[dD][89abAB][0-9a-fA-F]{{2}}\\u{second}[0-9a-fA-F]{{2}}|\\u[0-9a-fA-F]{{4}}|\\.", re.DOTALL)


# Python's parser, for JSON lines and notebooks: readers replace its lone surrogates.
PYTHON = Dialect(_escape("[dD][c-fC-F]"), "\ufffd")
# The streaming parser, for every document that has surrogates: it joins a high one with any escape behind it.
STREAM = Dialect(_escape("[0-9a-fA-F]{2}"), "?")

# No escapes at all, for a line that is not JSON.
PLAIN = Dialect(re.compile("(?!)"), "")


class Literal:
    """A string of a JSON text. `raw` is what stands between its quotes, and `start` the character of the file at which that begins."""

    def __init__(self, raw: str, start: int, dialect: Dialect = PYTHON) -> None:
        self.raw, self.start = raw, start
        self._dialect = dialect

    @property
    def end(self) -> int:
        """The character of the file after its last one."""
        return self.start + len(self.raw)

    @functools.cached_property
    def value(self) -> str:
        """The text that it stands for."""
        if "\\" not in self.raw or self._dialect is PLAIN:
            return self.raw
        if not _SURROGATE.search(self.raw):
            with contextlib.suppress(ValueError):
                return str(scanstring(self.raw + '"', 0, False)[0])
        return self._parsed[0]

    @functools.cached_property
    def _parsed(self) -> tuple[str, list[int], list[int]]:
        """The value, and after each escape the number of characters of the value and of `raw` so far. An escape is one character."""
        pieces: list[str] = []
        ends, raws = [0], [0]
        for found in self._dialect.escape.finditer(self.raw):
            pieces += [self.raw[raws[-1] : found.start()], _char(found[0], self._dialect.lone)]
            ends.append(ends[-1] + found.start() - raws[-1] + 1)
            raws.append(found.end())
        return "".join([*pieces, self.raw[raws[-1] :]]), ends, raws

    def at(self, char: int) -> int:
        """Return the character of the file at which a character of the value begins."""
        _, ends, raws = self._parsed
        number = bisect_right(ends, char) - 1
        return self.start + raws[number] + char - ends[number]

    def within(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the value that a range of the file touches."""
        return self._char_at(start - self.start, 1), self._char_at(end - self.start, 0)

    def _char_at(self, raw: int, back: int) -> int:
        """Return the character at a place of `raw`. Inside an escape, that is the escape or, if not `back`, the character after it."""
        _, ends, raws = self._parsed
        number = bisect_right(raws, raw) - 1
        char = ends[number] + raw - raws[number]
        return min(char, ends[number + 1] - back) if number + 1 < len(ends) else char

    def in_file(self, edits: Sequence[Edit], ascii_only: bool) -> list[Edit]:
        """Return changes to the value as changes to the file. Their text is escaped as the string is."""
        if not edits:
            return []
        ascii_only |= self.raw.isascii() and _NEEDLESS.search(self.raw) is not None
        return [Edit(self.at(edit.start), self.at(edit.end), escaped(edit.text, ascii_only)) for edit in edits]


class Number(Literal):
    """A number that readers yield as text. If it changes, a string takes its place."""

    def __init__(self, written: str, text: str, start: int) -> None:
        super().__init__(text, start, PLAIN)
        self._end = start + len(written)

    @property
    def end(self) -> int:
        """The character of the file after its last one."""
        return self._end

    def in_file(self, edits: Sequence[Edit], ascii_only: bool) -> list[Edit]:
        """Return changes to the number as one change to the file."""
        return [Edit(self.start, self.end, f'"{escaped(applied(self.raw, edits), ascii_only)}"')] if edits else []


def number(written: str, start: int, path: str) -> Number | None:
    """Return the number that stands at a place of a JSON text, or None for a word, and for a number that readers pass over.

    Of the path, its last name is enough.
    """
    try:
        text = text_of(json.loads(written), path)
    except (ValueError, RecursionError):
        return None
    return None if text is None else Number(written, text, start)


def _char(escape: str, lone: str) -> str:
    if escape[1] != "u" or len(escape) < 6:
        return _SHORT.get(escape[1:], escape[1:])
    code = int(escape[2:6], 16)
    if len(escape) > 6:
        return chr((((code & 0x3F) << 10) | ((((code >> 6) & 0xF) + 1) << 16)) | (int(escape[8:12], 16) & 0x3FF))
    return lone if 0xD800 <= code <= 0xDFFF else chr(code)


def escaped(text: str, ascii_only: bool) -> str:
    """Return a text as it stands between the quotes of a JSON string."""
    return (_MUST_ASCII if ascii_only else _MUST).sub(lambda found: _escaped_char(found[0]), text)


def _escaped_char(char: str) -> str:
    if short := _OUT.get(char):
        return short
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def is_ascii_only(source: Source) -> bool:
    """Return whether replacements have to be escaped because the encoding of the file lacks characters."""
    return not encoding_of(source).startswith("utf")


class JsonFinder:
    """Finds the orders for a value by its name, and by its text if several values have that name; and those for the bytes of a value."""

    def __init__(self, source: Source, orders: Orders, also: Iterable[OrderedRange] = ()) -> None:
        self._orders = orders
        self._named: dict[Unit, _Named] = {}  # of one row
        self._row: int | None = None
        self._ranges = sorted([*over_characters(source, orders, dropping=True), *also], key=lambda one: one[:2])
        self._firsts = [one.start for one in self._ranges]
        self._lasts = list(accumulate((one.end for one in self._ranges), max))
        self._strips = Strippable.HIDDEN_TEXT in orders.strip

    def __bool__(self) -> bool:
        """Whether any string may have to be changed: there are orders over bytes, or hidden text is to be removed."""
        return bool(self._ranges) or self._strips

    def may_change(self, unit: Unit) -> bool:
        """Return whether a string of this name may have to be changed."""
        return bool(self) or unit in self._orders.units

    def suspects(self, text: str) -> bool:
        """Return whether hidden text may have to be removed from a JSON text."""
        return self._strips and not (text.isascii() and "\\u" not in text)

    def over(self, start: int, end: int) -> list[OrderedRange]:
        """Return the orders over bytes that may touch a range of the file's characters."""
        first, last = bisect_right(self._lasts, start), bisect_left(self._firsts, end)
        return [one for one in self._ranges[first:last] if one.end > start]

    def changes(self, unit: Unit, literal: Literal, alone: bool, is_key: bool = False) -> list[Edit]:
        """Return the changes to a string, and tick off their orders. Unless it is `alone`, other strings have its name.

        Then an order counts only if the string has the order's text in its place, or decodes to it. A key is not emptied.
        """
        some = self._of(unit, literal, alone)
        if not some and not self:
            return []
        value = literal.value
        if any(order.action is Action.DROP_CELL for order in some):
            if is_key:
                return []
            for order in some:
                self._orders.tick(order)
            return [Edit(0, len(value), "")] if value else []
        found = [one for order in some if order.action is not Action.DROP_ROW for one in order.spans(value)]
        edits = self._merged(found + self._in_bytes(literal), value)
        return edits + list(self._unseen(value, edits)) if self._strips else edits

    def over_bytes(self, literal: Literal) -> list[Edit]:
        """Return the changes to a string that orders over bytes ask for, if it holds these bytes, and tick off their orders."""
        return self._merged(self._in_bytes(literal), literal.value) if self._ranges else []

    def _in_bytes(self, literal: Literal) -> list[OrderedRange]:
        return [
            one
            for start, end, order in (self.over(literal.start, literal.end) if self._ranges else ())
            if literal.start <= start and end <= literal.end and order.action not in (Action.DROP_ROW, Action.DROP_CELL)
            for one in order.spans(literal.value, literal.within(start, end))
        ]

    def _merged(self, found: list[OrderedRange], value: str) -> list[Edit]:
        return self._orders.merged(found, value) if found else []

    def _unseen(self, value: str, edits: Sequence[Edit]) -> Iterator[Edit]:
        """Remove invisible characters from the parts of a value that do not change."""
        for found in () if value.isascii() else NEEDLESS.finditer(value):
            if not any(edit.start < found.end() and found.start() < edit.end for edit in edits):
                self._orders.stripped(Strippable.HIDDEN_TEXT)
                yield Edit(found.start(), found.end(), "")

    def gone(self, unit: Unit, literal: Literal, alone: bool) -> None:
        """Account for the orders of a text that is taken out for another reason."""
        self._orders.account.done.update(order.number for order in self._of(unit, literal, alone))

    def _of(self, unit: Unit, literal: Literal, alone: bool) -> list[Order]:
        """Return the orders for a value."""
        given = self._orders.units.get(unit)
        if not given:
            return []
        if alone:
            return [order for order in given if is_there(order.mark, literal.value)]
        if unit.row != self._row:
            self._row, self._named = unit.row, {}  # rows come in order
        if unit not in self._named:
            self._named[unit] = _Named(given)
        return self._named[unit].of(literal.value)


class _Named:
    """The orders for values that have the same name. There may be as many of both as the file has lines, so they are looked up."""

    def __init__(self, orders: Sequence[Order]) -> None:
        texts: dict[int, dict[str, list[Order]]] = {}  # of the straight marks, by their places
        for order in orders:
            if order.mark.straight and order.mark.text:
                texts.setdefault(order.mark.start, {}).setdefault(order.mark.text, []).append(order)
        self._places = [_Place(start, texts[start]) for start in sorted(texts)]
        self._starts = [place.start for place in self._places]
        self._derived = [order for order in orders if not order.mark.straight and order.mark.text]

    def of(self, value: str) -> list[Order]:
        """Return the orders that are certainly for this value."""
        found = [order for place in self._places[: bisect_left(self._starts, len(value))] for order in place.of(value)]
        return found + [order for order in self._derived if is_there(order.mark, value) and _is_decoded(value, order.mark)]


class _Place:
    """The orders for texts that begin at the same character of values: the texts are found by their first characters, then by their ends."""

    def __init__(self, start: int, texts: dict[str, list[Order]]) -> None:
        self.start = start
        self._first = start + min(_FIRST, *map(len, texts))
        self._groups: dict[str, dict[int, dict[str, list[Order]]]] = {}
        for text, orders in texts.items():
            self._groups.setdefault(text[: self._first - start], {}).setdefault(start + len(text), {})[text] = orders

    def of(self, value: str) -> Iterable[Order]:
        """Return the orders whose text the value has here."""
        ends = self._groups.get(value[self.start : self._first])
        if ends is None:
            return ()
        found: list[Order] = []
        for end, texts in ends.items():
            text = value[self.start : end]
            if orders := texts.get(text):
                found += orders
                texts[text] = _distinct(orders)
        return found


def _distinct(orders: list[Order]) -> list[Order]:
    """Return the orders that make a difference once all of them are ticked off: the same text may have been found thousands of times."""
    return orders if len(orders) == 1 else list({(order.mark.rule, *order[2:]): order for order in reversed(orders)}.values())


def _is_decoded(value: str, mark: Mark) -> bool:
    """Return whether a value decodes to a mark's text at the mark's place."""
    return any(_decodes_to(block, mark) for block in _layers(value))


@functools.lru_cache(1)  # the orders for a value come together
def _layers(value: str) -> Sequence[Block]:
    """Return the texts that are hidden in a value, as an audit finds them."""
    try:
        return [layer for layer in layers(Block([value]), Budget(Limits(), len(value))) if isinstance(layer, Block)]
    except LimitExceeded:
        return ()


def _decodes_to(block: Block, mark: Mark) -> bool:
    text = block.texts[0]
    origins = Origins.of(block.origins[0] if block.origins else ())
    place = Place(0, {"owned": None, "start": None}, text, origins)
    found = [Hit(mark.rule, at.start(), at.start() + len(mark.text or "")) for at in re.finditer(re.escape(mark.text or ""), text)]
    return bool(found) and (mark.start, mark.end) in place.spans(found)


def ranges_in(text: str, orders: Orders) -> list[OrderedRange]:
    """Return the orders for a file that was read as one text. Those that drop something are left out."""
    some = [order for order in orders.units.get(Unit(), ()) if order.action not in (Action.DROP_ROW, Action.DROP_CELL)]
    return [one for order in some if is_there(order.mark, text) for one in order.spans(text)]


def key_changes(key: str, edits: list[Edit], names: dict[str, str], others: Iterable[str] = ()) -> list[Edit]:
    """Return the changes to a key of an object, with a number if another key would become equal.

    `names` collects what became of its changed keys, and `others` are those that stay.
    """
    text = applied(key, edits)
    taken = {*others, *(new for old, new in names.items() if old != key)}
    number, suffix = 2, ""
    while text + suffix in taken:
        suffix = f" {number}"
        number += 1
    names[key] = text + suffix
    return [Edit(0, len(key), text + suffix)] if suffix else edits


def drops(row: int, over_bytes: Iterable[OrderedRange], orders: Orders) -> bool:
    """Return whether a row is to be left out, and account for it if so. `over_bytes` are the orders that touch its bytes."""
    also = [one.order for one in over_bytes if one.order.action is Action.DROP_ROW]
    if row not in orders.rows and not also:
        return False
    orders.drop_row(row, also)
    return True


def held(size: int) -> None:
    """Raise CannotRewriteError if a string is longer than what may be in memory."""
    if size > bounds.HELD:
        raise CannotRewriteError(f"a string of it is longer than {bounds.HELD} characters (held_bytes)", ReasonCode.LIMIT)


class Items:
    """Items of an array, or members of an object, of which some are left out, each with one of the commas beside it."""

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.start = self.end = 0
        self.open = False
        self._dropped: int | None = None  # where the last item begins, if it was dropped
        self._kept: int | None = None  # where the last kept item ends

    def begin(self, start: int, end: int) -> None:
        """Begin an item. `end` is where it ends, unless it is a container."""
        if self._dropped is not None:
            self.edits.append(Edit(self._dropped, start, ""))
            self._dropped = None
        self.start, self.end, self.open = start, end, True

    def keep(self) -> None:
        """End an item."""
        if self.open:
            self._kept, self.open = self.end, False

    def drop(self) -> None:
        """End an item that is left out."""
        self._dropped, self.open = self.start, False

    def close(self) -> None:
        """End the container: if its last item is left out, so is the comma before it."""
        if self._dropped is not None:
            self.edits.append(Edit(self._dropped if self._kept is None else self._kept, self.end, ""))
