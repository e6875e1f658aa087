"""Guess the CPU seconds that an artifact will take, from its name and size alone, before anything has been read.

The figures are those of an ordinary x86 core and the embedded models. What is wrong with them on another machine or with other engines is
corrected by what a run or `plan` measures, so only their proportions matter.
"""

from __future__ import annotations

from functools import lru_cache

from veritensor_ray.core import media_types as types
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.format_table import declared_type

# CPU seconds for each file, and for each megabyte, by media type or by the part of it before the slash.
_OTHER = (0.02, 11.0)
_BY_TYPE = {
    types.CSV: (0.02, 24.0),
    types.HTML: (0.02, 5.0),
    types.JSON: (0.02, 4.0),
    types.JSONL: (0.02, 8.5),
    types.NOTEBOOK: (0.1, 30.0),  # and its pictures
    types.PDF: (0.05, 7.0),
    types.SVG: (0.02, 5.0),
    types.DOCX: (0.1, 5.0),
    types.XLSX: (0.05, 5.0),
    "image": (0.2, 2.0),  # the text in them is read, whatever their size
    "audio": (0.01, 0.1),
    "video": (0.01, 0.1),
}


def effort(artifact: str, size: int) -> float:
    """Return the expected CPU seconds for `size` bytes of an artifact."""
    each, megabyte = _figures(FileInfo(artifact, None, "").extension)
    return each + megabyte * size / 1e6


@lru_cache(4096)
def _figures(extension: str) -> tuple[float, float]:
    media_type = declared_type(extension) or ""
    return _BY_TYPE.get(media_type) or _BY_TYPE.get(media_type.partition("/")[0]) or _OTHER
