"""Finds the changes to JSON lines. Only lines with orders are parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.edits import Edit, Orders, Unit
from veritensor_ray.formats.editing.splice import TextLine, lines_of
from veritensor_ray.formats.json.literals import PLAIN, JsonFinder, Literal, drops, is_ascii_only, key_changes
from veritensor_ray.formats.json.traced_values import TracedString, traced_pairs
from veritensor_ray.formats.json.value_tree import Strings, value_of

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


class _Line:
    """The changes to one line."""

    def __init__(self, line: TextLine, finder: JsonFinder, depth: int, ascii_only: bool) -> None:
        self._text = line.text.removesuffix("\n")
        self._start, self._row = line.start, line.number
        self._finder, self._depth, self._ascii_only = finder, depth, ascii_only

    def edits(self) -> list[Edit]:
        """Return the changes, as characters of the file."""
        body = self._text.lstrip("\x1e")  # the record separator of RFC 7464
        try:
            value_of(body)
        except (ValueError, RecursionError):
            return self._as_text(alone=True)
        strings, too_deep = Strings(numbered=True), False
        try:
            strings.read(traced_pairs(body, self._start + len(self._text) - len(body)), "", self._row, self._depth)
        except ValueError:
            too_deep = True
        units = [Unit(row=self._row, column=path) for path in strings.paths]
        count = Counter(units)
        names: dict[int, dict[str, str]] = {}
        texts: list[Any] = strings.texts
        asked = [(unit, text) for unit, text in zip(units, texts, strict=True) if self._finder.may_change(unit)]
        edits = [edit for unit, text in asked for edit in self._string(unit, text, count[unit] == 1, names)]
        return edits + self._as_text(alone=False) if too_deep else edits

    def _as_text(self, alone: bool) -> list[Edit]:
        """Return the changes to a line that the reader could not parse, or, if not `alone`, not to the end."""
        edits = self._finder.changes(Unit(row=self._row, column=""), Literal(self._text, self._start, PLAIN), alone)
        return [Edit(self._start + edit.start, self._start + edit.end, edit.text) for edit in edits]

    def _string(self, unit: Unit, text: TracedString, alone: bool, names: dict[int, dict[str, str]]) -> list[Edit]:
        literal = text.literal
        edits = self._finder.changes(unit, literal, alone, is_key=bool(text.keys))
        if edits and text.keys:
            others = [key for key in text.keys if key is not text]
            edits = key_changes(literal.value, edits, names.setdefault(id(text.keys), {}), others)
        return literal.in_file(edits, self._ascii_only)
