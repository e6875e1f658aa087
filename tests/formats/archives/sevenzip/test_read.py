"""7z archives: every method that has a decoder, solid ones, encrypted ones, damage anywhere."""

from __future__ import annotations

import functools
import io
import random
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import py7zr
import py7zr.properties as p7z
import pytest

from tests.cases import each
from tests.formats.archives.gathering import SEVENZIP, fuzzed, gather
from tests.formats.reading import reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.sevenzip.read import read_7z
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member

_CODE = Path(sys.executable).read_bytes()[:300_000]
FILES = {"a.txt": b"some words " * 500, "d/b.bin": random.Random(1).randbytes(50_000), "code": _CODE, "empty": b"", "z": b"z" * 3_000_000}
FILTERS: dict[str, list[dict[str, Any]] | None] = {
    "default": None,
    "lzma": [{"id": p7z.FILTER_LZMA}],
    "lzma2": [{"id": p7z.FILTER_LZMA2}],
    "x86 lzma": [{"id": p7z.FILTER_X86}, {"id": p7z.FILTER_LZMA}],
    "arm lzma2": [{"id": p7z.FILTER_ARM}, {"id": p7z.FILTER_LZMA2}],
    "ppc lzma2": [{"id": p7z.FILTER_POWERPC}, {"id": p7z.FILTER_LZMA2}],
    "delta lzma2": [{"id": p7z.FILTER_DELTA, "dist": 4}, {"id": p7z.FILTER_LZMA2}],
    "bzip2": [{"id": p7z.FILTER_BZIP2}],
    "x86 bzip2": [{"id": p7z.FILTER_X86}, {"id": p7z.FILTER_BZIP2}],
    "deflate": [{"id": p7z.FILTER_DEFLATE}],
    "deflate64": [{"id": p7z.FILTER_DEFLATE64}],
    "zstd": [{"id": p7z.FILTER_ZSTD, "level": 3}],
    "copy": [{"id": p7z.FILTER_COPY}],
}


def packed(files: dict[str, bytes], filters: list[dict[str, Any]] | None = None, **options: Any) -> bytes:
    """An archive by py7zr: solid, all files in one folder."""
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", filters=filters, **options) as archive:
        for name, data in files.items():
            archive._writestr(data, name)
    return out.getvalue()


def plain_header(files: dict[str, bytes], filters: list[dict[str, Any]] | None = None) -> bytes:
    """An archive whose header is not packed."""
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", filters=filters) as archive:
        archive.set_encoded_header_mode(False)
        for name, data in files.items():
            archive.writestr(data, name)
    return out.getvalue()


@pytest.mark.parametrize("method", FILTERS)
def test_members_in_order(method: str) -> None:
    found = gather(packed(FILES, FILTERS[method]), SEVENZIP)
    assert found.members == list(FILES.items())
    assert (found.notices, found.gaps, found.broken, found.error) == ([], [], [], None)


@pytest.mark.parametrize(
    ("filters", "method"),
    [([{"id": p7z.FILTER_PPMD, "order": 6, "mem": 24}], "030401"), ([{"id": p7z.FILTER_BROTLI, "level": 3}], "04f71102")],
)
def test_a_method_without_a_decoder_is_a_gap(filters: list[dict[str, Any]], method: str) -> None:
    found = gather(packed({"a": b"x"}, filters), SEVENZIP)
    assert (found.members, found.gaps) == ([], [("a", f"no decoder for 7z method {method}")])


@pytest.mark.parametrize("names", [False, True])
def test_encrypted_archives_are_told(names: bool) -> None:
    found = gather(packed(FILES, password="secret", header_encryption=names), SEVENZIP)
    assert (found.members, found.kinds, found.error) == ([], {"encrypted-member"}, None)
    assert {reason for _, reason in found.gaps} == {"encrypted"}
    assert len(found.notices) == 1


def test_folders_links_and_files_on_disk(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"words")
    (tmp_path / "in" / "nothing").write_bytes(b"")
    (tmp_path / "in" / "link").symlink_to("file")
    (tmp_path / "outside").write_bytes(b"")
    (tmp_path / "in" / "out").symlink_to("../../" + tmp_path.name + "/outside")
    out = tmp_path / "a.7z"
    with py7zr.SevenZipFile(out, "w") as archive:
        archive.writeall(tmp_path / "in", "in")
    found = gather(out.read_bytes(), SEVENZIP)
    assert sorted(found.members) == [("in/file", b"words"), ("in/nothing", b"")]
    assert found.notices == [("unsafe-link", f"in/out -> ../../{tmp_path.name}/outside")]


def test_several_folders() -> None:
    out = io.BytesIO(packed({"a": b"first " * 100}))
    with py7zr.SevenZipFile(out, "a") as archive:
        archive.writestr(b"second " * 100, "b")
    found = gather(out.getvalue(), SEVENZIP)
    assert found.members == [("a", b"first " * 100), ("b", b"second " * 100)]


def test_names_are_told_and_never_become_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = gather(packed({"../../a": b"x", "/abs": b"y"}), SEVENZIP)
    assert found.members == [("../../a", b"x"), ("/abs", b"y")]
    assert found.kinds == {"unsafe-path", "absolute-path"}
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_nobody_reads_does_not_shift_the_next() -> None:
    found = gather(packed(FILES), SEVENZIP, most=10)
    assert [data[:10] for _, data in found.members] == [data[:10] for data in FILES.values()]
    assert found.gaps == []


def test_what_is_decoded_only_to_be_passed_is_bounded() -> None:
    found = gather(packed(FILES), SEVENZIP, Limits.model_validate({"expanded_bytes": "1MB"}), most=1 << 16)
    assert isinstance(found.error, LimitExceeded)
    assert found.error.bound == "expanded_bytes"


