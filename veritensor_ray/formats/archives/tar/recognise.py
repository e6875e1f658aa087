"""Recognizes a tar file without a magic."""

from __future__ import annotations

import re

_SUM = re.compile(rb" *([0-7]{1,7})[\x00 ]+")


def is_tar(head: bytes) -> bool:
    """Whether the first header has a valid checksum, since tar files older than `ustar` have no magic."""
    told = _SUM.fullmatch(head[148:156])
    return bool(told and head[0] and len(head) >= 512 and sum(head[:148]) + sum(head[156:512]) + 8 * 32 == int(told[1], 8))
