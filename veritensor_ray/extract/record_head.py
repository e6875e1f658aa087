"""The head of a TFRecord: a length and its masked CRC-32C. Recognition and the reader need it; it knows no file."""

from __future__ import annotations

import google_crc32c


def masked_sum(data: bytes) -> int:
    """The CRC-32C as TFRecord stores it: turned by 15 bits and moved, since sums of data that hold sums are weak."""
    checksum: int = google_crc32c.value(bytes(data))
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def is_record_head(head: bytes) -> bool:
    """Whether eight bytes of length are followed by their own masked checksum."""
    return len(head) == 12 and masked_sum(head[:8]) == int.from_bytes(head[8:], "little")
