"""Reads Jupyter notebooks: cells, outputs, attachments and metadata. `part` is the cell; lines count within it."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.media_types import SVG
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.json.read import read_json

_LARGEST = bounds.NOTEBOOK


def read_notebook(source: Source) -> Iterator[Block | Gap]:
    """Read a notebook of up to 256 MB. A file that turns out not to be a notebook is read as JSON."""
    data = source.file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitExceeded("notebook_bytes", f"the notebook is larger than {_LARGEST} bytes")
    try:
        notebook = json.loads(data[source.kind.bom :].decode(source.kind.encoding or "utf-8", "replace"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        notebook = None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not isinstance(notebook, dict):
        yield from read_json(replace(source, file=io.BytesIO(data)))
        return
    for number, cell in enumerate(cells):
        if isinstance(cell, dict):
            yield from _cell(cell, f"cell {number}")
        else:
            yield from _metadata(cell, "cell", f"cell {number}")
    for key, value in notebook.items():
        if key != "cells":
            yield from _metadata(value, key, None)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object. One with duplicate keys is left to the JSON reader, which reads both values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _cell(cell: dict[str, Any], part: str) -> Iterator[Block | Gap]:
    yield from _text_blocks(cell.get("source"), part, "source")
    for key, value in cell.items():
        if key == "outputs" and isinstance(value, list):
            for number, output in enumerate(value):
                yield from _output(output, part, f"outputs[{number}]")
        elif key == "attachments" and isinstance(value, dict):
            for name, bundle in value.items():
                yield from _bundle(bundle, part, f"attachments.{name}")
        elif key not in ("source", "cell_type", "execution_count"):
            yield from _metadata(value, key, part)


def _output(output: Any, part: str, column: str) -> Iterator[Block | Gap]:
    if not isinstance(output, dict):
        yield from _metadata(output, column, part)
        return
    for key, value in output.items():
        if key == "data":
            yield from _bundle(value, part, f"{column}.data")
        elif key in ("text", "traceback", "evalue"):
            yield from _text_blocks(value, part, f"{column}.{key}")
        elif key not in ("output_type", "execution_count") and value not in ("stdout", "stderr"):
            yield from _metadata(value, f"{column}.{key}", part)


def _bundle(bundle: Any, part: str, column: str) -> Iterator[Block | Gap]:
    """Yield a MIME bundle: images as images, everything else as text."""
    if not isinstance(bundle, dict):
        yield from _text_blocks(bundle, part, column)
        return
    for media_type, value in bundle.items():
        if media_type.startswith("image/") and media_type != SVG:
            try:
                data = base64.b64decode(_joined(value), validate=False)
            except (binascii.Error, ValueError):
                yield Gap(f"{media_type} in {column} is not valid base64", location=part)
                continue
            yield Block([""], part=part, column=f"{column}.{media_type}", images=[data])
        else:
            yield from _text_blocks(value if isinstance(value, (str, list)) else json.dumps(value), part, f"{column}.{media_type}")


def _text_blocks(value: Any, part: str | None, column: str, view: str = "visible") -> Iterator[Block]:
    if isinstance(value, dict):  # in a place where the format expects text
        yield from _metadata(value, column, part)
        return
    text = _joined(value)
    if text:
        yield Block([text], part=part, column=column, line=1, view=view)


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(str(line) for line in value)
    return value if isinstance(value, str) else ""


def _metadata(value: Any, path: str, part: str | None) -> Iterator[Block]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _metadata(item, f"{path}.{key}", part)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _metadata(item, f"{path}[{number}]", part)
    else:
        yield from _text_blocks(value, part, path, "metadata")
