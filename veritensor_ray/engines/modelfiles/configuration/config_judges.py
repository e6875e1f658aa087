"""Judges every node of a configuration: its tags, its keys and its texts, also those of configuration within texts. It does not depend on files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.chat_templates import template_texts
from veritensor_ray.engines.modelfiles.configuration import code_keys, huggingface_keys, served_models, yaml_tags
from veritensor_ray.engines.modelfiles.configuration.alias_bombs import repeated_beyond
from veritensor_ray.engines.modelfiles.configuration.config_words import worth_parsing
from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, Node, ScalarNode, parse_text, walk
from veritensor_ray.engines.modelfiles.configuration.program_texts import python_danger, shell_danger
from veritensor_ray.engines.modelfiles.configuration.seen import EXHAUSTS, TARGET, NodeEffect, NodeFound, NodeHit
from veritensor_ray.engines.modelfiles.configuration.target_names import is_path, judged_target
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

_SMALL = 200  # pairs of a mapping that are all judged
_ENDS = 3  # first and last values of a repeated key that are judged in a larger one
_LEVELS = 2  # of configuration within texts
# YAML in a text, by the keys and tags that make its loader call something.
_YAML = re.compile(
    r"(?:^|[\s\[{,:])!(?:!|<|\w*!?)(?:tag:yaml\.org,2002:)?(?:python/|apply|new|name:)|^%TAG |^[ \t]*_target_\s*:", re.MULTILINE
)
_RESOLVER = re.compile(r"\$\{([\w.]+):((?:[^{}]|\{[^{}]*\})*)\}")
_EVALUATING = re.compile(r"(?:.*[._])?(?:eval|exec|py|python|lambda|math|expr|calc)", re.IGNORECASE)
_RUNNING = re.compile(r"(?:.*[._])?(?:shell|sh|bash|cmd|command|system|exec|run|popen|subprocess|call)", re.IGNORECASE)
_NAMING = re.compile(
    r"(?:.*[._])?(?:get_method|get_class|get_object|import|class|func|fn|target|locate|object|obj|method|call|module|load)", re.IGNORECASE
)


def judged_nodes(roots: list[Node], name: str, policy: NamePolicy, level: int = 0) -> Iterator[NodeFound]:
    """Yield everything that is found in a configuration file of that name (its last component, or empty for one that has none)."""
    if level == 0 and (bomb := repeated_beyond(roots, bounds.CONFIG_NODES)):
        yield NodeHit(bomb, EXHAUSTS, "aliases repeat aliases until no memory is left", "aliases")
    for root in roots:
        yield from huggingface_keys.judged_by_name(root, name, policy)
    for node in walk(roots):
        if node.tag:
            yield from yaml_tags.judged_tag(node, policy)
        if isinstance(node, MapNode):
            counting = _with_few_of_each_key(node)
            yield from code_keys.judged_keys(counting, policy)
            yield from huggingface_keys.judged_hub_keys(counting, policy)
            yield from served_models.judged_serving(counting, policy)
            yield from template_texts.judged_templates(counting)
            yield from _texts_of(node, policy, level)
        elif isinstance(node, ListNode):
            for item in node.items:
                if isinstance(item, ScalarNode) and isinstance(item.value, str):
                    yield from _text(item, item.value, policy, level)


def _with_few_of_each_key(node: MapNode) -> MapNode:
    """Return a mapping with the first and last values of each key: loaders take one of those, and judging all takes time by the square."""
    if len(node.pairs) <= _SMALL:
        return node
    places: dict[object, list[int]] = {}
    for at, (key, _) in enumerate(node.pairs):
        places.setdefault(key.value if isinstance(key, ScalarNode) else at, []).append(at)
    kept = sorted({at for found in places.values() for at in (*found[:_ENDS], *found[-_ENDS:])})
    return node._replace(pairs=[node.pairs[at] for at in kept])


def _texts_of(node: MapNode, policy: NamePolicy, level: int) -> Iterator[NodeFound]:
    for _, value in node.pairs:
        if isinstance(value, ScalarNode) and isinstance(value.value, str):
            yield from _text(value, value.value, policy, level)


def _text(node: ScalarNode, text: str, policy: NamePolicy, level: int) -> Iterator[NodeFound]:
    if "${" in text:
        yield from _resolvers(node, text, policy)
    kind = "json" if text.lstrip()[:1] in ("{", "[") else "yaml" if _YAML.search(text[: bounds.COMMAND]) else None
    if kind and level < _LEVELS and len(text) <= bounds.CONFIG and worth_parsing(text.encode("utf-8", "replace")):
        parsed = parse_text(text, kind)
        if parsed.broken is None:
            for found in judged_nodes(parsed.roots, "", policy, level + 1):
                yield found._replace(node=node)


def _resolvers(node: ScalarNode, text: str, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge what OmegaConf computes when the value is read."""
    for match in _RESOLVER.finditer(text[: bounds.COMMAND]):
        name, argument = match[1], match[2].strip().strip("'\"")
        if name in ("oc.env", "env"):
            yield NodeEffect(node, "reads", argument.split(",")[0], "unknown", "a variable of the environment")
        elif is_path(argument) and _NAMING.fullmatch(name) and judged_target(argument, policy).verdict == "dangerous":
            yield NodeHit(node, TARGET, f"${{{name}:…}} names {argument[:200]}", match[0])
        elif _EVALUATING.fullmatch(name) and (danger := python_danger(re.sub(r"\$\{[^{}]*\}", "0", argument))):
            yield NodeHit(node, TARGET, f"${{{name}:…}} is Python that calls {danger[:100]}", match[0], "high")
        elif _RUNNING.fullmatch(name):
            yield NodeHit(node, TARGET, f"${{{name}:…}} runs {argument[:150]}", match[0], "high" if shell_danger(argument) else "medium")
        elif not name.startswith("oc."):
            yield NodeEffect(node, "calls", name, "unknown", "a resolver of the program")
