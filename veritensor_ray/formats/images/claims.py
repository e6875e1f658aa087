"""Says which bytes of an image are read as text, belong to the format, or are pixels. Everything else may be searched for strings."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from veritensor_ray.formats.common.account import Reading, outside
from veritensor_ray.formats.residue.strings import strings

_MOST_DIRECTORIES, _MOST_ENTRIES = 200, 4096
_LOOKS, _LOOK = 4, 256  # how often each byte may be looked at, and how many bytes a look counts for besides those that it looks at
_MOST_PIECES = 1 << 16  # strips or tiles
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1f]")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # of the types of TIFF
_TEXT_TYPES = (1, 2, 6, 7)  # those that may be text
_PROFILES = (0x83BB, 0x8649, 0x8773, 0x927C, 0x935C)  # IPTC, Photoshop, colors, notes of the camera's maker, layers
_PREVIEW, _PREVIEW_SIZE = 513, 514
_FOLDERS = (0x8769, 0x8825, 0xA005)
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of strips and tiles
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM")
_FRAME = b"ANMF"


@dataclass(slots=True)
class Claims:
    """The ranges of one image that have been read."""

    data: bytes
    ranges: list[tuple[int, int, Reading]] = field(default_factory=list)
    looked: int = 0

    def add(self, start: int, end: int, reading: Reading = "structure") -> None:
        """Claim a range."""
        self.ranges.append((start, min(end, len(self.data)), reading))

    def text(self, start: int, end: int) -> None:
        """Claim a text that has been given, unless it has bytes that no text has."""
        if self.may_look(start, end) and is_clean(self.data[start:end]):
            self.add(start, end, "text")

    def values(self, start: int, end: int) -> None:
        """Claim pixels."""
        self.add(start, end, "values")

    def profile(self, start: int, end: int) -> None:
        """Claim the data of a program, such as a color profile, except for the strings in it."""
        if not self.may_look(start, end):
            return
        texts = sorted((start + found.at, start + found.at + found.size) for found in strings(self.data[start:end]))
        for first, last in outside(start, min(end, len(self.data)), texts):
            self.add(first, last, "values")

    def may_look(self, start: int, end: int) -> bool:
        """Count the bytes of a range, since many entries may name the same ones. What must not be looked at stays unclaimed."""
        size = min(end, len(self.data)) - start
        self.looked += _LOOK + size if size > 0 else 0
        return size > 0 and self.looked <= _LOOKS * len(self.data) + _LOOK * _MOST_ENTRIES


def is_clean(body: bytes) -> bool:
    """Return whether there are only bytes that texts have, and NULs behind them."""
    return _CONTROL.search(body.rstrip(b"\0")) is None


def tiff(claims: Claims, base: int = 0) -> None:
    """Claim the directories of TIFF or EXIF data that begins at `base`, the values that are given as texts, and pixels."""
    data = claims.data
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[base : base + 4])
    if order is None:
        return
    claims.add(base, base + 8)
    ahead, seen = [(_integer(data, order, base + 4), True)], set[int]()
    while ahead and len(seen) < _MOST_DIRECTORIES:
        at, is_read = ahead.pop()
        if at and at not in seen and base + at + 2 <= len(data):
            seen.add(at)
            ahead += _directory(claims, order, base, base + at, is_read)


def _directory(claims: Claims, order: str, base: int, at: int, is_read: bool) -> Iterator[tuple[int, bool]]:
    """Claim one directory. Yield the offsets of others, and whether their texts are read: those behind the first one are not."""
    data = claims.data
    count = min(struct.unpack_from(order + "H", data, at)[0], _MOST_ENTRIES, (len(data) - at - 2) // 12)
    claims.add(at, at + 6 + 12 * count)
    yield _integer(data, order, at + 2 + 12 * count), False
    pixels: dict[bool, list[int]] = {}
    preview = {_PREVIEW: 0, _PREVIEW_SIZE: 0}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(order + "HHI", data, place)
        size = _SIZES.get(kind, 0) * length
        value = base + _integer(data, order, place + 8) if size > 4 else place + 8
        if tag in _FOLDERS:
            yield _integer(data, order, place + 8), is_read
        elif tag in (*_OFFSETS, *_COUNTS) and kind in (3, 4):
            pixels[tag in _OFFSETS] = _integers(claims, order, value, kind, length)
        elif tag in preview:
            preview[tag] = _integer(data, order, place + 8)
        if size <= 4:
            continue
        if kind not in _TEXT_TYPES:
            claims.values(value, value + size)
        elif tag in _PROFILES:
            claims.profile(value, value + size)
        elif is_read:
            claims.text(value, value + size)
    if preview[_PREVIEW] and preview[_PREVIEW_SIZE]:
        claims.profile(base + preview[_PREVIEW], base + preview[_PREVIEW] + preview[_PREVIEW_SIZE])
    for start, length in zip(pixels.get(True, []), pixels.get(False, []), strict=False):
        claims.values(base + start, base + start + length)


def _integer(data: bytes, order: str, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little" if order == "<" else "big") if at + 4 <= len(data) else 0


def _integers(claims: Claims, order: str, at: int, kind: int, count: int) -> list[int]:
    count = min(count, _MOST_PIECES, (len(claims.data) - at) // _SIZES[kind])
    if not claims.may_look(at, at + count * _SIZES[kind]):
        return []
    return list(struct.unpack_from(f"{order}{count}{'H' if kind == 3 else 'I'}", claims.data, at))


def webp(claims: Claims) -> None:
    """Claim the pixels of a WebP. Its properties, which Pillow gives, are EXIF and XMP."""
    claims.add(0, 12)
    _riff(claims, 12, min(len(claims.data), 8 + int.from_bytes(claims.data[4:8], "little")))


def _riff(claims: Claims, at: int, end: int) -> None:
    data = claims.data
    flags = data[20] if data[12:16] == b"VP8X" and len(data) > 20 else 0  # of the properties, of which programs read the first ones
    while at + 8 <= end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        claims.add(at, body)
        if name == _FRAME:
            claims.add(body, body + 16)
            _riff(claims, body + 16, min(end, body + size))
        elif name in _WEBP_PIXELS:
            claims.values(body, body + size)
        elif name == b"EXIF" and flags & 8:
            tiff(claims, body + 6 if data[body : body + 6] == b"Exif\0\0" else body)
            flags &= ~8
        elif name == b"XMP " and flags & 4:
            claims.text(body, body + size)
            flags &= ~4
        at = body + size + size % 2


def bmp(claims: Claims) -> None:
    """Claim the headers, the palette and the pixels of a BMP."""
    data = claims.data
    first, header = int.from_bytes(data[10:14], "little"), int.from_bytes(data[14:18], "little")
    if header < 40:
        claims.values(0, len(data))
        return
    width, height = (abs(int.from_bytes(data[at : at + 4], "little", signed=True)) for at in (18, 22))
    bits, method, said, colors = (int.from_bytes(data[at : at + size], "little") for at, size in ((28, 2), (30, 4), (34, 4), (46, 4)))
    size = (width * bits + 31) // 32 * 4 * height if method in (0, 3, 6) else said
    claims.add(0, 14 + min(header, 124))
    palette = 14 + header + (12 if method == 3 and header == 40 else 0)
    claims.add(14 + header, min(first, palette + 4 * (colors or (1 << bits if bits <= 8 else 0))), "values")
    claims.values(first, first + size)


def by_format(data: bytes) -> Claims:
    """Return what is known of an image that Pillow reads."""
    claims, head = Claims(data), data[:12]
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        webp(claims)
    elif head.startswith((b"II*\0", b"MM\0*")):
        tiff(claims)
    elif head.startswith(b"BM"):
        bmp(claims)
    else:  # a format that nobody takes apart here
        claims.values(0, len(data))
    return claims
