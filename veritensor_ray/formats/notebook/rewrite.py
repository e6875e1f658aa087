"""Rewrites Jupyter notebooks: strings are edited in place, and outputs, attachments or metadata are taken out; the rest stays."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.media_types import SVG
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Orders, Unit
from veritensor_ray.formats.editing.splice import spliced, text_of
from veritensor_ray.formats.json.literals import PLAIN, Items, JsonFinder, Literal, is_ascii_only
from veritensor_ray.formats.json.rewrite import rewrite_json
from veritensor_ray.formats.json.text_tree import Node, Tree

_KEPT_METADATA = ("kernelspec", "language_info")  # without them, a program does not know how to run the cells


def rewrite_notebook(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a notebook of up to 64 MB. A file that turns out not to be a notebook was read as JSON, and is rewritten as such."""
    tree = _notebook(source)
    if tree is None:
        if orders.strip & {Strippable.NOTEBOOK_OUTPUTS, Strippable.METADATA}:
            raise CannotRewriteError("it is not a notebook of version 4, so that its outputs and metadata cannot be taken out")
        source.file.seek(0)
        rewrite_json(source, out, orders)
        return
    try:
        edits = _Notebook(tree, source, orders).edits()
    except RecursionError:
        raise CannotRewriteError("it is nested too deeply") from None
    source.file.seek(0)
    spliced(source, out, edits, orders.pulse)


def _notebook(source: Source) -> Tree | None:
    """Parse a notebook; None if the reader did not take it for one."""
    text = text_of(source, bounds.HELD)
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return None
    return Tree(text) if isinstance(value, dict) and isinstance(value.get("cells"), list) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


class _Piece(NamedTuple):
    """A part of a text: `literal` is the string that it comes from, None for what the reader puts together.

    With `escapes`, the text has the string as that literal writes it.
    """

    text: str
    literal: Literal | None = None
    escapes: Literal | None = None


class _CellText(NamedTuple):
    """A text that the reader yields. `pieces` is empty for an image. `gone` says that it is taken out with what is around it."""

    unit: Unit
    pieces: list[_Piece]
    gone: bool


