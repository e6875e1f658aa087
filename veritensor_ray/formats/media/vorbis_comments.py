"""Reads Vorbis comments, which FLAC and Ogg have, and the pictures in and beside them."""

from __future__ import annotations

import base64
import binascii
import struct

from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.media.media_texts import MediaTexts, decoded

_NUMBER = struct.Struct("<I")
_PICTURES = ("METADATA_BLOCK_PICTURE", "COVERART")
_PICTURE = struct.Struct(">II")
_LEAST = 20  # bytes of numbers in a picture's description, behind its texts


def read_comments(texts: MediaTexts, data: bytes) -> None:
    """Collect the comments, and the pictures that are encoded in some of them. The caller claims the bytes."""
    vendor, at = _text(data, 0)
    texts.add(decoded(vendor, "utf-8")[0], "encoder")
    count = _NUMBER.unpack_from(data, at)[0] if at + 4 <= len(data) else 1
    at += 4
    while count and at + 4 <= len(data):
        comment, at = _text(data, at)
        count -= 1
        key, _, value = decoded(comment, "utf-8")[0].partition("=")
        if key.upper() in _PICTURES and (picture := _decoded_picture(key.upper(), value)):
            texts.decoded_file("cover", picture)
        else:
            texts.add(value or key, key)
    if count or at > len(data):
        texts.tell(Gap("the comments of the sound are damaged or cut off, and not all of them were read"))


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the text whose length is at this place, and where it ends, which is behind the data if it is cut off."""
    if at + 4 > len(data):
        return b"", len(data) + 1
    end = at + 4 + int(_NUMBER.unpack_from(data, at)[0])
    return data[at + 4 : end], end


def _decoded_picture(key: str, value: str) -> bytes | None:
    """Return the picture in a comment, or None if it is none."""
    try:
        data = base64.b64decode(value)
    except (binascii.Error, ValueError):
        return None
    if key == "COVERART":
        return data
    at = picture_at(data)
    return None if at is None else data[at:]


def picture_at(data: bytes) -> int | None:
    """Return where the picture begins in a block of FLAC with its type and its description, or None if there is none."""
    at = 4
    for extra in (0, _LEAST):
        if at + 4 > len(data):
            return None
        at += 4 + int.from_bytes(data[at : at + 4], "big") + extra
    return at if at <= len(data) else None
