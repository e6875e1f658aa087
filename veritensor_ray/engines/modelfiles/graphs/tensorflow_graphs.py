"""Checks TensorFlow's graphs, operator by operator: files, network, Python and operators that are not TensorFlow's. Nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import NodeDocument, parse_text
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.constants import Constant, Constants, source_of, texts_of
from veritensor_ray.engines.modelfiles.graphs.found import (
    CODE,
    COMPILED,
    FILES,
    NETWORK,
    danger,
    foreign,
    inert,
    looks_like_path,
    operators,
    unknown,
)
from veritensor_ray.engines.modelfiles.graphs.record_walk import RecordWalk
from veritensor_ray.engines.modelfiles.graphs.tensorflow_access import Access, access_of, is_of_library
from veritensor_ray.engines.modelfiles.keras.keras_nodes import check_keras
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files.tensorflow.structure import SCHEMA
from veritensor_ray.formats.model_files.wire import walk
from veritensor_ray.formats.model_files.wire_records import Record, records

RULES_OF_ACCESS = {"reads": FILES, "writes": FILES, "connects": NETWORK, "runs": CODE}
_HARMLESS_ATTRIBUTE = re.compile(r"|stderr|stdout|log\(\w+\)|local://|bytes://.*", re.DOTALL)
_ADDRESSES = frozenset({
    "debug_urls", "memory_region_name", "output_stream", "descriptor_source", "vocab_file", "filename", "file_pattern",
    "log_dir_path", "output_file_path", "file_name", "server_address", "address", "reader_path_prefix", "writer_path_prefix",
})  # fmt: skip
_SHOWN = bounds.EFFECTS


@dataclass(slots=True)
class _AccessingNode:
    """A node that has access to more than tensors."""

    operator: str
    access: Access
    inputs: list[str]
    attributes: list[str]
    place: tuple[int, int]


@dataclass(slots=True)
class _GraphScan(RecordWalk):
    """What is known of one file so far. Assets and functions are named after the nodes that need them, so some judgements wait for the end."""

    constants: Constants = field(default_factory=Constants)
    uses: list[_AccessingNode] = field(default_factory=list)
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    leading: list[Constant] = field(default_factory=list)  # to places outside of the model
    pending: list[tuple[_AccessingNode, list[Constant]]] = field(default_factory=list)
    within: str = ""


def scan_tensorflow(file: BinaryIO, root: str, policy: NamePolicy) -> Iterator[Found]:
    """Yield what loading and running the graphs of a file would do."""
    scan = _GraphScan()
    found = records(walk(file, SCHEMA, root), ("Node", "Function", "Asset", "KerasObject", "UserObject"), ("Attr",))
    yield from scan.judged(found, lambda record: _take(scan, record, policy), ("a field", "TensorFlow's format does not have it"))
    _resolve(scan)
    yield from _judged(scan)
    yield from scan.left_out("values of nodes")


def _take(scan: _GraphScan, found: Record, policy: NamePolicy) -> Iterator[Found]:
    if found.message == "Node":
        _learn(scan, found)
    elif found.message == "Function":
        scan.functions.add(found.text("op_name"))
        _resolve(scan)
    elif found.message == "Asset":
        scan.assets.add(source_of(found.text("tensor_name")))
        name = found.text("filename")
        if leaves_folder(name):
            yield from danger(FILES, "reads", name, "an asset of the model lies outside of its folder", (found.start, found.end))
        else:
            yield inert("reads", name, "an asset in the model's folder")
    for text in (*found.texts.get("keras_metadata", ()), *found.texts.get("metadata", ())):
        yield from check_keras(NodeDocument(parse_text(text.text, "json"), text.text, base=text.offset), policy)


def _learn(scan: _GraphScan, node: Record) -> None:
    operator, place = node.text("op"), (node.start, node.end)
    if node.outer != scan.within:  # the nodes of a graph are followed by those of its functions
        _resolve(scan)
        scan.within = node.outer
    scan.constants.learn(node)
    scan.note(scan.seen, operator, place)
    if len(scan.leading) < _SHOWN:
        scan.leading += [one for one in texts_of(node, "string_val", "s") if looks_like_path(one.text)]
    access = access_of(operator)
    if access and len(scan.uses) < _SHOWN:
        attributes = [text for part in node.parts if part.text("key") in _ADDRESSES for text in part.all("s")]
        scan.uses.append(_AccessingNode(operator, access, [one for one in map(source_of, node.all("input")) if one], attributes, place))
    elif access:
        scan.lost += 1


def _resolve(scan: _GraphScan) -> None:
    """Look up the constants of the graph that has ended."""
    for use in scan.uses:
        scan.pending.append((use, [one for name in dict.fromkeys(use.inputs) for one in scan.constants.of(name)]))
    scan.lost += scan.constants.lost
    scan.uses, scan.constants = [], Constants()


def _judged(scan: _GraphScan) -> Iterator[Found]:
    scan.leading = [one for one in scan.leading if one.node not in scan.assets]
    for use, texts in scan.pending:
        yield from _use(scan, use, [one for one in texts if one.node not in scan.assets])
    standard = operators("tensorflow")
    for operator, place in scan.seen.items():
        if operator in standard or operator in scan.functions:
            if access_of(operator) is None:
                yield inert("calls", operator, "it only computes", place)
        elif access_of(operator) is None:
            yield from custom(operator, place)


def custom(operator: str, place: tuple[int, int]) -> Iterator[Found]:
    """Yield what is to be said of an operator that TensorFlow does not have."""
    severe: Severity = "low" if is_of_library(operator.removeprefix("Flex")) else "medium"
    yield from foreign(operator, "TensorFlow's operators", place, severe)


def _use(scan: _GraphScan, use: _AccessingNode, texts: list[Constant]) -> Iterator[Found]:
    named = [(text, use.place) for text in use.attributes if not _HARMLESS_ATTRIBUTE.fullmatch(text)]
    outside = [(text, place) for text, place in (*named, *(one[:2] for one in texts)) if _outside(use.access, text)]
    why = use.access.why
    if use.access.kind == "runs":
        yield from _code(use)
    elif outside:
        text, place = outside[0]
        yield from danger(RULES_OF_ACCESS[use.access.kind], use.access.kind, f"{use.operator} {text}", why, place)
    elif use.access.usual:
        yield inert(use.access.kind, use.operator, f"{why}, as the loader says or in the model's folder", use.place)
    elif texts and use.access.kind == "reads":
        yield unknown("reads", f"{use.operator} {texts[0].text}", f"{why} in the model's folder", use.place)
    else:
        severe: Severity = "high" if scan.leading or use.access.kind == "writes" else "medium"
        what = f"{use.operator} {scan.leading[0].text}" if scan.leading else use.operator
        yield from danger(RULES_OF_ACCESS[use.access.kind], use.access.kind, what, why, use.place, severe)


def _outside(access: Access, text: str) -> bool:
    return leaves_folder(text) or (access.kind == "connects" and ("." in text or ":" in text))


def _code(use: _AccessingNode) -> Iterator[Found]:
    if use.access.usual:
        yield Hit(COMPILED, *use.place, message=f"{use.operator}: {use.access.why}", evidence=use.operator)
        yield unknown("runs", use.operator, use.access.why, use.place)
    else:
        yield from danger(CODE, "runs", use.operator, use.access.why, use.place)
