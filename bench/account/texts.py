"""Places in any text: its lines, its ends, and bytes of other encodings between them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from bench.account.canary import TEXT, Place, put, put_all

_STEPS = 8
# How a value can be written among lines of text.
_LINES = {
    "as it is": TEXT,
    "base64": base64.b64encode(f"a value of {TEXT}, in base64".encode()).decode(),
    "hexadecimal": f"a value of {TEXT}, in hexadecimal".encode().hex(),
    "percent-encoded": "".join(f"%{byte:02x}" for byte in TEXT.encode()),
    "escaped": "".join(f"\\u{ord(letter):04x}" for letter in TEXT),
    "quoted-printable": "".join(f"={byte:02X}" for byte in TEXT.encode()),
    "UTF-7": f"+{base64.b64encode(TEXT.encode('utf-16-be')).decode().rstrip('=')}-",
    "character references": "".join(f"&#{ord(letter)};" for letter in TEXT),
    "full width": "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in TEXT),
    "letters with NUL between": TEXT.encode("utf-16-le").decode(),
    "letters with zero-width spaces between": "\u200b".join(TEXT),
    "tag characters": "".join(chr(0xE0000 + ord(letter)) for letter in TEXT),
    "reversed by an override": f"\u202e{TEXT[::-1]}\u202c",
}


def encoding_of(data: bytes) -> str | None:
    """Return the encoding of a text, or None for other bytes."""
    for mark, encoding in (
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return encoding
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else "utf-8"


def text_places(data: bytes, encoding: str = "utf-8") -> Iterator[Place]:
    """Yield places in a text of this encoding."""
    breaks = _breaks(data, encoding)
    for at in sorted({breaks[len(breaks) * step // _STEPS] for step in range(_STEPS)} | {breaks[-1]}):
        for name, line in _LINES.items():
            raw = _coded(f"\n{line}\n", encoding, data)
            kind = "line" if name == "as it is" else f"line, {name}"
            yield put(kind, str(at), data, at, raw)
    for at, kind in ((0, "bytes before a text"), (breaks[len(breaks) // 2], "bytes between lines"), (len(data), "bytes behind a text")):
        yield from put_all(kind, "", data, at)


def _breaks(data: bytes, encoding: str) -> list[int]:
    """Return the offsets at which lines begin, after the byte order mark, and the end."""
    text = data.decode(encoding)
    head = len(data) - len(_coded(text, encoding, data))
    found, at = [head], head
    for line in text.splitlines(keepends=True):
        at += len(_coded(line, encoding, data))
        found.append(at)
    return found if found[-1] == len(data) else [head, len(data)]


def _coded(text: str, encoding: str, like: bytes = b"") -> bytes:
    """Return a text without a byte order mark."""
    order = "be" if like[:2] == b"\xfe\xff" or like[:2] == b"\x00\x00" else "le"
    return text.encode(encoding if encoding == "utf-8" else f"{encoding}-{order}", "surrogatepass")
