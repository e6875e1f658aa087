"""Opens files for rewriters as the scan opened them, and knows of what kind the parts of a split text are."""

from __future__ import annotations

import codecs
from typing import BinaryIO, cast

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.format_table import declared_type, text_type
from veritensor_ray.core.media_types import JSONL
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.recognition import recognise


def opened(file: BinaryIO, name: str, limits: Limits, budget: Budget | None = None, kind: Kind | None = None) -> Source:
    """Return a seekable file, recognized by its content. `name` is its path or name; `kind` is known for a part of a split artifact."""
    extension = FileInfo(name, None, "").extension
    directory = None
    if kind is None:
        found = recognise(file, extension)
        kind, directory = found.kind, found.directory
    file.seek(0)
    base, said = name.rsplit("/", 1)[-1], declared_type(extension)
    own = cast("Budget", budget)  # without one, the source makes its own
    return Source(file, kind, limits, extension, name_says=said, name=base, directory=directory, budget=own)


def kind_of_part(file: BinaryIO, extension: str, is_jsonl: bool, first: bool) -> Kind:
    """Return the kind of a part of a split text: all parts have the kind that the plan saw in the first one. `file` is at its beginning."""
    mark = len(codecs.BOM_UTF8)
    bom = mark if first and file.read(mark) == codecs.BOM_UTF8 else 0
    file.seek(0)
    return Kind(JSONL if is_jsonl else text_type(extension), "utf-8", bom)
