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

from tests.cases import each
from tests.formats.reading import flat, members, read
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.images import read as module


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


@each(
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
        ("jpeg", saved("JPEG", comment=b"\xff\xfe no utf-8"), [("ÿþ no utf-8", "comment")]),
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


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def behind_the_pixels(*chunks: bytes) -> bytes:
    """A PNG with these chunks between its pixels and its end."""
    return PNG[:-12] + b"".join(chunks) + PNG[-12:]


def with_segment(code: int, *bodies: bytes) -> bytes:
    """A JPEG with these segments at its beginning."""
    plain = saved("JPEG")
    return plain[:2] + b"".join(bytes([0xFF, code]) + struct.pack(">H", len(body) + 2) + body for body in bodies) + plain[2:]


def _user_comment(value: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = value
    return exif


GIF_COMMENTS = saved("GIF")[:-1] + b"\x21\xfe\x09look here\x00\x21\xfe\x0alook there\x00;"


@each(
    ("kind", "data", "texts"),
    [
        ("png", behind_the_pixels(chunk(b"tEXt", b"Comment\x00look here")), [("look here", "Comment")]),
        ("png", behind_the_pixels(chunk(b"tEXt", b"Comment\x00sch\xf6n")), [("schön", "Comment")]),
        ("png", behind_the_pixels(chunk(b"zTXt", b"c\x00\x00" + zlib.compress(b"look here"))), [("look here", "c")]),
        ("png", behind_the_pixels(chunk(b"zTXt", b"c\x00\x00not packed")), [("not packed", "c")]),
        (
            "png",
            behind_the_pixels(chunk(b"iTXt", b"c\x00\x01\x00de\x00Titel\x00" + zlib.compress("schön".encode()))),
            [("schön", "c"), ("Titel", "c (keyword)")],
        ),
        ("png", behind_the_pixels(chunk(b"eXIf", _exif("look here").tobytes()[6:])), [("look here", "270")]),
        (
            "png",
            behind_the_pixels(chunk(b"prIV", b"\x00\x01look here: this is a private chunk\x00")),
            [("look here: this is a private chunk", "prIV")],
        ),
        ("png", behind_the_pixels(chunk(b"tEXt", b"a\x00one"), chunk(b"tEXt", b"a\x00two")), [("one", "a"), ("two", "a")]),
        ("jpeg", with_segment(0xFE, b"look here", b"look there"), [("look here", "comment"), ("look there", "comment")]),
        (
            "jpeg",
            with_segment(0xED, b"Photoshop 3.0\x00a caption that is long enough to read"),
            [("Photoshop 3.0", "APP13"), ("a caption that is long enough to read", "APP13")],
        ),
        ("jpeg", with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta/>"), [("<x:xmpmeta/>", "xmp")]),
        ("gif", GIF_COMMENTS, [("look here", "comment"), ("look there", "comment")]),
        ("jpeg", saved("JPEG", exif=_user_comment(b"UNICODE\x00" + "look here".encode("utf-16-be"))), [("look here", "37510")]),
        ("webp", saved("WEBP", exif=_user_comment(b"ASCII\x00\x00\x00look here")), [("look here", "37510")]),
    ],
)
def test_metadata_anywhere(kind: str, data: bytes, texts: list[tuple[str, str]]) -> None:
    blocks, gaps = read(data, Kind(f"image/{kind}"))
    assert (flat(blocks[1:], "column"), gaps) == (texts, [])


@each("kind", ["PNG", "JPEG", "GIF"])
@each(
    ("rest", "is_member", "is_notice"),
    [
        (b"PK\x03\x04 and an archive behind the picture", True, True),
        (saved("JPEG"), True, False),
        (b"\x00\x00\x00\x18ftypmp42 and the film of a moving picture", True, False),
        (bytes(5000) + b"\r\n", False, False),
        (b"", False, False),
    ],
    ids=["archive", "picture", "film", "padding", "nothing"],
)
def test_what_stands_behind_the_end(kind: str, rest: bytes, is_member: bool, is_notice: bool) -> None:
    data, about = saved(kind) + rest, Kind(f"image/{kind.lower()}")
    assert members(data, about) == ({"trailing data": rest} if is_member else {})
    assert [block.notice for block in read(data, about)[0] if block.notice] == (["trailing-data"] if is_notice else [])


def test_packed_texts_that_are_bombs_are_cut_and_said() -> None:
    bomb = chunk(b"zTXt", b"c\x00\x00" + zlib.compress(bytes([120]) * 50_000_000))
    blocks, gaps = read(behind_the_pixels(*[bomb] * 10), Kind("image/png"))
    assert [(gap.bound, gap.count) for gap in gaps] == [("image_text_bytes", 10)]
    assert sum(map(len, flat(blocks))) < 20_000_000


def test_damaged_chunks() -> None:
    png = behind_the_pixels(
        chunk(b"iTXt", b"c\x00\x01\x00de\x00T\x00" + zlib.compress(b"x")), chunk(b"eXIf", _exif("look").tobytes()[6:]), chunk(b"prIV", b"y")
    )
    chance = random.Random(7)
    for whole, kind in ((png, "png"), (GIF_COMMENTS, "gif"), (with_segment(0xE1, _exif("look here").tobytes(), b"x"), "jpeg")):
        for _ in range(300):
            flipped = bytearray(whole[: chance.randrange(4, len(whole) + 1)])
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
            with contextlib.suppress(ReadError):
                read(bytes(flipped), Kind(f"image/{kind}"))
