"""What stands in files without a reader, and outside of what readers claim: through the audit, and through `clean`."""

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

from tests.cleaning.marked import rewritten
from tests.formats.archives.packed import cleaned
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.single_streams import PROBE, single_stream
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.residue.raw_deflate import deflate_beginnings

ADDRESS = b"jane.doe@vault-mail.org"
LINES = b"written to " + ADDRESS + b"\n"
NOISE = b"\x00" + random.Random(5).randbytes(3000).replace(b"PK", b"pk") + b"\x00"


def zipped(*extra: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("a.txt")
        info.extra = b"".join(b"\x99\x99" + len(one).to_bytes(2, "little") + one for one in extra)
        archive.writestr(info, b"plain")
    return out.getvalue()


def zipfile_entry(data: bytes) -> bytes:
    """The local header and the data of an entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", data)
        end = out.tell()
    return out.getvalue()[:end]


def yenc(data: bytes) -> bytes:
    """As newsgroups get it, with a line end where none belongs."""
    shifted = (bytes([(byte + 42) % 256]) for byte in data)
    written = b"".join(b"=" + bytes([(one[0] + 64) % 256]) if one in b"\x00\n\r=" else one for one in shifted)
    return b"=ybegin line=128 size=%d name=a.txt\r\n%s\r\n%s\r\n=yend size=%d\r\n" % (len(data), written[:20], written[20:], len(data))


def deflated(data: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """Without header and checksum."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush()


LONG = random.Random(8).randbytes(2000).hex().encode() + LINES

PLACES = {
    "raw deflate": deflated(LONG),
    "raw deflate with fixed codes": deflated(LINES, zlib.Z_FIXED),
    "raw deflate that is cut off": deflated(LONG + b"more of it" * 99)[:-9],
    "zlib without its header": zlib.compress(LONG)[2:],
    "zip entry with a damaged header": zipfile_entry(LONG).replace(b"PK", b"??"),
    "as it is": ADDRESS,
    "in UTF-16": ADDRESS.decode().encode("utf-16-le"),
    "zlib": zlib.compress(LINES * 2),
    "gzip": gzip.compress(LINES * 2),
    "bzip2": bz2.compress(LINES * 2),
    "xz": lzma.compress(LINES * 2),
    "zstd": zstandard.compress(LINES * 2),
    "LZ4": lz4.frame.compress(b"jane.doe, e@vault-, t-mail.org, and then\n" + LINES * 2),  # no run of literals has all of it
    "a gzip that is cut off": gzip.compress(LINES * 2)[:-5],
    "yEnc": yenc(LINES * 2),
    "behind another stream": zlib.compress(b"nothing here" * 9) + zlib.compress(LINES * 2),
    "behind LZ4": lz4.frame.compress(b"nothing here" * 9) + zlib.compress(LINES * 2),
}


@pytest.mark.parametrize("hidden", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    ("before", "name"), [(b"\x00\x01" + NOISE, "a.bin"), (b"FLV\x01\x05\x00\x00\x00\x09" + NOISE, "a.flv")], ids=["data", "video"]
)
def test_a_file_without_a_reader_is_searched(before: bytes, name: str, hidden: bytes) -> None:
    found = rewritten(before + hidden + NOISE, name)
    assert {(mark.rule, mark.view) for mark in found.marks} == {("pii.email", "residue")}


def test_what_is_found_between_claims_is_erased() -> None:
    data = zipped(ADDRESS)
    assert [(mark.view, data[mark.start : mark.end]) for mark in rewritten(data, "a.zip").marks] == [("residue", ADDRESS)] * 2
    assert cleaned(data, "a.zip") == data.replace(ADDRESS, bytes(len(ADDRESS)))


def test_a_file_without_a_rewriter_loses_its_residue_too() -> None:
    data = b"\x00\x01" + NOISE + ADDRESS + NOISE
    assert cleaned(data, "a.bin", policy=CleanPolicy(unchecked="copy")) == data.replace(ADDRESS, bytes(len(ADDRESS)))


def test_damage_in_what_only_looks_like_a_file_is_not_a_gap() -> None:
    data = b"\x00\x01" + NOISE + b"\x89PNG\r\n\x1a\nnot really" + b"SQLite format 3\x00" + NOISE
    assert rewritten(data, "a.bin", CleanPolicy(unchecked="copy")).cleaned.result == "copied"


def test_many_places_are_erased() -> None:
    data = b"\x00\x01" + NOISE + (ADDRESS + bytes(70_000)) * 20 + NOISE
    assert cleaned(data, "a.bin", policy=CleanPolicy(unchecked="copy")) == data.replace(ADDRESS, bytes(len(ADDRESS)))


def test_random_bytes_hold_no_deflate() -> None:
    data = random.Random(6).randbytes(1 << 21)
    assert len(deflate_beginnings(data)) < 5000
    budget = Budget(Limits(), len(data))
    found = [single_stream(data[at : at + PROBE], Window(io.BytesIO(data), at, PROBE), budget, raw=True) for at in deflate_beginnings(data)]
    assert sum(len(list(one.pieces(budget))) for one in found if one) < 100


def test_deflate_is_found_wherever_it_begins() -> None:
    some = random.Random(7)
    for size in (30, 300, 3000, 30_000):
        text = bytes(some.choice(b"abcdefghijklmnop \n") for _ in range(size))
        data = some.randbytes(1000) + deflated(text) + some.randbytes(1000)
        assert 1000 in deflate_beginnings(data)


@pytest.mark.parametrize("hidden", [zlib.compress(LINES), yenc(LINES)], ids=["zlib", "yEnc"])
def test_a_text_whose_encoding_has_a_letter_for_every_byte_is_searched_for_streams(hidden: bytes) -> None:
    words = "Die Größe der Wohnung beträgt achtzig Quadratmeter, und das Gebäude ist schön.\n".encode("cp1252") * 200
    found = rewritten(words + hidden + b"\n" + words, "a.txt")
    assert {(mark.rule, mark.view) for mark in found.marks} == {("pii.email", "residue")}
