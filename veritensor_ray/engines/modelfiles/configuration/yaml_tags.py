"""Judges the tags of YAML by which loaders construct objects: those of PyYAML for Python, and those of HyperPyYAML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.engines.modelfiles.configuration.nodes import Node, text_of
from veritensor_ray.engines.modelfiles.configuration.seen import OUTSIDE, TARGET, NodeEffect, NodeFound, NodeHit
from veritensor_ray.engines.modelfiles.configuration.target_names import NamedTarget, is_path, judged_module, judged_target
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

_PYTHON = re.compile(
    r"(?:tag:yaml\.org,2002:|!*)python/(?:(object/apply|object/new|object|name|module):(.*)|(\w+)(?:[:/](.*))?)", re.DOTALL
)
_HYPER = re.compile(
    r"!(apply|applyref|new|name|module|include|calls?|import|eval|python|exec|func|function|class|object|obj|instance)(?:[:/](.*))?",
    re.DOTALL,
)
_DATA = frozenset({"none", "bool", "str", "unicode", "bytes", "int", "long", "float", "complex", "list", "tuple", "dict", "set"})


def judged_tag(node: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Yield what the tag of a node makes a loader import, call or read."""
    if python := _PYTHON.fullmatch(node.tag):
        yield from _python(node, python, policy)
    elif hyper := _HYPER.fullmatch(node.tag):
        name = hyper[2] or text_of(node) or ""
        if hyper[1] == "include":
            yield from _include(node, name)
        elif name:
            yield from _named(node, f"!{hyper[1]}", name.strip(), policy, module=hyper[1] in ("module", "import"))
    elif re.match(r"!?(?:ruby|java|perl|javax?\.|!js)", node.tag.removeprefix("tag:yaml.org,2002:")) and ":" in node.tag:
        yield NodeEffect(node, "calls", node.tag, "unknown", "a tag for objects of another language")


def _python(node: Node, match: re.Match[str], policy: NamePolicy) -> Iterator[NodeFound]:
    kind, name = match[1] or match[3], match[2] if match[1] else match[4]
    if kind in _DATA:
        return
    yield from _named(node, f"!!python/{kind}", name or text_of(node) or "", policy, module=kind == "module")


def _named(node: Node, tag: str, name: str, policy: NamePolicy, module: bool = False) -> Iterator[NodeFound]:
    text = f"builtins.{name}" if "." not in name and not module else name
    target = judged_target(f"{text}.x" if module else text, policy) if is_path(f"{text}.x") else NamedTarget(text, "unknown", "not a name")
    if target.verdict == "dangerous":
        shown = name if module else target.path
        yield NodeHit(node, TARGET, f"{tag} names {shown[:200]}", f"{tag}:{name}", "high" if module else target.severity)
    elif target.reaches and tag.rpartition("/")[2].strip("!") in ("apply", "new", "applyref"):
        yield NodeHit(node, TARGET, f"{tag} calls {target.path[:200]}, which reaches other names", f"{tag}:{name}", "high")
    elif module:
        known = judged_module(name, policy)
        yield NodeEffect(node, "imports", name, known.verdict, known.why)
    else:
        yield NodeEffect(node, "imports" if tag.endswith("name") else "calls", target.path, target.verdict, target.why)


def _include(node: Node, name: str) -> Iterator[NodeFound]:
    if leaves_folder(name.strip()):
        yield NodeHit(node, OUTSIDE, f"!include reads {name.strip()[:200]}", name.strip(), "high" if "://" in name else None)
    else:
        yield NodeEffect(node, "reads", name, "unknown", "another file is read as configuration")
