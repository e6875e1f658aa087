"""Streams the strings and key-value pairs of an ONNX model from the wire format. Weights are skipped and operators not interpreted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.model_files.forward import ForwardView

LONGEST = bounds.ONNX_TEXT
_FLOAT = ("Attribute", 2)  # the only field of a fixed size
_DEPTH = 64  # nesting depth of messages, such as graphs in attributes of nodes of graphs
TEXT, DATA, NUMBERS = "text", "data", "numbers"
_PAIR = "Pair"

# For each message, maps field numbers to a name and a type: a string, bytes that may contain text, or another message. Other fields are
# skipped and told, unless they are numbers.
_NUMBERS = ("", NUMBERS)
_PROPS = ("metadata_props", _PAIR)
_OPSET = ("opset_import", "Opset")
SCHEMA: dict[str, dict[int, tuple[str, str]]] = {
    "Model": {
        2: ("producer_name", TEXT), 3: ("producer_version", TEXT), 4: ("domain", TEXT), 6: ("doc_string", TEXT), 7: ("graph", "Graph"),
        8: _OPSET, 14: _PROPS, 20: ("training_info", "Training"), 25: ("functions", "Function"),
    },
    "Graph": {
        1: ("node", "Node"), 2: ("name", TEXT), 5: ("initializer", "Tensor"), 10: ("doc_string", TEXT), 11: ("input", "Value"),
        12: ("output", "Value"), 13: ("value_info", "Value"), 14: ("quantization_annotation", "Annotation"), 15: ("sparse_initializer", "Sparse"),
        16: _PROPS,
    },
    "Node": {
        1: ("input", TEXT), 2: ("output", TEXT), 3: ("name", TEXT), 4: ("op_type", TEXT), 5: ("attribute", "Attribute"), 6: ("doc_string", TEXT),
        7: ("domain", TEXT), 8: ("overload", TEXT), 9: _PROPS,
    },
    "Attribute": {
        1: ("name", TEXT), 4: ("s", DATA), 5: ("t", "Tensor"), 6: ("g", "Graph"), 7: _NUMBERS, 8: _NUMBERS, 9: ("strings", DATA),
        10: ("tensors", "Tensor"), 11: ("graphs", "Graph"), 13: ("doc_string", TEXT), 14: ("tp", "Type"), 15: ("type_protos", "Type"),
        21: ("ref_attr_name", TEXT), 22: ("sparse_tensor", "Sparse"), 23: ("sparse_tensors", "Sparse"),
    },
    "Tensor": {
        1: _NUMBERS, 3: ("segment", "Segment"), 4: _NUMBERS, 5: _NUMBERS, 6: ("string_data", DATA), 7: _NUMBERS, 8: ("name", TEXT), 9: _NUMBERS,
        10: _NUMBERS, 11: _NUMBERS, 12: ("doc_string", TEXT), 13: ("external_data", _PAIR), 16: _PROPS,
    },
    "Segment": {},
    "Sparse": {1: ("values", "Tensor"), 2: ("indices", "Tensor"), 3: _NUMBERS},
    "Value": {1: ("name", TEXT), 2: ("type", "Type"), 3: ("doc_string", TEXT), 4: _PROPS},
    "Type": {
        1: ("tensor", "Shaped"), 4: ("sequence", "Of"), 5: ("map", "Map"), 6: ("denotation", TEXT), 8: ("sparse", "Shaped"), 9: ("optional", "Of"),
    },
    "Shaped": {2: ("shape", "Shape")},
    "Of": {1: ("elements", "Type")},
    "Map": {2: ("values", "Type")},
    "Shape": {1: ("dim", "Dimension")},
    "Dimension": {2: ("dim_param", TEXT), 3: ("denotation", TEXT)},
    "Annotation": {1: ("tensor_name", TEXT), 2: ("quant_parameter_tensor_names", _PAIR)},
    "Training": {1: ("initialization", "Graph"), 2: ("algorithm", "Graph"), 3: ("initialization_binding", _PAIR), 4: ("update_binding", _PAIR)},
    "Function": {
        1: ("name", TEXT), 4: ("input", TEXT), 5: ("output", TEXT), 6: ("attribute", TEXT), 7: ("node", "Node"), 8: ("doc_string", TEXT),
        9: _OPSET, 10: ("domain", TEXT), 11: ("attribute_proto", "Attribute"), 12: ("value_info", "Value"), 13: ("overload", TEXT), 14: _PROPS,
    },
    "Opset": {1: ("domain", TEXT)},
    _PAIR: {1: ("key", TEXT), 2: ("value", TEXT)},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnnxText:
    """A text in a field of a message. `too_long` is the number of its bytes if it was skipped."""

    message: str
    name: str
    text: str
    offset: int
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with its value, in a field of a message."""

    message: str
    name: str
    key: str
    value: str
    offset: int


