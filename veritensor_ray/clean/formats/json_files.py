"""Rewrites JSON documents and JSON lines: strings are edited in place, and rows left out; every other character stays."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from veritensor_ray.clean.actions import Action, CannotRewriteError
from veritensor_ray.clean.formats.json_text import (
    PYTHON,
    STREAM,
    STRING,
    Finder,
    Literal,
    Range,
    byte_changes,
    held,
    is_ascii_only,
    key_changes,
    merged,
    ranges_of,
    without_bytes,
)
from veritensor_ray.clean.formats.json_tree import Node, Tree
from veritensor_ray.clean.orders import DroppedRow, Edit, Orders, Unit
from veritensor_ray.clean.splice import Line, encoding_of, lines_of, spliced
from veritensor_ray.extract.readers.common.paths import shorten
from veritensor_ray.extract.readers.data.json_tree import LONG_KEY, value_of
from veritensor_ray.extract.source import Source
from veritensor_ray.extract.streams import decoded

_SPEAKERS = frozenset({"assistant", "bot", "developer", "function", "gpt", "human", "ipython", "model", "system", "tool", "user"})
_SPEAKER_KEYS = ("role", "from")


def rewrite_json(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a JSON document of any size; one string at a time is in memory.

    A document that is not valid JSON was read as plain text, and is rewritten as such.
    """
    if Unit() in orders.units:
        from veritensor_ray.clean.formats.texts import rewrite_text

        rewrite_text(source, out, orders)
        return
    edits = _Document(source, orders).edits()
    source.file.seek(0)
    spliced(source, out, edits, without_bytes(orders))


