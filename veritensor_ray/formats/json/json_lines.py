"""Finds the changes to JSON lines. Only lines with orders are parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.formats.common.column_paths import shorten
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.edits import Edit, Orders, Unit
from veritensor_ray.formats.editing.splice import TextLine, lines_of
from veritensor_ray.formats.json.literals import PLAIN, JsonFinder, Literal, drops, is_ascii_only, key_changes
from veritensor_ray.formats.json.text_tree import Node, Tree
from veritensor_ray.formats.json.value_tree import is_text, value_of

_BEAT = 1 << 20


def edits_of_lines(source: Source, orders: Orders) -> Iterator[Edit]:
    """Yield the changes to a file of JSON lines, as characters of the file. A row that is dropped goes with its line end."""
    finder, ascii_only = JsonFinder(source, orders), is_ascii_only(source)
    beat = 0
    for line in lines_of(source):
        end = line.start + len(line.text)
        inside = finder.over(line.start, end) if finder else ()
        if drops(line.number, inside, orders):
            yield Edit(line.start, end, "")
        elif inside or orders.concern(line.number) or finder.suspects(line.text):
            yield from _Line(line, finder, source.limits.json_depth, ascii_only).edits()
        if end - beat > _BEAT:
            orders.pulse()
            beat = end


class _Found(NamedTuple):
    """A string of a line, with the name that the reader gives it. `around` is the object if it is a key."""

    unit: Unit
    literal: Literal
    around: Node | None


class _Line:
    """The changes to one line."""

    def __init__(self, line: TextLine, finder: JsonFinder, depth: int, ascii_only: bool) -> None:
        self._text = line.text.removesuffix("\n")
        self._start, self._row = line.start, line.number
        self._finder, self._depth, self._ascii_only = finder, depth, ascii_only
        self._too_deep = False

    def edits(self) -> list[Edit]:
        """Return the changes, as characters of the file."""
        body = self._text.lstrip("\x1e")  # the record separator of RFC 7464
        try:
            value_of(body)
        except (ValueError, RecursionError):
            return self._as_text()
        self._tree = Tree(body, self._start + len(self._text) - len(body))
        found = list(self._walk(self._tree.root, "", self._depth))
        count = Counter(one.unit for one in found)
        names: dict[int, dict[str, str]] = {}
        asked = [one for one in found if self._finder.may_change(one.unit)]
        edits = [edit for one in asked for edit in self._string(one, count[one.unit] == 1, names)]
        return edits + self._as_text() if self._too_deep else edits

    def _as_text(self) -> list[Edit]:
        """Return the changes to a line that the reader could not parse, or not to the end."""
        edits = self._finder.changes(self._unit(""), Literal(self._text, self._start, PLAIN), alone=not self._too_deep)
        return [Edit(self._start + edit.start, self._start + edit.end, edit.text) for edit in edits]

    def _walk(self, node: Node, path: str, depth: int) -> Iterator[_Found]:
        """Yield the strings of a value with the names that the reader gives them, and the keys that it reads."""
        if (literal := self._tree.literal(node)) is not None:
            yield _Found(self._unit(path), literal, None)
        if node.kind not in "[{" or self._too_deep:
            return
        self._too_deep = depth == 0
        if self._too_deep:
            return
        if node.kind == "[":
            for number, item in enumerate(node.items):
                yield from self._walk(item, shorten(f"{path}[{number}]"), depth - 1)
            return
        for key, name, value in self._tree.pairs(node):
            inner = f"{path}.{key}" if path else key
            if is_text(key):
                yield _Found(self._unit(f"{inner[:40]}<key>"), self._tree.string(name), node)
            yield from self._walk(value, shorten(inner), depth - 1)

    def _unit(self, path: str) -> Unit:
        return Unit(row=self._row, column=path)

    def _string(self, one: _Found, alone: bool, names: dict[int, dict[str, str]]) -> list[Edit]:
        literal = one.literal
        edits = self._finder.changes(one.unit, literal, alone, is_key=one.around is not None)
        if edits and one.around is not None:
            others = [key for key, name, _ in self._tree.pairs(one.around) if self._tree.string(name).start != literal.start]
            edits = key_changes(literal.value, edits, names.setdefault(id(one.around), {}), others)
        return literal.in_file(edits, self._ascii_only)
