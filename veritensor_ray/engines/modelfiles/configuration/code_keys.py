"""Judges mappings whose keys name code: what Hydra, Lightning, torchtune, MMEngine, jsonpickle, MLflow and others import or call for them.

Some keys always name code. Others often mean something else (`type`, `target`), so only a name that runs code counts in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.modelfiles.configuration import key_lists
from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, Node, ScalarNode, texts, walk
from veritensor_ray.engines.modelfiles.configuration.program_texts import python_danger, shell_danger
from veritensor_ray.engines.modelfiles.configuration.seen import TARGET, NodeEffect, NodeFound, NodeHit
from veritensor_ray.engines.modelfiles.configuration.target_names import NamedTarget, is_path, judged_target
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, is_module, plain_name

# Always a name to import, with the programs that do so.
ALWAYS = {
    "_target_": "Hydra",
    "class_path": "Lightning",
    "_component_": "torchtune",
    "py/object": "jsonpickle",
    "py/type": "jsonpickle",
    "py/function": "jsonpickle",
    "py/repr": "jsonpickle",
    "()": "the configuration of logging",
    "worker_process_setup_hook": "Ray",
    "megatron_core": "PEFT",
}
# Names to import, or other things.
OFTEN = frozenset(key_lists.OFTEN.split())
_MODULES = ("module", "module_name", "_module", "library", "package", "mod", "module_path", "pkg", "@module", "__module__")
_NAMES = (
    "name", "class", "class_name", "cls", "function", "func", "attr", "attribute", "fn", "callable", "method", "layer", "object", "qualname",
    "target", "__class__", "__name__", "function_name", "func_name", "member", "symbol",
)  # fmt: skip
_MODULES_JUDGED, _NAMES_JUDGED = 6, 12  # of one mapping, that are judged together
_PARAMETERS = ("params", "kwargs", "init_args")
# Texts that a loader evaluates as Python.
_EVALUATED = frozenset(key_lists.EVALUATED.split())
_COMMANDS = frozenset(key_lists.COMMANDS.split())
_WORDS = frozenset(key_lists.WORDS.split())
_MAPPED = frozenset(
    {"custom_filters", "custom_imports", "custom_objects", "entry_points", "filters", "py/reduce"}
)  # mappings with names as values
_RUNS = frozenset(
    {"_args_", "args", "init_args", "path", "name", "func", "function", "fn", "attr", "method", "obj", "object", "command", "cmd"}
)


def judged_keys(node: MapNode, policy: NamePolicy) -> Iterator[NodeFound]:
    """Yield what the pairs of one mapping name as code."""
    named: list[NamedTarget] = []
    for name, _, value in node.named():
        plain = name.rsplit("/", 1)[-1]
        if name in ALWAYS:
            for scalar, target in _targets(value, policy, sure=True):
                named.append(target)
                yield from _always(scalar, name, target, node)
        elif plain in OFTEN:
            yield from _often(name, value, policy)
        if plain in _EVALUATED or plain in _COMMANDS:
            yield from _programs(name, value)
        if name in ("py/reduce", "py/newargs", "py/newargsex"):
            yield from _often(name, value, policy, high=True)
    if any(
        isinstance(given := node.get(key), MapNode) and not given.all("properties") for key in _PARAMETERS
    ):  # pyannote and others import the name and give it these
        yield from (one for value in node.all("name") for one in _often("name", value, policy))
    yield from _pairs(node, policy)
    if node.text("__loader__") == "OperatorFuncNode":
        yield from _getter(node)
    if named or "_args_" in {name for name, _, _ in node.named()}:
        yield from _arguments(node, named, policy)


def _targets(value: Node, policy: NamePolicy, sure: bool) -> Iterator[tuple[ScalarNode, NamedTarget]]:
    scalars = [value] if isinstance(value, ScalarNode) else texts(value, 100)
    for scalar in scalars:
        text = scalar.value.strip().removeprefix("ext://") if isinstance(scalar.value, str) else ""
        if is_path(text) and (sure or not _is_word(text)):
            yield scalar, judged_target(text, policy)


def _is_word(path: str) -> bool:
    """Return whether a path begins with a package whose name usually means something else."""
    return path.split(".")[0] in _WORDS


def _always(scalar: ScalarNode, key: str, target: NamedTarget, node: MapNode) -> Iterator[NodeFound]:
    if target.verdict == "dangerous" and not (target.path == "torch.load" and _is(node, "weights_only", True)):
        yield NodeHit(scalar, TARGET, f"{key} is {target.path[:200]}", target.path, target.severity)
    elif target.path in ("numpy.load", "numpy.lib.npyio.load") and _is(node, "allow_pickle", True):
        yield NodeHit(scalar, TARGET, f"{key} is {target.path} with allow_pickle", target.path, "high")
    else:
        yield NodeEffect(scalar, "calls", target.path, "unknown" if target.verdict == "dangerous" else target.verdict, target.why)


def _is(node: MapNode, key: str, value: bool) -> bool:
    inner = node.get("init_args")
    return any(isinstance(one, MapNode) and isinstance(found := one.get(key), ScalarNode) and found.value is value for one in (node, inner))


def _often(key: str, value: Node, policy: NamePolicy, high: bool = False) -> Iterator[NodeFound]:
    if isinstance(value, MapNode) and key not in _MAPPED:
        return
    for scalar, target in _targets(value, policy, sure=high):
        if target.verdict == "dangerous":
            yield NodeHit(scalar, TARGET, f"{key} is {target.path[:200]}", target.path, target.severity)


def _pairs(node: MapNode, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge a module and a name in it that stand beside each other."""
    if node.get("class_name") is not None and node.get("config") is not None:
        return  # a part of a Keras model, which is judged as such
    modules = _few(node, _MODULES)
    names = _few(node, _NAMES) if modules else []
    if names and (len(modules) > _MODULES_JUDGED or len(names) > _NAMES_JUDGED):
        yield NodeEffect(modules[0], "calls", str(modules[0].value)[:200], "unknown", "too many modules and names stand beside each other")
    for module in modules[:_MODULES_JUDGED]:
        for name in names[:_NAMES_JUDGED]:
            text = f"{module.value}.{name.value}"
            if is_path(text) and ":" not in text and "/" not in text:
                target = judged_target(text, policy)
                if target.verdict == "dangerous" and not _is_word(text):
                    yield NodeHit(module, TARGET, f"module and name are {target.path[:200]}", target.path, target.severity)


