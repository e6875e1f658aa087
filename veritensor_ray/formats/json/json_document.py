"""Finds the changes to a JSON document: it is read in pieces, and followed as the streaming reader follows it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import ijson

from veritensor_ray.formats.common.column_paths import LONGEST_PATH, shorten
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import decoded
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, OrderedRange, Orders, Unit
from veritensor_ray.formats.editing.splice import encoding_of
from veritensor_ray.formats.json.literals import STREAM, STRING, Items, JsonFinder, Literal, drops, held, is_ascii_only, key_changes, number
from veritensor_ray.formats.json.read import Utf8
from veritensor_ray.formats.json.speakers import SPEAKER_KEYS, SPEAKERS
from veritensor_ray.formats.json.value_tree import is_text

# Numbers of many digits, or with an exponent, are tokens like strings; all other numbers, and words, are passed over as a whole.
_PASSED = r'(?:[^"\[\]{}\-\d]++|(?!-?(?:\d{7}|\d[\d.]*[eE]))-?\d[\d.eE+\-]*+|-(?!\d))*+'
_DEEP = re.compile(rf"{_PASSED}(?:({STRING})\s*+(:?)|([\[{{])|([\]}}])|((?!))|(-?\d[\d.eE+\-]*+))", re.DOTALL)
_ITEM = re.compile(rf'\s*+(?:({STRING})\s*+()|([\[{{])|([\]}}])|(,)|([^\s,"\[\]{{}}]++))', re.DOTALL)
_DULL = re.compile(r'(?:[^"\[\]{}\-\d]++|(?!-?(?:\d{7}|\d[\d.]*[eE]))-?\d[\d.eE+\-]*+(?!\Z))*+')
_ROW = re.compile(rf'[^"\[\]{{}}]*+(?:{STRING}[^"\[\]{{}}]*+)*+', re.DOTALL)
_STRING, _OPEN, _CLOSE, _COMMA, _OTHER = 2, 3, 4, 5, 6  # the last group of a match; a string has a second group for the colon behind a key


def is_json(source: Source) -> bool:
    """Return whether a document is valid JSON, whatever its numbers and its depth."""
    source.file.seek(source.kind.bom)
    try:
        for _ in ijson.basic_parse(io.BufferedReader(Utf8(source))):
            pass
    except ijson.JSONError:
        return False
    except UnicodeDecodeError:
        return True  # an escaped surrogate without a partner, which not all parsers refuse
    return True


class JsonDocument:
    """A pass over the text of a document in pieces. It follows the streaming reader, so that strings get the same names.

    `row` is the item of the outermost array, or None if the document is not an array. `also` are orders for characters of the file.
    """

    def __init__(self, source: Source, orders: Orders, also: Iterable[OrderedRange] = ()) -> None:
        self._orders = orders
        self._finder, self._ascii_only = JsonFinder(source, orders, also), is_ascii_only(source)
        self._drops_rows = bool(orders.rows) or any(order.action is Action.DROP_ROW for order in orders.over_bytes)
        source.file.seek(source.kind.bom)
        self._pieces = decoded(source.file, encoding_of(source))
        self._text, self._base, self._at, self._ended = "", 0, 0, False
        self._around: list[str] = []  # the paths of the containers around the next value
        self._names: list[dict[str, str] | None] = []  # their keys that were changed
        self._here = ""
        self._row: int | None = None
        self._items = Items()
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
        elif kind == _OTHER and (self._here in self._orders.columns or self._finder):
            literal = number(found[_OTHER], self._base + found.start(_OTHER), self._here)
            if literal is not None:
                self._change(literal, self._here)
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
        """Return the next whole token, or None at the end of the text and wherever the text is not JSON."""
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
        return bool(self._finder) or self._orders.concern(row)

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
        inside = self._finder.over(items.start, items.end)
        dropped = drops(row, inside, self._orders)
        if dropped and self._is_message:
            raise CannotRewriteError("the whole file is one conversation, and a row of it is one message, which is not dropped alone")
        if dropped:
            items.drop()
            del self._edits[self._before :]
        else:
            items.keep()

    def _string(self, found: re.Match[str]) -> None:
        raw, start = found[1][1:-1], self._base + found.start(1) + 1
        if not found[2]:
            if len(self._around) == 2 and self._here in SPEAKER_KEYS and raw in SPEAKERS:
                self._is_message = True
            if self._here in self._orders.columns or self._finder:
                self._change(Literal(raw, start, STREAM), self._here)
            return
        base = self._around[-1]
        key = Literal(raw, start, STREAM).value if "\\" in raw else raw
        if is_text(key) and (base in self._orders.columns or self._finder):
            self._change(Literal(raw, start, STREAM), base, is_key=True)
        self._here = f"{base}.{key}" if base else key
        if len(self._here) > LONGEST_PATH:
            self._here = shorten(self._here)

    def _change(self, literal: Literal, path: str, is_key: bool = False) -> None:
        """Add the changes to a string. Names repeat in arrays, so that every order has to be proved by its text."""
        if self._row in self._orders.rows:
            return
        edits = self._finder.changes(Unit(row=self._row, column=path), literal, alone=False, is_key=is_key)
        if edits and is_key:
            names = self._names[-1] = self._names[-1] or {}
            edits = key_changes(literal.value, edits, names)
        self._edits += literal.in_file(edits, self._ascii_only)
