"""Bytes that nobody knows are a gap where they should not be, and none where they belong."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable

import pytest

from tests.cases import each
from tests.formats.archives.packed import zipped
from tests.formats.images.test_read import behind_the_pixels, chunk, saved, with_segment
from tests.formats.pdf.building import pdf, text
from tests.pipeline.test_byte_account import residue

NOISE = random.Random(11).randbytes(4096).replace(b"PK", b"pk").replace(b"x\x9c", b"xx")
TEXT = b"A line of words that nobody has to hide.\n" * 100


def between(hidden: bytes) -> bytes:
    """A zip with bytes between its entries and its directory."""
    data = zipped(("a.txt", TEXT))
    start = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    return data[:start] + hidden + data[start : end + 16] + (start + len(hidden)).to_bytes(4, "little") + data[end + 20 :]


def streamed(content: bytes, count: int) -> bytes:
    """A zip as it is written to a pipe, with checksums behind the entries."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number:04}.txt", b"%d %b" % (number * 7919, content))
    return pipe.getvalue()


PLACES = {
    "private chunk": ("a.png", lambda hidden: behind_the_pixels(chunk(b"prVt", hidden))),
    "unknown segment": ("a.jpg", lambda hidden: with_segment(0xEB, b"unknown" + hidden)),
    "behind a picture": ("a.png", lambda hidden: saved("PNG") + hidden),
    "behind the end of a PDF": ("a.pdf", lambda hidden: pdf(text("some words")) + hidden),
    "before the directory of a zip": ("a.zip", between),
    "in a gzip": ("a.png.gz", lambda hidden: gzip.compress(behind_the_pixels(chunk(b"prVt", hidden)))),
    "in a zip": ("a.zip", lambda hidden: zipped(("a.png", behind_the_pixels(chunk(b"prVt", hidden))))),
}


NOTHING = {"zeros": bytes(4096), "padding": b"\xff\xfe\xfd\xfc" * 1024, "a few bytes": NOISE[:300], "words": TEXT}


@pytest.mark.parametrize(("name", "build"), PLACES.values(), ids=PLACES)
def test_noise_where_nothing_should_be_is_a_gap(name: str, build: Callable[[bytes], bytes]) -> None:
    outcome, _ = residue(name, build(NOISE))
    outcome.settle()
    assert (outcome.status, outcome.reason_code, [gap.engine for gap in outcome.gaps if "no known part" in gap.reason]) == (
        "partial",
        "no-reader",
        [None],
    )


@each("hidden", NOTHING.values(), ids=NOTHING)
@each(("name", "build"), PLACES.values(), ids=PLACES)
def test_padding_and_text_are_none(name: str, build: Callable[[bytes], bytes], hidden: bytes) -> None:
    outcome, _ = residue(name, build(hidden))
    assert [gap for gap in outcome.gaps if gap.coverage is None] == []


EXPECTED = {
    "pixels": ("a.png", saved("PNG")),
    "profile of a PNG": ("a.png", behind_the_pixels(chunk(b"iCCP", b"some profile\0\0" + zlib.compress(NOISE)))),
    "profile of a JPEG": ("a.jpg", with_segment(0xE2, b"ICC_PROFILE\0\1\1" + NOISE)),
    "packed text": ("a.png", behind_the_pixels(chunk(b"prVt", zlib.compress(TEXT + NOISE.hex().encode())))),
    "descriptors of a zip": ("a.zip", streamed(b"some text", 500)),
}


@pytest.mark.parametrize(("name", "data"), EXPECTED.values(), ids=EXPECTED)
def test_what_belongs_there_is_none(name: str, data: bytes) -> None:
    outcome, _ = residue(name, data)
    assert [gap for gap in outcome.gaps if gap.coverage is None] == []
