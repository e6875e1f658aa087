"""Recognizes PDF that programs open although text or other bytes precede it."""

from __future__ import annotations

import re

from veritensor_ray.formats.common.kind import HEAD_BYTES

_REACH = 1024  # bytes in which viewers search for the header
_HEADER = re.compile(rb"%PDF-\d")
_OBJECT = re.compile(rb"(?<!\w)\d{1,10}[ \r\n]+\d{1,5}[ \r\n]+obj\b")
_TRAILER = re.compile(rb"startxref\s+\d{1,20}\s+%%EOF\s*\Z")
_TAIL = 2048


def is_pdf_behind_text(head: bytes, is_text: bool, tail: bytes, whole: bool) -> bool:
    """Whether a file that begins with other bytes is a PDF. `is_text` says that its name promises text; `tail` is its end, if it is known.

    A page about the format may quote a file, so what should be text is one only if nothing follows it.
    """
    begins = _HEADER.search(head, 0, _REACH)
    if begins is None or not _OBJECT.search(head, begins.end()):
        return False
    known = tail or (head if whole or len(head) < HEAD_BYTES else b"")
    if is_text:
        return _TRAILER.search(known[-_TAIL:]) is not None
    return not known or b"startxref" in known or b"%%EOF" in known


def has_pdf_header(head: bytes) -> bool:
    """Whether a header stands where viewers search for it."""
    return b"%PDF-" in head[:_REACH]
