"""The names that a dataset of Hugging Face gives to the numbers of a column (ClassLabel), from the metadata of a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.core import bounds

FEATURES = b"huggingface"  # the key in the metadata


def label_names(schema: pa.Schema) -> Mapping[str, Sequence[str]]:
    """Return the names of labels by column, in the order of their numbers. What is not described as `datasets` does it has none."""
    said = (schema.metadata or {}).get(FEATURES, b"")
    if not said or len(said) > bounds.DATASET_DESCRIPTION:
        return {}
    try:
        features: Any = json.loads(said)["info"]["features"]
        found = {name: _names(features[name]) for name in schema.names if name in features and pa.types.is_integer(schema.field(name).type)}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {name: names for name, names in found.items() if names}


def _names(feature: Any) -> Sequence[str]:
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


__all__ = ["FEATURES", "label_names"]
