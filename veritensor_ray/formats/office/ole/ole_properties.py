"""Reads the texts in the property sets of OLE files ([MS-OLEPS]), without trusting any count in them."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.budget import Copies

SUMMARIES = ("\x05SummaryInformation", "\x05DocumentSummaryInformation")
_SUMMARY = {2: "title", 3: "subject", 4: "author", 5: "keywords", 6: "comments", 7: "template", 8: "last_saved_by", 18: "application"}
_DOCUMENT = {2: "category", 3: "presentation_target", 13: "parts", 14: "manager", 15: "company", 26: "content_type", 27: "content_status"}
_BYTES, _WIDE, _VECTOR, _VARIANT = 0x1E, 0x1F, 0x1000, 0x0C
_SETS = bounds.OLE_SETS
_UTF16 = 1200


def property_texts(data: bytes, summary: bool, copies: Copies) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each property that is a text. Properties that the author defined have the author's names.

    Properties may share their bytes, which `copies` counts. Raises LimitExceeded.
    """
    count = _property_number(data, 24)
    for number in range(min(count, _SETS)):
        start = _property_number(data, 28 + 20 * number + 16)
        yield from _set(data[start:], (_SUMMARY if summary else _DOCUMENT) if not number else {}, copies)
    if count > _SETS:
        raise LimitExceeded("ole_property_sets", f"the file has {count} property sets; only {_SETS} were read")


def _set(data: bytes, names: dict[int, str], copies: Copies) -> Iterator[tuple[str, str]]:
    found = dict(struct.iter_unpack("<II", data[8 : 8 + 8 * min(_property_number(data, 4), max(0, len(data) - 8) // 8)]))
    codec = _codec(_property_number(data, found[1] + 4) & 0xFFFF) if 1 in found else "cp1252"
    if not names and 0 in found:
        names = dict(_dictionary(data, found[0], codec, copies))
    for key, at in found.items():
        if key in names or (key > 1 and not names):
            for text in _value(data, at, codec, copies):
                if text.strip():
                    yield names.get(key, f"property {key}"), text


def _value(data: bytes, at: int, codec: str, copies: Copies) -> Iterator[str]:
    """Yield the texts of one value, which may be a vector."""
    kind = _property_number(data, at) & 0xFFFF
    if kind in (_BYTES, _WIDE):
        yield _property_text(data, at + 4, kind == _WIDE, codec, copies)[0]
    elif kind & _VECTOR and kind & 0xFFF in (_BYTES, _WIDE):
        count, at = _property_number(data, at + 4), at + 8
        for _ in range(count):
            if at >= len(data):
                break
            text, at = _property_text(data, at, kind & 0xFFF == _WIDE, codec, copies)
            yield text


def _dictionary(data: bytes, at: int, codec: str, copies: Copies) -> Iterator[tuple[int, str]]:
    count, at = _property_number(data, at), at + 4
    for _ in range(count):
        if at >= len(data):
            break
        key = _property_number(data, at)
        text, at = _property_text(data, at + 4, codec == "utf-16-le", codec, copies)
        yield key, text[:200]


def _property_text(data: bytes, at: int, wide: bool, codec: str, copies: Copies) -> tuple[str, int]:
    """A text after its length, and the offset of the next one; wide texts are padded to four bytes."""
    size = _property_number(data, at) * (2 if wide else 1)
    raw = data[at + 4 : at + 4 + size]
    copies.add(4 + len(raw))
    return raw.decode("utf-16-le" if wide else codec, "replace").rstrip("\x00"), at + 4 + size + (-size % 4 if wide else 0)


def _codec(page: int) -> str:
    if page == _UTF16:
        return "utf-16-le"
    try:
        return codecs.lookup("utf-8" if page == 65001 else f"cp{page}").name
    except LookupError:
        return "cp1252"


def _property_number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
