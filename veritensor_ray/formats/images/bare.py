"""Leaves out of an image file everything that is not needed to show it, without decoding a pixel: EXIF, XMP, comments, previews, what follows it.

Color profiles, resolutions, and the orientation stay. PNG, JPEG, GIF and WebP are taken apart here.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.editing.actions import CannotRewriteError

_PNG, _JPEG, _RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_PNG_KEPT = frozenset(b"IHDR PLTE tRNS IDAT IEND acTL fcTL fdAT cHRM gAMA iCCP sBIT sRGB cICP bKGD pHYs".split())
_PNG_PROFILE, _JPEG_PROFILE, _ADOBE = b"iCCP", b"ICC_PROFILE\0", b"Adobe"
_WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP")
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_CUT = "the image is damaged or cut off"


def bare(data: bytes, orientation: int = 1, profile: bool = True) -> bytes | None:
    """Return the image with nothing but its pixels and what shows them as they are meant; None for a format that is not taken apart here.

    Without `profile`, the color profile goes too. Raises CannotRewriteError for an image that does not end.
    """
    for magic, strip in _FORMATS.items():
        if data.startswith(magic):
            try:
                return b"".join(strip(data, orientation, profile))
            except (struct.error, IndexError):
                raise CannotRewriteError(_CUT, ReasonCode.DAMAGED) from None
    return None


def orientation_only(orientation: int) -> bytes:
    """Return EXIF data that says nothing but how to turn the image."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the bytes of each chunk, with its length and checksum, up to the end of the image. Raises CannotRewriteError."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            break
        yield name, data[at : at + 12 + length]
        if name == b"IEND":
            return
        at += 12 + length
    raise CannotRewriteError(_CUT, ReasonCode.DAMAGED)


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the code and the bytes of each segment, with the pixels that follow it, up to the end of the image. Raises CannotRewriteError."""
    at = 2
    while found := _MARKER.search(data, at):
        start, code = found.start(), found[0][1]
        if start > at:  # pixels
            yield 0, data[at:start]
        at = found.end()
        if code == 0xD9:
            yield code, data[start:at]
            return
        if code not in (0xD8, 0x01):
            at += max(2, struct.unpack_from(">H", data, at)[0])
        if at > len(data):
            break
        yield code, data[start:at]
    raise CannotRewriteError(_CUT, ReasonCode.DAMAGED)


def _bare_png(data: bytes, orientation: int, profile: bool) -> Iterator[bytes]:
    yield _PNG
    for name, chunk in png_chunks(data):
        if name == b"IEND" and orientation != 1:
            yield png_chunk(b"eXIf", orientation_only(orientation))
        if name in _PNG_KEPT and (profile or name != _PNG_PROFILE):
            yield chunk


def _bare_jpeg(data: bytes, orientation: int, profile: bool) -> Iterator[bytes]:
    yield data[:2]
    turned = orientation != 1
    for code, segment in jpeg_segments(data):
        body = segment[4:]
        if code == 0xE0:
            if body.startswith(b"JFIF\0"):
                yield b"\xff\xe0\x00\x10" + body[:12] + b"\0\0"  # without its preview
            continue
        if turned:
            exif = b"Exif\0\0" + orientation_only(orientation)
            yield b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
            turned = False
        if code == 0xE2 and body.startswith(_JPEG_PROFILE) and profile:
            yield segment
        elif code == 0xEE and body.startswith(_ADOBE):
            yield b"\xff\xee\x00\x0e" + body[:12]
        elif not (0xE0 <= code <= 0xEF or code == 0xFE):
            yield segment


def _bare_gif(data: bytes, _: int, profile: bool) -> Iterator[bytes]:
    at = 13 + _palette(data, 10)
    yield data[:at]
    while at < len(data):
        kind, start = data[at], at
        if kind == 0x3B:
            yield b"\x3b"
            return
        if kind == 0x2C:
            at = _after_blocks(data, at + 11 + _palette(data, at + 9))
        elif kind == 0x21:
            at = _after_blocks(data, at + 2)
        else:
            break
        is_needed = kind == 0x2C or data[start + 1] == 0xF9 or data[start + 3 : start + 14] in _LOOPS
        if is_needed:
            yield data[start:at]
    raise CannotRewriteError(_CUT, ReasonCode.DAMAGED)


def _palette(data: bytes, at: int) -> int:
    return 3 << ((data[at] & 7) + 1) if data[at] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _bare_webp(data: bytes, orientation: int, profile: bool) -> Iterator[bytes]:
    chunks = list(_webp_chunks(data, 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))))
    kept = [chunk for name, chunk in chunks if name != b"ICCP" or profile]
    turned = orientation != 1 and kept[:1] and kept[0].startswith(b"VP8X")
    if kept and kept[0].startswith(b"VP8X"):
        flags = kept[0][8] & ~0x0C & (0xFF if profile else ~0x20)
        kept[0] = kept[0][:8] + bytes([flags | (8 if turned else 0)]) + kept[0][9:]
    if turned:
        exif = orientation_only(orientation)
        kept.append(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    size = 4 + sum(map(len, kept))
    yield _RIFF + struct.pack("<I", size) + b"WEBP"
    yield from kept


def _webp_chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks to keep, each with the byte that makes its length even."""
    while at + 8 <= end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if body + size > end:
            raise CannotRewriteError(_CUT, ReasonCode.DAMAGED)
        if name == b"ANMF":
            inner = data[body : body + 16] + b"".join(chunk for _, chunk in _webp_chunks(data, body + 16, body + size))
            yield name, name + struct.pack("<I", len(inner)) + inner
        elif name in _WEBP_KEPT:
            yield name, data[at : body + size] + b"\0" * (size % 2)
        at = body + size + size % 2


_FORMATS: dict[bytes, Callable[[bytes, int, bool], Iterator[bytes]]] = {
    _PNG: _bare_png,
    _JPEG: _bare_jpeg,
    b"GIF8": _bare_gif,
    _RIFF: _bare_webp,
}
