"""The head of a TFRecord: a length and its masked CRC-32C. Both recognition and the reader use it."""

from __future__ import annotations

import google_crc32c


def masked_sum(data: bytes) -> int:
    """The CRC-32C as TFRecord stores it: rotated by 15 bits and offset, because checksums of data that contains checksums are weak."""
    checksum: int = google_crc32c.value(bytes(data))
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def is_record_head(head: bytes) -> bool:
    """Whether the eight bytes of a length are followed by the matching masked checksum."""
    return len(head) == 12 and masked_sum(head[:8]) == int.from_bytes(head[8:], "little")


def is_tfrecord(head: bytes) -> bool:
    """Whether a file begins with a record of less than 4 GB."""
    return head[4:8] == bytes(4) and is_record_head(head[:12])
