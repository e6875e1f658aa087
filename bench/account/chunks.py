"""Places in pictures, which consist of chunks: PNG, RIFF, JPEG, GIF and TIFF."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from bench.account.canary import RAW, Place, in_all_forms, put_all

Chunks = list[tuple[bytes, bytes]]  # kinds and contents
Joined = Callable[[Chunks], bytes]
_HEADS = {b"tEXt": b"Note\0", b"zTXt": b"Note\0\0", b"iTXt": b"Note\0\0\0\0\0", b"iCCP": b"Note\0\0"}
_PNG = (b"teSt", b"prVt", *_HEADS, b"eXIf", b"sPLT", b"tIME", b"pHYs", b"dSIG", b"caNv", b"IDAT", b"acTL", b"fdAT")
_RIFF = (b"note", b"EXIF", b"XMP ", b"ICCP", b"LIST", b"JUNK", b"IART", b"id3 ")
_JPEG = {0xE1: (b"", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"), 0xED: (b"", b"Photoshop 3.0\0")}
_MARKERS = (*range(0xE0, 0xF0), 0xFE, 0xF0, 0xC8)
_GIF = (
    (0xFE, b""),
    (0x01, b"\x0c" + bytes(12)),
    (0xFF, b"\x0bXMP DataXMP"),
    (0xFF, b"\x0bNETSCAPE2.0"),
    (0xFF, b"\x0bnoteNOTE1.0"),
    (0xF9, b""),
    (0x77, b""),
)
_TAGS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 333, 337, 700, 33432, 33723, 34377, 34675, 37510, 40091, 40092, 50000, 65000)


_NO_TAGS = b"II*\0\x08\0\0\0" + bytes(6)  # the smallest TIFF, as metadata of other pictures


def _new_chunks(chunks: Chunks, kinds: tuple[bytes, ...], joined: Joined) -> Iterator[Place]:
    """Yield a new chunk of each kind behind each chunk, and more content at the end of each."""
    for at in range(1, len(chunks) + 1):
        for kind in kinds:
            yield from _new_chunk(chunks, at, kind, joined)
        yield from _longer(chunks, at - 1, joined)


def _new_chunk(chunks: Chunks, at: int, kind: bytes, joined: Joined) -> Iterator[Place]:
    behind, head = chunks[at - 1][0].decode("latin-1"), _HEADS.get(kind, b"")
    label = f"chunk {kind.decode().strip()}"
    return in_all_forms(label, f"behind {behind}", lambda raw: joined([*chunks[:at], (kind, head + raw), *chunks[at:]]))


def _longer(chunks: Chunks, number: int, joined: Joined) -> Iterator[Place]:
    kind, body = chunks[number]
    return in_all_forms(
        "end of a chunk", kind.decode("latin-1"), lambda raw: joined([*chunks[:number], (kind, body + raw), *chunks[number + 1 :]])
    )


def png_places(data: bytes) -> Iterator[Place]:
    """Yield the places in the chunks of a PNG."""
    chunks = png_chunks(data)
    yield from _new_chunks(chunks, _PNG, png)
    first, rest = chunks[0], chunks[1:]
    yield Place("keyword of a text chunk", "", lambda: png([first, (b"tEXt", RAW + b"\0note"), *rest]))
    yield Place("keyword of a profile", "", lambda: png([first, (b"iCCP", RAW + b"\0\0" + zlib.compress(b"note")), *rest]))
    yield from in_all_forms("language of a text chunk", "", lambda raw: png([first, (b"iTXt", b"Note\0\0\0" + raw + b"\0\0note"), *rest]))
    yield from (one.within("eXIf", lambda new: png([first, (b"eXIf", new), *rest])) for one in tiff_places(_NO_TAGS))
    yield from in_all_forms("behind the pixels, in their stream", "", lambda raw: png(_pixels(chunks, raw)))


def png_chunks(data: bytes) -> Chunks:
    """Return the chunks of a PNG."""
    found, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    return found


def png(chunks: Chunks) -> bytes:
    """Return a PNG of these chunks."""
    parts = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _pixels(chunks: Chunks, raw: bytes) -> Chunks:
    packed = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    first = next(number for number, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    others = [(kind, body) for kind, body in chunks if kind != b"IDAT"]
    return [*others[:first], (b"IDAT", zlib.compress(packed + raw)), *others[first:]]


def riff_places(data: bytes) -> Iterator[Place]:
    """Yield the places in the chunks of a RIFF file."""
    form, chunks, at = data[8:12], Chunks(), 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2

    def joined(chunks: Chunks) -> bytes:
        body = b"".join(kind + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for kind, part in chunks)
        return b"RIFF" + struct.pack("<I", len(body) + 4) + form + body

    yield from _new_chunks(chunks, _RIFF, joined)
    yield from (one.within("EXIF", lambda new: joined([*chunks, (b"EXIF", new)])) for one in tiff_places(_NO_TAGS))


def jpeg_places(data: bytes) -> Iterator[Place]:
    """Yield a new segment of each kind at each place before the picture, and bytes between and in segments."""
    segments, at = list[bytes](), 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big") + 2
        segments.append(data[at : at + size])
        at += size
    for number in range(len(segments) + 1):
        yield from _jpeg_places(segments, number, data[at:])
    head = b"\xff\xd8"
    tags = tiff_places(_NO_TAGS)
    yield from (one.within("Exif", lambda new: head + _segment(0xE1, b"Exif\0\0" + new) + data[2:]) for one in tags)
    yield from put_all("before the end of the picture", "", data, len(data) - 2)


def _jpeg_places(segments: list[bytes], at: int, picture: bytes) -> Iterator[Place]:
    def joined(*new: bytes, end: int = at) -> bytes:
        return b"\xff\xd8" + b"".join([*segments[:at], *new, *segments[end:]]) + picture

    def new_segments(marker: int, head: bytes) -> Iterator[Place]:
        return in_all_forms(f"segment {marker:02X}", f"{at} {head!r}", lambda raw: joined(_segment(marker, head + raw)))

    for marker in _MARKERS:
        for head in _JPEG.get(marker, (b"",)):
            yield from new_segments(marker, head)
    yield from in_all_forms("between segments", str(at), joined)
    if at < len(segments):
        one = segments[at]
        yield from in_all_forms("end of a segment", f"{one[1]:02X}", lambda raw: joined(_segment(one[1], one[4:] + raw), end=at + 1))


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def gif_places(data: bytes) -> Iterator[Place]:
    """Yield new extensions before the picture and before the trailer."""
    start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    for at, where in ((start, "before the picture"), (len(data) - 1, "before the trailer")):
        for label, head in _GIF:
            yield from _extension(data, at, where, label, head)


def _extension(data: bytes, at: int, where: str, label: int, head: bytes) -> Iterator[Place]:
    kind = f"extension {label:02X} {head[1:].decode().strip(chr(0))}".strip()
    begins = data[:at] + bytes([0x21, label]) + head
    return in_all_forms(kind, where, lambda raw: begins + bytes([len(raw)]) + raw + b"\0" + data[at:])


def tiff_places(data: bytes) -> Iterator[Place]:
    """Yield new tags in a copy of the first directory, which stands at the end of the file."""
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(f"{order}I", data, 4)[0]
    count = struct.unpack_from(f"{order}H", data, at)[0]
    tags = [data[at + 2 + 12 * number :][:12] for number in range(count)]
    following = data[at + 2 + 12 * count :][:4]

    def build(tag: int, kind: int, raw: bytes) -> bytes:
        new = struct.pack(f"{order}HHII", tag, kind, len(raw), len(data))
        table = sorted([one for one in tags if one[:2] != new[:2]] + [new], key=lambda one: int(struct.unpack(f"{order}H", one[:2])[0]))
        padded = raw + bytes(len(raw) % 2)
        directory = struct.pack(f"{order}H", len(table)) + b"".join(table) + following
        return data[:4] + struct.pack(f"{order}I", len(data) + len(padded)) + data[8:] + padded + directory

    def of(tag: int, kind: int) -> Iterator[Place]:
        return in_all_forms(f"tag of type {kind}", str(tag), lambda raw: build(tag, kind, raw))

    for tag in _TAGS:
        for kind in (1, 2, 7):
            yield from of(tag, kind)


def chunked(data: bytes) -> Callable[[bytes], Iterator[Place]] | None:
    """Return the function for a file of chunks, or None."""
    heads = {
        b"\x89PNG": png_places,
        b"RIFF": riff_places,
        b"\xff\xd8\xff": jpeg_places,
        b"GIF8": gif_places,
        b"II*\0": tiff_places,
        b"MM\0*": tiff_places,
    }
    return next((places for head, places in heads.items() if data.startswith(head)), None)
