"""Recognizes MP3 without a tag, whose first bytes alone are often chance."""

from __future__ import annotations

from veritensor_ray.formats.media.mp3.structure import frame_size


def is_mp3(head: bytes) -> bool:
    """Whether a tag stands at the beginning, or two frames of sound."""
    size = frame_size(head[:4])
    return head.startswith(b"ID3") or (size > 0 and frame_size(head[size : size + 4]) > 0)
