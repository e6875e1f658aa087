"""Reads TensorFlow's models: constants, attributes, documentation and names; weights are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.model_files.tensorflow.structure import SCHEMA, root_of_file
from veritensor_ray.formats.model_files.wire_texts import MessageFormat, read_texts

_NAMES = frozenset({
    "name", "op", "op_name", "input", "key", "arg", "attr_name", "type", "type_attr", "tensor_name", "local_name", "spec_name",
    "concrete", "operation",
})  # fmt: skip
_VALUES = frozenset({"string_val", "s", "value", "string"})


def read_tensorflow(source: Source) -> Iterator[Item]:
    """Yield every string. Names of nodes and tensors become the lines of a few strings."""
    root = root_of_file(source.file)
    if root is None:
        raise ReadError("TensorFlow: the file does not begin like a model")
    return read_texts(source, MessageFormat("TensorFlow", SCHEMA, root, _NAMES, _VALUES))
