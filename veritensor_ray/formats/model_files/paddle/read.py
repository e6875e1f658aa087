"""Reads programs of Paddle: texts in attributes, and names."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.model_files.paddle.structure import PROGRAM, SCHEMA
from veritensor_ray.formats.model_files.wire_texts import MessageFormat, read_texts

_NAMES = frozenset({"op_type", "parameter", "arguments", "name", "var", "var_name", "vars_name", "op_name"})
_PADDLE = MessageFormat("Paddle", SCHEMA, PROGRAM, _NAMES, frozenset({"s", "strings"}))


def read_paddle(source: Source) -> Iterator[Item]:
    """Yield every string. Names of operators and variables become the lines of a few strings."""
    return read_texts(source, _PADDLE)
