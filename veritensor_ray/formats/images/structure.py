"""Finds what PNG, JPEG and GIF files hold besides pixels: the texts in their chunks, and the end of the image. It decodes no pixels."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.images.claims import Claims, is_clean, tiff
from veritensor_ray.formats.images.png_pixels import unneeded_pixels
from veritensor_ray.formats.residue.strings import strings

_INFLATED = bounds.IMAGE_TEXT  # bytes of one text; all texts together may have four times as many
_FEWEST_TRAILING = 16  # bytes that are not zero; fewer are padding or a stray line end
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_EXIF_FOLDERS = (0x8769, 0x8825, 0xA005)
_USER_COMMENT, _WINDOWS_TEXTS = 0x9286, range(0x9C9B, 0x9CA0)
_CHARSETS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16", b"JIS\0\0\0\0\0": "iso2022_jp"}
# Chunks of colors and times, which contain no text and at most so many bytes.
_SILENT = {
    name.encode(): most
    for name, most in (
        *(("IHDR", 13), ("PLTE", 768), ("IEND", 0), ("tRNS", 256), ("cHRM", 32), ("gAMA", 4), ("sBIT", 4), ("sRGB", 1), ("cICP", 4)),
        *(("bKGD", 6), ("hIST", 512), ("pHYs", 9), ("tIME", 7), ("acTL", 8), ("fcTL", 26), ("sPLT", 0)),
    )
}
_PROFILES = (b"JFIF\0", b"JFXX\0", b"ICC_PROFILE\0", b"MPF\0", b"Photoshop 3.0\0", b"Adobe\0", b"Ducky\0")  # data of programs in JPEG
_DATES = "date:create,date:modify,date:timestamp"
_KEYS = frozenset(
    f"Title,Author,Description,Copyright,Creation Time,Software,Disclaimer,Warning,Source,Comment,XML:com.adobe.xmp,{_DATES}".encode().split(
        b","
    )
)


@dataclass(slots=True)
class Parts:
    """The texts with their keys, the end of the image (None if it was not found), the omissions, and the error that ended the reading."""

    budget: Budget
    claims: Claims
    texts: list[tuple[str, str]] = field(default_factory=list)
    end: int | None = None
    too_long: int = 0
    inflated: int = 0
    spent: LimitExceeded | None = None
    behind_pixels: tuple[bytes, Gap | None] = (b"", None)

    def add(self, key: str, value: Any) -> None:
        text = value if isinstance(value, str) else _decoded(value)
        if text.strip("\x00 \r\n\t"):
            self.texts.append((key[:200], text))

    def inflate(self, packed: bytes, at: int) -> bytes:
        """The decompressed text, or its beginning if it is a bomb. It stands at `at`."""
        packer = zlib.decompressobj()
        room = min(_INFLATED, 4 * _INFLATED - self.inflated)
        try:
            data = packer.decompress(packed, max(1, room))
        except zlib.error:
            return packed
        self.inflated += len(data)
        try:
            self.budget.add(len(data))
        except LimitExceeded as error:  # the image itself is still read
            self.spent = error
        self.too_long += bool(packer.unconsumed_tail)
        self.claims.add(at, at + len(packed) - len(packer.unused_data), "text")
        return data


def parts_of(data: bytes, budget: Budget) -> Parts | None:
    """The parts of an image; None for other formats."""
    for magic, look in _FORMATS.items():
        if data.startswith(magic):
            parts = Parts(budget, Claims(data))
            look(data, parts)
            return parts
    return None


def left_over(data: bytes, parts: Parts, above: str = "") -> Iterator[Item]:
    """Yield the data after the end of the image, with a notice unless cameras add such data, and gaps for texts that were not read."""
    if parts.spent:
        yield Gap(str(parts.spent), bound=parts.spent.bound)
    if parts.too_long:
        yield Gap(
            f"{parts.too_long} compressed text chunks are too long to be read in full", bound="image_text_bytes", count=parts.too_long
        )
    behind, cut = parts.behind_pixels
    if behind.strip(b"\0"):
        yield Member(f"{above}behind the pixels", io.BytesIO(behind), opaque=True, stray=True)
    if cut:
        yield cut
    if parts.end is None:
        yield Gap("the image has no end marker: it is cut off or damaged, and not all of it was read")
    rest = data[parts.end :] if parts.end is not None else b""
    if len(rest) - rest.count(0) < _FEWEST_TRAILING:
        return
    name = f"{above}trailing data"
    if not (rest.startswith(b"\xff\xd8\xff") or rest[4:8] == b"ftyp"):  # further images, and the video of a motion photo
        yield Block([f"{len(rest)} bytes after the end of the image"], column=name, view="metadata", notice="trailing-data")
    parts.claims.add(parts.end or 0, len(data), "members")
    yield Member(name, io.BytesIO(rest), stray=True)


def described(data: bytes, row: int | None, column: str, name: str, budget: Budget) -> Iterator[Item]:
    """Yield the texts and trailing data of an image in a table."""
    parts = parts_of(data, budget)
    texts = parts.texts if parts else opened_metadata(data)
    if texts:
        columns = [f"{column} ({key})" for key, _ in texts]
        yield Block([text for _, text in texts], row=[row] * len(columns) if row is not None else None, column=columns, view="metadata")
    if parts:
        yield from left_over(data, parts, f"{name}/")


def opened_metadata(data: bytes) -> list[tuple[str, str]]:
    """Return the texts that Pillow finds beside the pixels of an image; none if it is damaged, which whoever reads its pixels will say."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(shown_metadata(Image.open(io.BytesIO(data))))
    except Exception:  # noqa: BLE001  # the library raises arbitrary exceptions for damaged files
        return []


