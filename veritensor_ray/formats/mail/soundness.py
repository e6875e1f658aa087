"""Says why a message must not be written again: programs do not agree on its parts, so that nobody knows what they would show of the copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from veritensor_ray.formats.mail.mime import MOST_FIELDS
from veritensor_ray.formats.mail.structure import MailEntity
from veritensor_ray.formats.mail.unsaid import PARAMETER

_BARE_RETURN = re.compile(rb"\r(?!\n)")
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})


def unsound(data: bytes, parts: Sequence[MailEntity]) -> str | None:
    """Return what is wrong with a message, or None."""
    return next(_problems(data, parts), None)


def _problems(data: bytes, parts: Sequence[MailEntity]) -> Iterator[str]:
    for entity in parts:
        where = f"its part {entity.path}" if entity.path else "the message"
        if entity.deep:
            yield f"{where} has parts that are nested too deeply (mail_depth)"
        if entity.kind.startswith("multipart/") and len(entity.places) < 3:
            yield f"{where} consists of parts, but the boundary between them is missing"
        if not entity.closed:
            yield f"{where} has no boundary that ends its parts"
        if entity.is_split and _has_more_boundaries(data, entity):
            yield f"{where} has boundaries that follow each other, or the one that ends its parts"
        if entity.is_split and entity.encoding not in _IDENTITY:
            yield f"{where} consists of parts and is encoded as a whole"
        yield from (f"{where} {problem}" for problem in _of_header(data, entity))
    if problem := _of_bytes(data, parts):
        yield problem


def _has_more_boundaries(data: bytes, entity: MailEntity) -> bool:
    line = b"--" + entity.boundary.encode("latin-1", "replace")
    begin, end = entity.places[-1]
    return any(data.startswith(line, first) for first, _ in entity.places[1:]) or data.find(b"\n" + line, begin, end) >= 0


def _of_header(data: bytes, entity: MailEntity) -> Iterator[str]:
    fields = entity.part.fields
    if len(fields) >= MOST_FIELDS:
        yield f"has {MOST_FIELDS:,} header fields or more"
    if any(not field.written for field in fields):
        yield "has a line in its header that is not a field"
    if any(data[field.begin + len(field.written) : field.start] != b":" for field in fields if field.written):
        yield "has a white space between the name of a field and its colon"
    if data[fields[-1].end if fields else entity.begin : entity.part.begin].strip(b"\r\n"):
        yield "has a header that ends with a line of white space"
    for name in ("content-type", "content-transfer-encoding"):
        if len(set(entity.part.all(name))) > 1:
            yield f"has two different {name} fields"
    boundaries = [found for found in PARAMETER.finditer("".join(entity.part.all("content-type")[:1])) if found[1].lower() == "boundary"]
    if len(boundaries) - sum(bool(found[2]) for found in boundaries) > 1:
        yield "names two boundaries"


def _of_bytes(data: bytes, parts: Sequence[MailEntity]) -> str | None:
    """Return what is wrong with the bytes outside of files that are written as they are."""
    at = 0
    binary = [entity for entity in parts if not entity.is_split and entity.encoding == "binary"]
    for begin, end in (*((entity.part.begin, entity.part.end) for entity in binary), (len(data), len(data))):
        if b"\0" in data[at:begin]:
            return "it holds NULs, at which programs may stop reading"
        if _BARE_RETURN.search(data, at, begin):
            return "it holds a carriage return without a line feed, which is the end of a line for some programs only"
        at = end
    if any(b"\r--" + entity.boundary.encode("latin-1", "replace") in data for entity in parts if entity.is_split):
        return "a boundary follows a carriage return without a line feed"
    return None


__all__ = ["unsound"]
