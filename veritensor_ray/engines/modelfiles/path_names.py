"""Decides whether a path named in a file would lead a loader out of the file's folder. No path is opened."""

from __future__ import annotations

import re


def leaves_folder(location: str) -> bool:
    """Return whether a path is absolute, is an address, or climbs out of its starting folder."""
    path = location.replace("\\", "/")
    if path.startswith(("/", "~")) or "://" in path or re.match(r"[A-Za-z]:", path) or "\x00" in path:
        return True
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False
