"""Images: the picture as a segment, its metadata as text."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tests.extract.readers.reading import flat, read
from veritensor_ray.config import Limits
from veritensor_ray.errors import LimitExceeded, ReadError
from veritensor_ray.extract.readers import image as module
from veritensor_ray.extract.sniff import Kind


def saved(kind: str, **options: Any) -> bytes:
    """A small picture in that format."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, kind, **options)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that only claims to be that big."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + bytes(4) + b"IEND\xaeB`\x82"


def _noted() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "look here")
    info.add_itxt("Title", "schön")
    info.add_text("Packed", "look there", zip=True)
    return info


def _exif(text: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = text  # ImageDescription
    return exif


PNG = saved("PNG")


@pytest.mark.parametrize(
    ("kind", "data", "texts"),
    [
        ("png", PNG, []),
        ("jpeg", saved("JPEG"), []),
        ("gif", saved("GIF"), []),
        ("bmp", saved("BMP"), []),
        ("webp", saved("WEBP"), []),
        ("png", saved("PNG", pnginfo=_noted()), [("look here", "Comment"), ("schön", "Title"), ("look there", "Packed")]),
        ("gif", saved("GIF", comment=b"look here"), [("look here", "comment")]),
        ("jpeg", saved("JPEG", comment=b"look here"), [("look here", "comment")]),
        ("jpeg", saved("JPEG", exif=_exif("look here")), [("look here", "270")]),
        ("png", saved("PNG", exif=_exif("look here")), [("look here", "270")]),
        ("webp", saved("WEBP", exif=_exif("look here")), [("look here", "270")]),
        ("jpeg", saved("JPEG", comment=b"\xff\xfe no utf-8"), [("\ufffd\ufffd no utf-8", "comment")]),
    ],
)
def test_picture_and_metadata(kind: str, data: bytes, texts: list[tuple[str, str]]) -> None:
    blocks, gaps = read(data, Kind(f"image/{kind}"))
    assert (blocks[0].images, gaps) == ([data], [])
    found = [(text, column) for text, column, view in flat(blocks[1:], "column", "view") if view == "metadata"]
    assert set(texts) <= set(found)


@pytest.mark.parametrize(
    ("data", "limits", "bound"),
    [
        (png_header(1000, 1000), Limits(image_pixels=999_999), "image_pixels"),
        (png_header(60_000, 60_000), Limits(), "image_pixels"),
        (png_header(2**31 - 1, 2**31 - 1), Limits(), "image_pixels"),
    ],
)
def test_bombs_end_at_the_bound(data: bytes, limits: Limits, bound: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read(data, Kind("image/png"), limits)
    assert caught.value.bound == bound


def test_pixels_are_not_decoded() -> None:
    blocks, _ = read(png_header(9000, 9000), Kind("image/png"))
    assert len(blocks) == 1


def test_a_file_that_is_too_big(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 50)
    with pytest.raises(LimitExceeded) as caught:
        read(PNG, Kind("image/png"))
    assert caught.value.bound == "image_bytes"


def test_packed_text_that_is_a_bomb_raises_a_read_error() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Bomb", "x" * 50_000_000, zip=True)
    with pytest.raises(ReadError):
        read(saved("PNG", pnginfo=info), Kind("image/png"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damaged_pictures_raise_read_errors_only(kind: str) -> None:
    options: dict[str, Any] = {"exif": _exif("look here")} if kind in ("PNG", "JPEG", "TIFF", "WEBP") else {}
    whole = saved(kind, **options)
    chance = random.Random(7)
    damaged = [whole[:length] for length in range(2, len(whole))]
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[chance.randrange(min(len(flipped), 200))] = chance.randrange(256)
        damaged.append(bytes(flipped))
    for data in damaged:
        with contextlib.suppress(ReadError):
            read(data, Kind(f"image/{kind.lower()}"))
