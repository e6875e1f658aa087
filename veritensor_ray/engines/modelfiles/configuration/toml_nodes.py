"""Parses TOML with Python's own parser, which does not say where things stand: a node's place is where its key and text next occur."""

from __future__ import annotations

import tomllib
from typing import Any

from veritensor_ray.core.errors import line_of
from veritensor_ray.engines.modelfiles.configuration.nodes import DEPTH, NODES, ListNode, MapNode, Node, Parsed, ScalarNode

_NEAR = 1 << 16  # characters in which the place of a key or text is looked for


def parse_toml(text: str) -> Parsed:
    """Return the nodes. If the text breaks somewhere, those before the table or key that breaks it."""
    whole, broken = text.replace("\r\n", "\n"), None
    for _ in range(2):
        try:
            value = tomllib.loads(whole)
        except RecursionError:
            return Parsed([], 0, "config_depth")
        except tomllib.TOMLDecodeError as error:
            lines = whole.split("\n")
            whole = "\n".join(lines[: (line_of(error) or len(lines)) - 1])
            broken = len(whole)
            continue
        except ValueError:
            break
        return _Placing(text).parsed(value, broken)
    return Parsed([], broken or 0)


class _Placing:
    """Gives nodes their places. Each search begins where the node before was found, and goes on for a limited number of characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.count = 0

    def parsed(self, value: Any, broken: int | None) -> Parsed:
        """Return the nodes of a parsed text."""
        root = self._node(value, 0, 0)
        return Parsed([root], broken, "config_nodes" if self.count > NODES else None)

    def _found(self, word: str, start: int) -> int:
        at = self.text.find(word, start, start + _NEAR)
        return at if at >= 0 else start

    def _node(self, value: Any, start: int, depth: int) -> Node:
        self.count += 1
        if self.count > NODES or depth > min(DEPTH, 200):
            return ScalarNode(None, start, start)
        if isinstance(value, dict):
            return self._table(value, start, depth)
        if isinstance(value, list):
            items: list[Node] = []
            for one in value:
                items.append(self._node(one, items[-1].start if items else start, depth + 1))
            return ListNode(items, start, start)
        if not isinstance(value, str):
            return ScalarNode(value if isinstance(value, int | float) else str(value), start, start)
        first = value.split("\n", 1)[0]
        at = self._found(first, start) if first else start
        return ScalarNode(value, at, at + len(first))

    def _table(self, table: dict[str, Any], start: int, depth: int) -> MapNode:
        pairs: list[tuple[Node, Node]] = []
        at = start
        for key, value in table.items():
            at = self._found(key, at)
            pairs.append((ScalarNode(key, at, at + len(key)), self._node(value, at + len(key), depth + 1)))
        return MapNode(pairs, start, start)
