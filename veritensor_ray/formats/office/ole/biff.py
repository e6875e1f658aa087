"""Reads the records of an old Excel workbook ([MS-XLS] 2.4) that xlrd ignores; none of them are cells."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from veritensor_ray.core import bounds
from veritensor_ray.formats.office.ole.biff_links import BiffLink, external_sheet, supporting_book

_HEADER, _FOOTER, _FILEPASS, _CONTINUE = 0x14, 0x15, 0x2F, 0x3C
_EXTERNSHEET, _EXTERNNAME, _BOUNDSHEET, _DRAWINGS, _SUPBOOK, _TEXTBOX = 0x17, 0x23, 0x85, 0xEB, 0x1AE, 0x1B6
_CONTINUED = (0xFC, 0x5D, 0xEC, 0x7F)  # strings and objects, whose continuations do not belong to an earlier record
_WANTED = frozenset(
    {_HEADER, _FOOTER, _FILEPASS, _CONTINUE, _EXTERNSHEET, _EXTERNNAME, _BOUNDSHEET, _DRAWINGS, _SUPBOOK, _TEXTBOX, *_CONTINUED}
)
_MOST = bounds.XLS_RECORDS
_DRAWING_BYTES = bounds.XLS_DRAWINGS


@dataclass(slots=True)
class Extras:
    """The texts and data found in the records."""

    encrypted: bool = False
    headers: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    links: list[BiffLink] = field(default_factory=list)
    macro_sheets: list[str] = field(default_factory=list)
    drawings: bytes = b""
    cut: str | None = None  # the limit that was exceeded, if any


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the relevant records and their continuations; nearly all others are cells."""
    at, end = 0, len(data) - 4
    header = struct.Struct("<HH").unpack_from
    while at <= end:
        kind, size = header(data, at)
        at += 4 + size
        if kind in _WANTED:
            yield kind, data[at - size : at]


def extras(data: bytes) -> Extras:
    """Read a whole workbook stream."""
    found, drawings = Extras(), bytearray()
    wide = data[4:6] == b"\x00\x06"  # in the last version, strings begin with a byte of flags
    link: BiffLink | None = None  # the last one, to which the names that follow belong
    before, box = 0, 0  # the type that a CONTINUE continues, and the number of characters that a text box still expects
    for kind, body in _records(data):
        if kind == _CONTINUE:
            if before == _DRAWINGS and len(drawings) < _DRAWING_BYTES:
                drawings += body
            elif before == _TEXTBOX and box:
                found.boxes.append(_characters(body, box, True)) if len(found.boxes) < _MOST else None
                box = 0
            continue
        before = kind
        if kind == _FILEPASS:
            found.encrypted = True
        elif kind == _DRAWINGS and len(drawings) < _DRAWING_BYTES:
            drawings += body
        elif kind == _TEXTBOX:
            box = int.from_bytes(body[10:12], "little")
        elif kind in (_HEADER, _FOOTER) and len(body) > 3 and len(found.headers) < _MOST:
            found.headers.append(
                _characters(body[2:], int.from_bytes(body[:2], "little"), True) if wide else _characters(body[1:], body[0], False)
            )
        elif kind == _BOUNDSHEET and len(body) > 8 and body[5] & 0x0F == 1 and len(found.macro_sheets) < _MOST:
            found.macro_sheets.append(_characters(body[7:], body[6], wide))
        elif kind == _SUPBOOK or (kind == _EXTERNSHEET and not wide):
            link = supporting_book(body) if kind == _SUPBOOK else external_sheet(body)
            if link and len(found.links) < _MOST:
                found.links.append(link)
        elif kind == _EXTERNNAME and link and len(body) > 1:
            link.items.append(body[0])
    found.drawings = bytes(drawings)
    kept = (found.boxes, found.headers, found.macro_sheets, found.links)
    found.cut = "xls_records" if max(len(one) for one in kept) >= _MOST else "xls_drawings" if len(drawings) >= _DRAWING_BYTES else None
    return found


def _characters(body: bytes, count: int, flagged: bool) -> str:
    """Decode a string of one or two bytes per character, after its byte of flags if it has one."""
    if flagged and body[:1] == b"\x01":
        return body[1 : 1 + 2 * count].decode("utf-16-le", "replace")
    return body[flagged : flagged + count].decode("cp1252", "replace")
