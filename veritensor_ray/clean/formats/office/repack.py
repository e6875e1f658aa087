"""Writes a package again: unchanged parts keep their compressed bytes, their order and their headers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

from veritensor_ray.clean.actions import CannotRewriteError
from veritensor_ray.extract.streams import Window
from veritensor_ray.extract.zip_format import DEFLATED, ENCRYPTED, STORED, STREAMED, Directory, ZipEntry, contradiction, local_header

_SIZES = struct.Struct("<3L")  # checksum, compressed size, size
_MAX32 = 0xFFFFFFFF
_LEVEL = 6
_COMPRESSION_BITS = 0b110  # of the flags: how hard the program tried (APPNOTE 4.4.4)


def repacked(
    directory: Directory,
    entries: Sequence[ZipEntry],
    changed: Mapping[int, bytes],
    removed: set[int],
    out: BinaryIO,
    pulse: Callable[[], None],
) -> None:
    """Write the entries, by their number, with new content or without some of them. Raises CannotRewriteError."""
    file, at = directory.file, 0
    records = _records(directory, len(entries))
    central: list[bytes] = []
    for number, entry in enumerate(entries):
        if number in removed:
            continue
        local = local_header(file, entry.offset)
        if local is None or contradiction(entry, local) or entry.flags & ENCRYPTED:
            raise CannotRewriteError("its zip headers contradict each other")
        file.seek(entry.offset)
        head = bytearray(file.read(local.data - entry.offset))
        method, crc, packed, size, data = entry.method, entry.crc, entry.packed, entry.size, None
        flags = entry.flags & ~STREAMED  # the sizes are known now, so that no record has to follow the data
        if (content := changed.get(number)) is not None:
            method = STORED if entry.method == STORED else DEFLATED
            data = content if method == STORED else _deflated(content)
            crc, packed, size = zlib.crc32(content), len(data), len(content)
            flags &= ~_COMPRESSION_BITS
        if max(packed, size, at) >= _MAX32:
            raise CannotRewriteError("it is a zip of more than 4 GB")
        struct.pack_into("<2H", head, 6, flags, method)
        _SIZES.pack_into(head, 14, crc, packed, size)
        record = records[number]
        struct.pack_into("<2H", record, 8, flags, method)
        _SIZES.pack_into(record, 16, crc, packed, size)
        struct.pack_into("<L", record, 42, at)
        central.append(bytes(record))
        out.write(head)
        for piece in [data] if data is not None else Window(file, local.data, packed).pieces():
            out.write(piece)
            pulse()
        at += len(head) + packed
    index = b"".join(central)
    count = min(len(central), 0xFFFF)
    out.write(
        index + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(index), at, len(directory.comment)) + directory.comment
    )


def _records(directory: Directory, count: int) -> list[bytearray]:
    """Return the records of the central directory."""
    directory.file.seek(directory.start)
    data = directory.file.read(directory.end - directory.start)
    records, at = [], 0
    for _ in range(count):
        size = 46 + sum(int.from_bytes(data[at + i : at + i + 2], "little") for i in (28, 30, 32))
        records.append(bytearray(data[at : at + size]))
        at += size
    if len(data) < at or len(records) >= 0xFFFF:
        raise CannotRewriteError("its zip directory is damaged or too long")
    return records


def _deflated(content: bytes) -> bytes:
    maker = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    return maker.compress(content) + maker.flush()
