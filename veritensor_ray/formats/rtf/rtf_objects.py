"""Decodes the files inside an RTF file: embedded objects, packages and images, from their hexadecimal digits."""

from __future__ import annotations

import io
import re
import struct

from veritensor_ray.formats.common.source import Member

PICTURES = {
    "pngblip": ".png", "jpegblip": ".jpg", "emfblip": ".emf", "wmetafile": ".wmf", "macpict": ".pict", "dibitmap": ".dib",
    "wbitmap": ".bmp",
}  # fmt: skip
_OPAQUE = (".wmf", ".pict", ".dib")
_NO_DIGIT = re.compile(r"[^0-9a-fA-F]+")
_EMBEDDED = 2
_NAME = 260


def from_digits(text: str) -> bytes:
    """Decode hexadecimal digits; anything between them is ignored, as by the programs that read them."""
    digits = _NO_DIGIT.sub("", text)
    return bytes.fromhex(digits[: len(digits) & ~1])


def picture(data: bytes, at: int, ending: str) -> Member:
    """An image as a member. Metafiles hold drawings, in which no text is expected."""
    return Member(f"picture@{at}{ending}", io.BytesIO(data), opaque=ending in _OPAQUE)


def unnamed(data: bytes, at: int, word: str) -> Member:
    """The data of another program, as a member."""
    return Member(f"{word}@{at}", io.BytesIO(data), opaque=True)


def embedded(data: bytes, at: int) -> Member:
    """The file in an OLE 1.0 object, or the whole object if it is something else."""
    name, inner = "", data
    try:
        kind, native = _native(data)
        inner = native
        if kind.lower() == b"package":
            name, inner = _package(native)
    except (struct.error, ValueError):
        pass
    return Member(f"object@{at}{'/' + name if name else ''}", io.BytesIO(inner))


def _native(data: bytes) -> tuple[bytes, bytes]:
    """The class name and native data ([MS-OLEDS] 2.2.5)."""
    _, kind = struct.unpack_from("<II", data)
    if kind != _EMBEDDED:
        raise ValueError("not an embedded object")
    at, names = 8, []
    for _ in range(3):
        (length,) = struct.unpack_from("<I", data, at)
        if length > len(data):
            raise ValueError("the name is missing")
        names.append(data[at + 4 : at + 4 + length].rstrip(b"\0"))
        at += 4 + length
    (size,) = struct.unpack_from("<I", data, at)
    return names[0], data[at + 4 : at + 4 + size]


def _package(data: bytes) -> tuple[str, bytes]:
    """The name and content of a packaged file."""
    at = 2
    label, at = _until_null(data, at)
    _, at = _until_null(data, at)
    at += 4
    (length,) = struct.unpack_from("<I", data, at)
    if length > len(data):
        raise ValueError("the path is missing")
    at += 4 + length
    (size,) = struct.unpack_from("<I", data, at)
    name = label.decode("cp1252", "replace").replace("\\", "/").rpartition("/")[2][-_NAME:]
    return name, data[at + 4 : at + 4 + size]


def _until_null(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.index(b"\0", at)
    return data[at:end], end + 1
