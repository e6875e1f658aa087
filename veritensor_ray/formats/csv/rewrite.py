"""Rewrites CSV and TSV: the raw characters of cells are changed where they are, and all others are copied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.csv.grammar import LINE, RawCell, Tokenizer, column_names, delimiter_of, is_header
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, OrderedRange, Orders, Unit, applied
from veritensor_ray.formats.editing.spans import is_there
from veritensor_ray.formats.editing.splice import encoding_of, lines_of, over_characters, spliced
from veritensor_ray.formats.office.shared.formulas import FIRST

_NUMBER = re.compile(r"[+\-]?[\d\s().,/]+")
_PULSE = 4096  # records


def rewrite_csv(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the table with the ordered changes to its cells and rows."""
    if not (orders.units or orders.rows or orders.over_bytes):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    spliced(source, out, _Table(source, orders).edits(), orders.pulse)


class _Table:
    """Finds the changes to the text of a table."""

    def __init__(self, source: Source, orders: Orders) -> None:
        self._source, self._orders = source, orders
        encoding = encoding_of(source)
        source.file.seek(source.kind.bom)
        self._delimiter = delimiter_of(source, encoding)
        self._tokenizer = Tokenizer(self._delimiter)
        self._over_bytes = sorted(over_characters(source, orders, dropping=True), key=lambda one: one[0]) if orders.over_bytes else []

    def edits(self) -> Iterator[Edit]:
        """Yield the changes in the order of the file."""
        names: list[str] = []
        row, at, ranges = 0, 0, self._over_bytes
        for number, (text, start) in enumerate(self._tokenizer.records(self._lines())):
            if not number % _PULSE:
                self._orders.pulse()
            here: list[OrderedRange] = []
            while at < len(ranges) and ranges[at][0] < start + len(text):
                here.append(OrderedRange(ranges[at].start - start, ranges[at].end - start, ranges[at].order))
                at += 1
            if not number:
                first = [cell.value for cell in self._tokenizer.cells(text)]
                if is_header(first):
                    names = first
                    yield from self._record(text, start, None, names, here)
                    continue
            if here or self._orders.concern(row):
                yield from self._record(text, start, row, names, here)
            row += 1

    def _lines(self) -> Iterator[tuple[str, int]]:
        """Yield lines as Python's csv module counts them: a carriage return ends one too."""
        for line in lines_of(self._source):
            if "\r" not in line.text or (line.text.endswith("\r\n") and line.text.find("\r") == len(line.text) - 2):
                yield line.text, line.start
            else:
                yield from ((found[0], line.start + found.start()) for found in LINE.finditer(line.text))

    def _record(self, text: str, start: int, row: int | None, names: list[str], ranges: list[OrderedRange]) -> Iterator[Edit]:
        orders = self._orders
        if row is not None and (row in orders.rows or any(order.action is Action.DROP_ROW for _, _, order in ranges)):
            orders.drop_row(row, [order for _, last, order in ranges if last <= len(text)])
            yield Edit(start, start + len(text), "")
            return
        cells = self._tokenizer.cells(text)
        for name, cell in zip(column_names(names, len(cells)), cells, strict=False):
            unit = Unit(part="header", column=name) if row is None else Unit(row=row, column=name)
            within = [one for one in ranges if cell.start <= one[0] < one[1] <= cell.end]
            if (unit not in orders.units and not within) or not cell.value:
                continue
            raw = self._changed(text[cell.start : cell.end], cell, unit, within, is_alone=len(cells) == 1)
            yield from (Edit(start + cell.start + one.start, start + cell.start + one.end, one.text) for one in raw)

    def _changed(self, raw: str, cell: RawCell, unit: Unit, ranges: list[OrderedRange], is_alone: bool) -> list[Edit]:
        """Return the changes to the raw characters of a cell."""
        orders = self._orders
        if orders.drops_cell(unit) or any(order.action is Action.DROP_CELL for _, _, order in ranges):
            for order in (*orders.units.get(unit, ()), *(one[2] for one in ranges)):
                orders.tick(order)
            return [Edit(0, len(raw), '""' if cell.has_quotes or is_alone else "")]
        place = _RawPlaces(raw, cell)
        found: list[OrderedRange] = []
        for order in orders.units.get(unit, ()):
            if order.action is not Action.DROP_ROW and is_there(order.mark, cell.value):
                found += order.spans(cell.value)
        for first, last, order in ranges:
            if order.action is not Action.DROP_ROW:
                begin, end = place.index_of(first - cell.start), place.index_of(last - cell.start)
                found += order.spans(cell.value, (begin, end)) if begin < end else []
        edits = orders.merged(found, cell.value)
        if not edits:
            return []
        new = applied(cell.value, edits)
        guarded = _guarded(cell.value, new)
        if guarded == new and (direct := self._direct(cell, new, edits, place, is_alone)) is not None:
            return direct
        if "\ufffd" in cell.value and "\ufffd" in new:
            raise CannotRewriteError("a cell that has undecodable bytes would have to be quoted")
        return [Edit(0, len(raw), '"' + guarded.replace('"', '""') + '"')]

    def _direct(self, cell: RawCell, new: str, edits: list[Edit], place: _RawPlaces, is_alone: bool) -> list[Edit] | None:
        """Return the changes if the cell keeps its quotes as they are, or None if it has to be quoted."""
        made: list[Edit] = []
        for edit in edits:
            if cell.has_quotes and edit.end <= cell.quoted:
                made.append(Edit(place.raw(edit.start), place.raw(edit.end), edit.text.replace('"', '""')))
            elif edit.start < cell.quoted or any(char in edit.text for char in (self._delimiter, "\r", "\n", '"')):
                return None
            else:
                made.append(Edit(place.tail(edit.start), place.tail(edit.end), edit.text))
        if not cell.has_quotes and (new[:1] == '"' or (is_alone and not new)):
            return None
        behind = [Edit(one.start - cell.quoted, one.end - cell.quoted, one.text) for one in edits if one.start >= cell.quoted]
        if cell.has_quotes and applied(cell.value[cell.quoted :], behind).startswith('"'):
            return None  # a quote behind the closing one would escape it
        return made


class _RawPlaces:
    """Maps characters of a cell's value to its raw characters."""

    def __init__(self, raw: str, cell: RawCell) -> None:
        self._raw, self._cell = raw, cell
        self._after = len(raw) - (len(cell.value) - cell.quoted)  # the first raw character behind the closing quote

    def raw(self, at: int) -> int:
        """Return the raw character of one between quotes, or of the end of them."""
        return 1 + at + self._cell.value.count('"', 0, at)

    def tail(self, at: int) -> int:
        """Return the raw character of one that is not between quotes."""
        return self._after + at - self._cell.quoted

    def index_of(self, raw: int) -> int:
        """Return the character of the value that a raw one belongs to, or the one after it."""
        if not self._cell.has_quotes or raw >= self._after:
            return max(0, raw - self._after) + self._cell.quoted
        return min(self._cell.quoted, len(self._raw[1 : max(1, raw)].replace('""', '"')))


def _guarded(old: str, new: str) -> str:
    """Return the new value, with an apostrophe if a spreadsheet program would take it for a formula and did not do so before."""
    becomes_formula = new[:1] in FIRST and old[:1] not in FIRST and not _NUMBER.fullmatch(new)
    return f"'{new}" if new and becomes_formula else new
