"""Reads Word 6 to 2003: the text of a document's parts by its piece table ([MS-DOC] 2.4.1).

Formatting is not read, so all text counts as visible.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.office.ole.old_pictures import pictures
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.word.word_fields import field_notice

_MAGIC = 0xA5EC
_OLDEST = 0x00C1  # the first version with Unicode and a piece table in a separate stream
_PIECES = bounds.WORD_PIECES
_LENGTHS = 0x4C
# The parts of the text in order, with the view of each, for the character counts in the file header.
_PARTS = (
    ("body", "visible"),
    ("footnotes", "visible"),
    ("headers", "visible"),
    ("macros", "metadata"),
    ("comments", "comment"),
    ("endnotes", "visible"),
    ("textboxes", "visible"),
    ("header textboxes", "visible"),
)
_PARAGRAPH = re.compile(r"[^\r\x07\x0c]+")
_FIELD = re.compile(r"\x13([^\x13\x14\x15]*)\x14?")
_CONTROLS = {**dict.fromkeys(range(32), " "), 9: "\t", 11: "\n", 13: "\n", 10: "\n", 0x1E: "-", 0x1F: "\u00ad"}


def read_doc(streams: dict[str, str], open_stream: Callable[[str], bytes], storage: str) -> Iterator[Item]:
    """Yield the text of one storage, part by part, and then the images."""
    data = open_stream(streams["worddocument"])
    if len(data) < 0x60:
        raise ReadError("the header of the document ends early")
    flags = int.from_bytes(data[0x0A:0x0C], "little")
    if flags & 0x0100:
        reason = "the document is encrypted: its text cannot be read"
        yield Block([reason], part=storage or None, view="metadata", notice="encrypted-document")
        yield Gap(reason, location=storage or None, code=ReasonCode.ENCRYPTED)
        return
    if int.from_bytes(data[:2], "little") != _MAGIC or int.from_bytes(data[2:4], "little") < _OLDEST:
        first, last = struct.unpack_from("<II", data, 0x18)
        text = data[first : min(last, len(data))].decode("cp1252", "replace")
        if not text or last > len(data):
            yield Gap("the text of the document ends early or is not where the header says", location=storage or None)
        yield from _part(text, f"{storage} body".strip(), "visible")
        return
    table = "1table" if flags & 0x0200 else "0table"
    if table not in streams:
        raise ReadError("the document has no table stream: its text cannot be assembled")
    text, lost = _pieces(data, open_stream(streams[table]))
    if lost:
        yield Gap(f"characters of the text that lie beyond the end of the document: {lost}", location=storage or None)
    lengths = struct.unpack_from("<8i", data, _LENGTHS)
    at = 0
    for (part, view), length in zip(_PARTS, lengths, strict=True):
        length = max(0, min(length, len(text) - at))
        yield from _part(text[at : at + length], f"{storage} {part}".strip(), view)
        at += length
    yield from _part(text[at:], f"{storage} rest".strip(), "hidden")  # text that no part claims
    for name in ("data", "worddocument"):
        if name in streams:
            yield from pictures(open_stream(streams[name]), "picture")


def _pieces(data: bytes, table: bytes) -> tuple[str, int]:
    """The text assembled from its pieces, and the number of missing characters."""
    at, size = struct.unpack_from("<II", data, 0x1A2) if len(data) >= 0x1AA else (0, 0)
    clx = table[at : at + size]
    at = 0
    while at + 3 <= len(clx) and clx[at] == 1:  # formatting that the pieces refer to
        at += 3 + int.from_bytes(clx[at + 1 : at + 3], "little")
    if at + 5 > len(clx) or clx[at] != 2:
        raise ReadError("the piece table is damaged: the text cannot be assembled")
    plc = clx[at + 5 : at + 5 + int.from_bytes(clx[at + 1 : at + 5], "little")]
    count = (len(plc) - 4) // 12
    if not 0 < count <= _PIECES:
        raise ReadError("the piece table is damaged: the text cannot be assembled")
    ends = struct.unpack_from(f"<{count + 1}I", plc, 0)
    found, total = [], 0
    for number in range(count):
        length = ends[number + 1] - ends[number]
        place = int.from_bytes(plc[4 * (count + 1) + 8 * number + 2 : 4 * (count + 1) + 8 * number + 6], "little")
        if length < 0 or total > len(data):
            raise ReadError("the piece table is damaged: pieces overlap")
        total += length
        if place & 0x40000000:
            start = (place & 0x3FFFFFFF) // 2
            found.append(data[start : start + length].decode("cp1252", "replace"))
        else:
            start = place & 0x3FFFFFFF
            found.append(data[start : start + 2 * length].decode("utf-16-le", "replace"))
    text = "".join(found)
    return text, max(0, total - len(text))


def _part(text: str, part: str, view: str) -> Iterator[Block]:
    """Yield the paragraphs of a part. `start` counts its characters as stored in the file."""
    texts = Texts(part)
    for found in _PARAGRAPH.finditer(text):
        paragraph = found[0]
        if "\x13" in paragraph or "\x15" in paragraph:
            _fields(paragraph, found.start(), texts, view)
        elif (clean := paragraph.translate(_CONTROLS).rstrip()) and not clean.isspace():
            texts.add(clean, view, start=found.start())
        if texts.full:
            yield from texts.take()
    yield from texts.take()


def _fields(paragraph: str, base: int, texts: Texts, view: str) -> None:
    """Add a paragraph without the instructions of its fields, which become separate texts."""
    pieces, origins, at, length = list[str](), list[Origin](), 0, 0
    for field in [*_FIELD.finditer(paragraph), None]:
        end = field.start() if field else len(paragraph)
        piece = paragraph[at:end].translate(_CONTROLS)
        if piece:
            origins.append(Origin(length, base + at, base + end))
            pieces.append(piece)
            length += len(piece)
        if field is None:
            break
        at = field.end()
        if len(field[1].strip()) > 12:
            texts.add(field[1].translate(_CONTROLS), "metadata", column="field", notice=field_notice(field[1]))
    joined = "".join(pieces)
    if joined and not joined.isspace():
        texts.add(joined, view, origins=origins)
