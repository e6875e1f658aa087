"""Decides which parts of a document go as a whole: comments, macros, previews; and empties its properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.rewriting.linked_parts import Link, Links
from veritensor_ray.formats.office.rewriting.part import Part

# Kinds of relationships.
_COMMENTS = frozenset(
    {
        *("comments", "commentsExtended", "commentsIds", "commentsExtensible", "people"),
        *("threadedComment", "person", "commentAuthors", "authors"),
    }
)
_MACROS = frozenset(
    {"vbaProject", "wordVbaData", "vbaProjectSignature", "vbaProjectSignatureAgile", "vbaProjectSignatureV3", "extensibility"}
)
_PROPERTIES = frozenset({"core-properties", "extended-properties", "custom-properties"})

_MACRO_RULES = "structure.macro"
_ROOT = re.compile(r"(?:\s*(?:<\?[^>]*>|<!--.*?-->))*\s*(<[^?!](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>)", re.DOTALL)
_OBJECT = re.compile(rb"ObjectType\s*=\s*[\"'](\w+)")


class Removal:
    """The parts to remove. `read` returns the bytes of a part.

    A document with macros keeps its content type: programs open it only if that agrees with the extension of its name.
    """

    def __init__(self, links: Links, orders: Orders, read: Callable[[str], bytes]) -> None:
        self._links, self._orders, self._read = links, orders, read
        self._gone: set[str] = set()
        self.unlinked: frozenset[tuple[str, str]] = frozenset()  # relationships to old drawings that show nothing but comments
        if Strippable.COMMENTS in orders.strip:
            self._remove(Strippable.COMMENTS, self._targets(_COMMENTS))
            drawings = [link for link in self._all({"vmlDrawing"}) if self._shows_only_comments(link.target)]
            self._gone |= {link.target for link in drawings}
            self.unlinked = frozenset((link.source, link.key) for link in drawings)
        if Strippable.METADATA in orders.strip:
            self._remove(Strippable.METADATA, self._targets({"thumbnail"}))
        macros = self._targets(_MACROS)
        if Strippable.MACROS in orders.strip:
            self._remove(Strippable.MACROS, macros)
        self._gone |= {name for name in macros if self._is_unwanted(name)}

    def parts(self, *, text_changed: bool, formulas_removed: bool) -> set[str]:
        """Return the parts that go, with those that only they refer to. Everything ordered in them is done."""
        if text_changed:
            self._gone |= self._targets({"thumbnail"})  # a picture of how the document was
        if formulas_removed:
            self._gone |= self._targets({"calcChain"})  # programs make it anew
        gone = self._links.alone(self._gone)
        for name in sorted(gone):
            for order in self._orders.member_orders(name):
                self._orders.tick(order)
        return gone

    def emptied(self) -> dict[str, bytes]:
        """Return the properties without values, by part."""
        if Strippable.METADATA not in self._orders.strip:
            return {}
        new = {}
        for name in sorted(self._targets(_PROPERTIES)):
            part = Part(name, self._read(name))
            data = _without_values(part)
            if data != part.data:
                self._orders.stripped(Strippable.METADATA)
                new[name] = data
        return new

    def _all(self, kinds: set[str] | frozenset[str]) -> Iterator[Link]:
        return (link for link in self._links.all if link.kind in kinds)

    def _targets(self, kinds: set[str] | frozenset[str]) -> set[str]:
        return {link.target for link in self._all(kinds)}

    def _remove(self, kind: Strippable, names: set[str]) -> None:
        if names:
            self._orders.stripped(kind, len(names))
            self._gone |= names

    def _is_unwanted(self, name: str) -> bool:
        """Return whether a part with macros is to be removed because of what was found in it."""
        inner = [order for order in self._orders.member_orders(name) if order.action is Action.STRIP]
        return any(order.mark.rule.startswith(_MACRO_RULES) for order in inner)

    def _shows_only_comments(self, name: str) -> bool:
        return {match[1] for match in _OBJECT.finditer(self._read(name))} == {b"Note"}


def _without_values(part: Part) -> bytes:
    """Return a part with nothing but its root element."""
    text = part.decoded()
    root = _ROOT.match(text)
    if root is None or root[1].endswith("/>"):
        return part.data
    return part.encode(text[: root.end()] + text[text.rindex("</") :])
