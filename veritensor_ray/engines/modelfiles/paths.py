"""Whether a path that a file names would lead a loader out of the file's folder; it opens none."""

from __future__ import annotations

import re


def leaves_folder(location: str) -> bool:
    """Whether a path is absolute, an address, or climbs out of where it starts."""
    path = location.replace("\\", "/")
    if path.startswith(("/", "~")) or "://" in path or re.match(r"[A-Za-z]:", path) or "\x00" in path:
        return True
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False
