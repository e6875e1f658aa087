"""Turns what the reader met in an OpenDocument into changes of bytes: besides texts, the values of cells and fields, and attributes."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial

from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Edit, Order, OrderedRange, Orders, applied
from veritensor_ray.formats.office.opendocument.odf_tracing import OdfCell, OdfCollected, local_name
from veritensor_ray.formats.office.rewriting.part import Change, Part, escaped
from veritensor_ray.formats.office.rewriting.part_changes import Changes, NewWords
from veritensor_ray.formats.office.rewriting.tracing import Found, SheetCell, spot_of
from veritensor_ray.formats.residue.strings import VIEW

_VALUES = ("value", "date-value", "time-value", "boolean-value", "string-value")
_SHORTEST = 3
_CHANGED = (Action.MASK, Action.PSEUDONYM, Action.STRIP)


class OdfChanges(Changes):
    """The changes of all parts of one document.

    A value that is changed becomes a text: the type of its cell or field is then `string`, since a mask is neither number nor date.
    """

    def __init__(self, reading: OdfCollected, orders: Orders) -> None:
        super().__init__(reading, orders)
        self._odf = reading
        self._texts: dict[str, dict[int, str | None]] = defaultdict(dict)  # what values become, by part and tag; None: what is shown counts
        self._without: dict[str, set[int]] = defaultdict(set)  # cells that lose their formula
        self._shown: set[tuple[str, int]] = set()  # cells whose shown text has changes of its own
        self._new_values: list[tuple[OdfCell, str]] = []  # cells with a changed number, and what it becomes

    def make(self) -> None:
        """Carry out all orders that can be carried out, and remove what is to be stripped."""
        super().make()
        for kind in self._odf.taken_out:
            if kind in self._orders.strip:
                self._orders.stripped(kind)
        for cell, value in self._new_values:
            if (cell.part, cell.at) not in self._shown:
                super()._edit(cell.shown, [Edit(0, len(cell.shown), value)])
        self._unread()

    def parts(self) -> set[str]:
        """Return the parts that change."""
        return {*self.by_part, *self._texts, *self._without}

    def of(self, part: Part) -> Iterator[Change]:
        """Yield the changes of a part."""
        for make in self.by_part.get(part.name, ()):
            yield make(part)
        values, without = self._texts.get(part.name, {}), self._without.get(part.name, set())
        for at in values.keys() | without:
            yield from _retyped(part, at, at in values, values.get(at), at in without)

    def without_images(self, previews: Iterable[str]) -> None:
        """Remove the elements that show pictures of objects."""
        for name in previews:
            for element in self._odf.previews.get(name, ()):
                self.by_part[element.part].append(partial(_removed, element.at, element.close))

    # Texts

    def _edit(self, text: str, edits: Iterable[Edit], found: Found | None = None) -> None:
        some, spot = [*edits], spot_of(text)
        cell = found.cell if found else None
        if spot is not None and spot.key is not None and local_name(spot.key) in _VALUES:
            new = applied(text, some)
            self._texts[spot.part][spot.at] = new
            if isinstance(cell, OdfCell) and cell.typed:
                self._new_values.append((cell, new))
            return
        super()._edit(text, some, found)
        if isinstance(cell, OdfCell) and some and not (found and found.in_formula) and spot is not None and spot.key is None:
            self._shown.add((cell.part, cell.at))
            if cell.typed:
                self._texts[cell.part].setdefault(cell.at, None)

    def _remove(self, found: Found) -> bool:
        cell = found.cell
        if not isinstance(cell, OdfCell):
            return super()._remove(found)
        if found.in_formula:
            return self._without_formula(cell)
        return self._empty(cell, found.read.text) if found.read.row is not None else self._remove_text(found)

    # Cells

    def _empty(self, cell: SheetCell, text: str) -> bool:
        """Leave a cell without text, value and formula. Charts and comments in it stay."""
        if not isinstance(cell, OdfCell) or not self._without_formula(cell):
            return False
        self._shown.add((cell.part, cell.at))
        self._texts[cell.part][cell.at] = None
        if cell.shown:
            super()._edit(cell.shown, [Edit(0, len(cell.shown), "")])
        return True

    def _without_formula(self, cell: SheetCell) -> bool:
        """Remove the formula of a cell, unless it fills other cells too."""
        if not isinstance(cell, OdfCell) or any("number-matrix" in key for key in cell.attributes):
            return False
        if any(local_name(key) == "formula" for key in cell.attributes):
            self._without[cell.part].add(cell.at)
        return True

    # What no reader gave

    def _unread(self) -> None:
        """Change attributes that repeat what was changed, and those in which the search behind the reader has found something."""
        new: dict[str, str] = {}
        for some in self._repeated.values():
            new = {**some, **new}
        residue: dict[str, dict[str, list[Order]]] = defaultdict(lambda: defaultdict(list))
        for order in self._orders.every():
            mark = order.mark
            if mark.view == VIEW and mark.straight and mark.text and len(mark.text) >= _SHORTEST and order.action in _CHANGED:
                residue[mark.part or ""][mark.text].append(order)
        words = NewWords({**{text: "" for some in residue.values() for text in some}, **new})
        repeats = itertools.chain.from_iterable(self._odf.repeats.values()) if residue else ()
        for text in itertools.chain(self._odf.unread.values(), repeats):
            spot = spot_of(text)
            ordered = residue.get(spot.part, {}) if spot else {}
            edits: list[Edit] = []
            for edit in words.edits(text):
                old = str(text)[edit.start : edit.end]
                if old in ordered:
                    ranges = [OrderedRange(edit.start, edit.end, order) for order in ordered[old]]
                    edits += self._orders.merged(ranges, str(text))
                elif old in new:
                    edits.append(edit)
            if edits:
                self._edit(text, edits)


def _removed(at: int, close: int, part: Part) -> Change:
    return part.removed(at, close)


def _retyped(part: Part, at: int, typed: bool, value: str | None, without_formula: bool) -> Iterator[Change]:
    """Yield the changes that make a text of the value in the tag at byte `at`, and that remove a formula."""
    tag = part.tag(at)

    def change(key: str, begin: int, end: int, new: str) -> Change:
        begin = tag.rindex(key, 0, begin)
        first = begin if new else len(tag[:begin].rstrip())
        return Change(at + len(part.encode(tag[:first])), at + len(part.encode(tag[: end + 1])), part.encode(new))

    for key, (begin, end, _) in part.attributes(at).items():
        prefix, _, local = key.rpartition(":")
        if local == "formula" and without_formula:
            yield change(key, begin, end, "")
        elif typed and local == "value-type":
            yield change(key, begin, end, f'{key}="string"')
        elif typed and local in (*_VALUES, "currency"):
            new = f'{prefix}:string-value="{escaped(value, quoted=True)}"' if value and prefix and local != "currency" else ""
            value = None if new else value
            yield change(key, begin, end, new)
