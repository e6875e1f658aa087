"""The frames of MPEG audio (ISO 11172-3, 13818-3), of which only the headers are read, and how many the first one says there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from veritensor_ray.formats.common.streams import CHUNK, Window

_HEADER = 4
_SYNC = re.compile(rb"\xff[\xe2-\xff]")
_LONGEST = 2881  # bytes of a frame: layer II at 160 kbit/s and 8 kHz
_FIRST = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0)
_RATES = {  # kbit/s, by whether it is version 1, and the layer
    (True, 1): _FIRST,
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_SAMPLES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}  # Hz, by the version
_COUNTED = (b"Xing", b"Info")
_HAS_FRAMES, _HAS_BYTES = 1, 2


class FrameRun(NamedTuple):
    """Frames that follow each other without a gap. The last one may extend beyond the end of the file."""

    start: int
    end: int


def frame_size(header: bytes) -> int:
    """Return the size of the frame with this header in bytes, or 0 if it is none."""
    if len(header) < _HEADER or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if version == 1 or layer == 4 or header[2] & 0x0C == 0x0C:
        return 0
    rate, samples = 1000 * _RATES[version == 3, layer][header[2] >> 4], _SAMPLES[version][header[2] >> 2 & 3]
    padding = header[2] >> 1 & 1
    if not rate:
        return 0
    if layer == 1:
        return 4 * (12 * rate // samples + padding)
    return (72 if layer == 3 and version != 3 else 144) * rate // samples + padding


def frame_runs(file: BinaryIO, start: int, end: int) -> Iterator[FrameRun]:
    """Yield the runs of at least two frames, or of one that reaches the end, between two places of a file."""
    at = begun = start
    data, base = b"", start
    while at < end:
        if at - base + 2 * _LONGEST > len(data) and base + len(data) < end:
            base, data = at, Window(file, at, end - at).read(CHUNK)
            if not data:
                break
        inside = at - base
        size = frame_size(data[inside : inside + _HEADER])
        if size and (at > begun or at + size >= end or frame_size(data[inside + size : inside + size + _HEADER])):
            at += size
            continue
        if at > begun:
            yield FrameRun(begun, at)
        found = _SYNC.search(data, inside + (at == begun))
        at = begun = base + found.start() if found else max(at + 1, min(end, base + max(1, len(data) - 1)))
    if at > begun:
        yield FrameRun(begun, at)


def told_bytes(file: BinaryIO, at: int) -> int | None:
    """Return how many bytes of sound there are according to the frame at this place, or None if it does not say so."""
    frame = Window(file, at, _LONGEST).read(256)
    for mark in _COUNTED:
        if (found := frame.find(mark, _HEADER, 64)) >= 0:
            flags = int.from_bytes(frame[found + 4 : found + 8], "big")
            place = found + 8 + (4 if flags & _HAS_FRAMES else 0)
            is_told = flags & _HAS_BYTES and place + 4 <= len(frame)
            return int.from_bytes(frame[place : place + 4], "big") if is_told else None
    return None
