"""Says in which encoding XML is written, by its first bytes and by what it declares (XML 1.0, appendix F)."""

from __future__ import annotations

import codecs
import re

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})")


def xml_codec(data: bytes) -> str | None:
    """Return the codec of XML that begins with `data`; None if it declares one that does not exist."""
    if data.startswith((codecs.BOM_UTF16_LE, b"<\x00")):
        return "utf-16-le"
    if data.startswith((codecs.BOM_UTF16_BE, b"\x00<")):
        return "utf-16-be"
    declared = _DECLARED.match(data.removeprefix(codecs.BOM_UTF8))
    try:
        return codecs.lookup(declared[1].decode("ascii") if declared else "utf-8").name
    except LookupError:
        return None
