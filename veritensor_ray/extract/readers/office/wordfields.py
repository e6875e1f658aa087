"""Word's field instructions: which of them start a program or fetch something; it knows no file format."""

from __future__ import annotations

import re

from veritensor_ray.extract.readers.office.targets import is_remote

_DDE = re.compile(r"\s*DDE(?:AUTO)?\b", re.IGNORECASE)
_FETCH = re.compile(r"\s*(INCLUDETEXT|INCLUDEPICTURE|INCLUDE|IMPORT|LINK)\s+(?:[\w.]+\s+)?\"?([^\s\"]+)", re.IGNORECASE)


def field_notice(instruction: str) -> str | None:
    """None for a field that calculates, counts or links. A picture from elsewhere is what a copied web page leaves behind."""
    if _DDE.match(instruction):
        return "dde"
    fetched = _FETCH.match(instruction)
    if fetched is None:
        return None
    picture = fetched[1].upper() in ("INCLUDEPICTURE", "IMPORT")
    return "external-content" if is_remote(fetched[2].replace("\\\\", "\\")) and not picture else "external-relation"
