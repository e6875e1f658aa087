"""Compressed streams are found anywhere in a file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
import zlib

import lz4.frame
import pytest
import zstandard

from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.compressed.found_streams import found_streams

TEXT = b"".join(b"%d. the quick brown fox\n" % number for number in range(3000))
NOISE = random.Random(1).randbytes(4000).replace(b"x", b"-")


def zipped(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("inner/a.txt", TEXT)
    return file.getvalue()


MADE = {
    "gzip": gzip.compress(TEXT),
    "bzip2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "zlib": zlib.compress(TEXT),
    "LZ4": lz4.frame.compress(TEXT),
    "Zstandard": zstandard.compress(TEXT),
    "yEnc": b"=ybegin line=128 size=%d name=a\r\n%s\r\n" % (len(TEXT), bytes((byte + 42) % 256 for byte in TEXT)),
}


def contents(data: bytes) -> list[tuple[int, str, str | None, bytes, int | None]]:
    found = []
    for one in found_streams(io.BytesIO(data), Budget(Limits(), len(data)), lambda: None):
        content = b"".join(one.content)
        found.append((one.start, one.kind, one.name, content, one.end))
    return found


@pytest.mark.parametrize("kind", sorted(MADE))
def test_a_stream_behind_other_bytes(kind: str) -> None:
    data = NOISE + MADE[kind] + (b"=yend" if kind == "yEnc" else b"") + NOISE
    assert (len(NOISE), kind, None, TEXT, len(NOISE) + len(MADE[kind])) in contents(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_of_a_zip_without_its_directory(method: int) -> None:
    data = zipped(method)
    found = contents(NOISE + data[: data.index(b"PK\x01\x02")])
    assert [(one[0], one[2], one[3]) for one in found if one[3] == TEXT] == [(len(NOISE), "inner/a.txt", TEXT)]


@pytest.mark.parametrize("kind", ["gzip", "xz", "zlib"])
def test_a_damaged_stream_gives_what_precedes_the_damage_and_hides_no_other(kind: str) -> None:
    stream = bytearray(MADE[kind])
    stream[-1 if kind in ("gzip", "zlib") else -5] ^= 0xFF
    found = contents(bytes(stream) + MADE["LZ4"])
    assert (found[0][1], found[0][4]) == (kind, None)
    assert len(found[0][3]) > len(TEXT) // 2
    assert TEXT.startswith(found[0][3])
    assert (len(stream), "LZ4", TEXT) in [(one[0], one[1], one[3]) for one in found]


def test_what_a_sound_stream_holds_is_not_found_beside_it() -> None:
    stored = zlib.compress(MADE["gzip"], 0)
    assert [one[1] for one in contents(stored)] == ["zlib"]


@pytest.mark.parametrize(
    "data", [b"", b"x", b"BZhello there, BZh9 again", b"x\x9c is no stream", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", NOISE]
)
def test_what_only_looks_like_a_stream_has_no_content(data: bytes) -> None:
    assert not any(one[3] for one in contents(data))
