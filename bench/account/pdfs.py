"""Places in PDF files: comments, objects that nothing refers to, streams, strings, keys, revisions, and around all of them.

Offsets are not corrected, because readers repair them.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator

from bench.account.canary import RAW, TEXT, TOKEN, Place, put, put_all
from bench.account.zips import Inner

_OBJECT = re.compile(rb"(?<![0-9])(\d+) \d+ obj\b(.*?)\bendobj", re.DOTALL)
_STREAM = re.compile(rb"(<<(?:(?!endobj).)*?>>)\s*stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_STRING = re.compile(rb"\((?:[^()\\]|\\.)*\)")
_LENGTH = re.compile(rb"/Length \d+(?: \d+ R)?")
_ABOUT = re.compile(rb"/(?:Type|Subtype) ?/(\w+)")
_START = re.compile(rb"startxref\s+(\d+)")
_COMMENT = b"\n%% %b\n" % RAW
# Values of a new key.
_VALUES = {
    "string": b"(%b)" % RAW,
    "string in octal": b"(" + b"".join(b"\\%03o" % byte for byte in RAW) + b")",
    "string in UTF-16": b"<feff" + TEXT.encode("utf-16-be").hex().encode() + b">",
    "hexadecimal string": b"<" + RAW.hex().encode() + b">",
    "name": b"/" + TOKEN.encode(),
    "name with escapes": b"/" + b"".join(b"#%02x" % byte for byte in RAW),
    "array": b"[[(a) (%b)]]" % RAW,
    "dictionary": b"<</A<</B (%b)>>>>" % RAW,
}
# The dictionaries and the data of new streams.
_STREAMS = {
    "without a filter": (b"", RAW),
    "FlateDecode": (b"/Filter/FlateDecode", zlib.compress(RAW)),
    "zlib without a filter": (b"", zlib.compress(RAW)),
    "ASCIIHexDecode": (b"/Filter/ASCIIHexDecode", RAW.hex().encode() + b">"),
    "ASCII85Decode": (b"/Filter/ASCII85Decode", base64.a85encode(RAW) + b"~>"),
    "Flate in ASCII85": (b"/Filter[/ASCII85Decode/FlateDecode]", base64.a85encode(zlib.compress(RAW)) + b"~>"),
    "RunLengthDecode": (b"/Filter/RunLengthDecode", bytes([len(RAW) - 1]) + RAW + b"\x80"),
    "content": (b"", b"BT /F1 12 Tf 20 20 Td (%b) Tj ET" % RAW),
    "form": (b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]", b"BT /F1 12 Tf (%b) Tj ET" % RAW),
    "metadata": (b"/Type/Metadata/Subtype/XML", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>%b</a></x:xmpmeta>" % RAW),
    "file": (b"/Type/EmbeddedFile", RAW),
    "object stream": (b"/Type/ObjStm/N 1/First 6", b"999 0 (%b)" % RAW),
}
# What content becomes, with the old content in place of `$`.
_CONTENTS = {
    "comment in content": b"%% %b\n$" % RAW,
    "operand that no operator takes": b"$\n/Note (%b) pop\n" % RAW,
    "property of marked content": b"/Note <</ActualText (%b)>> BDC EMC\n$" % RAW,
    "data of an inline image": b"$\nBI /W 8 /H 1 /BPC 8 /CS /G ID %b EI\n" % RAW,
    "invisible text": b"$\nBT 3 Tr /F1 9 Tf 9 9 Td (%b) Tj ET\n" % RAW,
}


def pdf_places(data: bytes, inner: Inner) -> Iterator[Place]:
    """Yield places in each object, new objects, revisions, and bytes between objects."""
    objects = list(_OBJECT.finditer(data))
    for match in objects:
        yield from _of_object(data, match)
        yield from put_all("pdf: between objects", "", data, match.end())
        yield put("pdf: comment between objects", "", data, match.end(), _COMMENT)
    for match in _STREAM.finditer(data):
        yield from _of_stream(data, match, inner)
    end = max(data.rfind(b"startxref"), 0)
    for where, at in {
        "before the head": 0,
        "behind the head": data.find(b"\n") + 1,
        "before startxref": end,
        "behind the end": len(data),
    }.items():
        yield from put_all(f"pdf: bytes {where}", "", data, at)
        yield put(f"pdf: comment {where}", "", data, at, _COMMENT)
    first = objects[0].start() if objects else end
    for where, at in {"before all objects": first, "behind all objects": end, "behind the end": len(data)}.items():
        yield from _new_objects(data, at, where)
    for match in objects[:12]:
        yield from _revisions(data, match)


def _about(text: bytes) -> str:
    return b" ".join(_ABOUT.findall(text[:2000])[:2]).decode() or "object"


def _of_object(data: bytes, match: re.Match[bytes]) -> Iterator[Place]:
    about, (at, end) = _about(match.group(2)), match.span(2)
    yield put("pdf: comment in an object", about, data, at, _COMMENT)
    yield put("pdf: second value of an object", about, data, end, b" (%b) " % RAW)
    opening = data.find(b"<<", at, min(at + 8, end))
    if opening >= 0:
        yield from (put(f"pdf: new key with a {kind}", about, data, opening + 2, b"/Note " + value) for kind, value in _VALUES.items())
        yield put("pdf: name of a new key", about, data, opening + 2, b"/%b 1" % TOKEN.encode())
    for string in _STRING.finditer(match.group(2)):
        yield put("pdf: string", about, data, at + string.start(), b"(%b)" % RAW, at + string.end())


def _of_stream(data: bytes, match: re.Match[bytes], inner: Inner) -> Iterator[Place]:
    about = _about(match.group(1)).replace("object", "content")
    yield from put_all("pdf: behind the data of a stream", about, data, match.end(2))
    content = _content(*match.groups())
    if content is None:
        return

    def packed(new: bytes) -> bytes:
        body = zlib.compress(new) if b"FlateDecode" in match.group(1) else new
        head = _LENGTH.sub(b"/Length %d" % len(body), match.group(1))
        return data[: match.start()] + head + b"stream\n" + body + data[match.end(2) :]

    if about == "content" or "Form" in about:
        yield from (_repacked(kind, about, packed, form.replace(b"$", content)) for kind, form in _CONTENTS.items())
    if content.lstrip()[:1] in (b"<", b"{") or content[:2] == b"PK":
        yield from (place.within("stream", packed) for place in inner("stream", content))
    for place in put_all("pdf: end of the content of a stream", about, content + b"\n", len(content) + 1):
        yield Place(place.kind, about, place.within("", packed).build)


def _repacked(kind: str, about: str, packed: object, new: bytes) -> Place:
    assert callable(packed)
    return Place(f"pdf: {kind}", about, lambda: packed(new))


def _content(head: bytes, raw: bytes) -> bytes | None:
    """Return the content of a stream whose filter is Flate or none, or None."""
    if b"DecodeParms" in head or (b"Filter" in head and not re.search(rb"/Filter ?\[? ?/FlateDecode ?\]?", head)):
        return None
    try:
        return zlib.decompress(raw) if b"Filter" in head else raw
    except zlib.error:
        return None


def _new_objects(data: bytes, at: int, where: str) -> Iterator[Place]:
    for kind, value in _VALUES.items():
        yield put(f"pdf: object that nothing refers to, {kind}", where, data, at, b"997 0 obj\n%b\nendobj\n" % value)
    for kind, (head, body) in _STREAMS.items():
        new = b"998 0 obj\n<<%b/Length %d>>\nstream\n%b\nendstream\nendobj\n" % (head, len(body), body)
        yield put(f"pdf: stream that nothing refers to, {kind}", where, data, at, new)


def _revisions(data: bytes, match: re.Match[bytes]) -> Iterator[Place]:
    """Yield files in which the text stands in an object that a later one replaces, or in the trailer of a later revision."""
    number, about = match.group(1), _about(match.group(2))
    yield put("pdf: earlier revision, string", about, data, match.start(), b"%b 0 obj\n(%b)\nendobj\n" % (number, RAW))
    stream = b"%b 0 obj\n<</Length %d>>stream\n%b\nendstream\nendobj\n" % (number, len(RAW), RAW)
    yield put("pdf: earlier revision, stream", about, data, match.start(), stream)
    new = b"%b 0 obj%bendobj\n" % (number, match.group(2))
    start = (_START.findall(data) or [b"0"])[-1]
    table = b"xref\n%b 1\n%010d 00000 n \ntrailer\n<</Size 1000/Prev %b/Note (%b)/Root 1 0 R>>\n" % (number, len(data), start, RAW)
    end = b"startxref\n%d\n%%%%EOF\n" % (len(data) + len(new))
    yield put("pdf: trailer of a later revision", about, data, len(data), new + table + end)
