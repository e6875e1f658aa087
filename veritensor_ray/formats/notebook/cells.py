"""Walks through the texts of a Jupyter notebook, whose values are those of Python's parser for a reader, and traced for a rewriter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from veritensor_ray.core.media_types import SVG
from veritensor_ray.formats.residue.xml_tokens import may_matter

_UNREAD = ("cell_type", "execution_count", "output_type")  # keys whose values are not given as texts
_LEAST = 10**11  # shorter numbers identify nobody


class CellText(NamedTuple):
    """A string or a list of its lines, an image in base64, or a value that is read as Python writes it. `part` is the cell."""

    part: str | None
    column: str
    value: Any
    kind: Literal["text", "metadata", "image", "json"]


def notebook_of(text: str) -> dict[str, Any] | None:
    """Parse a notebook of version 4; None for anything else, and if a key occurs twice: the JSON reader reads both values."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("cells"), list) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def texts_of(notebook: dict[str, Any]) -> Iterator[CellText]:
    """Yield what a notebook holds: its cells, their outputs and attachments, and all metadata."""
    for number, cell in enumerate(notebook["cells"]):
        if isinstance(cell, dict):
            yield from _cell(cell, f"cell {number}")
        else:
            yield from _metadata(cell, "cell", f"cell {number}")
    for key, value in notebook.items():
        if key != "cells":
            yield from _metadata(value, key, None)


def _cell(cell: dict[str, Any], part: str) -> Iterator[CellText]:
    yield from _expected_text(cell.get("source"), part, "source")
    for key, value in cell.items():
        if key == "outputs" and isinstance(value, list):
            for number, output in enumerate(value):
                yield from _output(output, part, f"outputs[{number}]")
        elif key == "attachments" and isinstance(value, dict):
            for name, bundle in value.items():
                yield from _bundle(bundle, part, f"attachments.{name}")
        elif key not in ("source", "cell_type", "execution_count"):
            yield from _metadata(value, key, part)


def _output(output: Any, part: str, column: str) -> Iterator[CellText]:
    if not isinstance(output, dict):
        yield from _metadata(output, column, part)
        return
    for key, value in output.items():
        if key == "data":
            yield from _bundle(value, part, f"{column}.data")
        elif key in ("text", "traceback", "evalue"):
            yield from _expected_text(value, part, f"{column}.{key}")
        elif key not in ("output_type", "execution_count") and value not in ("stdout", "stderr"):
            yield from _metadata(value, f"{column}.{key}", part)


def _bundle(bundle: Any, part: str, column: str) -> Iterator[CellText]:
    """Yield a MIME bundle: images as images, everything else as text."""
    if not isinstance(bundle, dict):
        yield from _expected_text(bundle, part, column)
        return
    for media_type, value in bundle.items():
        is_image = media_type.startswith("image/") and media_type != SVG
        yield CellText(part, f"{column}.{media_type}", value, "image" if is_image else "text" if isinstance(value, (str, list)) else "json")


def _expected_text(value: Any, part: str, column: str) -> Iterator[CellText]:
    if isinstance(value, dict):  # in a place where the format expects text
        yield from _metadata(value, column, part)
    elif isinstance(value, (str, list)):
        yield CellText(part, column, value, "text")


def _metadata(value: Any, path: str, part: str | None) -> Iterator[CellText]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _metadata(item, f"{path}.{key}", part)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _metadata(item, f"{path}[{number}]", part)
    elif isinstance(value, str):
        yield CellText(part, path, value, "metadata")


def unsaid(notebook: dict[str, Any]) -> Iterator[str]:
    """Yield what is not among the texts of a notebook, but may say something: keys, long numbers, and strings in the place of a type or a count."""
    ahead: list[Any] = [notebook]
    while ahead:
        value = ahead.pop()
        if isinstance(value, dict):
            yield from filter(may_matter, value)
            yield from (item for key in _UNREAD if isinstance(item := value.get(key), str) and may_matter(item))
            ahead += value.values()
        elif isinstance(value, list):
            ahead += value
        elif isinstance(value, int) and abs(value) >= _LEAST:
            yield str(value)
