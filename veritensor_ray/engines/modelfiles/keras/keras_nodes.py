"""Checks configurations of Keras, as nodes of JSON or YAML: layers that contain code, take paths or addresses, or do not fit into memory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import (
    ListNode,
    MapNode,
    Node,
    NodeDocument,
    ScalarNode,
    text_of,
    texts,
    walk,
)
from veritensor_ray.engines.modelfiles.effects import Effect, Found, clean
from veritensor_ray.engines.modelfiles.graphs.found import CODE, EXHAUSTION, FILES, NETWORK, danger, looks_like_path, unknown
from veritensor_ray.engines.modelfiles.keras.keras_names import LAMBDA, KerasName, judge_name, judge_symbol
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

Span = Callable[[Node], tuple[int, int]]
_LOADING = {
    "TorchModuleWrapper": "the layer unpickles a module of PyTorch",
    "TFSMLayer": "the layer loads a SavedModel, whose graph is code",
    "JaxLayer": "the layer calls functions that were stored as code",
    "FlaxLayer": "the layer calls functions that were stored as code",
}
_PATHS = re.compile(
    r"vocab\w*|\w*(?:file|path|dir|directory|folder|uri|url|origin|asset|cache|checkpoint|export|saved_model|archive|source|location)\w*|idf_weights|weights"
    r"|fname|proto|endpoint|host|server"
)
_NOT_PATHS = re.compile(r"(?:cache_size|\w*direction|go_backwards|profile\w*|\w*filename_format)")
_SHAPES = re.compile(
    r"units|filters|(?:batch_)?(?:input_|target_|output_)?shape|(?:input|output|embed\w*|key|value|query|intermediate|hidden|projection)_dim|dim|size|n|padding|cropping"
    r"|kernel_size|pool_size|strides|dilation_rate|max_tokens|num_(?:tokens|bins|heads|classes|layers|oov_indices|buckets)|depth_multiplier|\w*_size|length|\w*_length|state_size"
)
_TOKENS = re.compile(r"\w*vocab\w*|idf_weights|\w*(?:classes|labels|tokens|words|merges|strings|names|keys)")
_OPERATOR = re.compile(r"\"?op\"?\s*:\s*\"(\w+)\"")
_ENDS = 3  # first and last values of a repeated key that are judged
_LARGEST = 1 << 30  # larger than any layer
_BIG = 1 << 33  # numbers that no layer of a model on one machine has
_ALL = 1 << 64  # larger numbers are all alike
_OPERATIONS = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod", "InstanceProperty"})
_FLAGS = frozenset({"enable_unsafe_deserialization", "set_global_attribute", "func_load", "safe_mode_saving"})


def check_keras(document: NodeDocument, policy: NamePolicy) -> Iterator[Found]:
    """Yield what every object of Keras in a document does when it is loaded."""
    if not any(_is_object(node) for node in walk(document.parsed.roots)):
        return
    if document.parsed.broken is not None:
        yield unknown("holds", "configuration", "it does not parse to its end")
    known: set[tuple[str, str | None]] = set()
    for node in walk(document.parsed.roots):
        for found in _object(node, document.span, policy) if isinstance(node, MapNode) else ():
            if not isinstance(found, Hit):
                yield found
            elif (key := (found.rule, found.evidence)) not in known:  # a model may have the same layer a thousand times
                known.add(key)
                yield found


def _is_object(node: Node) -> bool:
    """Return whether a node is what Keras makes an object of: a class or function, with its configuration."""
    return isinstance(node, MapNode) and node.get("class_name") is not None and node.get("config") is not None


def _object(node: MapNode, span: Span, policy: NamePolicy) -> Iterator[Found]:
    for key, name, value in _named_functions(node):
        yield from _reported(judge_name(key, name, policy), f"{key}.{name}", span(value))
    for name in _texts_of(node, "class_name") if _is_object(node) else ():  # loaders disagree about repeated keys
        for module in _texts_of(node, "module") or [""]:
            yield from _class(node, name, module, span, policy)


def _texts_of(node: MapNode, key: str) -> list[str]:
    """Return the first and last texts of a key: loaders take one of those."""
    found = [text for one in node.all(key) if (text := text_of(one)) is not None]
    return found if len(found) <= 2 * _ENDS else found[:_ENDS] + found[-_ENDS:]


def _named_functions(node: MapNode) -> Iterator[tuple[str, str, Node]]:
    """Yield modules with names in them that are not those of a class: of functions, and of types."""
    for first, second in (
        ("fn_module", "fn_name"),
        ("function_module", "function_name"),
        ("module", "function"),
        ("module", "spec_name"),
        ("module", "fn"),
    ):
        module, name = node.text(first), node.text(second)
        if module and name and len(name) < 200:
            yield module, name, node.get(second) or node
    if node.get("class_name") is None and (module := node.text("fn_module")) and not node.text("fn_name"):
        yield module, "*", node


def _class(node: MapNode, name: str, module: str, span: Span, policy: NamePolicy) -> Iterator[Found]:
    config, place = node.get("config"), span(node.get("class_name") or node)
    short = name.rpartition(">")[2]
    if short in ("Lambda", "__lambda__"):
        yield from _lambda(node, short, config, span, policy)
        return
    if short == "function":
        called = text_of(config) or node.text("registered_name") or ""
        yield from _reported(judge_name(module, called, policy), f"{module}.{called}".strip("."), place) if called else ()
        return
    if why := _LOADING.get(short):
        yield from _loading(short, why, config, place)
    elif short in _OPERATIONS:
        yield from _operation(config, place)
    else:
        yield from _reported(judge_name(module, name, policy), f"{module}.{name}".strip("."), place)
    if isinstance(config, MapNode):
        yield from _values(short, config, span)


def _reported(judged: KerasName, what: str, place: tuple[int, int]) -> Iterator[Found]:
    if judged.rule is None:
        yield Effect(judged.kind, what[:300], "inert" if judged.verdict == "inert" else "unknown", judged.why, *place)
    else:
        message = f"{judged.why} ({what})" if judged.kind != "calls" and what not in judged.why else judged.why
        yield Hit(judged.rule, *place, severity=judged.severity, message=clean(message), evidence=clean(what))


def _lambda(node: MapNode, name: str, config: Node | None, span: Span, policy: NamePolicy) -> Iterator[Found]:
    """Check a layer of Python: its bytecode, or the name of a function in a module."""
    place = span(node.get("class_name") or node)
    function = config.get("function") if isinstance(config, MapNode) else None
    label = (config.text("name") if isinstance(config, MapNode) else None) or ""
    module = config.text("module") if isinstance(config, MapNode) else None
    if (called := text_of(function)) and re.fullmatch(r"[\w.]{1,200}", called):
        yield from _reported(judge_name(module or "", called, policy), f"{module or ''}.{called}".strip("."), place)
        yield unknown("calls", f"{name} {label}".strip(), "the layer calls a function by its name", place)
    elif isinstance(function, MapNode) and function.text("class_name") == "function":
        yield unknown("calls", f"{name} {label}".strip(), "the layer calls a function by its name", place)
    elif name == "Lambda" or not isinstance(config, MapNode) or any(config.pairs):
        evidence = clean(f"{name} {label}".strip())
        yield Hit(LAMBDA, *place, message=clean(f"{evidence} contains code"), evidence=evidence)


def _loading(name: str, why: str, config: Node | None, place: tuple[int, int]) -> Iterator[Found]:
    found = [one.value for one in texts(config) if isinstance(one.value, str)] if config else []
    outside = next((text for text in found if looks_like_path(text) or leaves_folder(text)), "")
    code = any(len(text) > 40 and re.fullmatch(r"[\w+/=\s-]+", text) for text in found)
    severe: Severity = "high" if outside or code or name == "TorchModuleWrapper" else "medium"
    yield from danger(CODE, "runs", f"{name} {outside[:200]}".strip(), why, place, severe)


def _operation(config: Node | None, place: tuple[int, int]) -> Iterator[Found]:
    """Check a layer that calls a function of TensorFlow."""
    names = [config.text(key) for key in ("function", "op", "symbol", "class_symbol", "method")] if isinstance(config, MapNode) else []
    definition = config.text("node_def") if isinstance(config, MapNode) else None
    names += [f"raw_ops.{found[1]}" for found in _OPERATOR.finditer(definition or "")]
    for name in filter(None, names):
        yield from _reported(judge_symbol(name), name, place)


def _values(name: str, config: MapNode, span: Span) -> Iterator[Found]:
    """Check the arguments of a layer: paths, addresses and sizes."""
    for whole, _, value in config.named():
        key = whole[: bounds.NAME]
        size = _product(value)
        if size > (_BIG if isinstance(value, ListNode) else _LARGEST) and _SHAPES.fullmatch(key):
            yield from danger(EXHAUSTION, "holds", f"{name}.{key} of {size}", "no machine holds such a shape", span(value), "medium")
        for text in _own_texts(key, value):
            yield from _text(name, key, str(text.value), span(text))


def _own_texts(key: str, value: Node) -> Iterator[ScalarNode]:
    """Yield the texts of an argument, without those of objects in it, which are looked at themselves."""
    if isinstance(value, ScalarNode) and isinstance(value.value, str):
        yield value
    elif isinstance(value, ListNode) and not _TOKENS.fullmatch(key):
        yield from (one for one in value.items[:100] if isinstance(one, ScalarNode) and isinstance(one.value, str))


def _text(name: str, key: str, text: str, place: tuple[int, int]) -> Iterator[Found]:
    if text in _FLAGS:
        yield from danger(CODE, "calls", text, "it turns the protection of loading off", place)
    path = _PATHS.fullmatch(key) is not None and _NOT_PATHS.fullmatch(key) is None
    if re.match(r"(?:https?|ftp)://", text):
        yield from danger(
            NETWORK, "connects", f"{name}.{key} {text}", "the layer fetches from an address", place, "high" if path else "medium"
        )
    elif looks_like_path(text) or (path and text and leaves_folder(text)):
        yield from danger(
            FILES, "reads", f"{name}.{key} {text}", "the layer reads a file outside of the model", place, "high" if path else "medium"
        )
    elif path and re.fullmatch(r"[\w./ -]+\.\w{1,8}", text):
        yield unknown("reads", f"{name}.{key} {text}", "the layer reads a file", place)


def _product(value: Node) -> int:
    if isinstance(value, ScalarNode):
        number = value.value if isinstance(value.value, int | float) and not isinstance(value.value, bool) else 0
        return int(min(max(number, 0), _ALL)) if number == number else 0  # not a number is not equal to itself
    if isinstance(value, ListNode):
        return min(_ALL, math.prod(max(1, _product(one)) for one in value.items[:64] if isinstance(one, ScalarNode | ListNode)))
    return 0
