"""Recognizes compressions whose magics are weak, or that begin with frames that programs skip."""

from __future__ import annotations

import contextlib
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from veritensor_ray.core.format_table import FORMATS
from veritensor_ray.core.media_types import LZ4, LZMA, ZLIB, ZSTD
from veritensor_ray.formats.text.recognise import controls

_FRAMES = tuple((magic, one.media_type) for one in FORMATS if one.media_type in (ZSTD, LZ4) for _, magic in one.magics)
_SAMPLE = 512
_DECODED = 4096  # bytes of output that are enough
_MEMORY = 1 << 28


def packed_type(head: bytes) -> str | None:
    """The media type of a compression with a weak magic; it counts only if the beginning decodes."""
    if head[:1] == b"x" and head[1:2] in b"\x01\x5e\x9c\xda" and (head[1:2] != b"^" or controls(head[:_SAMPLE])):
        return ZLIB if _decompresses(zlib.decompressobj, head) else None
    if head[:1] == b"\x5d" and head[13:14] == b"\x00" and head[12:13] in b"\x00\xff":
        return LZMA if _decompresses(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY), head) else None
    return None


def behind_skipped(head: bytes) -> str | None:
    """The media type of Zstandard or LZ4 after skippable frames, each of which is a magic number, a length and arbitrary bytes."""
    at = 0
    while head[at + 1 : at + 4] == b"\x2a\x4d\x18" and head[at] & 0xF0 == 0x50:
        at += 8 + int.from_bytes(head[at + 4 : at + 8], "little")
    return next((media_type for magic, media_type in _FRAMES if at and head.startswith(magic, at)), None)


def _decompresses(make: Callable[[], Any], head: bytes) -> bool:
    """Whether the beginning decodes. If it is all of a stream and its checksum is wrong, it decodes without its last byte."""
    for data in (head, head[:-1]):
        decoder = make()
        with contextlib.suppress(zlib.error, lzma.LZMAError):
            return bool(decoder.decompress(data, _DECODED) or decoder.eof)
    return False
