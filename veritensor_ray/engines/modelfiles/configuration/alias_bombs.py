"""Finds aliases of YAML that repeat others: a few lines become more values than any loader can hold once something copies or prints them."""

from __future__ import annotations

from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, Node, ScalarNode


def repeated_beyond(roots: list[Node], most: int) -> Node | None:
    """Return the first document that has more than `most` values if each alias counts as a copy; None if there is none."""
    sizes: dict[int, int] = {}
    return next((root for root in roots if _size(root, sizes, most + 1) > most), None)


def _size(root: Node, sizes: dict[int, int], enough: int) -> int:
    """Return the number of values in a node, or `enough` if it has more. Each node is counted once; one that contains itself counts as a single value there."""
    stack = [(root, False)]
    while stack:
        node, counted = stack.pop()
        if counted:
            sizes[id(node)] = min(enough, 1 + sum(sizes.get(id(one), 1) for one in _inner(node)))
        elif id(node) not in sizes and not isinstance(node, ScalarNode):
            sizes[id(node)] = 1
            stack.append((node, True))
            stack.extend((one, False) for one in _inner(node))
    return sizes.get(id(root), 1)


def _inner(node: Node) -> list[Node]:
    if isinstance(node, MapNode):
        return [one for pair in node.pairs for one in pair]
    return node.items if isinstance(node, ListNode) else []
