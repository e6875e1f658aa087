"""Recognizes WARC by the line that its first record begins with."""

from __future__ import annotations

import re

_BEGIN = re.compile(rb"WARC/[01]\.\d+\r?\n")


def is_warc(head: bytes) -> bool:
    """Whether a file begins with a record."""
    return _BEGIN.match(head) is not None
