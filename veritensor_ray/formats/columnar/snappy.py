"""Snappy blocks without framing, as container formats store them."""

from __future__ import annotations

import pyarrow as pa

from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.records import protobuf


def unpacked(packed: bytes, most: int, bound: str) -> bytes:
    """Unpack a block, which begins with its size.

    Raises LimitExceeded above `most`; ValueError, OSError or ArrowException for invalid data.
    """
    size = next(protobuf.varints(packed[:10]), 0)
    if size > most:
        raise LimitExceeded(bound, f"a block expands to more than {most} bytes")
    return bytes(pa.Codec("snappy").decompress(packed, decompressed_size=size, asbytes=True)) if size else b""
