"""What the judges of configuration say of a node: a finding, or something that the file does. It does not depend on places in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import FileVerdict, Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import Node, NodeDocument
from veritensor_ray.engines.modelfiles.effects import Effect, EffectKind, clean

TARGET, REMOTE, ADAPTER, LIBRARY, OUTSIDE, EXHAUSTS, ENTITY = (
    f"modelfiles.{name}"
    for name in ("config-target", "remote-code", "adapter-base", "config-library", "config-path", "config-bomb", "external-entity")
)


class NodeHit(NamedTuple):
    """A finding about a node. `evidence` identifies it."""

    node: Node
    rule: str
    message: str
    evidence: str
    severity: Severity | None = None


class NodeEffect(NamedTuple):
    """Something that loading a node does."""

    node: Node
    kind: EffectKind
    what: str
    verdict: FileVerdict
    why: str


NodeFound = NodeHit | NodeEffect


def placed(found: NodeFound, document: NodeDocument) -> Hit | Effect:
    """Return a finding or an effect with its place in the file."""
    start, end = document.span(found.node)
    if isinstance(found, NodeEffect):
        return Effect(found.kind, clean(found.what), found.verdict, found.why, start, end)
    return Hit(found.rule, start, end, severity=found.severity, message=clean(found.message), evidence=clean(found.evidence, 1000))


def distinct(found: Iterator[NodeFound]) -> Iterator[NodeFound]:
    """Yield each finding once: two judges may come to the same text."""
    known: set[tuple[object, ...]] = set()
    for one in found:
        key = (one.node.start, one.node.end, one[1], one.evidence if isinstance(one, NodeHit) else one.what)
        if key not in known:
            known.add(key)
            yield one
