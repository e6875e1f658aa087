"""RAR: stored files of both versions, what is compressed or encrypted, links, comments, names in every form, damage."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from tests.cases import each
from tests.formats.archives.ar.test_read import row_of
from tests.formats.archives.gathering import RAR, fuzzed, gather
from tests.formats.archives.packed import RAR_END, old_rar, old_rar_entry, old_rar_header, rar, rar_entry, rar_header, seven
from tests.formats.reading import reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.archives.rar.read import read_rar
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.testing import ReaderContract, SampleDocument

FOLDER = Path(__file__).with_name("files")
COMPRESSED = "it is compressed, and there is no reader for the compression of RAR"
COMMENT = "the comment of the archive is compressed or encrypted, and was not read"
FILES = (("a.txt", b"some words " * 50), ("d/ü.md", b"more words"), ("empty", b""))
QUICK_OPEN = (FOLDER / "rar5-quick-open.rar").read_bytes()[227:318]
WHOLE = rar(*(rar_entry(name, data) for name, data in FILES))
SUBFOLDERS = [
    ("sub/dir2/file2.txt", b"file2\n"),
    ("sub/with space/long fn.txt", b"long fn\n"),
    ("sub/üȵĩöḋè/file.txt", b"file\n"),
    ("sub/dir1/file1.txt", b"file1\n"),
]


class TestReadingRar(ReaderContract):
    row = row_of(RAR)
    documents = (
        SampleDocument((FOLDER / "rar5-subdirs.rar").read_bytes(), members=[data for _, data in SUBFOLDERS]),
        SampleDocument(WHOLE, members=[data for _, data in FILES]),
    )

    @pytest.mark.slow
    def test_large_files_are_not_held(self) -> None:
        super().test_large_files_are_not_held()


@each(
    ("name", "members", "gaps", "notices"),
    [
        ("rar3-subdirs", SUBFOLDERS, [], []),
        ("rar5-subdirs", SUBFOLDERS, [], []),
        ("rar15-comment", [("FILE2.TXT", b"baaaar\r\n")], [("FILE1.TXT", COMPRESSED)], []),
        ("rar3-comment-plain", [], [(None, COMMENT), ("file1.txt", COMPRESSED), (None, COMMENT), ("file2.txt", COMPRESSED), (None, COMMENT)], []),
        ("rar5-crc", [("stest2.txt", b"".join(b"%03d\n" % number for number in range(512)))], [("stest1.txt", COMPRESSED)], []),
        ("rar5-quick-open", [("QO", QUICK_OPEN)], [("stest1.txt", COMPRESSED), ("stest2.txt", COMPRESSED)], []),
        ("rar5-psw", [], [("stest1.txt", "encrypted"), ("stest2.txt", "encrypted")], [("encrypted-member", "stest1.txt and 1 more")]),
        ("rar5-hpsw", [], [(None, "encrypted")], [("encrypted-member", "the names of the files are encrypted too")]),
        ("rar3-comment-hpsw", [], [(None, "encrypted")], [("encrypted-member", "the names of the files are encrypted too")]),
        ("rar3-symlink-unix", [("data.txt", b"data\n")], [], [("unsafe-link", "random_link -> ../random123")]),
        ("rar5-symlink-unix", [("data.txt", b"data\n")], [], [("unsafe-link", "random_link -> ../random123")]),
        ("unicode", [], [("уииоотивл.txt", COMPRESSED), ("𝐀𝐁𝐁𝐂.txt", COMPRESSED)], []),
        ("unicode2", [("𝐀𝐁𝐁𝐂.txt", b"1\n"), ("уииоотивл.txt", b"1\n")], [], []),
    ],
)  # fmt: skip
def test_archives_by_rar(
    name: str, members: list[tuple[str, bytes]], gaps: list[tuple[str | None, str]], notices: list[tuple[str, str]]
) -> None:
    found = gather((FOLDER / f"{name}.rar").read_bytes(), RAR)
    assert (found.members, found.gaps, found.notices, found.error) == (members, gaps, notices, None)


def test_a_comment_that_is_stored() -> None:
    found = gather((FOLDER / "rar5-crc.rar").read_bytes(), RAR)
    assert [(of, text.rstrip("\n\0")) for of, text in found.comments] == [("archive", "RAR5 archive - crc")]


def test_a_comment_that_is_too_long() -> None:
    data = rar(rar_entry("CMT", b"a" * (1 << 18) + b"jane.doe@gardens.example", kind=3))
    source = reader_source(data, Kind(RAR))
    items = list(read_rar(source))
    assert [item.reason for item in items if isinstance(item, Gap)] == [
        "the comment of the archive has more than 262144 bytes, and the rest was only searched for strings"
    ]
    assert b"jane.doe@gardens.example" in [data[start:end] for start, end in source.account.unclaimed(len(data))]


def link(target: str) -> bytes:
    record = seven(5) + seven(1) + seven(0) + seven(len(target)) + target.encode()
    return seven(len(record)) + record


@each(
    ("archive", "members", "kinds", "said"),
    [
        (rar(rar_entry("../a", b"x")), [b"x"], {"unsafe-path"}, []),
        (rar(rar_entry("a", extra=link("/etc/shadow"))), [], {"unsafe-link"}, []),
        (rar(rar_entry("a", extra=link("b"))), [], set(), []),
        (rar(rar_entry("a", b"xyz", extra=seven(1) + seven(1))), [], {"encrypted-member"}, ["encrypted"]),
        (rar(rar_entry("a", b"xyz", method=3)), [], set(), [COMPRESSED]),
        (rar(rar_entry("a", b"xyz", checksum=1)), [b"xyz"], set(), ["its checksum does not match its data"]),
        (rar(rar_entry("a", b"part", flags=16, checksum=1), volume=True), [b"part"], set(), ["other volumes belong to this one, and files that go on there are not read"]),
        (rar(rar_entry("RR", bytes(30), kind=3), rar_entry("a", b"x")), [bytes(30), b"x"], set(), []),
        (rar(rar_entry("STM", b"alternate", kind=3)), [b"alternate"], set(), []),
        (rar(rar_entry("STM", b"alternate", method=3, kind=3)), [], set(), [COMPRESSED]),
        (rar(rar_entry("a", b"beside a link", extra=link("b"))), [b"beside a link"], set(), []),
        (rar(rar_entry("a", b"xyz", method=3, extra=link("b"))), [], set(), [COMPRESSED]),
        (old_rar(old_rar_entry(b"d", b"in a folder", flags=0xE0)), [b"in a folder"], set(), []),
        (old_rar(old_rar_entry(b"a", b"xyz")), [b"xyz"], set(), []),
        (old_rar(old_rar_entry(b"..\\a", b"xyz")), [b"xyz"], {"unsafe-path"}, []),
        (old_rar(old_rar_entry(b"a", b"xyz", flags=4)), [], {"encrypted-member"}, ["encrypted"]),
        (old_rar(old_rar_entry(b"a", b"xyz", 0x33)), [], set(), [COMPRESSED]),
        (old_rar(old_rar_entry(b"d", flags=0xE0)), [], set(), []),
        (old_rar(old_rar_header(0x7A, 0x8000, bytes(40))), [], set(), []),
        (old_rar(flags=0x80), [], {"encrypted-member"}, ["encrypted"]),
    ],
)  # fmt: skip
def test_entries(archive: bytes, members: list[bytes], kinds: set[str], said: list[str]) -> None:
    found = gather(archive, RAR)
    assert ([data for _, data in found.members], found.kinds, [reason for _, reason in found.gaps]) == (members, kinds, said)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"plain.txt", "plain.txt"),
        ("größe.txt".encode(), "größe.txt"),
        (b"gr\x94\xe1e.txt", "größe.txt"),
        (b"abc.txt\0\0\0abc.\0t", "abc.t"),
        (b"?.txt\0\x04\x70\x3f\x02", "п.txt"),
        (b"abc.txt\0", "abc.txt"),
    ],
)  # fmt: skip
def test_names_of_old_archives(raw: bytes, name: str) -> None:
    found = gather(old_rar(old_rar_entry(raw, b"x", flags=0x200 if b"\0" in raw else 0)), RAR)
    assert [one for one, _ in found.members] == [name]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (rar(*(rar_entry(name, data) for name, data in FILES), end=b""), "the archive has no end marker: it may be cut off"),
        (WHOLE[:200], "the archive ends in the middle of a.txt"),
        (WHOLE[:30], "no valid header of the archive at byte 16"),
        (WHOLE.replace(b"a.txt", b"b.txt"), "the header of the archive at byte 16 is damaged"),
        (old_rar(old_rar_entry(b"a.txt", b"x")).replace(b"a.txt", b"b.txt"), "the header of the archive at byte 20 is damaged"),
        (old_rar(old_rar_entry(b"a.txt", b"xyz"))[:-9], "the archive ends in the middle of a.txt"),
        (b"Rar!\x1a\x07\1\0" + rar_header(4, seven(0)) + bytes(99), "encrypted"),
    ],
)  # fmt: skip
def test_damage_is_told(data: bytes, said: str) -> None:
    found = gather(data, RAR)
    assert said in [reason for _, reason in found.gaps] + [str(found.error)]


def test_what_follows_the_end_is_a_member() -> None:
    assert gather(WHOLE + b"behind it", RAR).members[-1] == (f"bytes {len(WHOLE)}-{len(WHOLE) + 9}", b"behind it")
    assert RAR_END in WHOLE


def test_more_entries_than_members_allows() -> None:
    assert isinstance(gather(rar(*(rar_entry(f"{number}") for number in range(20))), RAR, Limits(members=5)).error, LimitExceeded)


def test_headers_are_checked_by_their_sums() -> None:
    lying = seven(1 << 60)
    assert "no valid header" in str(gather(b"Rar!\x1a\x07\1\0" + zlib.crc32(lying).to_bytes(4, "little") + lying, RAR).error)


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    fuzzed(rar(rar_entry("a.txt", b"words"), rar_entry("l", extra=link("b"))), RAR)
    fuzzed(old_rar(old_rar_entry(b"abc.txt\0\x04\x50abc", b"words", flags=0x200)), RAR)
