"""Metadata of Parquet and Arrow files: pairs of a key and a text, some of which say how the columns are to be read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from veritensor_ray.formats.columnar.label_names import FEATURES
from veritensor_ray.formats.editing.actions import Strippable
from veritensor_ray.formats.editing.edits import Orders, Unit
from veritensor_ray.formats.editing.splice import spliced_value
from veritensor_ray.formats.json.recognise import parses

ARROW_SCHEMA, PANDAS = b"ARROW:schema", b"pandas"
STRUCTURE = (ARROW_SCHEMA, PANDAS, FEATURES)  # without these, the columns would be read as something else


def is_stripped(metadata: Iterable[bytes], orders: Orders) -> bool:
    """Return whether some of the keys are removed because they are metadata."""
    return Strippable.METADATA in orders.strip and any(key not in STRUCTURE for key in metadata)


def changed_metadata(key: bytes, value: bytes, orders: Orders) -> bytes | None:
    """Return the value of a pair of metadata as it should be, or None if the pair has to go: if it would be empty or broken, or is stripped."""
    unit = Unit(column=key.decode("utf-8", "replace"))
    new = value
    if unit in orders.units:
        if orders.drops_cell(unit):
            return None
        new = spliced_value(value, orders.edits(unit, value.decode("utf-8", "replace")))
        broken = new != value and (key == PANDAS or (parses(value) and not parses(new)))  # pandas would look for columns that do not exist
        if broken or not new:
            return None
    if not is_stripped([key], orders):
        return new
    orders.stripped(Strippable.METADATA)
    return None


def shorter_index(value: bytes, before: int, after: int) -> bytes:
    """Return the metadata of pandas with an index of as many rows as there are now."""
    try:
        described: Any = json.loads(value)
        for index in described["index_columns"]:
            if (
                isinstance(index, dict)
                and index.get("kind") == "range"
                and len(range(index["start"], index["stop"], index["step"])) == before
            ):
                index["stop"] = index["start"] + after * index["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return value
    return json.dumps(described).encode()
