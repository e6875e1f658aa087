"""Reads the records of an old Excel workbook ([MS-XLS] 2.4) that xlrd ignores; none of them are cells."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from veritensor_ray.core import bounds
from veritensor_ray.formats.office.ole.biff_links import BiffLink, external_sheet, supporting_book

_HEADER, _FOOTER, _NAME, _FILEPASS, _CONTINUE = 0x14, 0x15, 0x18, 0x2F, 0x3C
_EXTERNSHEET, _EXTERNNAME, _BOUNDSHEET, _DRAWINGS, _SUPBOOK, _TEXTBOX = 0x17, 0x23, 0x85, 0xEB, 0x1AE, 0x1B6
_CONTINUED = (0xFC, 0x5D, 0xEC, 0x7F)  # strings and objects, whose continuations do not belong to an earlier record
_WANTED = frozenset(
    {_HEADER, _FOOTER, _NAME, _FILEPASS, _CONTINUE, _EXTERNSHEET, _EXTERNNAME, _BOUNDSHEET, _DRAWINGS, _SUPBOOK, _TEXTBOX, *_CONTINUED}
)
_MOST = bounds.XLS_RECORDS
_NAMES = bounds.XLS_NAMES
_BUILT_IN, _MACRO = 0x20, 0x0E  # flags of names: their text is a number; they are functions or commands
_STARTERS = {1: "Auto_Open", 2: "Auto_Close", 10: "Auto_Activate", 11: "Auto_Deactivate"}
_ITSELF = b"\x01\x04"  # in the place of a book's path
_DRAWING_BYTES = bounds.XLS_DRAWINGS


@dataclass(frozen=True, slots=True)
class BiffSheet:
    """A sheet as the workbook names it, and where its records begin."""

    name: str
    at: int
    state: int  # 0 if it is shown, 1 if it is hidden, 2 if Excel's menu does not offer it either
    is_macro: bool
    entry: int  # where the record that names it has its type


@dataclass(frozen=True, slots=True)
class BiffName:
    """A defined name and its formula. Names that Excel gives itself are empty, except those that start macros."""

    name: str
    tokens: bytes
    is_macro: bool


@dataclass(slots=True)
class Extras:
    """The texts and data found in the records."""

    encrypted: bool = False
    headers: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    links: list[BiffLink] = field(default_factory=list)
    sheets: list[BiffSheet] = field(default_factory=list)
    names: list[BiffName] = field(default_factory=list)
    books: list[bool] = field(default_factory=list)  # whether each book that references name is this one
    references: list[tuple[int, int, int]] = field(default_factory=list)  # book, and first and last sheet
    others: dict[tuple[int, int], str] = field(default_factory=dict)  # names by the number of the book, and from 1
    wide: bool = True
    drawings: bytes = b""
    cut: str | None = None  # the limit that was exceeded, if any


def _records(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the relevant records and their continuations, with their places; nearly all others are cells."""
    at, end = 0, len(data) - 4
    header = struct.Struct("<HH").unpack_from
    while at <= end:
        kind, size = header(data, at)
        at += 4 + size
        if kind in _WANTED:
            yield kind, data[at - size : at], at - size


def extras(data: bytes) -> Extras:
    """Read a whole workbook stream."""
    found, drawings = Extras(), bytearray()
    wide = found.wide = data[4:6] == b"\x00\x06"  # in the last version, strings begin with a byte of flags
    link: BiffLink | None = None  # the last one, to which the names that follow belong
    external = 0  # the names of that link so far
    before, box = 0, 0  # the type that a CONTINUE continues, and the number of characters that a text box still expects
    for kind, body, at in _records(data):
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
        elif kind == _BOUNDSHEET and len(body) > 7 and len(found.sheets) < _MOST:
            name = _characters(body[7:], body[6], wide)
            found.sheets.append(BiffSheet(name, int.from_bytes(body[:4], "little"), min(body[4] & 3, 2), body[5] & 0x0F == 1, at + 5))
        elif kind == _NAME and len(body) >= 14 and len(found.names) <= _NAMES:
            found.names.append(_name(body, wide))
        elif kind == _EXTERNSHEET and wide:
            found.references += struct.iter_unpack("<HHH", body[2 : 2 + (len(body) - 2) // 6 * 6]) if len(found.references) < _MOST else ()
        elif kind == _SUPBOOK or (kind == _EXTERNSHEET and not wide):
            external = 0
            link = supporting_book(body) if kind == _SUPBOOK else external_sheet(body)
            if kind == _SUPBOOK and len(found.books) < _MOST:
                found.books.append(body[2:4] == _ITSELF)
            if link and len(found.links) < _MOST:
                found.links.append(link)
        elif kind == _EXTERNNAME and len(body) > 1:
            external += 1
            if link:
                link.items.append(body[0])
            if wide and len(body) > 7 and len(found.others) < _MOST:
                found.others[len(found.books) - 1, external] = _characters(body[7:], body[6], True)
    found.drawings = bytes(drawings)
    kept = (found.boxes, found.headers, found.sheets, found.links)
    found.cut = "xls_records" if max(len(one) for one in kept) >= _MOST else "xls_drawings" if len(drawings) >= _DRAWING_BYTES else None
    return found


def _name(body: bytes, wide: bool) -> BiffName:
    flags, count, size = body[0], body[3], int.from_bytes(body[4:6], "little")
    name = _characters(body[14:], count, wide)
    end = 14 + (1 + count * (1 + (body[14:15] == b"\x01")) if wide else count)
    if flags & _BUILT_IN:
        name = _STARTERS.get(ord(name[:1] or "\0"), "")
    return BiffName(name, body[end : end + size], bool(flags & _MACRO))


def _characters(body: bytes, count: int, flagged: bool) -> str:
    """Decode a string of one or two bytes per character, after its byte of flags if it has one."""
    if flagged and body[:1] == b"\x01":
        return body[1 : 1 + 2 * count].decode("utf-16-le", "replace")
    return body[flagged : flagged + count].decode("cp1252", "replace")