def shown_metadata(image: Image.Image) -> Iterator[tuple[str, str]]:
    """Yield the texts that Pillow finds beside the pixels of an open image, with their names."""
    for key, value in image.info.items():
        if isinstance(value, bytes) and str(key) not in ("icc_profile", "exif", "photoshop"):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and value.strip("\x00 "):
            yield str(key), value
    yield from exif_values(image.getexif())


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _png(data: bytes, parts: Parts) -> None:
    at, pixels = 8, list[tuple[int, int]]()
    parts.claims.add(0, 8)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body, start = data[at + 8 : at + 8 + length], at + 8
        parts.claims.add(at, start)
        parts.claims.add(start + length, start + length + 4)
        at += 12 + length
        if name == b"IEND":
            parts.end = min(at, len(data))
            break
        if name == b"IDAT":
            pixels.append((start, start + length))
        elif name == b"fdAT":
            parts.claims.values(start, start + length)
        elif name in _SILENT:
            parts.claims.add(start, start + (length if length <= _SILENT[name] else 0), "values")
        else:
            _CHUNKS.get(name, _unknown)(body, parts, name.decode("latin-1"), start)
    parts.behind_pixels = unneeded_pixels(parts.claims, pixels)


def _text_chunk(body: bytes, parts: Parts, _: str, at: int) -> None:
    key, _sep, text = body.partition(b"\x00")
    parts.add(_decoded(key), text)
    _claim_key(key, parts, at)
    parts.claims.text(at + len(key) + 1, at + len(body))


def _packed_chunk(body: bytes, parts: Parts, _: str, at: int) -> None:
    key, _sep, text = body.partition(b"\x00")
    parts.add(_decoded(key), parts.inflate(text[1:], at + len(key) + 2))
    _claim_key(key, parts, at)


def _profile_chunk(body: bytes, parts: Parts, name: str, at: int) -> None:
    key, _sep, packed = body.partition(b"\x00")
    for found in strings(parts.inflate(packed[1:], at + len(key) + 2)):
        parts.add(name, found.text)
    _claim_key(key, parts, at)


def _international_chunk(body: bytes, parts: Parts, _: str, at: int) -> None:
    key, _sep, rest = body.partition(b"\x00")
    is_packed, (_language, _sep, rest) = rest[:1] == b"\x01", rest[2:].partition(b"\x00")
    translated, _sep, text = rest.partition(b"\x00")
    start = at + len(body) - len(text)
    parts.add(_decoded(key), parts.inflate(text, start) if is_packed else text)
    if translated:
        parts.add(f"{_decoded(key)} (keyword)", translated)
    _claim_key(key, parts, at)
    parts.claims.text(start - len(translated) - 1, start if is_packed else at + len(body))


def _claim_key(key: bytes, parts: Parts, at: int) -> None:
    if key in _KEYS:
        parts.claims.add(at, at + len(key) + 1)


def _exif_chunk(body: bytes, parts: Parts, _: str, at: int) -> None:
    for key, value in (texts := list(exif_texts(body))):
        parts.add(key, value)
    if texts:
        head = 6 if body.startswith(b"Exif\x00\x00") else 0
        parts.claims.add(at, at + head)
        inner = Claims(body)
        tiff(inner, head)
        for start, end, reading in inner.ranges:
            parts.claims.add(at + start, at + end, reading)


def _unknown(body: bytes, parts: Parts, name: str, at: int) -> None:
    for found in strings(body):
        parts.add(name, found.text)
        parts.claims.add(at + found.at, at + found.at + found.size, "text")


_CHUNKS: dict[bytes, Callable[[bytes, Parts, str, int], None]] = {
    b"tEXt": _text_chunk,
    b"zTXt": _packed_chunk,
    b"iTXt": _international_chunk,
    b"iCCP": _profile_chunk,
    b"eXIf": _exif_chunk,
}


