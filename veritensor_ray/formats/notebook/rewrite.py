"""Rewrites Jupyter notebooks: strings are edited in place, and outputs, attachments or metadata are taken out; the rest stays."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Order, Orders, Unit
from veritensor_ray.formats.editing.spans import Range
from veritensor_ray.formats.editing.splice import spliced, text_of
from veritensor_ray.formats.images.rewrite import picture_without
from veritensor_ray.formats.json.literals import PLAIN, Items, JsonFinder, Literal, is_ascii_only
from veritensor_ray.formats.json.rewrite import rewrite_json
from veritensor_ray.formats.json.traced_values import TracedList, TracedObject, TracedString, traced_objects
from veritensor_ray.formats.notebook.cells import CellText, notebook_of, texts_of

_KEPT_METADATA = ("kernelspec", "language_info")  # without them, a program does not know how to run the cells


def rewrite_notebook(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a notebook of up to 64 MB. A file that turns out not to be a notebook was read as JSON, and is rewritten as such."""
    text = text_of(source, bounds.HELD)
    if notebook_of(text) is None:
        if orders.strip & {Strippable.NOTEBOOK_OUTPUTS, Strippable.METADATA}:
            raise CannotRewriteError("it is not a notebook of version 4, so that its outputs and metadata cannot be taken out")
        source.file.seek(0)
        rewrite_json(source, out, orders)
        return
    try:
        edits = _Notebook(text, source, orders).edits()
    except RecursionError:
        raise CannotRewriteError("it is nested too deeply") from None
    source.file.seek(0)
    spliced(source, out, edits, orders.pulse)


class _Piece(NamedTuple):
    """A part of a text: `literal` is the string that it comes from, None for what the reader puts together.

    With `escapes`, the text has the string as that literal writes it.
    """

    text: str
    literal: Literal | None = None
    escapes: Literal | None = None