def _getter(node: MapNode) -> Iterator[NodeFound]:
    """Judge a function of `operator` in skops, which is made of its attributes: the names in them are reached when it is called."""
    attributes, loaders = node.get("attrs"), ("__loader__", "__class__", "__module__", "__id__")
    for part in walk([attributes] if attributes is not None else []):
        for key, _, value in part.named() if isinstance(part, MapNode) else ():
            text = str(value.value).strip("\"'") if isinstance(value, ScalarNode) and key not in loaders else ""
            if re.fullmatch(r"[A-Za-z_][\w.]*", text) and not plain_name(text):
                yield NodeHit(value, TARGET, f"operator.{node.text('__class__')} reaches {text[:200]}", text, "high")


def _few(node: MapNode, keys: tuple[str, ...]) -> list[ScalarNode]:
    """Return the different texts under some keys, those first that begin with a module from which anything can be reached."""
    found = {
        value.value: value for key in keys for value in node.all(key) if isinstance(value, ScalarNode) and isinstance(value.value, str)
    }
    return sorted((value for text, value in found.items() if text), key=lambda one: not is_module(str(one.value).split(".")[0]))


def _programs(key: str, value: Node) -> Iterator[NodeFound]:
    for scalar in texts(value, 100):
        text = str(scalar.value)
        danger = python_danger(text) if key.rsplit("/", 1)[-1] in _EVALUATED else None
        shell = shell_danger(text) if danger is None and key.rsplit("/", 1)[-1] in _COMMANDS else None
        if danger:
            yield NodeHit(scalar, TARGET, f"{key} is Python that calls {danger[:100]}", f"{key}: {text}", "high")
        elif shell:
            yield NodeHit(scalar, TARGET, f"{key} is a command: {shell[:150]}", f"{key}: {text}", "high")


def _arguments(node: MapNode, named: list[NamedTarget], policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge the texts that are given to a call: names that run code, special attributes for those that reach others, and commands."""
    reaches = any(target.reaches for target in named)
    known = bool(named) and all(target.verdict == "inert" for target in named)
    for key, _, value in node.named():
        if key in ALWAYS:
            continue
        for scalar in [value] if isinstance(value, ScalarNode) else _flat(value):
            text = scalar.value
            if isinstance(text, str):
                yield from _argument(key, scalar, text, reaches, known, policy)


def _flat(value: Node) -> Iterator[ScalarNode]:
    """Yield the texts of a list or mapping at its first two levels: deeper mappings are judged by themselves."""
    items = value.items if isinstance(value, ListNode) else [one for _, one in value.pairs] if isinstance(value, MapNode) else []
    for item in items[:1000]:
        if isinstance(item, ScalarNode):
            yield item


def _argument(key: str, scalar: ScalarNode, text: str, reaches: bool, known: bool, policy: NamePolicy) -> Iterator[NodeFound]:
    severity: Severity = "high"
    if is_path(text) and judged_target(text, policy).verdict == "dangerous" and not _is_word(text):
        yield NodeHit(scalar, TARGET, f"{key}, given to a call, is {text[:200]}", text, None if key in _RUNS else severity)
    elif reaches and (re.fullmatch(r"__\w+__", text) or is_module(text)):
        yield NodeHit(scalar, TARGET, f"{key} is {text[:100]}, which leads to Python's internal objects", text, severity)
    elif not known and (shell := shell_danger(text)):
        yield NodeHit(scalar, TARGET, f"{key}, given to a call, is a command: {shell[:150]}", text, severity)
    elif not known and "__import__" in text and (danger := python_danger(text)):
        yield NodeHit(scalar, TARGET, f"{key}, given to a call, is Python that calls {danger[:100]}", text, severity)
