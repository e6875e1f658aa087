"""Classifies the target of a relationship: inside or outside the local network."""

from __future__ import annotations

import re

# Relationships that office programs follow automatically when the document is opened, and whose content then runs or is shown as part of
# it.
_FOLLOWED = frozenset({"attachedtemplate", "oleobject", "frame", "subdocument", "afchunk", "package", "control"})
_ORDINARY = frozenset({"hyperlink"})
_REMOTE = re.compile(r"(?i)(?:mhtml:|ms-[a-z-]+:|search-ms:|javascript:|vbscript:|x-usc:|https?:|ftp:|webdav:)")
_LOCAL = re.compile(r"(?i)file:///[^\\/]")
_UNC = re.compile(r"(?i)(?:file:/*)?[\\/]{2,}([^\\/]+)")


def relation_notice(kind: str, target: str) -> str | None:
    """The notice for an external target: a link waits for a click, but a template or an object is fetched at once."""
    kind = kind.lower()
    if kind in _ORDINARY:
        return None
    return "remote-template" if kind in _FOLLOWED and is_remote(target) else "external-relation"


def is_remote(target: str) -> bool:
    """Whether a target is outside the local network: a server with a full name, or a handler that fetches."""
    target = target.strip()
    if _REMOTE.match(target) or "!x-usc" in target.lower():
        return True
    if _LOCAL.match(target):
        return False
    server = _UNC.match(target)
    return server is not None and ("@" in server[1] or "." in server[1])
