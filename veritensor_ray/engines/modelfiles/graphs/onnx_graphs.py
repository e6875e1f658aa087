"""Checks ONNX models, node by node: operators outside of the standard, tensors and compiled contexts in other files. No tensor is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.config_look import judge_values
from veritensor_ray.engines.modelfiles.configuration.seen import NodeHit
from veritensor_ray.engines.modelfiles.effects import Found, clean
from veritensor_ray.engines.modelfiles.graphs.found import CODE, COMPILED, FILES, NETWORK, danger, inert, operators, unknown
from veritensor_ray.engines.modelfiles.graphs.python_code import expression_calls
from veritensor_ray.engines.modelfiles.graphs.record_walk import RecordWalk
from veritensor_ray.engines.modelfiles.graphs.torch_operators import reaches_outside
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files.onnx.structure import SCHEMA
from veritensor_ray.formats.model_files.wire import PAIR, walk
from veritensor_ray.formats.model_files.wire_records import Record, records

_EXTERNAL = "modelfiles.onnx-external-data"
_CUSTOM = "modelfiles.onnx-custom-operators"
_KEYS = frozenset({"location", "offset", "length", "checksum"})
_IN_MEMORY = "_ORT_MEM_ADDR_"  # ONNX Runtime then takes the offset as an address in its own memory
_LARGEST = 1 << 44  # bytes of a file with tensors
_PYTHON = re.compile(r"Py(?:thon)?(?:Custom)?(?:Op|Func|Call)\w*|PythonOpGrad|PyCustomOp\w*|PyFunc\w*|EagerPyFunc")
_REMOTE = re.compile(r"Azure\w+|OpenAI\w+|\w*TritonInvoker")
_OWN = re.compile(r"(ai\.onnx(\.(ml|training|preview|preview\.training))?|com\.microsoft(\.\w+)*|com\.ms\.\w+|org\.pytorch\.aten|)")
_CONTEXT_PATHS = ("ep_cache_context", "onnx_model_filename", "ep_sdk_version_path")
_SHOWN = bounds.EFFECTS


@dataclass(slots=True)
class _SeenNodes(RecordWalk):
    """The operators and domains of a model so far, with a place of each, and the functions that it brings along."""

    operators: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    domains: dict[str, tuple[int, int]] = field(default_factory=dict)
    functions: set[tuple[str, str]] = field(default_factory=set)


def scan_onnx(file: BinaryIO, policy: NamePolicy) -> Iterator[Found]:
    """Yield what loading and running a model would do."""
    seen = _SeenNodes()
    found = records(walk(file, SCHEMA, "Model"), ("Node", "Tensor", "Function", "Opset"), ("Attribute", PAIR))
    yield from seen.judged(found, lambda record: _record(seen, record, policy), malformed="modelfiles.onnx-malformed")
    yield from _operators(seen)
    yield from seen.left_out("values or operators")


def _record(seen: _SeenNodes, found: Record, policy: NamePolicy) -> Iterator[Found]:
    place = found.start, found.end
    if found.message == "Node":
        seen.note(seen.operators, (found.text("domain"), found.text("op_type")), place)
        yield from _node(found, place)
    elif found.message == "Function":
        seen.functions.add((found.text("domain"), found.text("name")))
    elif found.message == "Opset":
        seen.domains.setdefault(found.text("domain"), place) if len(seen.domains) < _SHOWN else None
    elif external := [part for part in found.parts if part.outer == "external_data"]:
        yield from _external(external)
    for part in (found, *found.parts):
        if part.outer == "metadata_props":
            yield from _property(part, policy)


def _node(node: Record, place: tuple[int, int]) -> Iterator[Found]:
    operator = node.text("op_type")
    texts = {part.text("name"): part for part in node.parts if part.message == "Attribute"}
    if _PYTHON.fullmatch(operator):
        yield from danger(CODE, "runs", operator, "the operator calls Python", place)
    elif _REMOTE.fullmatch(operator):
        yield from danger(NETWORK, "connects", operator, "the operator sends its input to a service", place)
    elif operator == "EPContext":
        yield from _context(node, texts, place)
    elif operator == "ATen" and reaches_outside(name := texts["operator"].text("s") if "operator" in texts else ""):
        yield from danger(FILES, "calls", name, "the operator reaches files or memory", place)


def _context(node: Record, attributes: dict[str, Record], place: tuple[int, int]) -> Iterator[Found]:
    """Check a compiled part of the graph, which is in the node or in a file."""
    mode = attributes.get("embed_mode")
    embedded = mode is None or mode.numbers.get("i", 1) == 1
    for name in _CONTEXT_PATHS:
        path = attributes[name].text("s") if name in attributes else ""
        if not (embedded and name == "ep_cache_context") and path and leaves_folder(path):
            yield from danger(FILES, "reads", path, "a compiled context lies outside of the model's folder", place)
            return
    yield Hit(COMPILED, *place, message="a part of the graph is compiled for one device", evidence=node.text("name") or "EPContext")
    yield unknown("runs", "EPContext", "the operator contains compiled code, which was not read", place)


def _external(pairs: list[Record]) -> Iterator[Found]:
    """Check where the data of a tensor is said to be."""
    for pair in pairs:
        key, value, place = pair.text("key"), pair.text("value"), (pair.start, pair.end)
        if key == "location":
            yield from _location(value, place)
        elif key in ("offset", "length") and not (value.isascii() and value.isdigit() and int(value[:30]) < _LARGEST):
            yield from danger(_EXTERNAL, "reads", f"{key} {value}", "no file has such a place", place, "medium")
        elif key not in _KEYS:
            severe: Severity = "high" if key.startswith("_") else "medium"
            yield from danger(_EXTERNAL, "holds", f"the key {key}", "loaders set it as an attribute of their own object", place, severe)
    if not any(pair.text("key") == "location" for pair in pairs):
        yield from danger(_EXTERNAL, "reads", "data of a tensor", "its location is missing", (pairs[0].start, pairs[0].end), "medium")


def _location(path: str, place: tuple[int, int]) -> Iterator[Found]:
    if _IN_MEMORY in path:
        yield from danger(_EXTERNAL, "reads", path, "the offset of the tensor is taken as an address in memory", place)
    elif leaves_folder(path):
        yield Hit(_EXTERNAL, *place, message=f"a tensor's data is read from {path[:200]}", evidence=path[:300])
    elif not path or "\\" in path or any(ord(letter) < 32 for letter in path):
        yield from danger(_EXTERNAL, "reads", path or "nothing", "systems disagree about such a path", place, "medium")
    else:
        yield inert("reads", path, "a tensor's data in the model's folder", place)


def _property(pair: Record, policy: NamePolicy) -> Iterator[Found]:
    """Check a property: some loaders evaluate them as Python, and ONNX Runtime takes its options from one."""
    value, place = pair.text("value"), (pair.start, pair.end)
    for name in expression_calls(value, policy):
        yield from danger(CODE, "calls", name, f"the property {pair.text('key')[:80]} is Python, which loaders evaluate", place)
    for found in judge_values([(pair.text("key"), value)], policy):
        if isinstance(found, NodeHit):
            yield Hit(found.rule, *place, severity=found.severity, message=clean(found.message), evidence=clean(found.evidence, 1000))
    if pair.text("key") == "ort_config":
        severe: Severity = "high" if re.search(r"librar|profil|\.so\b|\.dll\b|file|path", value) else "low"
        yield from danger(CODE, "holds", "ort_config", f"options of the runtime: {value[:200]}", place, severe)


def _operators(seen: _SeenNodes) -> Iterator[Found]:
    standard = operators("onnx")
    local = {domain for domain, _ in seen.functions}
    for (domain, name), place in seen.operators.items():
        full = name if domain in ("", "ai.onnx") else f"{domain}:{name}"
        if full in standard or (domain, name) in seen.functions:
            yield inert("calls", full, "it only computes", place)
        else:
            yield unknown("calls", full, "it is not one of the standard's operators", place)
            seen.domains.setdefault(domain, place)
    for domain, place in seen.domains.items():
        if not _OWN.fullmatch(domain) and domain not in local:
            yield Hit(_CUSTOM, *place, message=f"operators from {domain[:200]}", evidence=domain[:300])
