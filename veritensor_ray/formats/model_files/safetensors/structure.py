"""Reads the header of a safetensors file: its contents and its problems. It reads no tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.json.value_tree import Strings, is_text, value_of

LARGEST = 100_000_000  # the format's own limit for a header
READ = bounds.SAFETENSORS  # this package's limit: parsing takes ten times as much memory
_DESCRIPTION = ("dtype", "shape", "data_offsets")
_DEPTH = 1000  # of values; Python refuses deeper ones
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E5M2FNUZ": 8, "F8_E4M3FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


@dataclass(slots=True)
class SafetensorsHeader:
    """The content of a header.

    `names` are those of the tensors, and `spans` are their first and last bytes in the file. `metadata` holds pairs, including duplicate keys.
    `others` are strings that do not belong into the description of a tensor. `problems` are sentences in the order of discovery. `unread` says
    that the header is larger than READ.
    """

    size: int = 0
    metadata: list[tuple[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unread: bool = False
    end: int = 0  # the end of the last tensor in the file; 0 if unknown


def read_header(file: BinaryIO, size: int | None) -> SafetensorsHeader:
    """Read the header of `file`, which is at its beginning. `size` is that of the file, if known."""
    found = SafetensorsHeader()
    lead = file.read(8)
    found.size = int.from_bytes(lead, "little")
    if len(lead) < 8 or found.size > LARGEST:
        found.problems.append(
            f"the header has {found.size:,} bytes; at most {LARGEST:,} are allowed" if len(lead) == 8 else "the file ends inside the header"
        )
        return found
    if found.size > READ:
        found.unread = True
        return found
    data = file.read(found.size)
    if len(data) < found.size:
        found.problems.append("the file ends inside the header")
        return found
    try:
        top = value_of(data.decode("utf-8"))  # an object is a tuple of pairs, in which a key may stand twice
    except (ValueError, RecursionError):
        found.problems.append("the header is not JSON in UTF-8")
        return found
    if not isinstance(top, tuple):
        found.problems.append("the header is not a JSON object")
        return found
    _read(top, found, None if size is None else size - 8 - found.size)
    return found


def _read(top: tuple[tuple[str, Any], ...], found: SafetensorsHeader, room: int | None) -> None:
    names: set[str] = set()
    spans: list[tuple[int, int, int]] = []
    for number, (name, value) in enumerate(top, 1):
        if name in names:
            found.problems.append(f"the name of entry {number} has occurred before")
        names.add(name)
        if name == "__metadata__":
            _metadata(value, found)
            continue
        found.names.append(name)
        found.others += _others(value)
        span = _span(value)
        if isinstance(span, str):
            found.problems.append(f"entry {number}: {span}")
        else:
            spans.append((*span, number))
    found.problems += _layout(spans, room)
    begin = 8 + found.size
    found.spans = [(begin + start, begin + end) for start, end, _ in sorted(spans)]
    found.end = begin + max((end for _, end, _ in spans), default=0)


def _others(value: Any) -> list[str]:
    """Return the strings of a tensor's description that say nothing about it."""
    strings = Strings(numbered=False)
    strings.read(value, "", None, _DEPTH)
    keys = [key for key, _ in value if not is_text(key) and key not in _DESCRIPTION] if isinstance(value, tuple) else []
    return [text for text in (*keys, *strings.texts) if text not in _BITS]


def _metadata(value: Any, found: SafetensorsHeader) -> None:
    if not isinstance(value, tuple):
        found.problems.append("__metadata__ is not an object")
        return
    found.metadata += [(key, text if isinstance(text, str) else json.dumps(text)) for key, text in value]
    if any(not isinstance(text, str) for _, text in value):
        found.problems.append("__metadata__ contains values other than strings")


def _span(value: Any) -> tuple[int, int] | str:
    """The first and last byte of a tensor, or the problem with its description."""
    if not isinstance(value, tuple) or len(entry := dict(value)) != len(value):
        return "the description of the tensor is invalid"
    offsets, shape, dtype = entry.get("data_offsets"), entry.get("shape"), entry.get("dtype")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_natural(n) for n in offsets):
        return "it does not have two offsets"
    if not isinstance(shape, list) or not all(_natural(n) for n in shape):
        return "it does not have a valid shape"
    start, end = offsets
    if end < start:
        return "its offsets are in the wrong order"
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is not None and math.prod(shape) * bits != (end - start) * 8:
        return f"{end - start:,} bytes do not hold a tensor of its shape"
    return start, end


def _natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _layout(spans: list[tuple[int, int, int]], room: int | None) -> Iterator[str]:
    """Yield problems: tensors have to cover the data without overlaps or holes, up to the end."""
    at = 0
    for start, end, number in sorted(spans):
        if start < at:
            yield f"entry {number} overlaps the tensor before it"
        elif start > at:
            yield f"there is a gap of {start - at:,} bytes before entry {number}"
        at = max(at, end)
    if room is not None and at > room:
        yield f"the tensors need {at:,} bytes, but the file has {max(0, room):,}"
    elif room is not None and at < room:
        yield f"{room - at:,} bytes after the last tensor do not belong to any"
