"""Searches objects of R in ASCII form for the names of functions that act. Symbols are found by their form; the object is not walked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.engines.modelfiles.r_objects import DOING

_STRINGS = 16
_START = re.compile(rb"(?:RDA[23]\n)?A\n[23]\n")
_SYMBOL = re.compile(
    rb"\n(\d{1,10})\n1\n\d{1,10}\n\d{1,4}\n([^\n]{1,4096})(?=\n)"
)  # what stands before, a symbol, its flags and length, and its text


def scan_r_text(file: BinaryIO) -> Iterator[Found]:
    """Yield the functions to which an object refers that start programs or access the network."""
    data = file.read(bounds.SEARCHED_OBJECT)
    if not _START.match(data):
        return
    yield Effect("holds", "an object of R in ASCII form", "unknown", "only its symbols are read", 0, min(len(data), 16))
    seen = set()
    for found in _SYMBOL.finditer(data):
        name = found[2].decode("latin-1")
        is_text = int(found[1]) & 0xFF == _STRINGS  # a vector with one text has the form of a symbol behind its own flags
        if name in DOING and name not in seen and not is_text:
            seen.add(name)
            yield Hit(
                "modelfiles.r-code", *found.span(2), severity="medium", message=f"the object refers to the function {name}", evidence=name
            )
    if file.read(1):
        yield Gap("symbols in the rest of the file were not looked for", engine="modelfiles", bound="searched_object")
