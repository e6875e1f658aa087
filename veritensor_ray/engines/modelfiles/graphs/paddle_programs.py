"""Checks programs of Paddle, in protocol buffers and in JSON: operators that reach files, Python or other machines. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, NodeDocument, texts, walk
from veritensor_ray.engines.modelfiles.effects import EffectKind, Found
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
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files import wire
from veritensor_ray.formats.model_files.paddle.structure import PROGRAM, SCHEMA
from veritensor_ray.formats.model_files.wire_records import Record, records

_ACCESS: dict[str, tuple[str, EffectKind, str]] = {
    r"py_?(?:func|layer)\w*|run_program\w*|python\w*": (CODE, "runs", "the operator calls Python"),
    r"(?:save|load)(?:_\w+)?|read_file|write_file|open_files|create_\w*file\w*reader|dump\w*|lookup_table_dump|checkpoint_notify": (FILES, "reads", "the operator reads or writes files"),
    r"(?:c_|p_|partial_)?(?:send|recv)(?:_v\d|_and_recv|_array|_barrier|_save)?|listen_and_serv|heter_listen_and_serv|gen_nccl_id|c_gen_\w+_id|c_comm_init\w*"
    r"|prefetch|fetch_barrier|pull_\w+|push_\w+|distributed_lookup_table|ref_by_trainer_id|\w*brpc\w*|\w*rpc\w*": (NETWORK, "connects", "the operator talks to other machines"),
}  # fmt: skip
_OF_NAMES = tuple((re.compile(pattern), what) for pattern, what in _ACCESS.items())
_ENGINES = re.compile(r"\w*_engine|fusion_group|cinn_\w+|lite_\w+|.*subgraph.*")
_PATHS = re.compile(r"\w*(?:path|file|dir|endpoint|host|addr|lib)\w*")
_PLACES_IN_SOURCE = ("struct_name", "op_callstack", "op_namescope", "op_device")
_PIR = re.compile(rb'"magic"\s*:\s*"pir"')


def scan_paddle(file: BinaryIO) -> Iterator[Found]:
    """Yield what the operators of a program are."""
    seen, walked = set[str](), RecordWalk()

    def judge(found: Record) -> Iterator[Found]:
        named = [(part.text("name"), text) for part in found.parts for text in (*part.all("s"), *part.all("strings"))]
        return _operator(found.text("op_type"), named, (found.start, found.end), seen)

    yield from walked.judged(records(wire.walk(file, SCHEMA, PROGRAM), ("Op",), ("Attr",)), judge)
    yield from walked.left_out("values of operators")


def is_paddle(data: bytes) -> bool:
    """Return whether JSON may be a program."""
    return _PIR.search(data) is not None


def check_paddle(document: NodeDocument) -> Iterator[Found]:
    """Yield what the operators of a program in JSON are, in which each has the name of its dialect's number before it."""
    seen = set[str]()
    for node in walk(document.parsed.roots):
        if isinstance(node, MapNode) and (name := node.text("#")) and node.get("I") is not None:
            yield from _operator(name.rpartition(".")[2], _named(node), _span(document, node), seen)
    if document.parsed.broken is not None:
        yield unknown("holds", "a program", "it does not parse to its end")


def _named(node: MapNode) -> list[tuple[str, str]]:
    attributes = node.get("A")
    items = attributes.items if isinstance(attributes, ListNode) else []
    return [(one.text("N") or "", str(text.value)) for one in items if isinstance(one, MapNode) for text in texts(one.get("AT") or one)]


def _span(document: NodeDocument, node: MapNode) -> tuple[int, int]:
    start, _ = document.span(node)
    return start, start + 1


def _leads_outside(key: str, text: str, sure: bool) -> bool:
    """Return whether an attribute is a path to elsewhere. Of an operator that only computes, one that is named a path."""
    return (_PATHS.fullmatch(key[: bounds.NAME]) is not None and leaves_folder(text)) or (
        sure and key not in _PLACES_IN_SOURCE and looks_like_path(text)
    )


def _operator(name: str, attributes: Iterable[tuple[str, str]], place: tuple[int, int], seen: set[str]) -> Iterator[Found]:
    name = name[: bounds.NAME]
    rule, kind, why = next((what for pattern, what in _OF_NAMES if pattern.fullmatch(name)), ("", "calls", ""))
    outside = next((text for key, text in attributes if text and _leads_outside(key, text, sure=bool(rule))), "")
    if rule:
        severe = outside or rule == CODE
        yield from danger(rule, kind, f"{name} {outside}".strip(), why, place, "high" if severe else "medium")
    elif outside:
        yield from danger(FILES, "reads", f"{name} {outside}", "an attribute leads outside of the model", place, "medium")
    elif name in seen:
        return
    elif _ENGINES.fullmatch(name):
        yield Hit(COMPILED, *place, message=f"{name} runs a compiled part of the model", evidence=name)
        yield unknown("runs", name, "a part of the model was compiled for a device", place)
    elif name in operators("paddle") or name.removesuffix("_") in operators("paddle"):
        yield inert("calls", name, "it only computes", place)
    else:
        yield from foreign(name, "Paddle's operators", place)
    if len(seen) < bounds.EFFECTS:  # it only saves that an operator is reported once more
        seen.add(name)
