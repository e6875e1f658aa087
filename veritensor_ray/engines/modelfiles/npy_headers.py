"""Judges the headers of NumPy arrays: what they claim, and whether they are the literal that the format demands. Nothing is evaluated."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.engines.modelfiles.naming.telling_text import telling
from veritensor_ray.formats.model_files.numpy.structure import NpyHeader

_RULE = "modelfiles.npy-malformed"
_KEYS = {"descr", "fortran_order", "shape"}
_LARGEST = 65_536  # bytes of a header that are parsed


def judged_header(file: BinaryIO, error: Malformed) -> Iterator[Found]:
    """Yield why a header that NumPy refuses matters: some readers evaluate it as code."""
    file.seek(6)
    major = file.read(2)[:1]
    width = 2 if major == b"\x01" else 4
    size = int.from_bytes(file.read(width), "little")
    raw = file.read(min(size, _LARGEST))
    if size <= _LARGEST and len(raw) == size and not _is_literal(text := raw.decode("latin-1")):
        severity: Severity = "high" if telling(text) == "code" else "medium"
        start = 8 + width
        message = f"the header is not a literal dictionary of the format's keys: {text.strip()[:200]}"
        yield Hit(_RULE, start, start + size, severity=severity, message=message, evidence=text.strip()[:300])
    yield Gap(f"modelfiles: {error}", engine="modelfiles")


def _is_literal(text: str) -> bool:
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == _KEYS


def judged_numbers(header: NpyHeader, size: int | None) -> Iterator[Found]:
    """Yield what an array without objects holds. Loaders read as many bytes as its header says, and no more."""
    end = header.offset + header.size
    if min(header.shape, default=0) < 0 or (size is not None and size < end):
        yield Effect("holds", "an array", "unknown", "its header says more than the file has", 0, header.offset)
        if header.size >= bounds.NPY_CLAIMED:
            message = f"the header claims an array of {header.size:,} bytes, which loaders allocate at once"
            yield Hit(_RULE, 0, header.offset, message=message, evidence=str(header.shape)[:200])
    elif size is None or size > end:
        yield Effect(
            "holds", "bytes after the array", "unknown", "loaders do not read them, so nothing says what they are", end, size or end
        )
    else:
        yield Effect("holds", f"an array of {header.dtype.name}", "inert", "loading copies its bytes into memory", header.offset, end)
