"""Places in RTF: groups, destinations, escapes, objects and data, at each brace."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.account.canary import RAW, TEXT, Place, put, put_all

_BRACE = re.compile(rb"(?<!\\)[{}]")
_HEX, _WIDE = RAW.hex().encode(), TEXT.encode("utf-16-le").hex().encode()
_NOTES = (
    "\\*\\note",
    "\\note",
    "\\*\\bkmkstart",
    "\\*\\datafield",
    "\\*\\xmlopen",
    "\\*\\ud",
    "\\info\\title",
    "\\info\\doccomm",
    "\\*\\userprops\\propname",
)
_INSERTED = {
    "text": RAW,
    "hidden text": b"{\\v " + RAW + b"}",
    "deleted text": b"{\\deleted " + RAW + b"}",
    "escaped text": b"{" + b"".join(b"\\'%02x" % byte for byte in RAW) + b"}",
    "text in Unicode": b"{" + b"".join(b"\\u%d?" % byte for byte in RAW) + b"}",
    "text in an unknown code page": b"{\\f99 " + RAW + b"}",
    "alternative of a Unicode letter": b"{\\uc%d\\u65 %b}" % (len(RAW), RAW),
    "instruction of a field": b'{\\field{\\*\\fldinst HYPERLINK "http://a.example/%b"}{\\fldrslt x}}' % RAW,
    "font": b"{\\fonttbl{\\f9 " + RAW + b";}}",
    "style": b"{\\stylesheet{\\s9 " + RAW + b";}}",
    "binary data": b"{\\bin%d %b}" % (len(RAW), RAW),
    "binary data of a picture": b"{\\pict\\pngblip\\bin%d %b}" % (len(RAW), RAW),
    "hexadecimal data of a picture": b"{\\pict\\pngblip " + _HEX + b"}",
    "data of an object": b"{\\object\\objemb{\\*\\objdata " + _HEX + b"}}",
    "data of an object, UTF-16": b"{\\object\\objemb{\\*\\objdata " + _WIDE + b"}}",
    "class of an object": b"{\\object\\objemb{\\*\\objclass " + RAW + b"}}",
    "hexadecimal data of an unknown destination": b"{\\*\\themedata " + _HEX + b"}",
    **{f"destination {name}": b"{%b %b}" % (name.encode(), RAW) for name in _NOTES},
}


def rtf_places(data: bytes) -> Iterator[Place]:
    """Yield places by the depth of the group in which they stand."""
    depth = 0
    for match in _BRACE.finditer(data):
        depth += 1 if match.group() == b"{" else -1
        if not match.start():
            continue  # what stands there would hide what the file is
        for kind, piece in _INSERTED.items():
            yield put(f"rtf: {kind}", f"depth {depth}", data, match.end(), piece)
    yield from put_all("rtf: behind the end", "", data, len(data))