def rewrite_jsonl(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite JSON lines. A row is a whole line with its end, whatever it holds."""
    edits = _lines(source, orders)
    source.file.seek(0)
    spliced(source, out, edits, without_bytes(orders))


# JSON lines


def _lines(source: Source, orders: Orders) -> list[Edit]:
    ranges = ranges_of(source, orders)
    firsts, lasts = [one.start for one in ranges], _highest(ranges)
    wanted = {unit.row for unit in orders.units}
    ascii_only = is_ascii_only(source)
    edits: list[Edit] = []
    beat = 0
    for line in lines_of(source):
        end = line.start + len(line.text)
        inside = ranges[bisect_right(lasts, line.start) : bisect_left(firsts, end)] if ranges else []
        if _drops(line.number, inside, orders):
            edits.append(Edit(line.start, end, ""))
        elif inside or line.number in wanted:
            edits += _Line(line, inside, orders, source.limits.json_depth, ascii_only).edits()
        if end - beat > 1 << 20:
            orders.pulse()
            beat = end
    return edits


def _highest(ranges: list[Range]) -> list[int]:
    """Return for each range the highest end so far, which ascends."""
    ends: list[int] = []
    for one in ranges:
        ends.append(max(one.end, ends[-1] if ends else 0))
    return ends


def _drops(row: int, inside: list[Range], orders: Orders) -> bool:
    """Return whether a row is to be left out, and account for it if so."""
    over_bytes = [one.order for one in inside if one.order.action is Action.DROP_ROW]
    if row not in orders.rows and not over_bytes:
        return False
    orders.drop_row(row)
    for order in over_bytes:
        orders.tick(order)
        orders.account.rows.append(DroppedRow(orders.member, row, order.mark.rule))
    return True


class _Found(NamedTuple):
    """A string of a line, with the name that the reader gives it. `keys` is the object if it is a key."""

    unit: Unit
    node: Node
    keys: Node | None


class _Line:
    """The changes to one line."""

    def __init__(self, line: Line, ranges: list[Range], orders: Orders, depth: int, ascii_only: bool) -> None:
        self._text = line.text.removesuffix("\n")
        self._start, self._row = line.start, line.number
        self._ranges, self._orders, self._depth, self._ascii_only = ranges, orders, depth, ascii_only
        self._finder = Finder(orders)
        self._too_deep = False

    def edits(self) -> list[Edit]:
        """Return the changes, as characters of the file."""
        try:
            value_of(self._text.lstrip("\x1e"))
        except (ValueError, RecursionError):
            return self._as_text()
        begin = len(self._text) - len(self._text.lstrip("\x1e"))
        self._tree = Tree(self._text[begin:], self._start + begin)
        found = list(self._walk(self._tree.root, "", self._depth))
        count: dict[Unit, int] = {}
        for one in found:
            count[one.unit] = count.get(one.unit, 0) + 1
        names: dict[int, dict[str, str]] = {}
        edits = [edit for one in found for edit in self._string(one, count[one.unit] == 1, names)]
        return merged([*edits, *self._as_text()]) if self._too_deep else edits

    def _as_text(self) -> list[Edit]:
        """Return the changes to a line that the reader could not parse, or not to the end."""
        unit, whole = Unit(row=self._row, column=""), Literal("", self._start, PYTHON)
        edits = self._finder.changes(unit, self._text, alone=not self._too_deep)
        return [Edit(whole.start + edit.start, whole.start + edit.end, edit.text) for edit in edits]

    def _walk(self, node: Node, path: str, depth: int) -> Iterator[_Found]:
        """Yield the strings of a value with the names that the reader gives them, and the keys that it reads."""
        if node.kind == '"':
            yield _Found(self._unit(path), node, None)
        elif node.kind in "[{":
            if depth == 0:
                self._too_deep = True
            if self._too_deep:
                return
            if node.kind == "[":
                for number, item in enumerate(node.items):
                    yield from self._walk(item, shorten(f"{path}[{number}]"), depth - 1)
                return
            for key, name, value in self._tree.pairs(node):
                inner = f"{path}.{key}" if path else key
                if len(key) > LONG_KEY:
                    yield _Found(self._unit(f"{inner[:40]}<key>"), name, node)
                yield from self._walk(value, shorten(inner), depth - 1)

    def _unit(self, path: str) -> Unit:
        return Unit(row=self._row, column=path)

    def _string(self, one: _Found, alone: bool, names: dict[int, dict[str, str]]) -> list[Edit]:
        if one.keys is not None and self._finder.drops_cell(one.unit):
            return []
        literal = self._tree.literal(one.node)
        edits = self._finder.changes(one.unit, literal.value, alone)
        edits = merged([*edits, *byte_changes(literal, self._ranges, self._orders)])
        if edits and one.keys is not None:
            others = [key for key, name, _ in self._tree.pairs(one.keys) if name is not one.node]
            edits = key_changes(literal.value, edits, names.setdefault(id(one.keys), {}), others)
        return literal.in_file(edits, self._ascii_only)


# JSON documents

_DEEP = re.compile(rf'[^"\[\]{{}}]*+(?:({STRING})\s*+(:?)|([\[{{])|([\]}}]))', re.DOTALL)
_ITEM = re.compile(rf'\s*+(?:({STRING})\s*+()|([\[{{])|([\]}}])|(,)|([^\s,"\[\]{{}}]++))', re.DOTALL)
_DULL = re.compile(r'[^"\[\]{}]*+')
_ROW = re.compile(rf'[^"\[\]{{}}]*+(?:{STRING}[^"\[\]{{}}]*+)*+', re.DOTALL)
_STRING, _OPEN, _CLOSE, _COMMA = 2, 3, 4, 5  # the last group of a match; a string has a second group for the colon behind a key


class _Document:
    """A pass over the text of a document in pieces. It follows the streaming reader, so that strings get the same names.

    `row` is the item of the outermost array, or None if the document is not an array.
    """

    def __init__(self, source: Source, orders: Orders) -> None:
        self._orders = orders
        self._finder, self._ascii_only = Finder(orders), is_ascii_only(source)
        self._ranges = ranges_of(source, orders)
        self._firsts, self._lasts = [one.start for one in self._ranges], _highest(self._ranges)
        self._wanted = {unit.row for unit in orders.units}
        self._columns = {unit.column for unit in orders.units}
        self._drops_rows = bool(orders.rows) or any(one.order.action is Action.DROP_ROW for one in self._ranges)
        source.file.seek(source.kind.bom)
        self._pieces = decoded(source.file, encoding_of(source))
        self._text, self._base, self._at, self._ended = "", 0, 0, False
        self._around: list[str] = []  # the paths of the containers around the next value
        self._names: list[dict[str, str] | None] = []  # their keys that were changed
        self._here = ""
        self._row: int | None = None
        self._items = _Items()
        self._edits: list[Edit] = []
        self._before, self._is_message = 0, False  # edits before this item, and whether it is a message of a conversation

    def edits(self) -> list[Edit]:
        """Return the changes, as characters of the file."""
        while self._step():
            pass
        if self._around:
            raise CannotRewriteError("the JSON ends early")
        return [*self._edits, *self._items.edits]

    def _step(self) -> bool:
        """Read the next token. Returns whether there is more."""
        flat = self._row is not None and len(self._around) == 1
        found = self._token(_ITEM if flat else _DEEP)
        if found is None:
            return False
        kind = found.lastindex or 0
        if flat:
            self._item(found, kind)
        if kind == _STRING:
            self._string(found)
        elif kind == _OPEN:
            self._open(found[_OPEN])
        elif kind == _CLOSE:
            self._here = self._around.pop()
            self._names.pop()
            if not self._around:
                self._items.close()
                return False
            if self._row is not None and len(self._around) == 1:
                self._items.end = self._base + self._at
        return True

    def _token(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return the next token, whole; None at the end of the text or where it is not JSON."""
        while True:
            found = pattern.match(self._text, self._at)
            if found and (self._ended or found.end() < len(self._text)):
                self._at = found.end()
                return found
            if self._ended:
                return None
            if not found and pattern is _DEEP and (dull := _DULL.match(self._text, self._at)):
                self._at = dull.end()
            self._more()

    def _more(self) -> None:
        """Read at least as much again as is left of the text, so that long strings are not searched too often."""
        rest = self._text[self._at :]
        held(len(rest))
        self._base += self._at
        pieces, size = [rest], 0
        while size <= len(rest):
            self._orders.pulse()
            piece, _ = next(self._pieces, ("", 0))
            if not piece:
                self._ended = True
                break
            pieces.append(piece)
            size += len(piece)
        self._text, self._at = "".join(pieces), 0

    def _open(self, bracket: str) -> None:
        if not self._around and bracket == "[":
            self._row = 0
        self._around.append(self._here)
        self._names.append(None)
        if bracket == "[" and len(self._around) > 1:
            self._here = shorten(f"{self._here}[]")
        if len(self._around) == 2 and self._row is not None and not self._is_wanted(self._row):
            self._skip()

    def _is_wanted(self, row: int) -> bool:
        return bool(self._ranges) or row in self._wanted or row in self._orders.rows

    def _skip(self) -> None:
        """Pass over the rest of an item that has no orders."""
        depth = 1
        while depth:
            passed = _ROW.match(self._text, self._at)
            self._at = passed.end() if passed else self._at
            bracket = self._text[self._at : self._at + 1]
            if bracket and bracket in "[]{}":
                depth += 1 if bracket in "[{" else -1
                self._at += 1
            elif self._ended:
                raise CannotRewriteError("the JSON ends early")
            else:
                self._more()
        self._here = self._around.pop()
        self._names.pop()
        self._items.end = self._base + self._at

    def _item(self, found: re.Match[str], kind: int) -> None:
        """Take note of where the items of the outermost array begin and end, and leave out those that are to be dropped."""
        if kind in (_COMMA, _CLOSE):
            self._finish()
            self._row = (self._row or 0) + 1
            return
        group = 1 if kind == _STRING else kind
        self._items.begin(self._base + found.start(group), self._base + found.end(group))
        self._before, self._is_message = len(self._edits), False

    def _finish(self) -> None:
        """Decide about the item that has just ended."""
        items, row = self._items, self._row or 0
        if not self._drops_rows or not items.open:
            items.keep()
            return
        inside = self._ranges[bisect_right(self._lasts, items.start) : bisect_left(self._firsts, items.end)]
        if self._is_message and (row in self._orders.rows or any(one.order.action is Action.DROP_ROW for one in inside)):
            raise CannotRewriteError("the whole file is one conversation, and a row of it is one message, which is not dropped alone")
        if _drops(row, inside, self._orders):
            items.drop()
            del self._edits[self._before :]
        else:
            items.keep()

    def _string(self, found: re.Match[str]) -> None:
        raw, start = found[1][1:-1], self._base + found.start(1) + 1
        if not found[2]:
            if len(self._around) == 2 and self._here in _SPEAKER_KEYS and raw in _SPEAKERS:
                self._is_message = True
            if self._here in self._columns or self._ranges:
                self._edits += self._changes(Literal(raw, start, STREAM), self._here)
            return
        literal = Literal(raw, start, STREAM)
        base = self._around[-1]
        if len(literal.value) > LONG_KEY and (base in self._columns or self._ranges):
            self._edits += self._key_changes(literal, base)
        self._here = shorten(f"{base}.{literal.value}" if base else literal.value)

    def _changes(self, literal: Literal, path: str) -> list[Edit]:
        edits = self._in_value(literal, path)
        return literal.in_file(edits, self._ascii_only)

    def _key_changes(self, literal: Literal, path: str) -> list[Edit]:
        if self._finder.drops_cell(Unit(row=self._row, column=path)):
            return []
        edits = self._in_value(literal, path)
        if edits:
            names = self._names[-1] = self._names[-1] or {}
            edits = key_changes(literal.value, edits, names)
        return literal.in_file(edits, self._ascii_only)

    def _in_value(self, literal: Literal, path: str) -> list[Edit]:
        """Return the changes to a string. Names repeat in arrays, so that every order has to be proved by its text."""
        if self._row in self._orders.rows:
            return []
        first, last = bisect_right(self._lasts, literal.start), bisect_left(self._firsts, literal.end)
        edits = self._finder.changes(Unit(row=self._row, column=path), literal.value, alone=False)
        return merged([*edits, *byte_changes(literal, self._ranges[first:last], self._orders)])


class _Items:
    """Items of the outermost array that are left out, with one of the commas beside them."""

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
        """End the array: if its last item is left out, so is the comma before it."""
        if self._dropped is not None:
            self.edits.append(Edit(self._dropped if self._kept is None else self._kept, self.end, ""))
