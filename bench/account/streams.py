"""Places in compressed streams: in what they contain, in their headers, and before, behind and between streams."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator

from bench.account.canary import RAW, Place, in_all_forms, put_all
from bench.account.zips import Inner

_BROKEN = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError)
_SKIPPABLE = (b"\x50\x2a\x4d\x18", b"\x5f\x2a\x4d\x18")  # frames that readers of Zstandard and LZ4 pass over


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.compress(data)


def _unzstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _lz4(data: bytes) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.compress(data))


def _unlz4(data: bytes) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.decompress(data))


# By the first bytes of a stream: its name, its extension, and how to read and write it.
Codec = tuple[str, str, Callable[[bytes], bytes], Callable[[bytes], bytes]]
CODECS: dict[bytes, Codec] = {
    b"\x1f\x8b": ("gzip", ".gz", gzip.decompress, lambda data: gzip.compress(data, 1, mtime=0)),
    b"BZh": ("bzip2", ".bz2", bz2.decompress, bz2.compress),
    b"\xfd7zXZ\x00": ("xz", ".xz", lzma.decompress, lzma.compress),
    b"\x5d\x00\x00": ("lzma", ".lzma", lzma.decompress, lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    b"\x28\xb5\x2f\xfd": ("zstd", ".zst", _unzstd, _zstd),
    b"\x04\x22\x4d\x18": ("lz4", ".lz4", _unlz4, _lz4),
    b"\x78": ("zlib", ".zlib", zlib.decompress, lambda data: zlib.compress(data, 1)),
}


def codec_of(data: bytes) -> Codec | None:
    """Return the codec of a complete stream, or None."""
    for magic, codec in CODECS.items():
        if data.startswith(magic):
            try:
                codec[2](data)
            except _BROKEN:
                return None
            return codec
    return None


def stream_places(data: bytes, codec: Codec, inner: Inner) -> Iterator[Place]:
    """Yield the places in the content of a stream, and around it."""
    name, _, unpacked, packed = codec
    content = unpacked(data)
    yield from (place.within(name, packed) for place in inner("", content))
    yield from put_all(f"{name}: behind the stream", "", data, len(data))
    yield from put_all(f"{name}: behind the stream, after zeros", "", data + bytes(512), len(data) + 512)
    ours, line = packed(RAW), packed(content + b"\n" + RAW)
    for kind, new in {
        "second stream": data + ours,
        "stream before": ours + data,
        "second stream, after other bytes": data + b"\xff\x00garbage" + ours,
        "stream before, with a wrong checksum": ours[:-1] + bytes([ours[-1] ^ 1]) + data,
        "with a wrong checksum": line[:-1] + bytes([line[-1] ^ 1]),
        "cut off": packed(RAW + b"\n" + content)[:-5],
    }.items():
        yield _file(f"{name}: {kind}", new)
    yield from _gzip_places(data) if name == "gzip" else ()
    yield from _frames(name, data) if name in ("zstd", "lz4") else ()


def _file(kind: str, data: bytes) -> Place:
    return Place(kind, "", lambda: data)


def _gzip_places(data: bytes) -> Iterator[Place]:
    plain = gzip.compress(gzip.decompress(data), 1, mtime=0)

    def headed(flag: int, field: bytes) -> bytes:
        return plain[:3] + bytes([flag]) + plain[4:10] + field + plain[10:]

    yield from in_all_forms("gzip: extra field", "", lambda raw: headed(4, struct.pack("<H", len(raw)) + raw))
    yield from in_all_forms("gzip: subfield", "", lambda raw: headed(4, struct.pack("<H2sH", len(raw) + 4, b"xx", len(raw)) + raw))
    yield _file("gzip: name", headed(8, RAW + b"\0"))
    yield _file("gzip: comment", headed(16, RAW + b"\0"))


def _frames(name: str, data: bytes) -> Iterator[Place]:
    for magic in _SKIPPABLE:
        yield from _frame(name, data, magic)


def _frame(name: str, data: bytes, magic: bytes) -> Iterator[Place]:
    yield from in_all_forms(f"{name}: skippable frame", "", lambda raw: magic + struct.pack("<I", len(raw)) + raw + data)
    yield from in_all_forms(f"{name}: skippable frame behind", "", lambda raw: data + magic + struct.pack("<I", len(raw)) + raw)
