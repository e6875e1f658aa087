"""Recognizes a stream of Arrow record batches, which has no magic."""

from __future__ import annotations


def is_arrow_stream(head: bytes) -> bool:
    """Whether there are a continuation marker, the length of the schema's flatbuffer, and the offset of the root table in it."""
    length, root = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:12], "little")
    return head[:4] == b"\xff\xff\xff\xff" and 0 < length < 1 << 28 and length % 8 == 0 and 4 <= root <= 64 and root % 4 == 0
