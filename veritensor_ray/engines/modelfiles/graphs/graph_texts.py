"""Checks graphs of TensorFlow in the text format of protocol buffers, which loaders take as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.modelfiles.configuration.nodes import MapNode, NodeDocument, texts, walk
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import danger, inert, looks_like_path, operators, unknown
from veritensor_ray.engines.modelfiles.graphs.tensorflow_access import access_of
from veritensor_ray.engines.modelfiles.graphs.tensorflow_graphs import RULES_OF_ACCESS, custom

_NODE = re.compile(rb"\bop\s*:\s*[\"']\w")


def is_graph_text(data: bytes) -> bool:
    """Return whether a text may be a graph: one of its nodes names its operator."""
    return _NODE.search(data) is not None


def check_graph(document: NodeDocument) -> Iterator[Found]:
    """Yield what the nodes of a graph do. Constants are not followed: those that lead out of the model count for every operator."""
    nodes = [node for node in walk(document.parsed.roots) if isinstance(node, MapNode)]
    named = [(node, operator) for node in nodes if (operator := node.text("op")) and (node.text("name") or node.get("attr"))]
    functions = {
        name
        for node in nodes
        if (signature := node.get("signature")) and isinstance(signature, MapNode) and (name := signature.text("name"))
    }
    leading = _leading(named)
    seen = set[str]()
    for node, operator in named:
        if operator not in seen or access_of(operator):
            yield from _operator(operator, operator in functions, document.span(node.get("op") or node), leading)
        seen.add(operator)


def _leading(named: list[tuple[MapNode, str]]) -> str:
    found = (str(text.value) for node, operator in named if operator == "Const" or access_of(operator) for text in texts(node))
    return next((text for text in found if looks_like_path(text)), "")


def _operator(operator: str, own: bool, place: tuple[int, int], leading: str) -> Iterator[Found]:
    access = access_of(operator)
    if access and access.usual and access.kind == "runs":
        yield unknown("runs", operator, access.why, place)
    elif access and (leading or not access.usual):
        severe: Severity = "high" if leading or access.kind in ("runs", "writes") else "medium"
        yield from danger(RULES_OF_ACCESS[access.kind], access.kind, f"{operator} {leading}".strip(), access.why, place, severe)
    elif access or own or operator in operators("tensorflow"):
        yield inert("calls", operator, access.why if access else "it only computes", place)
    else:
        yield from custom(operator, place)
