"""Reads Vorbis comments, which FLAC and Ogg have, and the pictures in and beside them."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator

from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.media.media_texts import MediaTexts, decoded

_NUMBER = struct.Struct("<I")
_PICTURES = ("METADATA_BLOCK_PICTURE", "COVERART")
_MARKS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")  # how pictures begin
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
        if not (key.upper() in _PICTURES and _encoded_picture(texts, key.upper(), value)):
            texts.add(value or key, key)
    if count or at > len(data):
        texts.tell(Gap("the comments of the sound are damaged or cut off, and not all of them were read"))


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the text whose length is at this place, and where it ends, which is behind the data if it is cut off."""
    if at + 4 > len(data):
        return b"", len(data) + 1
    end = at + 4 + int(_NUMBER.unpack_from(data, at)[0])
    return data[at + 4 : end], end


def _encoded_picture(texts: MediaTexts, key: str, value: str) -> bool:
    """Collect the picture in a comment. Returns whether there is one."""
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    if key != "COVERART":
        return read_picture(texts, data)
    is_picture = data.startswith(_MARKS)  # other words are valid base64 too
    if is_picture:
        texts.decoded_file("cover", data)
    return is_picture


def read_picture(texts: MediaTexts, data: bytes) -> bool:
    """Collect a picture and what describes it, in a block of FLAC. Returns whether there is one. The caller claims the bytes."""
    at = picture_at(data)
    if at is None:
        return False
    for column, start, end in picture_texts(data):
        texts.add(decoded(data[start:end], "utf-8")[0], column)
    texts.decoded_file("cover", data[at:])
    return True


def picture_texts(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the texts in front of the picture in a block of FLAC: the name of the column, and where each begins and ends."""
    end = 4
    for column in ("cover type", "cover description"):
        start = end + 4
        end = start + int.from_bytes(data[end:start], "big")
        yield column, start, end


def picture_at(data: bytes) -> int | None:
    """Return where the picture begins in a block of FLAC with its type and its description, or None if there is none."""
    at = 4
    for extra in (0, _LEAST):
        if at + 4 > len(data):
            return None
        at += 4 + int.from_bytes(data[at : at + 4], "big") + extra
    return at if at <= len(data) else None
