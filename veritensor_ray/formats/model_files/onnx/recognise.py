"""Recognizes an ONNX model, whose wire format has no magic."""

from __future__ import annotations

from veritensor_ray.formats.model_files.forward import ForwardView
from veritensor_ray.formats.model_files.onnx.structure import SCHEMA
from veritensor_ray.formats.model_files.wire import FIRST_NUMBER, begins_with, varint


def is_onnx(head: bytes) -> bool:
    """Whether a file that begins like this is an ONNX model: a version, then only fields of a model, and a valid beginning of a graph."""
    return head.startswith(FIRST_NUMBER) and len(head) >= 8 and begins_with(head, _judged)


def _judged(window: ForwardView, number: int, wire: int) -> bool | None:
    if number == 7 and wire == 2:
        return varint(window) > 0 and _begins_graph(window.take(2))
    return None if _fits(window, number, wire) else False


def _fits(window: ForwardView, number: int, wire: int) -> bool:
    if number in (1, 5) and wire == 0:
        return varint(window) < (1000 if number == 1 else 1 << 63)
    if number not in (2, 3, 4, 6, 8, 14) or wire != 2:
        return False
    data = window.take(varint(window))
    return number in (8, 14) or (not data or data.decode("utf-8", "replace").replace("\n", " ").isprintable())


def _begins_graph(data: bytes) -> bool:
    return bool(data) and data[0] & 7 == 2 and data[0] >> 3 in SCHEMA["Graph"]
