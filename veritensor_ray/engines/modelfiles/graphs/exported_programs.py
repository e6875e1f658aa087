"""Checks programs that torch.export wrote: each node of the graph names a function, which the loader looks up attribute by attribute in torch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.engines.modelfiles.configuration.nodes import MapNode, Node, NodeDocument, walk
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import CODE, danger, inert, unknown
from veritensor_ray.engines.modelfiles.graphs.python_code import severe
from veritensor_ray.engines.modelfiles.graphs.torch_operators import judged_operator
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, is_module

_EXPORTED = re.compile(rb'"(?:graph_module|exported_program|opset_version)"')
_INERT = re.compile(r"(?:_?operator|math)\.\w+|torch\.sym_\w+|torch\.ops\.higher_order\.\w+|torch\.(?:_C\._nn|nn\.functional)\.\w+")
_OPERATOR = re.compile(r"torch\.ops\.(\w+)\.(\w+)(?:\.\w+)?")


def is_exported(data: bytes) -> bool:
    """Return whether JSON may be a program."""
    return _EXPORTED.search(data) is not None


def is_operator(name: str) -> bool:
    """Return whether the target of a node is an operator, which is judged here by what it does."""
    return _OPERATOR.fullmatch(name) is not None


def check_exported(document: NodeDocument, policy: NamePolicy) -> Iterator[Found]:
    """Yield what the nodes of a program call."""
    for node in walk(document.parsed.roots):
        target = node.text("target") if isinstance(node, MapNode) and node.get("inputs") is not None else None
        if target and isinstance(node, MapNode):
            place: Node = node.get("target") or node
            yield from _target(target, document.span(place), policy)


def _target(name: str, place: tuple[int, int], policy: NamePolicy) -> Iterator[Found]:
    parts = name.lstrip("#").split(":")[-1].split(".")
    found = _OPERATOR.fullmatch(name)
    if _INERT.fullmatch(name):
        yield inert("calls", name, "it only computes", place)
    elif found:
        yield from judged_operator(f"{found[1]}::{found[2]}", place)
    elif any(is_module(part) for part in parts[1:]) or severe(name) or policy.judge(parts[0], ".".join(parts[1:]) or "*") == "dangerous":
        yield from danger(CODE, "calls", name, "the loader looks the name up, and the program calls it", place)
    else:
        yield unknown("calls", name, "it is not one of PyTorch's operators", place)
