"""Compresses data as it was compressed before, as far as the old data says how. Equal data gives equal bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lz4.frame
import zstandard

from veritensor_ray.formats.common.decoders import lzma_filter

HEAD = 64  # bytes of a stream that show how it was compressed; a gzip header may be longer
_DICTIONARIES = ((256 << 10, 0), (1 << 20, 1), (2 << 20, 2), (4 << 20, 4))  # of the presets of xz
_PRESET = 6  # no higher one: `xz -9` takes 674 MB
_ZSTD_LEVEL = 3  # a frame does not record its level
_LZMA1 = {"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 8 << 20}
_LZMA_HEADER = b"\x09\x04\x05\x00\x5d" + (8 << 20).to_bytes(4, "little")  # APPNOTE 5.8.8: version, length, the properties of `_LZMA1`
Pieces = Iterable[bytes]


def _pumped(compressor: Any, pieces: Pieces) -> Iterator[bytes]:
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def deflated(pieces: Pieces, level: int, wbits: int = -15) -> Iterator[bytes]:
    """Compress to deflate: raw (`wbits` -15) or zlib (15)."""
    return _pumped(zlib.compressobj(level, zlib.DEFLATED, wbits), pieces)


def zlibbed(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to zlib at the level that the header's second byte names roughly (RFC 1950)."""
    return deflated(pieces, (1, 4, 6, 9)[head[1] >> 6], 15)


def bzipped(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to bzip2 with the same size of blocks."""
    level = head[3] - ord("0") if head.startswith(b"BZh") else 9
    return _pumped(bz2.BZ2Compressor(level), pieces)


def xzipped(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to xz with the same checksum, and a dictionary of at most the same size."""
    return _pumped(lzma.LZMACompressor(lzma.FORMAT_XZ, check=head[7] & 15, preset=_preset(head)), pieces)


def _preset(head: bytes) -> int:
    """The preset of xz with the dictionary of the first block, if its only filter is LZMA2 (The .xz File Format, 3.1)."""
    flags, at = head[13], 14
    for present in (0x40, 0x80):  # the sizes of the block
        while flags & present and head[at] & 0x80:
            at += 1
        at += bool(flags & present)
    if flags & 3 or head[at : at + 2] != b"\x21\x01":
        return _PRESET
    bits = head[at + 2] & 0x3F
    dictionary = (2 | bits & 1) << (bits // 2 + 11)
    return next((preset for most, preset in _DICTIONARIES if dictionary <= most), _PRESET)


def lzma_alone(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to the format before xz, with the same properties."""
    properties = lzma_filter(head[:5], 8 << 20)
    return _pumped(lzma.LZMACompressor(lzma.FORMAT_ALONE, filters=[properties]), pieces)


def lzma_entry(pieces: Pieces) -> Iterator[bytes]:
    """Compress to the LZMA data of a zip entry, with an end marker."""
    yield _LZMA_HEADER
    yield from _pumped(lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[_LZMA1]), pieces)


def zstd_frame(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to one Zstandard frame, with a checksum and a size only if the old one has them."""
    about = zstandard.get_frame_parameters(head)
    sized = about.content_size != zstandard.CONTENTSIZE_UNKNOWN
    maker = zstandard.ZstdCompressor(_ZSTD_LEVEL, write_checksum=about.has_checksum, write_content_size=sized)
    return _pumped(maker.compressobj(size) if sized else maker.compressobj(), pieces)


def lz4_frame(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to one LZ4 frame with the same blocks and checksums."""
    about = lz4.frame.get_frame_info(head)
    frame = lz4.frame.LZ4FrameCompressor(
        block_size=about["block_size_id"],
        block_linked=about["block_linked"],
        content_checksum=about["content_checksum"],
        block_checksum=about["block_checksum"],
    )
    yield frame.begin(source_size=size if about["content_size"] else 0)
    yield from _pumped(frame, pieces)


def gzip_body(head: bytes, pieces: Pieces, size: int) -> Iterator[bytes]:
    """Compress to everything that follows a gzip header, at the level that the header names roughly (RFC 1952)."""
    crc = total = 0

    def counted() -> Iterator[bytes]:
        nonlocal crc, total
        for piece in pieces:
            crc, total = zlib.crc32(piece, crc), total + len(piece)
            yield piece

    yield from deflated(counted(), {2: 9, 4: 1}.get(head[8], 6))
    yield crc.to_bytes(4, "little") + (total & 0xFFFFFFFF).to_bytes(4, "little")


Packer = Callable[[bytes, Pieces, int], Iterator[bytes]]  # the beginning of the old stream, the new content, and its size