class _Notebook:
    """The changes to a notebook."""

    def __init__(self, text: str, source: Source, orders: Orders) -> None:
        self._text, self._orders, self._limits = text, orders, source.limits
        self._finder, self._ascii_only = JsonFinder(source, orders), is_ascii_only(source)
        self._edits: list[Edit] = []
        self._gone: list[Range] = []  # what is taken out, with everything inside

    def edits(self) -> list[Edit]:
        """Return the changes, as characters of the file."""
        notebook = traced_objects(self._text)
        self._strip(notebook)
        self._gone.sort()
        texts = [(Unit(part=text.part, column=text.column), text) for text in texts_of(notebook)]
        count = Counter(unit for unit, _ in texts)
        for unit, text in texts:
            self._change(unit, text, count[unit] == 1)
        return self._edits

    # What happens to a text

    def _change(self, unit: Unit, text: CellText, alone: bool) -> None:
        gone = self._is_gone(text.value)
        if text.kind == "image":
            orders = self._orders.units.get(unit, ()) if alone else ()
            if gone:
                self._orders.account.done.update(order.number for order in orders)
            elif drawn := [order for order in orders if order.mark.boxes]:
                self._paint(text.value, drawn)
            return
        pieces = list(_written(text.value) if text.kind == "json" else _lines(text.value))
        joined = "".join(piece.text for piece in pieces)
        whole = Literal(joined, -len(joined) - 1, PLAIN)  # before the file, so that no order over bytes touches it
        if gone:
            self._finder.gone(unit, whole, alone)
            return
        ends = list(accumulate(len(piece.text) for piece in pieces))
        edits = self._finder.changes(unit, whole, alone)
        if edits and text.column == "id" and text.part:
            edits = [Edit(0, len(joined), self._new_id(text.part))]
        for edit in edits:
            self._distribute(edit, pieces, ends)
        for piece in pieces:
            if piece.literal is not None:
                self._edits += piece.literal.in_file(self._finder.over_bytes(piece.literal), self._ascii_only)

    def _paint(self, value: Any, drawn: Sequence[Order]) -> None:
        """Paint over the places of findings in a picture."""
        pieces = list(_lines(value))
        try:
            data = base64.b64decode("".join(piece.text for piece in pieces))
        except ValueError:
            raise CannotRewriteError("a picture of the notebook is not valid base64") from None
        made = base64.b64encode(picture_without(data, drawn, self._limits, self._orders)).decode()
        lines = [piece.text for piece in pieces]
        new = f"{made}\n" if lines[-1].endswith("\n") else made
        self._distribute(Edit(0, sum(map(len, lines)), new), pieces, list(accumulate(map(len, lines))))

    def _new_id(self, part: str) -> str:
        """Return an identifier of a cell: the format demands that they are unique, and made of a few characters."""
        name = part.replace(" ", "-")
        while f'"{name}"' in self._text:
            name += "-new"
        return name

    def _distribute(self, edit: Edit, pieces: list[_Piece], ends: list[int]) -> None:
        """Change the strings that a range of a text comes from: the first one gets the new text, and the others lose their part."""
        new = edit.text
        number = bisect_right(ends, edit.start)
        while number < len(pieces) and (begin := ends[number] - len(pieces[number].text)) < edit.end:
            text, literal, escapes = pieces[number]
            start, end = max(edit.start - begin, 0), min(edit.end - begin, len(text))
            if literal is None:
                raise CannotRewriteError("a finding is about a part of the notebook that is not the text of a string")
            if escapes is not None:
                start, end = escapes.within(start, end)
            self._edits += literal.in_file([Edit(start, end, new)], self._ascii_only)
            new = ""
            number += 1

    # What is taken out

    def _is_gone(self, value: Any) -> bool:
        number = bisect_right(self._gone, (value.start, len(self._text))) - 1
        return number >= 0 and value.start < self._gone[number][1]

    def _strip(self, notebook: TracedObject) -> None:
        outputs, metadata = Strippable.NOTEBOOK_OUTPUTS in self._orders.strip, Strippable.METADATA in self._orders.strip
        for cell in notebook["cells"]:
            if not isinstance(cell, TracedObject):
                continue
            if outputs:
                self._empty(cell.get("outputs"), TracedList, "[]", Strippable.NOTEBOOK_OUTPUTS)
                self._empty(cell.get("attachments"), TracedObject, "{}", Strippable.NOTEBOOK_OUTPUTS)
                self._empty(cell.get("execution_count"), object, "null", Strippable.NOTEBOOK_OUTPUTS)
            if metadata:
                left = () if outputs else cell.get("outputs")
                for some in [cell, *(left if isinstance(left, TracedList) else ())]:
                    if isinstance(some, TracedObject):
                        self._empty(some.get("metadata"), TracedObject, "{}", Strippable.METADATA)
        if metadata and isinstance(own := notebook.get("metadata"), TracedObject):
            self._strip_own(own)

    def _empty(self, value: Any, kind: type[Any], new: str, what: Strippable) -> None:
        """Replace a value of a kind whatever it holds."""
        if value is not None and isinstance(value, kind) and self._text[value.start : value.end].replace(" ", "") != new:
            self._edits.append(Edit(value.start, value.end, new))
            self._gone.append((value.start, value.end))
            self._orders.stripped(what)

    def _strip_own(self, metadata: TracedObject) -> None:
        """Take out the notebook's metadata, except what programs need to run it."""
        items = Items()
        key: Any
        for key, value in metadata.items():
            items.begin(key.start, value.end)
            if key in _KEPT_METADATA:
                items.keep()
            else:
                items.drop()
                self._gone.append((key.start, value.end))
                self._orders.stripped(Strippable.METADATA)
        items.close()
        self._edits += items.edits


def _lines(value: Any) -> Iterator[_Piece]:
    """Yield the strings that a text is joined from. Anything else in its list is read as Python shows it."""
    for line in value if isinstance(value, TracedList) else [value]:
        yield _Piece(line, line.literal) if isinstance(line, TracedString) else _Piece(str(line))


def _written(value: Any) -> Iterator[_Piece]:
    """Yield a value as Python writes it, which is what the reader makes of one that is neither a string nor a list."""
    if isinstance(value, TracedString):
        text = json.dumps(json.loads(f'"{value.literal.raw}"'))[1:-1]
        yield from (_Piece('"'), _Piece(text, value.literal, Literal(text, 0)), _Piece('"'))
    elif isinstance(value, TracedList):
        yield _Piece("[")
        for number, item in enumerate(value):
            yield from (_Piece(", " if number else ""), *_written(item))
        yield _Piece("]")
    elif isinstance(value, TracedObject):
        yield _Piece("{")
        for number, (key, item) in enumerate(value.items()):
            yield from (_Piece(", " if number else ""), *_written(key), _Piece(": "), *_written(item))
        yield _Piece("}")
    else:
        yield _Piece(json.dumps(value.value))
