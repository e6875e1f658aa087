"""Reads ONNX: documentation, metadata, strings in attributes and tensors, and names; weights are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.model_files.onnx.structure import SCHEMA
from veritensor_ray.formats.model_files.wire_texts import MessageFormat, read_texts

_NAMES = frozenset(
    {"name", "input", "output", "op_type", "attribute", "overload", "ref_attr_name", "tensor_name", "dim_param", "denotation"}
)
_ONNX = MessageFormat("ONNX", SCHEMA, "Model", _NAMES, frozenset({"string_data", "s", "strings"}))


def read_onnx(source: Source) -> Iterator[Item]:
    """Yield every string. Names of nodes and tensors become the lines of a few strings."""
    return read_texts(source, _ONNX)
