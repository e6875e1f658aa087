"""Recognizes RTF that programs open although something precedes it."""

from __future__ import annotations

import codecs


def is_rtf_behind_blanks(head: bytes) -> bool:
    """Whether RTF begins after a byte order mark or blanks."""
    return head[:1024].removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{\\rtf1")
