"""Finds readable strings in arbitrary bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator

_READABLE = re.compile("[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]{8,}")
_READABLE_16 = re.compile(rb"(?:[\t\n\r\x20-\x7e]\x00){8,}")


def readable(data: bytes) -> Iterator[str]:
    """Yield runs of at least 8 characters, in UTF-8 and in UTF-16."""
    for run in _READABLE.finditer(data.decode("utf-8", "replace")):
        yield run[0]
    if b"\x00" in data:
        for wide in _READABLE_16.finditer(data):
            yield wide[0].decode("utf-16-le")
