"""Judges what names and link targets in an archive would do to a program that extracts them."""

from __future__ import annotations

import posixpath
import re

_DRIVE = re.compile(r"[A-Za-z]:(?:[/\\]|$)|\\\\|//")
_DECEPTIVE = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_DEVICES = ("con", "prn", "aux", "nul", "com", "lpt")
_RESERVED = re.compile(r"[/\\](?:con|prn|aux|nul|com\d|lpt\d)(?:[./\\]|$)")
# The targets that make an absolute link suspicious even in an image of a root file system.
_PRIVATE = re.compile(
    r"^/+(?:etc/(?:passwd|shadow|gshadow|sudoers)|root/|home/[^/]+/|proc/[^/]+/(?:environ|mem|root|cwd)|var/run/secrets|run/secrets|dev/[sv]d)"
    r"|/\.(?:ssh|aws|kube|docker|gnupg|netrc|env|git-credentials|bash_history)(?:/|$)"
)


def hazards(name: str) -> list[str]:
    """The notice kinds for a name in an archive."""
    found = []
    if _DRIVE.match(name) or (".." in name and leaves(name)):
        found.append("unsafe-path")
    elif name[:1] in ("/", "\\"):
        found.append("absolute-path")
    if _DECEPTIVE.search(name.removesuffix("Icon\r")):  # the name of a folder icon on macOS
        found.append("deceptive-name")
    lower = name.lower()
    if any(device in lower for device in _DEVICES) and _RESERVED.search(f"/{lower}"):  # few names need the slower search
        found.append("reserved-name")
    return found


def leaves(path: str, base: str = "") -> bool:
    """Whether a relative path, starting in folder `base` of the archive, ends outside the archive."""
    depth = 0
    for part in [*re.split(r"[/\\]", base), *re.split(r"[/\\]", path)]:
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return False


def link_hazard(name: str, target: str, hard: bool = False) -> str | None:
    """The notice kind for a link. A hard link is resolved from the archive's root, a symbolic one from its own folder."""
    if _PRIVATE.search(target) or _DRIVE.match(target):
        return "unsafe-link"
    if target[:1] in ("/", "\\"):
        return "unsafe-link" if hard else "absolute-link"
    return "unsafe-link" if leaves(target, "" if hard else posixpath.dirname(name)) else None
