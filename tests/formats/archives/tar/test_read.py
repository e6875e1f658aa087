"""Tar archives: every dialect, links and devices, sparse files, damage at every byte."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from tests.cases import each
from tests.formats.archives.gathering import TAR, fuzzed, gather
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.archives.tar.structure import BLOCK
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.recognition import sniff

FILES = {"a.txt": b"some words " * 50, "d/b.bin": random.Random(1).randbytes(5000), "empty": b"", "n" * 180 + "/" + "ü" * 90: b"long name"}


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, **pax: str) -> tarfile.TarInfo:
    """A header."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.pax_headers = kind, link, size, pax
    return made


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT, **headers: str) -> bytes:
    """An archive by the standard library."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, pax_headers=headers) as archive:
        for made, data in members:
            made.size = made.size or len(data)
            archive.addfile(made, io.BytesIO(data))
    return out.getvalue()


def plain(form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of FILES."""
    return tarred(*((info(name), data) for name, data in FILES.items()), form=form)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_in_order(form: int) -> None:
    found = gather(plain(form), TAR)
    assert found.members == list(FILES.items())
    assert (found.notices, found.gaps, found.error) == ([], [], None)


@pytest.mark.parametrize("dialect", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_archives_by_gnu_tar(tmp_path: Path, dialect: str) -> None:
    if not shutil.which("tar"):
        pytest.skip("no tar on this machine")
    for name, data in list(FILES.items())[:3]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link").symlink_to("a.txt")
    os.link(tmp_path / "a.txt", tmp_path / "second")
    command = ["tar", "-c", f"--format={dialect}", "--sort=name", "-C", str(tmp_path), "a.txt", "d", "empty", "link", "second"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    assert sniff(data[:HEAD_BYTES], "").media_type == TAR
    found = gather(data, TAR)
    assert found.members == list(FILES.items())[:3]
    assert (found.notices, found.gaps, found.error) == ([], [], None)


@pytest.mark.parametrize("options", [["--format=gnu"], *(["--format=posix", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))])
def test_sparse_files_have_their_zeros(tmp_path: Path, options: list[str]) -> None:
    if not shutil.which("tar"):
        pytest.skip("no tar on this machine")
    with (tmp_path / "sparse").open("wb") as file:
        for i in range(40):
            file.seek(i * 100_000)
            file.write(b"%04d" % i * 1000)
        file.truncate(5_000_000)
    (tmp_path / "z").write_bytes(b"behind")
    command = ["tar", "-c", "-S", *options, "-C", str(tmp_path), "sparse", "z"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    found = gather(data, TAR)
    assert found.members == [("sparse", (tmp_path / "sparse").read_bytes()), ("z", b"behind")]
    if len(data) < 1_000_000:  # this file system keeps holes
        fuzzed(data[:2048], TAR, 3)


@each(
    ("made", "kinds"),
    [
        (info("a", tarfile.SYMTYPE, "b"), set()),
        (info("a/b", tarfile.SYMTYPE, "../b"), set()),
        (info("a", tarfile.SYMTYPE, "../b"), {"unsafe-link"}),
        (info("a", tarfile.SYMTYPE, "/etc/passwd"), {"unsafe-link"}),
        (info("a", tarfile.SYMTYPE, "/usr/bin/vi"), {"absolute-link"}),
        (info("a", tarfile.LNKTYPE, "../../b"), {"unsafe-link"}),
        (info("a", tarfile.LNKTYPE, "b"), set()),
        (info("a", tarfile.SYMTYPE, "../" * 90 + "b"), {"unsafe-link"}),
        (info("a", tarfile.CHRTYPE), {"device-file"}),
        (info("a", tarfile.FIFOTYPE), {"device-file"}),
        (info("a", tarfile.DIRTYPE), set()),
        (info("../a", tarfile.DIRTYPE), {"unsafe-path"}),
        (info("/a", tarfile.SYMTYPE, "b"), {"absolute-path"}),
    ],
)
def test_what_is_no_file_is_no_member(made: tarfile.TarInfo, kinds: set[str]) -> None:
    found = gather(tarred((made, b""), (info("z"), b"behind")), TAR)
    assert found.members == [("z", b"behind")]
    assert (found.kinds, found.gaps, found.error) == (kinds, [], None)


def test_unsafe_names_are_told_and_read() -> None:
    found = gather(tarred((info("../../a"), b"x")), TAR)
    assert (found.members, found.notices) == ([("../../a", b"x")], [("unsafe-path", "../../a")])


def test_comments_are_texts() -> None:
    found = gather(tarred((info("a", comment="of a"), b"x"), comment="of all"), TAR)
    assert sorted(text for _, text in found.comments) == ["of a", "of all"]


def test_what_stands_behind_the_end_is_read() -> None:
    found = gather(tarred((info("a"), b"x")) + tarred((info("b"), b"y")), TAR)
    assert found.members == [("a", b"x"), ("b", b"y")]
    assert found.kinds == {"hidden-bytes"}
    found = gather(tarred((info("a"), b"x")) + b"garbage" * 100, TAR)
    assert "no tar header at byte" in str(found.error)


def test_a_truncated_archive_gives_what_there_is() -> None:
    data = tarred((info("a"), b"x" * 600), (info("b"), b"y" * 9000))[: BLOCK * 8]
    found = gather(data, TAR)
    assert found.members == [("a", b"x" * 600), ("b", b"y" * 4 * BLOCK)]
    assert found.broken == ["b"]
    assert "ends in the middle of b" in str(found.error)


def test_an_archive_that_ends_in_a_header() -> None:
    found = gather(tarred((info("a"), b"x"), (info("b"), b"y"))[: BLOCK * 2 + 100], TAR)
    assert found.members[0] == ("a", b"x")
    assert str(found.error) == "the archive ends early: the header at byte 1024 has only 100 bytes"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_damaged_header_hides_neither_its_file_nor_the_next_ones(form: int) -> None:
    data = bytearray(tarred((info("a"), b"x"), (info("b"), b"y" * 600), (info("c"), b"z"), form=form))
    data[2 * BLOCK] ^= 1
    found = gather(bytes(data), TAR)
    assert found.members == [("a", b"x"), ("bytes 1536 to 2136", b"y" * 600), ("c", b"z")]
    assert str(found.error) == "no tar header at byte 1024"


def test_the_first_header_may_be_the_damaged_one() -> None:
    data = bytearray(tarred((info("a"), b"x" * 600), (info("b"), b"y")))
    data[0] ^= 1
    found = gather(bytes(data), TAR)
    assert found.members == [("bytes 512 to 1112", b"x" * 600), ("b", b"y")]


def test_what_is_not_a_header_is_read_whole() -> None:
    data = tarred((info("a"), b"x"))[: 2 * BLOCK] + b"words " * 200
    found = gather(data, TAR)
    assert found.members == [("a", b"x"), ("bytes 1024 to 2224", b"words " * 200)]


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_extended_headers_are_bounded(kind: bytes) -> None:
    huge = info("x", kind, size=3 << 20)
    found = gather(tarred((huge, b"n" * (3 << 20)), (info("a"), b"x")), TAR)
    assert found.members == [("a", b"x")]
    assert "extended header of more than" in found.gaps[0][1]


@pytest.mark.parametrize(
    "records", [b"99 path=a\n", b"0 path=a\n", b"x", b"7 path\n", b"12 size=-5\n\n", b"19 size=99999999999\n", b"11 path=a\n2 "]
)
def test_damaged_records(records: bytes) -> None:
    gather(tarred((info("x", tarfile.XHDTYPE), records), (info("a"), b"x")), TAR)


def test_a_size_nobody_has_is_an_early_end() -> None:
    found = gather(info("a", size=1 << 60).tobuf(tarfile.GNU_FORMAT) + b"x" * 700, TAR)
    assert found.broken == ["a"]
    assert "ends in the middle" in str(found.error)


def test_more_entries_than_members_allows() -> None:
    found = gather(tarred(*((info(f"{i}", tarfile.DIRTYPE), b"") for i in range(20))), TAR, Limits(members=5))
    assert isinstance(found.error, LimitExceeded)


def test_memory_is_bounded() -> None:
    data = tarred(*((info(f"{i}"), b"x" * 600) for i in range(5000)))
    tracemalloc.start()
    gather(data, TAR, most=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    files = (info("a", tarfile.SYMTYPE, "b"), b""), (info("n" * 120, comment="c"), b"some words"), (info("b"), b"x")
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        fuzzed(tarred(*files, form=form).rstrip(b"\x00"), TAR)
