"""Composes YAML from the events of its parser: no tag is resolved, no value constructed. Anchors, aliases and merge keys are followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from veritensor_ray.engines.modelfiles.configuration.nodes import DEPTH, MERGED, NODES, ListNode, MapNode, Node, Parsed, ScalarNode

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser is ten times as fast
_REFUSED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_WORDS: dict[str, bool | None] = {
    **{form: True for word in ("true", "yes", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("false", "no", "off") for form in (word, word.title(), word.upper())},
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
}
_NUMBER = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|[0-9][0-9_]*)")


class _OpenNode(NamedTuple):
    """A container that has not ended. `key` holds the key whose value comes next."""

    node: MapNode | ListNode
    key: list[Node]


class _Composer:
    """Builds the nodes of one text."""

    def __init__(self) -> None:
        self.roots: list[Node] = []
        self.stack: list[_OpenNode] = []
        self.anchors: dict[str, Node] = {}
        self.count = 0
        self.merged = MERGED

    def take(self, event: Any) -> None:
        """Take one event of the parser."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._place(_scalar(event), event.anchor)
        elif kind is yaml.AliasEvent:
            self._place(self.anchors.get(event.anchor, ScalarNode(None, event.start_mark.index, event.end_mark.index)), None)
        elif kind is yaml.MappingStartEvent:
            self._open(MapNode([], event.start_mark.index, event.end_mark.index, event.tag or ""), event.anchor)
        elif kind is yaml.SequenceStartEvent:
            self._open(ListNode([], event.start_mark.index, event.end_mark.index, event.tag or ""), event.anchor)
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self.end()
        elif kind is yaml.DocumentStartEvent:
            self.anchors = {}

    def _open(self, node: MapNode | ListNode, anchor: str | None) -> None:
        self._place(node, anchor)
        self.stack.append(_OpenNode(node, []))

    def end(self) -> None:
        """Close the innermost container. A key without a value (only where a text breaks) gets none."""
        node, key = self.stack.pop()
        if isinstance(node, MapNode):
            node.pairs.extend((one, ScalarNode(None, one.end, one.end)) for one in key)
            for name, value in list(node.pairs):
                if isinstance(name, ScalarNode) and name.value == "<<":
                    self._merge(node, value)

    def _merge(self, into: MapNode, value: Node) -> None:
        for one in [value] if isinstance(value, MapNode) else value.items if isinstance(value, ListNode) else []:
            if isinstance(one, MapNode) and one is not into and len(one.pairs) <= self.merged:
                self.merged -= len(one.pairs)
                into.pairs[:0] = one.pairs

    def _place(self, node: Node, anchor: str | None) -> None:
        self.count += 1
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.stack:
            self.roots.append(node)
            return
        top, key = self.stack[-1]
        if isinstance(top, ListNode):
            top.items.append(node)
        elif key:
            top.pairs.append((key.pop(), node))
        else:
            key.append(node)


def _scalar(event: Any) -> ScalarNode:
    plain = event.implicit[0] and not event.style
    return ScalarNode(_resolved(event.value) if plain else event.value, event.start_mark.index, event.end_mark.index, event.tag or "")


def _resolved(text: str) -> str | int | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    return int(text.replace("_", ""), 0) if len(text) < 40 and _NUMBER.fullmatch(text) and not re.match(r"[-+]?0\d", text) else text


def parse_yaml(text: str) -> Parsed:
    """Return the nodes of all documents. A character that YAML refuses counts as another one, so that the rest is read too."""
    composer = _Composer()
    broken, bound = None, None
    try:
        for event in _events(_REFUSED.sub("\ufffd", text)):
            composer.take(event)
            if composer.count > NODES or len(composer.stack) > DEPTH:
                broken, bound = event.start_mark.index, "config_nodes" if composer.count > NODES else "config_depth"
                break
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        broken = mark.index if mark is not None else len(text)
    while composer.stack:
        composer.end()
    return Parsed(composer.roots, broken, bound)


def _events(text: str) -> Iterator[Any]:
    loader = _LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()
