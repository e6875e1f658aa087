"""Reads document type declarations: entities are reported but never expanded; external and multiplying ones get a notice."""

from __future__ import annotations

import re
from itertools import islice

from veritensor_ray.formats.common.block_writer import Writer

_PLAIN = re.compile(r"<!doctype html>|<\?xml( version=.1\.[01].)?( encoding=.[\w-]{1,20}.)?( standalone=.\w{2,3}.)?\s?\?>", re.IGNORECASE)
_EXTERNAL = re.compile(r"<!ENTITY\s++(?:%\s++)?[^\s\"'<>]{1,200}\s++SYSTEM\s++(?:\"[^\"]{0,2000}\"|'[^']{0,2000}')[^<>]{0,200}>?")
_VALUE = re.compile(r"<!ENTITY\s++[^\s\"'<>%]{1,200}\s++(?:\"([^\"]*+)\"|'([^']*+)')")
_REFERENCES, _MULTIPLYING = 4, 3  # references in one value; number of such entities
_SHOWN = 4000
_NOTICES = 100  # per document type


def read_declaration(writer: Writer, raw: str, start: int, line: int) -> None:
    """Read a `<!...>` or `<?...?>` that is not a comment."""
    if _PLAIN.fullmatch(raw):
        return
    is_type = raw[:9].lower() == "<!doctype"
    writer.source("metadata", raw, start, line, "doctype" if is_type else "instruction")
    if not is_type:
        return
    for found in islice(_EXTERNAL.finditer(raw), _NOTICES):
        _notice(writer, raw, found, start, line, "xml-external-entity")
    values = [found for found in _VALUE.finditer(raw) if (found.group(1) or found.group(2) or "").count("&") >= _REFERENCES]
    if len(values) >= _MULTIPLYING:
        _notice(writer, raw, values[0], start, line, "xml-entity-bomb")


def _notice(writer: Writer, raw: str, found: re.Match[str], start: int, line: int, notice: str) -> None:
    text = found.group()[:_SHOWN]
    writer.source("metadata", text, start + found.start(), line + raw.count("\n", 0, found.start()), "doctype", notice)
