"""Formats that count only where nothing else fits: their first bytes after the published descriptions of each, and what only looks like them."""

from __future__ import annotations

import io
import random
import struct

import pytest
from PIL import Image

from tests.cases import each
from tests.formats.reading import read
from veritensor_ray.core.format_table import FORMATS
from veritensor_ray.core.media_types import UNKNOWN
from veritensor_ray.formats.recognition import may_be_file, sniff

BODY = bytes(64) + bytes(range(256)) * 4  # neither text nor anything else


def saved(kind: str, **options: object) -> bytes:
    """A picture as Pillow writes it."""
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(out, kind, **options)
    return out.getvalue()


def iso(brand: bytes, *fits: bytes) -> bytes:
    """A file of ISO base media: a box with its brand, and the brands it fits as well."""
    box = b"ftyp" + brand + bytes(4) + b"".join(fits)
    return struct.pack(">I", len(box) + 4) + box + BODY


def ebml(kind: bytes) -> bytes:
    """The head of a Matroska file and of its kin."""
    inner = b"\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82" + bytes([0x80 | len(kind)]) + kind
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(inner)]) + inner + BODY


def frames(header: bytes, size: int) -> bytes:
    """Two frames of MPEG audio."""
    return header.ljust(size, b"\0") * 2


APNG = saved("PNG", save_all=True, append_images=[Image.new("RGB", (4, 4), (9, 9, 9))])
SAMPLES: dict[str, tuple[bytes, ...]] = {
    "application/x-duckdb": (b"\xc4\x05\xbc!-\xd5\xea=DUCK\x43" + bytes(15), b"\n" * 8 + b"DUCK\xe7\x03" + bytes(14)),
    "application/x-duckdb-log": (b"d\x00be\x00\x02f\x00\x10`\x91\x01", b"d\x00be\x00\x00\xff\xff"),
    "application/x-lzip": (b"LZIP\x01\x0c",),
    "application/x-lzop": (b"\x89LZO\x00\r\n\x1a\n",),
    "application/x-compress": (b"\x1f\x9d\x90", b"\x1f\xa0\x90"),
    "application/zip": (b"PK\x07\x08PK\x03\x04",),
    "application/x-installshield": (b"ISc(",),
    "application/x-google-chrome-extension": (b"Cr24\x03\x00\x00\x00",),
    "application/x-shockwave-flash": (b"FWS\x05", b"CWS\x09", b"ZWS\x0d"),
    "application/postscript": (b"%!PS-Adobe-3.0\n", b"\xc5\xd0\xd3\xc6\x20"),
    "application/dicom": (bytes(128) + b"DICM",),
    "image/png": (saved("PNG"), APNG),
    "image/jpeg": (saved("JPEG"),),
    "image/gif": (saved("GIF"),),
    "image/webp": (saved("WEBP"), saved("WEBP", lossless=True)),
    "image/bmp": (saved("BMP"), b"BM" + bytes(4) + b"\x07\x00\x07\x00" + b"\x36\x00\x00\x00\x28\x00\x00\x00"),
    "image/x-canon-cr2": (b"II*\x00\x10\x00\x00\x00CR\x02\x00",),
    "image/tiff": (saved("TIFF"), saved("TIFF", big_tiff=True), b"MM\x00*\x00\x00\x00\x08"),
    "image/emf": (b"\x01\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF\0\0\1\0",),
    "image/wmf": (b"\xd7\xcd\xc6\x9a\0\0", b"\1\0\x09\0\0\3", b"\2\0\x09\0\0\1"),
    "image/heic": (iso(b"heic", b"mif1", b"heic"), iso(b"mif1", b"mif1", b"heic"), iso(b"heix", b"mif1")),
    "image/avif": (iso(b"avif", b"mif1", b"miaf"), iso(b"mif1", b"miaf", b"avif")),
    "image/jp2": (b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 ", b"\xff\x4f\xff\x51\x00"),
    "image/vnd.ms-photo": (b"II\xbc\x01",),
    "image/vnd.adobe.photoshop": (b"8BPS\x00\x01" + bytes(6), b"8BPS\x00\x02" + bytes(6)),
    "image/x-icon": (saved("ICO"),),
    "image/vnd.dwg": (b"AC1027\x00\x00",),
    "image/x-xcf": (b"gimp xcf v011\x00",),
    "audio/mpeg": (
        b"ID3\x03\x00\x00\x00\x00",
        frames(b"\xff\xfb\x90\x44", 417),
        frames(b"\xff\xf3\x84\xc4", 192),
        frames(b"\xff\xfa\x90\x44", 417),
    ),
    "audio/aac": (b"\xff\xf1\x50\x80", b"\xff\xf9\x50\x80"),
    "audio/mp4": (iso(b"M4A ", b"isom"),),
    "audio/ogg": (b"OggS\x00\x02",),
    "audio/x-flac": (b"fLaC\x00\x00\x00\x22",),
    "audio/x-wav": (b"RIFF\x24\x00\x00\x00WAVEfmt ", b"RF64\xff\xff\xff\xffWAVEds64"),
    "audio/x-aiff": (b"FORM\x00\x00\x10\x00AIFFCOMM", b"FORM\x00\x00\x10\x00AIFCFVER"),
    "audio/amr": (b"#!AMR\n\x3c", b"#!AMR-WB\n\x04"),
    "audio/midi": (b"MThd\x00\x00\x00\x06\x00\x01",),
    "video/x-m4v": (iso(b"M4V ", b"M4A ", b"mp42"),),
    "video/3gpp": (iso(b"3gp4", b"3gp4"), iso(b"3g2a")),
    "video/quicktime": (iso(b"qt  "), b"\x00\x00\x10\x00moov\x00\x00\x00\x6cmvhd"),
    "video/mp4": (iso(b"isom", b"isom", b"avc1"), iso(b"mp42", b"mp41"), iso(b"dash", b"iso6")),
    "video/webm": (ebml(b"webm"),),
    "video/x-matroska": (ebml(b"matroska"),),
    "video/x-msvideo": (b"RIFF\x00\x10\x00\x00AVI LIST",),
    "video/x-ms-wmv": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),),
    "video/x-flv": (b"FLV\x01\x05\x00\x00\x00\x09",),
    "video/mpeg": (b"\x00\x00\x01\xba\x44", b"\x00\x00\x01\xb3\x16"),
    "application/font-woff": (b"wOFF\x00\x01\x00\x00", b"wOF2OTTO"),
    "application/font-sfnt": (
        b"\x00\x01\x00\x00\x00\x12\x01\x00\x00\x04\x00\x20GDEF",
        b"OTTO\x00\x0c\x00\x80\x00\x03\x00\x40CFF ",
        b"true\x00\x12\x01\x00\x00\x04\x00\x20cmap",
        b"ttcf\x00\x01\x00\x00\x00\x00\x00\x02",
    ),
    "application/zstd": (
        b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x28\xb5\x2f\xfd",
        b"\x5f\x2a\x4d\x18\x00\x00\x00\x00\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x28\xb5\x2f\xfd",
    ),
    "application/x-lz4": (b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x04\x22\x4d\x18",),
}


