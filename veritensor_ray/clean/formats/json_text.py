"""Strings of JSON in the text of a file: their values as readers see them, and how changes to a value become changes to the file."""

from __future__ import annotations

import codecs
import functools
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from veritensor_ray import bounds
from veritensor_ray.clean.actions import Action, CannotRewriteError
from veritensor_ray.clean.orders import Edit, Order, Orders, Unit, applied
from veritensor_ray.clean.splice import encoding_of
from veritensor_ray.config import Limits
from veritensor_ray.detection import Hit
from veritensor_ray.errors import LimitExceeded
from veritensor_ray.extract.budget import Budget
from veritensor_ray.extract.layers import layers
from veritensor_ray.extract.source import Source
from veritensor_ray.extract.streams import CHUNK, Undecodable
from veritensor_ray.findings.marks import Mark
from veritensor_ray.findings.positions import Place
from veritensor_ray.origins import Origins
from veritensor_ray.segments import Block

STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NEEDLESS = re.compile(r"\\u(?!00[01])")  # an escape that JSON does not demand
_MUST = re.compile(r'["\\\x00-\x1f]')
_MUST_ASCII = re.compile(r'["\\\x00-\x1f]|[^\x00-\x7f]')
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
        return self._parsed[0] if "\\" in self.raw else self.raw

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

    def in_file(self, edits: Iterable[Edit], ascii_only: bool) -> list[Edit]:
        """Return changes to the value as changes to the file. Their text is escaped as the string is."""
        ascii_only |= self.raw.isascii() and _NEEDLESS.search(self.raw) is not None
        return [Edit(self.at(edit.start), self.at(edit.end), escaped(edit.text, ascii_only)) for edit in edits]


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


def changes(orders: Orders, unit: Unit, value: str, alone: bool) -> list[Edit]:
    """Return the changes to a value, or to one of several values whose names are equal, if not `alone`.

    Then an order counts only if the value has its text in its place, or decodes to it.
    """
    given = orders.units.get(unit)
    if not given:
        return []
    some = given if alone else [order for order in given if _is_of(order.mark, value)]
    if any(order.action is Action.DROP_CELL for order in some):
        for order in some:
            orders.tick(order)
        return [Edit(0, len(value), "")] if value else []
    return orders.edits(unit, value, some)


def _is_of(mark: Mark, value: str) -> bool:
    """Return whether a mark is certainly one of this value."""
    if mark.text is None or mark.end > len(value):
        return False
    if mark.straight:
        return value[mark.start : mark.end] == mark.text
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


class Range(NamedTuple):
    """An order over bytes, as characters of the file's text."""

    start: int
    end: int
    order: Order


def ranges_of(source: Source, orders: Orders) -> list[Range]:
    """Return the orders over bytes with the characters that they touch, in order. Those without bytes are left out, and so stay undone."""
    asked = [order for order in orders.over_bytes if source.kind.bom <= order.mark.start < order.mark.end]
    edges = sorted({edge for order in asked for edge in (order.mark.start, order.mark.end)})
    chars = _chars_at(source, edges) if edges else {}
    found = [Range(chars[order.mark.start][0], chars[order.mark.end][1], order) for order in asked if order.mark.end in chars]
    return sorted(found, key=lambda one: one[:2])


def _chars_at(source: Source, edges: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return for bytes of the file, which ascend, the number of characters that end before, and of those that begin before."""
    errors = Undecodable()
    decoder = codecs.getincrementaldecoder(encoding_of(source))(errors.errors)
    source.file.seek(source.kind.bom)
    at, chars = source.kind.bom, 0
    found: dict[int, tuple[int, int]] = {}
    for edge in edges:
        while at < edge and (data := source.file.read(min(CHUNK, edge - at))):
            chars += len(decoder.decode(data))
            at += len(data)
        if at < edge:
            break
        found[edge] = chars, chars + bool(decoder.getstate()[0])
    return found


def byte_changes(literal: Literal, ranges: Iterable[Range], orders: Orders) -> list[Edit]:
    """Return the changes to a value that orders over bytes ask for, if these bytes are in the string. Orders that drop are left undone."""
    edits = []
    for start, end, order in ranges:
        if literal.start <= start and end <= literal.end and order.action not in (Action.DROP_ROW, Action.DROP_CELL):
            first, last = literal.within(start, end)
            edits.append(Edit(first, last, orders.replacement(order, literal.value[first:last])))
            orders.tick(order)
    return edits


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


def drops_cell(orders: Orders, unit: Unit) -> bool:
    """Return whether a value of this name is to be emptied. A key has no value, so that such orders are left undone for keys."""
    return any(order.action is Action.DROP_CELL for order in orders.units.get(unit, ()))


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Join changes that overlap; the first and longest one says what takes their place."""
    found: list[Edit] = []
    for edit in sorted(edits, key=lambda one: (one.start, -one.end)):
        if found and edit.start < found[-1].end:
            found[-1] = found[-1]._replace(end=max(found[-1].end, edit.end))
        else:
            found.append(edit)
    return found


def held(size: int) -> None:
    """Raise CannotRewriteError if a string is longer than what may be in memory."""
    if size > bounds.HELD:
        raise CannotRewriteError(f"a string of it is longer than {bounds.HELD} characters (held_bytes)")


def without_bytes(orders: Orders) -> Orders:
    """Return orders that only report progress: the changes are known, and `spliced` is not to add any."""
    return Orders((), frozenset(), lambda mark, action, keep, text: text, orders.account, orders.member, orders.pulse)