class _Notebook:
    """The changes to a notebook. It follows the reader, so that texts get the same names."""

    def __init__(self, tree: Tree, source: Source, orders: Orders) -> None:
        self._tree, self._orders = tree, orders
        self._finder, self._ascii_only = JsonFinder(source, orders), is_ascii_only(source)
        self._edits: list[Edit] = []
        self._strips_outputs = Strippable.NOTEBOOK_OUTPUTS in orders.strip
        self._strips_metadata = Strippable.METADATA in orders.strip

    def edits(self) -> list[Edit]:
        """Return the changes, as characters of the file."""
        texts = list(self._notebook())
        count = Counter(text.unit for text in texts)
        for text in texts:
            self._change(text, count[text.unit] == 1)
        return self._edits

    # What happens to a text

    def _change(self, text: _CellText, alone: bool) -> None:
        if not text.pieces:
            if text.gone and alone:
                self._orders.account.done.update(order.number for order in self._orders.units.get(text.unit, ()))
            return
        joined = "".join(piece.text for piece in text.pieces)
        whole = Literal(joined, -len(joined) - 1, PLAIN)  # before the file, so that no order over bytes touches it
        if text.gone:
            self._finder.gone(text.unit, whole, alone)
            return
        ends = list(accumulate(len(piece.text) for piece in text.pieces))
        edits = self._finder.changes(text.unit, whole, alone)
        if edits and text.unit.column == "id" and text.unit.part:
            edits = [Edit(0, len(joined), self._new_id(text.unit.part))]
        for edit in edits:
            self._distribute(edit, text.pieces, ends)
        for piece in text.pieces:
            if piece.literal is not None:
                self._edits += piece.literal.in_file(self._finder.over_bytes(piece.literal), self._ascii_only)

    def _new_id(self, part: str) -> str:
        """Return an identifier of a cell: the format demands that they are unique, and made of a few characters."""
        name = part.replace(" ", "-")
        while f'"{name}"' in self._tree.text:
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

    def _replace(self, node: Node, text: str, kind: Strippable) -> bool:
        """Replace a value whatever it holds. Returns whether the value was a different one."""
        if self._tree.raw(node).replace(" ", "") == text:
            return False
        self._edits.append(Edit(node.start, node.end, text))
        self._orders.stripped(kind)
        return True

    # What the reader yields

    def _notebook(self) -> Iterator[_CellText]:
        for key, _, value in self._tree.pairs(self._tree.root):
            if key == "cells":
                for number, cell in enumerate(value.items):
                    part = f"cell {number}"
                    yield from self._cell(cell, part) if cell.kind == "{" else self._metadata(cell, "cell", part)
            elif key == "metadata" and value.kind == "{" and self._strips_metadata:
                yield from self._own_metadata(value)
            else:
                yield from self._metadata(value, key, None)

    def _own_metadata(self, node: Node) -> Iterator[_CellText]:
        """Take out the notebook's metadata, except what programs need to run it."""
        items = Items()
        for key, name, value in self._tree.pairs(node):
            items.begin(name.start, value.end)
            gone = key not in _KEPT_METADATA
            if gone:
                items.drop()
                self._orders.stripped(Strippable.METADATA)
            else:
                items.keep()
            yield from self._metadata(value, f"metadata.{key}", None, gone)
        items.close()
        self._edits += items.edits

    def _cell(self, cell: Node, part: str) -> Iterator[_CellText]:
        for key, _, value in self._tree.pairs(cell):
            if key == "source":
                yield from self._text(value, part, "source")
            elif key == "outputs" and value.kind == "[":
                gone = self._strips_outputs and self._replace(value, "[]", Strippable.NOTEBOOK_OUTPUTS)
                for number, output in enumerate(value.items):
                    yield from self._output(output, part, f"outputs[{number}]", gone)
            elif key == "attachments" and value.kind == "{":
                gone = self._strips_outputs and self._replace(value, "{}", Strippable.NOTEBOOK_OUTPUTS)
                for name, _, bundle in self._tree.pairs(value):
                    yield from self._bundle(bundle, part, f"attachments.{name}", gone)
            elif key == "execution_count":
                if self._strips_outputs:
                    self._replace(value, "null", Strippable.NOTEBOOK_OUTPUTS)
            elif key != "cell_type":
                yield from self._metadata(value, key, part, self._is_emptied(key, value))

    def _is_emptied(self, key: str, value: Node) -> bool:
        """Take out the metadata of a cell or output, if that is to be done. Returns whether it was."""
        wanted = key == "metadata" and value.kind == "{" and self._strips_metadata
        return wanted and self._replace(value, "{}", Strippable.METADATA)

    def _output(self, output: Node, part: str, column: str, gone: bool) -> Iterator[_CellText]:
        if output.kind != "{":
            yield from self._metadata(output, column, part, gone)
            return
        for key, _, value in self._tree.pairs(output):
            if key == "data":
                yield from self._bundle(value, part, f"{column}.data", gone)
            elif key in ("text", "traceback", "evalue"):
                yield from self._text(value, part, f"{column}.{key}", gone)
            elif key not in ("output_type", "execution_count") and self._tree.raw(value) not in ('"stdout"', '"stderr"'):
                yield from self._metadata(value, f"{column}.{key}", part, gone or self._is_emptied(key, value))

    def _bundle(self, bundle: Node, part: str, column: str, gone: bool) -> Iterator[_CellText]:
        """Yield the texts of a MIME bundle. Images cannot be rewritten, so that orders about them are left undone."""
        if bundle.kind != "{":
            yield from self._text(bundle, part, column, gone)
            return
        for media_type, _, value in self._tree.pairs(bundle):
            name = f"{column}.{media_type}"
            if media_type.startswith("image/") and media_type != SVG:
                yield _CellText(Unit(part=part, column=name), [], gone)
            elif value.kind in '"[':
                yield from self._text(value, part, name, gone)
            else:
                yield _CellText(Unit(part=part, column=name), list(self._written(value)), gone)

    def _written(self, node: Node) -> Iterator[_Piece]:
        """Yield a value as Python writes it, which is what the reader makes of one that is neither a string nor a list."""
        if node.kind == '"':
            literal = self._tree.string(node)
            text = json.dumps(json.loads(self._tree.raw(node)))[1:-1]
            yield from (_Piece('"'), _Piece(text, literal, Literal(text, 0)), _Piece('"'))
        elif node.kind in "[{":
            is_object = node.kind == "{"
            yield _Piece(node.kind)
            for number, item in enumerate(node.items):
                between = ": " if is_object and number % 2 else ", "
                yield _Piece(between if number else "")
                yield from self._written(item)
            yield _Piece("}" if is_object else "]")
        else:
            yield _Piece(json.dumps(json.loads(self._tree.raw(node))))

    def _text(self, node: Node, part: str | None, column: str, gone: bool = False) -> Iterator[_CellText]:
        if node.kind == "{":  # in a place where the format expects text
            yield from self._metadata(node, column, part, gone)
        elif node.kind in '"[':
            nodes = [node] if node.kind == '"' else node.items
            yield _CellText(Unit(part=part, column=column), [self._piece(one) for one in nodes], gone)

    def _piece(self, node: Node) -> _Piece:
        if node.kind != '"':
            return _Piece(str(json.loads(self._tree.raw(node))))
        literal = self._tree.string(node)
        return _Piece(literal.value, literal)

    def _metadata(self, node: Node, path: str, part: str | None, gone: bool = False) -> Iterator[_CellText]:
        if node.kind == "{":
            for key, _, value in self._tree.pairs(node):
                yield from self._metadata(value, f"{path}.{key}", part, gone)
        elif node.kind == "[":
            for number, item in enumerate(node.items):
                yield from self._metadata(item, f"{path}[{number}]", part, gone)
        else:
            yield from self._text(node, part, path, gone)
