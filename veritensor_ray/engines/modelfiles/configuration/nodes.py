"""Parses JSON, YAML and TOML into one kind of tree that knows its places and keeps repeated keys and tags. Nothing is constructed.

What does not parse to its end is kept up to the break. Aliases share a node, so a bomb of them stays as small as its text.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from veritensor_ray.core import bounds

NODES, DEPTH, MERGED = bounds.CONFIG_NODES, bounds.CONFIG_DEPTH, bounds.CONFIG_MERGED
_STEP = 4096  # characters between two places whose offset in bytes is remembered
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ScalarNode(NamedTuple):
    """A text, number, truth value or nothing. `start` and `end` are characters of the document; `tag` is a full tag of YAML."""

    value: str | int | float | bool | None
    start: int = 0
    end: int = 0
    tag: str = ""


class MapNode(NamedTuple):
    """A mapping with all of its pairs, repeated keys and merged ones (`<<`) included: loaders may use either the first or the last value."""

    pairs: list[tuple[Node, Node]]
    start: int = 0
    end: int = 0
    tag: str = ""

    def all(self, key: str) -> list[Node]:
        """Return every value of a key."""
        return [value for name, value in self.pairs if name[0] == key]

    def get(self, key: str) -> Node | None:
        """Return the last value of a key, or None."""
        found = self.all(key)
        return found[-1] if found else None

    def text(self, key: str) -> str | None:
        """Return the last value of a key if it is a text, or None."""
        return text_of(self.get(key))

    def named(self) -> Iterator[tuple[str, ScalarNode, Node]]:
        """Yield the pairs whose key is a text: that text, the key and the value."""
        for key, value in self.pairs:
            if isinstance(key, ScalarNode) and isinstance(key.value, str):
                yield key.value, key, value


class ListNode(NamedTuple):
    """A list."""

    items: list[Node]
    start: int = 0
    end: int = 0
    tag: str = ""


Node = ScalarNode | MapNode | ListNode


class Parsed(NamedTuple):
    """What a parser made of a text: its documents, the character at which it gave up (None if it did not), and the bound that it met."""

    roots: list[Node]
    broken: int | None = None
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class NodeDocument:
    """A parsed file. Nodes have places in its text; `span` and `place` convert them to bytes of the file."""

    parsed: Parsed
    text: str
    encoding: str = "utf-8"
    base: int = 0
    _steps: list[int] = field(default_factory=list, repr=False)

    def place(self, at: int) -> int:
        """Return the offset in bytes of a character."""
        if self.encoding == "utf-8" and self.text.isascii():
            return self.base + at
        if not self._steps:
            offset = self.base
            for start in range(0, len(self.text) + 1, _STEP):
                self._steps.append(offset)
                offset += self._size(start, start + _STEP)
        step = min(at // _STEP, len(self._steps) - 1)
        return self._steps[step] + self._size(step * _STEP, at)

    def span(self, node: Node) -> tuple[int, int]:
        """Return where a node begins and ends in the file, in bytes."""
        return self.place(node.start), self.place(max(node.start, node.end))

    def _size(self, start: int, end: int) -> int:
        return len(self.text[start:end].encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "replace"))


def decoded(data: bytes) -> tuple[str, str, int]:
    """Return the text of a file in UTF-8, UTF-16 or UTF-32, its encoding without a mark, and the length of the mark in bytes."""
    mark = next((len(one) for one in _MARKS if data.startswith(one)), 0)
    encoding = json.detect_encoding(data[:16]).replace("utf-8-sig", "utf-8")
    if encoding in ("utf-16", "utf-32"):  # those with a mark
        encoding += "-le" if data[0] == 0xFF else "-be"
    return data[mark:].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace"), encoding, mark


def read_document(data: bytes, kind: str) -> NodeDocument:
    """Return the nodes of a file of the kind `json`, `yaml`, `toml` or `pbtxt`. Does not raise."""
    text, encoding, mark = decoded(data)
    return NodeDocument(parse_text(text, kind), text, encoding, mark)


def parse_text(text: str, kind: str) -> Parsed:
    """Return the nodes of a text of the kind `json`, `yaml`, `toml` or `pbtxt`. Does not raise."""
    from veritensor_ray.engines.modelfiles.configuration import bracket_nodes, toml_nodes, yaml_nodes

    if kind == "yaml":
        return yaml_nodes.parse_yaml(text)
    if kind == "toml":
        return toml_nodes.parse_toml(text)
    return bracket_nodes.parse_brackets(text, fields=kind == "pbtxt")


def walk(roots: list[Node]) -> Iterator[Node]:
    """Yield every node once, each before those within it, in their order. An alias leads to a node that was already seen."""
    stack: list[Node] = list(reversed(roots))
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if not isinstance(node, ScalarNode):
            if id(node) in seen:
                continue
            seen.add(id(node))
        yield node
        if isinstance(node, MapNode):
            stack.extend(one for pair in reversed(node.pairs) for one in reversed(pair))
        elif isinstance(node, ListNode):
            stack.extend(reversed(node.items))


def text_of(node: Node | None) -> str | None:
    """Return the text that a node is, or None for anything else."""
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else None


def texts(node: Node, most: int = 1000) -> Iterator[ScalarNode]:
    """Yield the texts in a node, without keys, up to `most` of them."""
    stack, seen = [node], set[int]()
    while stack and most:
        one = stack.pop()
        if isinstance(one, ScalarNode):
            if isinstance(one.value, str):
                most -= 1
                yield one
        elif id(one) not in seen:
            seen.add(id(one))
            stack.extend(reversed([value for _, value in one.pairs] if isinstance(one, MapNode) else one.items))
