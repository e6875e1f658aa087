"""Recognizes RTF that programs open although something precedes it."""

from __future__ import annotations

import re

BEHIND_BLANKS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\\rtf1")  # after a byte order mark or blanks
REACH = 1024  # bytes in which it has to stand
