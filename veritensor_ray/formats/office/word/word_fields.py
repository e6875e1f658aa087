"""Recognizes Word field instructions that start a program or fetch something."""

from __future__ import annotations

import re

from veritensor_ray.formats.office.shared.dde import field_dde
from veritensor_ray.formats.office.shared.link_targets import is_remote

_DDE = re.compile(r"\s*DDE(?:AUTO)?\b", re.IGNORECASE)
_FETCH = re.compile(r"\s*(INCLUDETEXT|INCLUDEPICTURE|INCLUDE|IMPORT|LINK)\s+(?:[\w.]+\s+)?\"?([^\s\"]+)", re.IGNORECASE)


def field_notice(instruction: str) -> str | None:
    """The notice for a field; None if it calculates, counts or links. An external image is common in text copied from the web."""
    if _DDE.match(instruction):
        return field_dde(instruction)
    fetched = _FETCH.match(instruction)
    if fetched is None:
        return None
    picture = fetched[1].upper() in ("INCLUDEPICTURE", "IMPORT")
    return "external-content" if is_remote(fetched[2].replace("\\\\", "\\")) and not picture else "external-relation"
