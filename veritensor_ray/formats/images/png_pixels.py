"""Decompresses the pixels of a PNG without looking at them, and returns what follows those that the picture needs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.images.claims import Claims

_PIECE = 1 << 20
_MOST = bounds.IMAGE_TEXT  # bytes behind the pixels; the rest is chance or a bomb
_LARGEST = bounds.PNG_PIXELS  # bytes of pixels, above which nothing is decompressed
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the kind of color
# The first column and row, and the distances, of the seven pictures that an interlaced one consists of.
_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def unneeded_pixels(claims: Claims, ranges: Sequence[tuple[int, int]]) -> tuple[bytes, Gap | None]:
    """Claim the pixels in these ranges, up to the end of their stream. Return what the stream has behind them, with a gap if it is cut."""
    wanted, made, rest = _size(claims.data), 0, bytearray()
    if not wanted or wanted > _LARGEST:
        for start, end in ranges:
            claims.add(start, end, "packed" if wanted else "values")
        return b"", Gap(f"what may stand behind pixels of more than {_LARGEST} bytes was not read", bound="png_pixels") if wanted else None
    decoder = zlib.decompressobj()
    for number, (start, end) in enumerate(ranges):
        packed = claims.data[start:end]
        try:
            while packed and not decoder.eof and len(rest) <= _MOST:
                piece = decoder.decompress(packed, _PIECE)
                packed = decoder.unconsumed_tail
                rest += piece[max(0, wanted - made) :]
                made += len(piece)
        except zlib.error:  # what cannot be decompressed is searched
            for first, last in ranges[number:]:
                claims.values(first, last)
            break
        claims.add(start, end - len(decoder.unused_data if decoder.eof else b""), "packed")
        if decoder.eof:
            break
    cut = len(rest) > _MOST
    return bytes(rest[:_MOST]), Gap(f"of what stands behind the pixels, {_MOST} bytes were read", bound="image_text_bytes") if cut else None


def _size(data: bytes) -> int:
    """Return how many bytes the pixels take, each line with a byte for its filter; 0 if there is no header."""
    if data[12:16] != b"IHDR" or len(data) < 29:
        return 0
    width, height, depth, color, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * _CHANNELS.get(color, 0)
    size = 0
    for left, top, across, down in _INTERLACED if interlaced else ((0, 0, 1, 1),):
        columns, lines = -(-(width - left) // across), -(-(height - top) // down)
        size += lines * (1 + -(-columns * bits // 8)) if columns > 0 and lines > 0 else 0
    return size