def _jpeg(data: bytes, parts: Parts) -> None:
    at = 2
    parts.claims.add(0, 2)
    while found := _MARKER.search(data, at):
        parts.claims.values(at, found.start())
        at, code = found.end(), found[0][1]
        parts.claims.add(found.start(), at)
        if code == 0xD9:
            parts.end = at
            return
        if code in (0xD8, 0x01):
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        body, start = data[at + 2 : at + length], at + 2
        parts.claims.add(at, start)
        at += max(2, length)
        if code == 0xFE:
            parts.add("comment", body)
            parts.claims.text(start, at)
        elif 0xE1 <= code <= 0xEF and code != 0xE2:  # E2 holds color profiles and the list of further images
            _application(body, parts, f"APP{code & 15}", start)
        elif 0xE0 <= code <= 0xE2 and body.startswith(_PROFILES):
            parts.claims.profile(start, at)
        elif 0xC0 <= code <= 0xDF:
            parts.claims.add(start, start + min(len(body), _tables(code, body)))
    parts.claims.values(at, len(data))


def _tables(code: int, body: bytes) -> int:
    """Return how many bytes of a segment are tables or headers."""
    if code == 0xDB:
        return len(body) // 65 * 65 if body[:1] < b"\x10" else len(body) // 129 * 129
    if code != 0xC4:
        return 6 + 3 * body[5] if 0xC0 <= code <= 0xCF and len(body) > 5 else 4 + 2 * body[0] if code == 0xDA and body else 2
    at = 0
    while at + 17 <= len(body):
        at += 17 + sum(body[at + 1 : at + 17])
    return at


def _application(body: bytes, parts: Parts, name: str, at: int) -> None:
    if body.startswith(b"Exif\x00\x00"):
        _exif_chunk(body, parts, name, at)
    elif body.startswith(b"http://ns.adobe.com/"):
        parts.add("xmp", body.partition(b"\x00")[2])
        parts.claims.text(at, at + body.find(b"\x00"))
        parts.claims.text(at + body.find(b"\x00"), at + len(body))
    else:
        _unknown(body, parts, name, at)
        if body.startswith(_PROFILES):
            parts.claims.profile(at, at + len(body))


def _gif(data: bytes, parts: Parts) -> None:
    at = 13 + _palette(data, 10)
    parts.claims.add(0, 13)
    parts.claims.values(13, at)
    while at < len(data):
        kind, start = data[at], at
        if kind == 0x3B:
            parts.end = at + 1
            parts.claims.add(at, at + 1)
            return
        if kind == 0x21:
            label = data[at + 1 : at + 2]
            body, at = _sub_blocks(data, at + 2)
            if (label == b"\xf9" and len(body) == 4) or (len(body) == 14 and body.startswith((b"NETSCAPE2.0", b"ANIMEXTS1.0"))):
                parts.claims.add(start, at)
            elif label == b"\xfe":
                parts.add("comment", body)
                if is_clean(body):
                    parts.claims.add(start, at, "text")
            elif label in (b"\x01", b"\xff"):
                _unknown(body, parts, "text" if label == b"\x01" else "application", start + 3 if len(body) < 256 else len(data))
        elif kind == 0x2C:
            first = at + 11 + _palette(data, at + 9)
            _, at = _sub_blocks(data, first)
            parts.claims.add(start, start + 10)
            parts.claims.values(start + 10, at)
        else:
            return


def _palette(data: bytes, at: int) -> int:
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: bytes, at: int) -> tuple[bytes, int]:
    pieces = []
    while at < len(data) and (size := data[at]):
        pieces.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return b"".join(pieces), at + 1


_FORMATS: dict[bytes, Callable[[bytes, Parts], None]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
}


def exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the texts in EXIF data; none if it is damaged."""
    exif = Image.Exif()
    try:
        exif.load(data)
        yield from exif_values(exif)
    except Exception:  # noqa: BLE001  # the library raises arbitrary exceptions for damaged offsets
        return


def exif_values(exif: Image.Exif) -> Iterator[tuple[str, str]]:
    """Yield the texts in the main directory and those below it."""
    folders: list[Mapping[int, Any]] = [exif]
    folders += [exif.get_ifd(folder) for folder in _EXIF_FOLDERS if folder in exif]
    for folder in folders:
        for key, value in folder.items():
            text = _exif_text(key, value)
            if text.strip("\x00 "):
                yield str(key), text


def _exif_text(key: int, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple) and value and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        value = bytes(value)
    if not isinstance(value, bytes):
        return ""
    if key in _WINDOWS_TEXTS:
        return value.decode("utf-16-le", "replace").rstrip("\x00")
    if key == _USER_COMMENT and (charset := _CHARSETS.get(value[:8])):
        return _comment(value[8:], charset)
    if key == _USER_COMMENT and value[:8] == bytes(8):
        value = value[8:]
    return str(value, "utf-8", "replace")


def _comment(data: bytes, charset: str) -> str:
    if charset == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        charset = "utf-16-be" if data[::2].count(0) > data[1::2].count(0) else "utf-16-le"
    return data.decode(charset, "replace")