@dataclass(frozen=True, slots=True)
class UnreadField:
    """Numbers, or a field of unknown meaning, which may hold anything."""

    start: int
    end: int
    numbers: bool


@dataclass(slots=True)
class _Open:
    """A message that is being read."""

    message: str
    end: int | None
    outer: str = ""
    name: str = ""
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)


def texts(file: BinaryIO) -> Iterator[OnnxText | Pair | UnreadField]:
    """Yield every string of a model, and what is not read of it, in order. Raises Malformed."""
    window = ForwardView(file)
    stack = [_Open("Model", window.size)]
    while stack:
        here = stack[-1]
        if (here.end is not None and window.position >= here.end) or (here.end is None and not window.ensure(1)):
            if here.end is not None and window.position > here.end:
                raise Malformed("a field is longer than its message")
            stack.pop()
            if here.message == _PAIR:
                key, value = here.texts.get("key", ("", 0)), here.texts.get("value", ("", 0))
                yield Pair(here.outer, here.name, key[0], value[0], value[1] or key[1])
            continue
        found = _field(window, here, stack)
        if isinstance(found, OnnxText) and not found.too_long and here.message == _PAIR:
            if found.name in here.texts:  # the last one counts
                yield OnnxText(_PAIR, found.name, *here.texts[found.name])
            here.texts[found.name] = (found.text, found.offset)
        elif found is not None:
            yield found


def _field(window: ForwardView, here: _Open, stack: list[_Open]) -> OnnxText | UnreadField | None:
    begin, tag = window.position, varint(window)
    number, wire = tag >> 3, tag & 7
    if number == 0 or wire not in (0, 1, 2, 5):
        raise Malformed(f"there is no valid field at byte {window.position}")
    if wire == 0:
        varint(window)
        return None
    length = {1: 8, 5: 4}.get(wire) or (varint(window) if wire == 2 else 0)
    end = window.position + length
    if here.end is not None and end > here.end:
        raise Malformed(f"a field of {length} bytes at byte {window.position} is longer than its message")
    name, kind = SCHEMA[here.message].get(number, ("", ""))
    if wire != 2 or not kind or kind == NUMBERS:
        _skip(window, length)
        if wire == 5 and (here.message, number) == _FLOAT:
            return None
        return UnreadField(begin, end, numbers=wire == 2 and bool(kind))
    if kind not in (TEXT, DATA):
        if len(stack) >= _DEPTH:
            raise Malformed(f"messages are nested deeper than {_DEPTH} levels")
        stack.append(_Open(kind, end, here.message, name))
        return None
    if length > LONGEST:
        _skip(window, length)
        return OnnxText(here.message, name, "", end - length, too_long=length)
    offset, data = window.position, window.take(length)
    if len(data) < length:
        raise Malformed("the file ends inside a string")
    return OnnxText(here.message, name, data.decode("utf-8", "replace"), offset)


def _skip(window: ForwardView, length: int) -> None:
    if not window.skip(length):
        raise Malformed("the file ends inside a field")


def varint(window: ForwardView) -> int:
    """Read a number of variable length. Raises Malformed."""
    value = shift = 0
    window.ensure(10)
    while window.at < len(window.data) and shift < 70:
        byte = window.data[window.at]
        window.at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    raise Malformed("the file ends inside a number")
