"""Reads Core ML models: descriptions, metadata, texts of operations, and names; weights are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.model_files.coreml.structure import MODEL, SCHEMA
from veritensor_ray.formats.model_files.wire_texts import MessageFormat, read_texts

_NAMES = frozenset(
    {"layer_name", "input", "output", "outputs", "operation", "key", "binding", "named", "feature_name", "model_name", "label"}
)
_CORE_ML = MessageFormat("Core ML", SCHEMA, MODEL, _NAMES, frozenset({"string", "parameter", "bytes"}))


def read_core_ml(source: Source) -> Iterator[Item]:
    """Yield every string. Names of layers and operations become the lines of a few strings."""
    return read_texts(source, _CORE_ML)
