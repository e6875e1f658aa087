"""Parses a JSON text that is known to be valid into nodes that know their place in the text."""

from __future__ import annotations

import re
from typing import NamedTuple

from veritensor_ray.formats.json.literals import STRING, Literal, number

_TOKEN = re.compile(rf'[\s,:]*+(?:({STRING})|([\[{{])|([\]}}])|([^\s,:"\[\]{{}}]++))', re.DOTALL)


class Node:
    """A value: `kind` is its first character. The items of an object are its keys and values in turn."""

    __slots__ = ("end", "items", "kind", "start")

    def __init__(self, kind: str, start: int, end: int = 0) -> None:
        self.kind, self.start, self.end = kind, start, end
        self.items: list[Node] = []


class JsonPair(NamedTuple):
    """A key of an object, its node, and the value."""

    key: str
    name: Node
    value: Node


class Tree:
    """The nodes of a text. `base` is the character of the file at which the text begins."""

    def __init__(self, text: str, base: int = 0) -> None:
        self.text, self._base = text, base
        around = [Node("", 0)]
        at = 0
        while found := _TOKEN.match(text, at):
            kind = found.lastindex or 0
            at = found.end()
            if kind == 3:
                around.pop().end = at
                continue
            node = Node(text[found.start(kind)], found.start(kind), at)
            around[-1].items.append(node)
            if kind == 2:
                around.append(node)
        self.root = around[0].items[0]

    def literal(self, node: Node) -> Literal | None:
        """Return the string of a node, or its number if readers yield it as text; None for everything else."""
        if node.kind != '"':
            return number(self.raw(node), self._base + node.start) if node.kind in "-0123456789" else None
        return self.string(node)

    def string(self, node: Node) -> Literal:
        """Return the string of a node that is one."""
        return Literal(self.text[node.start + 1 : node.end - 1], self._base + node.start + 1)

    def pairs(self, node: Node) -> list[JsonPair]:
        """Return the keys and values of an object, including all values of duplicate keys."""
        items = iter(node.items)
        return [JsonPair(self._key(name), name, value) for name, value in zip(items, items, strict=True)]

    def _key(self, name: Node) -> str:
        raw = self.text[name.start + 1 : name.end - 1]
        return self.string(name).value if "\\" in raw else raw

    def raw(self, node: Node) -> str:
        """Return the text of a node."""
        return self.text[node.start : node.end]