@each(("media_type", "start"), [(name, start) for name, starts in SAMPLES.items() for start in starts])
@each("extension", ["", ".txt", ".png"])
def test_first_bytes(media_type: str, start: bytes, extension: str) -> None:
    assert sniff(start + BODY, extension).media_type == media_type


def test_each_format_with_a_beginning_has_a_sample() -> None:
    assert {one.media_type for one in FORMATS if one.begins} - SAMPLES.keys() == set()


@each(
    "start",
    [
        *(
            b"RIFF\x00\x00\x00\x00CDXA",
            b"BM\x01\x02\x03\x04\x05\x06\x07\x08",
            b"\x00\x01\x00\x00\x00\x00\x00\x00",
            b"\x00\x00\x01\x00\x00\x00",
        ),
        *(
            b"II\x00*",
            b"fLaX\x00",
            b"\xff\xe0\x00\x10",
            b"\x00\x00\x01\x00\x02\x00\x03\x00\x00\x01",
            b"FORM\x00\x00\x00\x00ILBM",
            b"ID3\x09",
            b"\xff\xfb\x90\x44",
            b"\x00\x00\x00",
        ),
        *(
            b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x1f\x8b\x08",
            b"\x50\x2a\x4d\x18\xff\xff\xff\xff",
            b"\x50\x2a\x4d\x18",
            b"FWS\xff",
            b"8BPS\x00\x07",
        ),
    ],
)
def test_what_only_looks_like_them(start: bytes) -> None:
    assert sniff(start + BODY, "").media_type == UNKNOWN


@each("media_type", sorted(SAMPLES))
def test_prose_that_begins_so_is_text(media_type: str) -> None:
    for start in SAMPLES[media_type]:
        letters = bytes(byte for byte in start[:16] if 32 <= byte < 127)
        kind = sniff(letters + b" are the first letters of a file that nobody would call a text.\n", ".txt")
        assert (kind.media_type, kind.is_text) == ("text/plain", True)


def test_noise_is_seldom_anything() -> None:
    noise = random.Random(7)
    found = [sniff(noise.randbytes(4096), "").media_type for _ in range(2000)]
    assert found.count(UNKNOWN) > 1990


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff"])
def test_what_is_encoded_may_be_a_picture_by_twelve_bytes(media_type: str) -> None:
    assert may_be_file(SAMPLES[media_type][0][:12])


@pytest.mark.parametrize("media_type", ["audio/x-aiff", "audio/amr", "video/mpeg", "application/font-woff", "application/font-sfnt"])
def test_what_is_encoded_and_has_no_reader_is_not_taken_out(media_type: str) -> None:
    assert not any(may_be_file(start) for start in SAMPLES[media_type])


@pytest.mark.parametrize("data", [APNG, saved("TIFF", big_tiff=True)])
def test_pictures_of_rarer_kinds_are_read(data: bytes) -> None:
    kind = sniff(data, "")
    blocks, gaps = read(data, kind)
    assert [len(block.images) for block in blocks if block.images] == [1]
    assert gaps == []
