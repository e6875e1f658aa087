"""Finds compressed streams anywhere in a file by their first bytes, whatever the file is: what a program skips is found too."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import lz4.frame

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.archives.zip.structure import LOCAL, METHODS, STORED, Data, found_entry, local_header
from veritensor_ray.formats.common.decoders import BROKEN, SINGLE, ZSTD_MAGIC, Zstd, pumped
from veritensor_ray.formats.common.file_ranges import length, occurrences
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.compressed.recognise import is_bzip2

_LONGEST = 6  # bytes of a magic
_TRIED = 64  # bytes of a zlib stream that have to decode, because two bytes are no proof
_ZLIB, _ZSTD = "zlib", "Zstandard"
_LZ4 = b"\x04\x22\x4d\x18"
_KINDS = {b"\x1f\x8b\x08": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", _LZ4: "LZ4", ZSTD_MAGIC: _ZSTD}  # all others are zlib
_MAKERS: dict[bytes, Callable[[], Any]] = {**SINGLE, _LZ4: lz4.frame.LZ4FrameDecompressor, ZSTD_MAGIC: lambda: None}
_MAGIC = re.compile(b"|".join(map(re.escape, (LOCAL, *_MAKERS))))


@dataclass
class FoundStream:
    """A compressed stream: where it begins, what it is (the name of an entry of a zip, or the kind), and its content, which is read once.

    Once the content has been read, `end` is where the stream ends; it stays None if the stream is damaged.
    """

    start: int
    kind: str
    name: str | None
    content: Iterator[bytes]
    end: int | None = None


def found_streams(file: BinaryIO, pulse: Callable[[], None]) -> Iterator[FoundStream]:
    """Yield the streams of a seekable file in order. What lies inside a sound stream is not looked at: it is in the stream's content.

    The content of one has to be read before the next is asked for, and ends where the stream is damaged.
    """
    size, after = length(file), 0
    for at in occurrences(file, 0, _MAGIC, _LONGEST):
        pulse()
        if at < after:
            continue
        found = _opened(file, at, size)
        if found is not None:
            yield found
            after = found.end or 0


def _opened(file: BinaryIO, at: int, size: int) -> FoundStream | None:
    file.seek(at)
    head = file.read(_TRIED)
    if head.startswith(LOCAL):
        return _entry(file, at, size)
    magic = next(magic for magic in _MAKERS if head.startswith(magic))
    kind, make = _KINDS.get(magic, _ZLIB), _MAKERS[magic]
    if (kind == _ZLIB and not _decodes(head)) or (magic == b"BZh" and not is_bzip2(head)):
        return None
    found = FoundStream(at, kind, None, iter(()))
    found.content = _content(found, Window(file, at, size - at), make)
    return found


def _content(found: FoundStream, window: Window, make: Callable[[], Any]) -> Iterator[bytes]:
    with contextlib.suppress(*BROKEN, ReadError):
        if found.kind == _ZSTD:
            decoder: Any = Zstd(window.read, single=True)
            yield from decoder
        else:
            decoder, again = make(), window.again()
            yield from pumped(decoder, window.read, again=lambda: (make(), again.read))
        found.end = window.at - len(decoder.unused_data or b"")


def _entry(file: BinaryIO, at: int, size: int) -> FoundStream | None:
    """Return the compressed entry of a zip whose local header is there. A stored one is found as it is."""
    local = local_header(file, at)
    if local is None or local.method == STORED or local.method not in METHODS or local.data > size:
        return None
    entry = found_entry(local, at)
    found = FoundStream(at, "zip", entry.name, iter(()))
    data = Data(entry, Window(file, local.data, min(local.packed or size, size - local.data)))

    def content() -> Iterator[bytes]:
        with contextlib.suppress(*BROKEN, ReadError):
            yield from data
            found.end = data.end

    found.content = content()
    return found


def _decodes(head: bytes) -> bool:
    try:
        decoder = zlib.decompressobj()
        return bool(decoder.decompress(head) or decoder.eof)
    except zlib.error:
        return False
