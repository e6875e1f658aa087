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
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.json.read import read_json
from veritensor_ray.formats.notebook.cells import notebook_of, texts_of, unsaid
from veritensor_ray.formats.residue.strings import VIEW

_LARGEST = bounds.NOTEBOOK


def read_notebook(source: Source) -> Iterator[Block | Gap]:
    """Read a notebook of up to 256 MB. A file that turns out not to be a notebook is read as JSON."""
    data = source.file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitExceeded("notebook_bytes", f"the notebook is larger than {_LARGEST} bytes")
    notebook = notebook_of(data[source.kind.bom :].decode(source.kind.encoding or "utf-8", "replace"))
    if notebook is None:
        yield from read_json(replace(source, file=io.BytesIO(data)))
        return
    for part, column, value, kind in texts_of(notebook):
        if kind == "image":
            yield _image(part, column, value)
        elif text := json.dumps(value) if kind == "json" else _joined(value):
            yield Block([text], part=part, column=column, line=1, view="metadata" if kind == "metadata" else "visible")
    if left := "\n".join(dict.fromkeys(unsaid(notebook))):
        yield Block([left], column="keys and numbers", view=VIEW)


def _image(part: str | None, column: str, value: Any) -> Block | Gap:
    try:
        data = base64.b64decode(_joined(value), validate=False)
    except (binascii.Error, ValueError):
        bundle, _, name = column.rpartition(".image/")
        return Gap(f"image/{name} in {bundle} is not valid base64", location=part)
    return Block([""], part=part, column=column, images=[data])


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "".join(str(line) for line in value) if isinstance(value, list) else ""
