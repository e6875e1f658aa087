"""Takers of markup tokens: they collect where changes may be made, what can be removed, and the structure that has to stay."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from veritensor_ray.formats.editing.edits import Edit
from veritensor_ray.formats.editing.placing import Slot, near
from veritensor_ray.formats.editing.spans import Range
from veritensor_ray.formats.markup import html_tokens as t

# Where characters can stand: each kind needs another way of escaping.
TEXT, VALUE, COMMENT, CDATA, SCRIPT, RAW = "text", "value", "comment", "cdata", "script", "raw"
DECLARATION, BROKEN = "declaration", "broken"
# Names of <meta> elements that describe how a page is shown rather than where it comes from.
_NEEDED = frozenset({"viewport", "theme-color", "color-scheme", "referrer", "robots", "format-detection"})
_NAMING = ("name", "property", "itemprop")


class _Ignoring:
    """Takes tokens and ignores them."""

    def text(self, raw: str, start: int, line: int) -> None:
        """Take the text between two tags."""

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""

    def leaf(self, raw: str, start: int, line: int, name: str, text: str) -> None:
        """Take an element that contains only text."""
        self.begin(raw, start, line, name)
        if text:
            self.text(text, start + len(raw), line)
        self.finish("", start, line, name)

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take any other token."""

    def end(self) -> None:
        """Take the end of the file."""


class MarkupSlots(_Ignoring):
    """Collects the slots that edits touch, and a digest of all tags with the names of their attributes."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self.found: list[Slot] = []
        self.structure = hashlib.blake2b()

    def _add(self, start: int, end: int, kind: str, quote: str = "") -> None:
        slot = Slot(start, end, kind, quote)
        if start < end and near(slot, self._edits):
            self.found.append(slot)

    def text(self, raw: str, start: int, line: int) -> None:
        """Take the text between two tags."""
        self._add(start, start + len(raw), TEXT)

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        self._note(f"<{name}")
        is_near = near(Slot(start, start + len(raw), VALUE), self._edits)
        for attribute, at, value in t.attributes(raw, name):
            self._note(f" {attribute}{'=' if value is not None else ''}")
            if value and is_near:
                self._add(start + at, start + at + len(value), VALUE, _quote(raw, at, value))

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""
        self._note(f"</{name}")

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take any other token."""
        end = start + len(raw)
        if kind == t.RAW:
            self._add(start, end, SCRIPT if name in ("script", "style") else TEXT if name in ("title", "textarea") else RAW)
        elif kind == t.CDATA:
            self._add(start + 9, end - 3, CDATA)
        else:
            self._add(start, end, {t.COMMENT: COMMENT, t.DECLARATION: DECLARATION}.get(kind, BROKEN))

    def _note(self, what: str) -> None:
        self.structure.update(what.encode("utf-8", "surrogatepass"))


class Twins(_Ignoring):
    """Collects the attributes with a value that is changed elsewhere: engines see only the first of equal values.

    `values` holds the changes to each value, counted from its beginning.
    """

    def __init__(self, values: Mapping[str, Sequence[Edit]], edits: Sequence[Edit]) -> None:
        self._values, self._known = values, edits
        self.found: list[Slot] = []
        self.edits: list[Edit] = []

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        for _, at, value in t.attributes(raw, name):
            if not value or value not in self._values:
                continue
            slot = Slot(start + at, start + at + len(value), VALUE, _quote(raw, at, value))
            if not near(slot, self._known):
                self.found.append(slot)
                self.edits += [Edit(slot.start + edit.start, slot.start + edit.end, edit.text) for edit in self._values[value]]


class Removable(_Ignoring):
    """Collects what a page says about itself, and its comments that are written as declarations.

    The former are the contents of <meta> elements, except those that browsers need, and <metadata> of drawings.
    """

    def __init__(self) -> None:
        self.metadata: list[list[Range]] = []
        self.comments: list[list[Range]] = []
        self._depth = 0

    def text(self, raw: str, start: int, line: int) -> None:
        """Take text, which is metadata within <metadata>."""
        if self._depth and not raw.isspace():
            self.metadata.append([(start, start + len(raw))])

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        self._depth += name == "metadata" and raw[-2] != "/"
        if name != "meta":
            return
        values = {attribute.lower(): (start + at, value) for attribute, at, value in t.attributes(raw, name) if value}
        named = next((values[one][1].lower() for one in _NAMING if one in values), None)
        if named and named not in _NEEDED and "content" in values:
            at, value = values["content"]
            self.metadata.append([(at, at + len(value))])

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""
        self._depth -= name == "metadata" and self._depth > 0

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take a token that is not a tag: `<![if …]>` is a comment for all browsers but one."""
        if kind == t.DECLARATION and raw.startswith("<!["):
            self.comments.append([(start, start + len(raw))])


def _quote(raw: str, at: int, value: str) -> str:
    """Return the quotation mark around the value of an attribute; empty if there is none."""
    mark = raw[at - 1]
    return mark if mark in "\"'" and raw[at + len(value)] == mark else ""
