"""What stands in images beside pixels and known texts: it is searched, and an ordinary image has nothing of the kind."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.cases import each
from tests.cleaning.marked import rewritten
from tests.formats.images.test_read import behind_the_pixels, chunk, saved, with_segment
from tests.formats.reading import reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.images import claims
from veritensor_ray.formats.images.read import read_image
from veritensor_ray.formats.images.structure import parts_of
from veritensor_ray.formats.residue.read import read_residue

ADDRESS = b"written to jane.doe@vault-mail.org"
JPEG, GIF, WEBP, TIFF, BMP = (saved(kind) for kind in ("JPEG", "GIF", "WEBP", "TIFF", "BMP"))


def _riff(*chunks: bytes) -> bytes:
    body = WEBP[8:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tagged(tag: int) -> bytes:
    return saved("TIFF", tiffinfo={270: "a picture", tag: ADDRESS.decode()})


def png(width: int, pixels: bytes) -> bytes:
    """A square image of three colors, whose pixels are these bytes."""
    header = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")


def _with_thumbnail() -> bytes:
    """EXIF data with a second directory, in which programs keep a small picture and what belongs to it."""
    first = struct.pack("<HHHIII", 1, 0x0112, 3, 1, 1, 26)
    second = struct.pack("<HHHIII", 1, 0x010E, 2, len(ADDRESS) + 1, 44, 0)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + second + ADDRESS + b"\0"


PLACES = {
    "chunk that nobody knows": ("a.png", behind_the_pixels(chunk(b"teSt", b"\1\2" + ADDRESS))),
    "compressed, in a chunk that nobody knows": ("a.png", behind_the_pixels(chunk(b"teSt", zlib.compress(ADDRESS)))),
    "in UTF-16, in a chunk that nobody knows": ("a.png", behind_the_pixels(chunk(b"teSt", ADDRESS.decode().encode("utf-16-le")))),
    "keyword of a text": ("a.png", behind_the_pixels(chunk(b"tEXt", ADDRESS + b"\0words"))),
    "behind a compressed text": ("a.png", behind_the_pixels(chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"words") + ADDRESS))),
    "color profile": ("a.png", behind_the_pixels(chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(ADDRESS)))),
    "time that is longer than a time": ("a.png", behind_the_pixels(chunk(b"tIME", bytes(7) + ADDRESS))),
    "among the pixels": ("a.png", behind_the_pixels(chunk(b"IDAT", b"\x80\xff" + ADDRESS))),
    "behind the end of a PNG": ("a.png", behind_the_pixels() + b"\1" + ADDRESS[-23:]),
    "color profile of a JPEG": ("a.jpg", with_segment(0xE2, b"ICC_PROFILE\0\1\1" + ADDRESS)),
    "segment that nobody knows": ("a.jpg", with_segment(0xF3, ADDRESS)),
    "EXIF of a thumbnail": ("a.jpg", with_segment(0xE1, _with_thumbnail())),
    "behind the tables of a JPEG": ("a.jpg", with_segment(0xDB, bytes(65) + ADDRESS)),
    "extension of a GIF": ("a.gif", GIF[:-1] + b"\x21\x77" + bytes([len(ADDRESS)]) + ADDRESS + b"\0;"),
    "chunk of a WebP": ("a.webp", _riff(b"note" + struct.pack("<I", len(ADDRESS)) + ADDRESS)),
    "properties of a WebP that does not announce them": ("a.webp", _riff(b"XMP " + struct.pack("<I", len(ADDRESS)) + ADDRESS)),
    "behind a WebP": ("a.webp", WEBP + ADDRESS),
    "tag that nobody knows": ("a.tif", _tagged(65000)),
    "behind a TIFF": ("a.tif", TIFF + b"\0" + ADDRESS),
    "behind a BMP": ("a.bmp", BMP + ADDRESS),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_neither_pixels_nor_a_known_text_is_searched(place: str) -> None:
    name, data = PLACES[place]
    assert {mark.rule for mark in rewritten(data, name).marks} == {"pii.email"}


def _picture(mode: str = "RGB") -> Image.Image:
    """Soft colors with some noise, as a photograph has them."""
    across = np.add.outer(np.linspace(40, 120, 96), np.linspace(0, 30, 128))
    noise = np.random.default_rng(3).normal(0, 2, (96, 128, 3))
    return Image.fromarray((across[..., None] + noise).clip(0, 255).astype(np.uint8)).convert(mode)


@each(
    ("kind", "mode", "options"),
    [
        *(("PNG", mode, {}) for mode in ("RGB", "L", "P")),
        *(("JPEG", "RGB", {"quality": quality}) for quality in (50, 95)),
        ("JPEG", "RGB", {"progressive": True}),
        *(("GIF", mode, {}) for mode in ("P", "L")),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        *(("TIFF", "RGB", {"compression": method}) for method in (None, "tiff_lzw", "packbits")),
        *(("BMP", mode, {}) for mode in ("RGB", "L", "1")),
    ],
)
def test_an_ordinary_picture_has_no_strings(kind: str, mode: str, options: dict[str, str]) -> None:
    out = io.BytesIO()
    _picture(mode).save(out, kind, **options)
    source = reader_source(out.getvalue(), Kind(f"image/{kind.lower()}"))
    list(read_image(source))
    assert source.account.kept
    found = [item for item in read_residue(source, len(out.getvalue())) if isinstance(item, Block)]
    assert [text for block in found for text in block.texts] == []


def test_a_chunk_of_many_texts_is_searched_once() -> None:
    texts = [f"text {number:06}" for number in range(100_000)]
    body = b"\1\1".join(text.encode("utf-16-le") for text in texts)
    data = behind_the_pixels(chunk(b"teSt", body))
    parts = parts_of(data, Budget(Limits(), len(data)))
    assert parts is not None
    assert [text for name, text in parts.texts if name == "teSt"] == texts
    assert sum(end - start for start, end, reading in parts.claims.ranges if reading == "text") == sum(map(len, texts)) * 2


@pytest.mark.parametrize(("tag", "kind", "size"), [(0x927C, 7, 1), (65000, 2, 1)])
def test_entries_that_name_the_same_bytes_are_looked_at_a_few_times(
    tag: int, kind: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(claims, "strings", lambda body: looked.append(len(body)) or [])  # type: ignore[func-returns-value]
    monkeypatch.setattr(claims, "is_clean", lambda body: looked.append(len(body)) or True)  # type: ignore[func-returns-value]
    entries, much = 4000, 1 << 21
    directory = struct.pack("<H", entries) + struct.pack("<HHII", tag, kind, much // size, 8) * entries + bytes(4)
    data = b"II*\0" + struct.pack("<I", 8 + much) + bytes(much) + directory
    found = claims.by_format(data)
    assert 0 < sum(looked) < 5 * len(data)
    assert len(found.ranges) < 10 * entries


@each(
    ("data", "bound"),
    lambda: [
        pytest.param(png(1, bytes(4) + b"x" * 1000), None, id="little behind the pixels"),
        pytest.param(png(1, bytes(4) + b"x" * (5 << 20)), "image_text_bytes", id="much behind the pixels"),
        pytest.param(png(5000, bytes(5000 * 15001) + ADDRESS), None, id="a large image"),
        pytest.param(png(5001, b"x"), "png_pixels", id="a larger image"),
    ],
)
def test_what_was_not_looked_at_behind_pixels_is_a_gap(monkeypatch: pytest.MonkeyPatch, data: bytes, bound: str | None) -> None:
    monkeypatch.setattr("veritensor_ray.formats.images.png_pixels._LARGEST", 5000 * 15001)
    items = list(read_image(reader_source(data, Kind("image/png"))))
    assert [item.bound for item in items if isinstance(item, Gap) and item.bound] == ([bound] if bound else [])
    assert ("behind the pixels" in [item.name for item in items if isinstance(item, Member)]) == (bound != "png_pixels")
