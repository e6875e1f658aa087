"""Writes PDFs from their objects, so that tests can say what no library would write."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>/XObject<<%b>>/Properties<<%b>>>>%b>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def stream(content: bytes, about: bytes = b"", packed: bool = False) -> bytes:
    """A stream object."""
    if packed:
        content, about = zlib.compress(content), about + b"/Filter/FlateDecode"
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (about, len(content), content)


def text(words: str, x: float = 20, y: float = 200, before: str = "", size: float = 12) -> bytes:
    """Operators that write words."""
    escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"q {before} BT /F1 {size} Tf {x} {y} Td ({escaped}) Tj ET Q\n".encode()


def write(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A file of these objects, numbered from 1; the first is the catalog."""
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, trailer, at))


def pdf(
    content: bytes = b"",
    *more: bytes,
    catalog: bytes = b"",
    page: bytes = b"",
    forms: bytes = b"",
    properties: bytes = b"",
    trailer: bytes = b"",
) -> bytes:
    """One page with this content; `more` are objects from number 6 on."""
    first = [b"<</Type/Catalog/Pages 2 0 R%b>>" % catalog, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE % (forms, properties, page)]
    return write([*first, stream(content), FONT, *more], trailer)


def packed_objects(numbers: Sequence[int], objects: Sequence[bytes]) -> bytes:
    """An object stream."""
    head, body = b"", b""
    for number, content in zip(numbers, objects, strict=True):
        head += b"%d %d " % (number, len(body))
        body += content + b" "
    return stream(head + body, b"/Type/ObjStm/N %d/First %d" % (len(numbers), len(head)), packed=True)