def test_a_wrong_checksum_is_told() -> None:
    data = bytearray(packed({"a": b"some words", "b": b"others"}, [{"id": p7z.FILTER_COPY}]))
    data[33] ^= 1
    found = gather(bytes(data), SEVENZIP)
    assert found.members == [("a", b"snme words"), ("b", b"others")]
    assert found.kinds == {"bad-checksum"}
    assert found.gaps == [("a", "its checksum does not match its data")]


@functools.cache
def _numbers() -> bytes:
    chance = random.Random(1)
    return b" ".join(b"%x" % chance.getrandbits(60) for _ in range(40_000))


@pytest.mark.parametrize("method", [one for one in FILTERS if "bzip2" not in one])  # of a block of bzip2, all is needed
def test_a_damaged_folder_is_read_up_to_the_damage_and_hides_no_other(method: str) -> None:
    text = _numbers()
    out = io.BytesIO(packed({"a": text, "b": b"x" * 99}, FILTERS[method]))
    size = len(out.getvalue()) - 300  # with room for the header
    with py7zr.SevenZipFile(out, "a") as archive:
        archive.writestr(b"another folder", "c")
    data = bytearray(out.getvalue())
    data[32 + size // 2 : 40 + size // 2] = bytes(8)
    found = gather(bytes(data), SEVENZIP)
    (_, begin), *_, last = found.members
    whole = next(at for at in range(len(text), 0, -1000) if begin[:at] == text[:at])
    assert whole > 0.4 * len(text)
    assert last == ("c", b"another folder")
    assert "a" in {*found.broken, *dict(found.gaps)}


def test_the_place_of_the_damage_is_told() -> None:
    data = bytearray(packed({"a": random.Random(1).randbytes(2000).hex().encode()}, FILTERS["lzma2"]))
    data[1032:1040] = bytes(8)
    member = next(one for one in read_7z(reader_source(bytes(data), Kind(SEVENZIP))) if isinstance(one, Member))
    whole = len(member.file.read())
    with pytest.raises(ReadError, match=f"the folder that holds it is damaged after {whole} bytes"):
        member.file.read()


@pytest.mark.parametrize(
    ("old", "new", "gap"), [(b"7z\xbc", b"7z\xbc", "first header is wrong"), (b"n\0a\0", b"n\0u\0", "header is wrong")]
)
def test_a_header_whose_checksum_is_wrong_is_read_if_it_can_be(old: bytes, new: bytes, gap: str) -> None:
    data = bytearray(plain_header({"a name": b"some words", "b": b"others"}).replace(old, new))
    data[9] ^= old == new
    found = gather(bytes(data), SEVENZIP)
    assert [data for _, data in found.members] == [b"some words", b"others"]
    assert gap in found.gaps[0][1]


def test_a_truncated_archive_has_lost_its_header() -> None:
    found = gather(packed(FILES)[:-1], SEVENZIP)
    assert "ends early" in str(found.error)


def test_more_entries_than_members_allows() -> None:
    found = gather(packed({f"{i}": b"" for i in range(20)}), SEVENZIP, Limits(members=5))
    assert isinstance(found.error, LimitExceeded)


def archive(header: bytes, body: bytes = b"") -> bytes:
    """An archive with any header."""
    front = struct.pack("<QQI", len(body), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(front)) + front + body + header


@each(
    "header",
    [
        b"",
        b"\x01",
        b"\x02",
        b"\x01\x05\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x01\x05\xf0\xff\xff\xff\xff\x00\x00",
        b"\x01\x04\x06\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x01\x04\x07\x0b\x01\x00\xff",
        b"\x01\x04\x07\x0b\xc0\xff\xff\x00",
        b"\x17\x06\x00\x01\x09\x01\x00\x07\x0b\x01\x00\x01\x00\x0c\xff\xff\xff\xff\xff\xff\xff\xff\x0f\x00\x00",
        b"\x01\x04\x07\x0b\x01\x00\x01\x00\x0c\x05\x00\x08\x0d\xff\xff\xff\xff\xff\xff\xff\xff\x0f\x00\x00\x00",
    ],
)
def test_headers_that_ask_for_anything(header: bytes) -> None:
    found = gather(archive(header), SEVENZIP)
    assert found.members == []


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    data = packed({"zeros": bytes(64 << 20), "b": b"x"})
    tracemalloc.start()
    gather(data, SEVENZIP, most=1 << 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20  # of which the dictionary takes 16 MB


@pytest.mark.parametrize("method", FILTERS)
def test_damage_anywhere_gives_a_result(method: str) -> None:
    data = packed({"a": b"some words " * 9, "b": _CODE[:300], "c": b""}, FILTERS[method])
    fuzzed(data, SEVENZIP, 7)


@pytest.mark.parametrize("method", FILTERS)
def test_a_damaged_header_with_right_checksums_gives_a_result(method: str) -> None:
    """Checksums would keep most damage from the parser; an attacker computes them."""
    data = plain_header({"a": b"some words " * 9, "b": b"x"}, FILTERS[method])
    offset, length = struct.unpack("<QQ", data[12:28])
    body, header = data[32 : 32 + offset], data[32 + offset : 32 + offset + length]
    assert gather(archive(header, body), SEVENZIP).members == [("a", b"some words " * 9), ("b", b"x")]
    for at in range(len(header)):
        for mask in (0x01, 0x04, 0x40, 0x80, 0xFF):
            changed = bytearray(header)
            changed[at] ^= mask
            gather(archive(bytes(changed), body), SEVENZIP, Limits(members=50), most=1 << 20)
        gather(archive(header[:at], body), SEVENZIP, Limits(members=50), most=1 << 20)
