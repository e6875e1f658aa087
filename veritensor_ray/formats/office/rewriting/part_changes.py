"""Turns what the reader met into changes of bytes: texts across runs, cells, elements, and repeats of changed texts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import DroppedRow, Edit, Order, Orders, Unit, applied
from veritensor_ray.formats.office.rewriting.part import Change, Part
from veritensor_ray.formats.office.rewriting.tracing import Collected, Found, SheetCell, XmlElement, spot_of
from veritensor_ray.formats.office.shared.traced import Spot, TextRun, Traced

_T = TypeVar("_T")
_IDENTIFIERS = frozenset({("definedName", "name"), ("sheet", "name"), ("bookmarkStart", "name")})  # other parts refer to them
_TARGET, _LINK = ("Relationship", "Target"), "xlink:href"
_FORMULAS = ("formula", "formula1", "formula2")  # columns of conditional formats and of rules for input
_NOWHERE = "about:blank"  # a relationship needs a target, and its part needs the relationship
_SHORTEST = 3  # characters of a changed text whose repeats are changed too
_ELEMENTS = " \t\n-\u00ad"  # characters that stand in Word's XML as elements
_BEGINS, _LETTER = re.compile(r"(?<!\w)(?=.)", re.DOTALL), re.compile(r"\w")
_KINDS = {"hidden": Strippable.HIDDEN_TEXT, "metadata": Strippable.METADATA}  # of texts that go because of their view
Make = Callable[[Part], Change]
_ByRow = defaultdict[tuple[str | None, int | None], list[_T]]


class Changes:
    """The changes of all parts of one document."""

    def __init__(self, reading: Collected, orders: Orders) -> None:
        self._reading, self._orders = reading, orders
        self.by_part: dict[str, list[Make]] = defaultdict(list)
        self.without_formulas = False  # whether formulas were removed, so that the chain of calculation is wrong
        self._emptied: dict[tuple[str, int], SheetCell] = {}
        self._blank: Counter[Spot] = Counter()
        self._shared: dict[Spot, Traced] = {}
        self._repeated: dict[str | None, dict[str, str]] = defaultdict(dict)

    def make(self) -> None:
        """Carry out all orders that can be carried out, and remove what is to be stripped."""
        ambiguous = _ambiguous(self._reading.found)
        self._rows()
        for found in self._reading.found:
            self._found([order for order in found.orders if order.number not in ambiguous], found)
        for found in self._reading.unwanted:
            if self._reading.plan.hides(found.read.view, found.read.column) and self._remove(found):
                self._orders.stripped(_KINDS.get(found.read.view, Strippable.COMMENTS))
        for spot, count in self._blank.items():
            if count >= self._reading.referring[spot]:  # no cell shows the text any more
                self._edit(self._shared[spot], [Edit(0, len(self._shared[spot]), "")])
        for author in self._reading.authors:
            self._edit(author, [Edit(0, len(author), "")])
        if self._reading.authors:
            self._orders.stripped(Strippable.METADATA, len(self._reading.authors))
        for element in self._reading.removed:
            self.by_part[element.part].append(partial(_removed, element))
        self._repeats()

    # Texts

    def _found(self, orders: Sequence[Order], found: Found) -> None:
        """Carry out the orders for one text."""
        read, cell = found.read, found.cell
        if any(order.action is Action.DROP_CELL for order in orders):
            if self._remove(found):
                if read.row is not None:
                    self._orders.drops_cell(Unit(read.part, None, read.row, read.column))
                for order in orders:  # other paragraphs of the unit stay, and so do their orders
                    self._orders.tick(order)
            return
        ranges = [one for order in orders if order.action is not Action.DROP_ROW for one in order.spans(read.text)]
        if not ranges:
            return
        if cell is not None and cell.number and not found.in_formula:
            value = applied(read.text, self._orders.merged(ranges, str(read.text)))
            self.by_part[cell.part].append(partial(self._valued, cell, value))
            return
        unseen = [(start, end) for start, end, order in ranges if order.action is Action.STRIP and order.mark.view != "visible"]
        whole = (0, len(read.text)) in unseen
        if whole:
            if self._remove(found):
                self._orders.merged(ranges, str(read.text))
        else:
            ranges = [one for one in ranges if _is_placed(read.text, one[0], one[1])]
            self._edit(read.text, self._orders.merged(ranges, str(read.text)), found)

    def _remove(self, found: Found) -> bool:
        """Remove a whole text. Returns False if that is impossible."""
        cell = found.cell
        if cell is None:
            return self._remove_text(found)
        if found.in_formula:
            return cell.formula is not None and self._without_formula(cell)
        return self._empty(cell, found.read.text)

    def _remove_text(self, found: Found) -> bool:
        """Leave nothing of a text where it stands. Returns False if that is impossible."""
        text = found.read.text
        if not _is_placed(text, 0, len(text)):
            return False
        nothing = '""' if found.read.column in _FORMULAS else ""  # programs take an empty formula for damage
        self._edit(text, [Edit(0, len(text), nothing)], found)
        return True

    def _edit(self, text: str, edits: Iterable[Edit], found: Found | None = None) -> None:
        """Change a text across the runs that it consists of: the first run that is affected takes the new characters."""
        for edit in edits:
            self._orders.pulse()
            new = edit.text.replace('"', '""') if found and found.in_formula else edit.text
            for run in text.between(edit.start, edit.end) if isinstance(text, Traced) else ():
                if run.spot is not None:
                    self.by_part[run.spot.part].append(partial(_run_changed, run, _fitting(run, new)))
                    new = ""
            if found is not None and edit.end - edit.start >= _SHORTEST:
                self._repeated[found.read.part].setdefault(str(text[edit.start : edit.end]), edit.text)

    def _repeats(self) -> None:
        """Change the same texts where the reader skipped them: in fallbacks for older programs, and in authors of further changes."""
        for part, texts in self._reading.repeats.items():
            if not (new := self._repeated.get(part)):
                continue
            words = NewWords(new)
            for text in texts:
                self._edit(text, [*words.edits(text)])

    # Cells

    def _rows(self) -> None:
        """Empty the rows that are to be dropped: the rows below them stay where formulas expect them."""
        cells_of, unwanted_of, units_of = self._by_row()
        for (part, row), orders in self._reading.plan.rows.items():
            cells = cells_of[part, row]
            if not cells or any(cell.formula is not None and cell.formula.shared for cell in cells):
                continue
            here = unwanted_of[part, row]
            texts = {(found.cell.part, found.cell.at): found.read.text for found in here if found.cell and not found.in_formula}
            for cell in cells:
                self._empty(cell, texts.get((cell.part, cell.at), ""))
            for found in here:
                if found.cell is None and found.read.view == "comment":
                    self._remove(found)
            for order in orders:
                self._orders.tick(order)
                self._orders.account.rows.append(DroppedRow(self._orders.member, row, order.mark.rule, stays=True))
            for unit in units_of[part, row]:
                self._orders.account.done.update(order.number for order in self._orders.units[unit])

    def _by_row(self) -> tuple[_ByRow[SheetCell], _ByRow[Found], _ByRow[Unit]]:
        """Return the cells of rows to empty, the texts that go as a whole, and the units with orders, all by sheet and row."""
        cells, unwanted, units = _ByRow[SheetCell](list), _ByRow[Found](list), _ByRow[Unit](list)
        for cell in self._reading.in_rows:
            cells[self._reading.sheet_of(cell), cell.row].append(cell)
        for found in self._reading.unwanted:
            unwanted[found.read.part, found.read.row].append(found)
        for unit in self._orders.units if self._reading.plan.rows else ():
            units[unit.part, unit.row].append(unit)
        return cells, unwanted, units

    def _empty(self, cell: SheetCell, text: str) -> bool:
        """Empty a cell. A shared text goes when no other cell shows it."""
        if (cell.part, cell.at) in self._emptied:
            return True
        if cell.formula is not None and not self._without_formula(cell):
            return False
        self._emptied[cell.part, cell.at] = cell
        self.by_part[cell.part].append(partial(_emptied, cell))
        if cell.kind == "s" and isinstance(text, Traced) and (spot := spot_of(text)) is not None:
            self._blank[spot] += 1
            self._shared[spot] = text
        return True

    def _valued(self, cell: SheetCell, value: str, part: Part) -> Change:
        return _emptied(cell, part) if (cell.part, cell.at) in self._emptied else _valued(cell, value, part)

    def _without_formula(self, cell: SheetCell) -> bool:
        """Remove the formula of a cell, unless other cells share it."""
        if cell.formula is None or cell.formula.shared:
            return False
        self.without_formulas = True
        self.by_part[cell.part].append(partial(_removed, cell.formula))
        return True


class NewWords:
    """Words and what takes the place of each: found in time that does not depend on how many there are."""

    def __init__(self, new: Mapping[str, str]) -> None:
        self._new = new
        sizes = defaultdict[str, set[int]](set)
        for old in new:
            sizes[old[:_SHORTEST]].add(len(old))
        self._sizes = {head: sorted(some, reverse=True) for head, some in sizes.items()}

    def edits(self, text: str) -> Iterator[Edit]:
        """Yield the changes to a text, in which the longest of the words that begin at a place counts."""
        done = 0
        for begin in _BEGINS.finditer(text):
            at = begin.start()
            for size in self._sizes.get(str(text[at : at + _SHORTEST]), ()) if at >= done else ():
                old = str(text[at : at + size])
                if old in self._new and not _LETTER.match(text, at + size):
                    yield Edit(at, at + size, self._new[old])
                    done = at + size
                    break


def _ambiguous(found: Iterable[Found]) -> set[int]:
    """Return the orders that may mean one of several different texts, because nothing says what their engines saw."""
    texts: dict[int, set[str]] = defaultdict(set)
    for one in found:
        for order in one.orders:
            if not order.mark.straight and (order.action is not Action.DROP_CELL or order.mark.row is None):
                texts[order.number].add(str(one.read.text))
    return {number for number, some in texts.items() if len(some) > 1}


def _is_placed(text: str, first: int, last: int) -> bool:
    """Return whether characters of a text stand in the file where they may be changed. Elements such as tabs and hyphens may stay."""
    runs = list(text.between(first, last)) if isinstance(text, Traced) else []
    loose = "".join(run.whole[run.first : run.last] for run in runs if run.spot is None)
    identifies = any(run.spot is not None and (run.spot.tag, run.spot.key) in _IDENTIFIERS for run in runs)
    return not loose.strip(_ELEMENTS) and not identifies and any(run.spot is not None for run in runs)


def _fitting(run: TextRun, new: str) -> str:
    """Return the new characters as the attribute that holds them may have them."""
    if run.spot is None or ((run.spot.tag, run.spot.key) != _TARGET and run.spot.key != _LINK):
        return new
    if not new and (run.first, run.last) == (0, len(run.whole)):
        return _NOWHERE
    return quote(new, safe="/:@?&=+$,;!~*'()%#.-_")


def _run_changed(run: TextRun, text: str, part: Part) -> Change:
    return part.text(run, text)


def _removed(element: XmlElement, part: Part) -> Change:
    return part.removed(element.at, element.close)


def _emptied(cell: SheetCell, part: Part) -> Change:
    """Leave nothing of a cell but its address and format."""
    start, end = part.element(cell.at, cell.close)
    return Change(start, end, part.encode(f"{_opening(cell, part)}/>"))


def _valued(cell: SheetCell, value: str, part: Part) -> Change:
    """Turn a number into a text, or into the text that a formula had as its result."""
    start, end = part.element(cell.at, cell.close)
    opening = _opening(cell, part)
    prefix = opening[1:].split(None, 1)[0].rpartition(":")[0]
    prefix = f"{prefix}:" if prefix else ""
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if cell.formula is None:
        inner = part.encode(f' t="inlineStr"><{prefix}is><{prefix}t xml:space="preserve">{value}</{prefix}t></{prefix}is></{prefix}c>')
    else:
        first, last = part.element(cell.formula.at, cell.formula.close)
        inner = part.encode(' t="str">') + part.data[first:last] + part.encode(f"<{prefix}v>{value}</{prefix}v></{prefix}c>")
    return Change(start, end, part.encode(opening) + inner)


def _opening(cell: SheetCell, part: Part) -> str:
    """Return the start tag of a cell, without its end, its type and its metadata."""
    tag = part.tag(cell.at)
    for key, (_, end, raw) in sorted(part.attributes(cell.at).items(), key=lambda one: -one[1][0]):
        if key in ("t", "cm", "vm"):
            begin = tag.rindex(key, 0, end - len(raw))
            tag = tag[:begin].rstrip() + tag[end + 1 :]
    return tag.rstrip("/> \r\n\t")
