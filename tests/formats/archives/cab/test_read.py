"""Cabinets: stored and packed folders, blocks that refer to those before, what cannot be read, damage, directories that lie."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import pytest

from tests.cases import each
from tests.formats.archives.ar.test_read import row_of
from tests.formats.archives.gathering import CAB, fuzzed, gather
from tests.formats.archives.packed import cab, cab_block
from tests.formats.reading import reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.archives.cab.read import read_cab
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.testing import ReaderContract, SampleDocument

FOLDER = Path(__file__).with_name("files")
FILES = [("A note with a long name.txt", b"Write to jane.doe@gardens.example\n"), ("folder/ünïcode.txt", b"Words in a folder.\n")]
NUMBERS = ("numbers.txt", b"".join(b"%d\n" % number for number in range(1, 12_001)))
STORED, PACKED = (FOLDER / "stored.cab").read_bytes(), gzip.decompress((FOLDER / "packed.cab.gz").read_bytes())


def mszip(*parts: bytes) -> list[bytes]:
    """Blocks that are packed, each with the one before as its dictionary."""
    blocks, before = [], b""
    for part in parts:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=before) if before else zlib.compressobj(9, zlib.DEFLATED, -15)
        blocks.append(cab_block(b"CK" + packer.compress(part) + packer.flush(), len(part)))
        before = part
    return blocks


class TestReadingCabinets(ReaderContract):
    row = row_of(CAB)
    documents = (
        SampleDocument(STORED, members=[data for _, data in FILES]),
        SampleDocument(
            cab((1, mszip(b"some words " * 99, b"some words " * 50), [("a", 0, 1500), ("b", 1500, 139)])),
            members=[b"some words " * 99 + b"some words " * 37 + b"some", b" words " + b"some words " * 12],
        ),
    )

    @pytest.mark.slow
    def test_large_files_are_not_held(self) -> None:
        super().test_large_files_are_not_held()


@pytest.mark.parametrize(("data", "files"), [(STORED, FILES), (PACKED, [*FILES, NUMBERS])], ids=["stored", "packed"])
def test_cabinets_by_gcab(data: bytes, files: list[tuple[str, bytes]]) -> None:
    found = gather(data, CAB)
    assert (found.members, found.gaps, found.notices, found.error) == (files, [], [], None)


@each(
    ("data", "members", "said"),
    [
        (cab((0, [cab_block(b"one"), cab_block(b"two")], [("a", 1, 4)])), [b"o", b"netw", b"o"], []),
        (cab((1, mszip(b"one", b"two", b"six"), [("b", 7, 1), ("a", 1, 2)])), [b"o", b"ne", b"twos", b"i", b"x"], []),
        (cab((0, [cab_block(b"one")], [("a", 0, 3)]), (0, [cab_block(b"two")], [("b", 0, 3)])), [b"one", b"two"], []),
        (cab((0, [cab_block(b"onetwo")], [("b", 3, 3), ("a", 0, 3)])), [b"one", b"two"], []),
        (cab((0, [cab_block(b"one")], [("..\\a", 0, 3)])), [b"one"], []),
        (cab((3, [cab_block(b"one")], [("a", 0, 3)])), [], ["compressed by LZX, for which there is no reader"]),
        (cab((2, [cab_block(b"one")], [("a", 0, 3)])), [], ["compressed by Quantum, for which there is no reader"]),
        (cab((7, [cab_block(b"one")], [("a", 0, 3)])), [], ["compressed by method 7, for which there is no reader"]),
        (cab((0, [cab_block(b"onetwo")], [("a", 0, 4), ("b", 2, 4)])), [b"onet", b"wo"], ["it begins within another file of its folder, and was not read"]),
        (cab((0, [cab_block(b"one")], [("a", 0, 9)])), [b"one"], []),
        (cab((1, [cab_block(b"no block")], [("a", 0, 3)])), [b""], []),
        (cab((1, [cab_block(b"CK\xff\xff")], [("a", 0, 3)])), [b""], []),
        (cab((1, [mszip(b"one two")[0][:6] + b"\x09\0" + mszip(b"one two")[0][8:]], [("a", 0, 7)])), [b""], []),
        (cab((0, [cab_block(b"one", checksum=1)], [("a", 0, 3)])), [b"one"], ["the checksum of a block does not match its data"]),
        (cab((0, [cab_block(b"one")], [("a", 0, 3)]), flags=2, names=b"next.cab\0disk\0"), [b"one"], ["other cabinets belong to this one, and files that go on there are not read"]),
        (cab((0, [cab_block(b"one")], [])), [b"one"], []),
    ],
)  # fmt: skip
def test_folders(data: bytes, members: list[bytes], said: list[str]) -> None:
    found = gather(data, CAB)
    assert ([one for _, one in found.members], [reason for _, reason in found.gaps], found.error) == (members, said, None)


def test_what_a_block_does_not_unpack_is_left_to_the_search() -> None:
    packed = mszip(b"one")[0][8:]
    data = cab((1, [cab_block(packed + b"jane.doe@gardens.example", 3)], [("a", 0, 3)]))
    source = reader_source(data, Kind(CAB))
    assert [item.file.read() for item in read_cab(source) if isinstance(item, Member)] == [b"one"]
    assert [data[start:end] for start, end in source.account.unclaimed(len(data))] == [b"jane.doe@gardens.example"]


def test_a_checksum_that_is_right() -> None:
    body = struct.pack("<HH", 7, 7) + b"onetwo!"
    first = int.from_bytes(body[:4], "little") ^ int.from_bytes(body[4:8], "little") ^ int.from_bytes(body[8:], "big")
    found = gather(cab((0, [cab_block(b"onetwo!", checksum=first)], [("a", 0, 7)])), CAB)
    assert (found.members, found.gaps) == ([("a", b"onetwo!")], [])


def moved(data: bytes, folder: int) -> bytes:
    """A cabinet whose first file is in a folder of another number."""
    at = data.index(b"a\0") - 8
    return data[:at] + struct.pack("<H", folder) + data[at + 2 :]


@pytest.mark.parametrize(("folder", "said"), [(0xFFFD, "it is in another cabinet, wholly or in part"), (9, "its folder does not exist")])
def test_files_of_other_folders(folder: int, said: str) -> None:
    assert gather(moved(cab((0, [cab_block(b"one")], [("a", 0, 3)])), folder), CAB).gaps == [("a", said)]


WHOLE = cab((0, [cab_block(b"one")], [("a", 0, 3)]))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (WHOLE[:-2], "the cabinet ends early: 2 bytes are missing"),
        (WHOLE[:20], "the cabinet ends within its header"),
        (WHOLE[:40], "the cabinet ends within its list of folders"),
        (WHOLE[:50], "the cabinet ends within its list of files"),
        (WHOLE[:61], "a name in the cabinet at byte 60 does not end"),
    ],
)
def test_what_is_cut_off_is_told(data: bytes, said: str) -> None:
    assert str(gather(data, CAB).error) == said


def test_what_follows_the_cabinet_is_a_member() -> None:
    assert gather(WHOLE + b"behind it", CAB).members[-1] == (f"bytes {len(WHOLE)}-{len(WHOLE) + 9}", b"behind it")


def test_folders_that_overlap_are_no_more_work_than_their_bytes() -> None:
    folders = 200
    whole = bytearray(cab(*((1, [], [(f"{number}", 0, 1)]) for number in range(folders))) + cab_block(b"") * 60_000)
    for number in range(folders):
        struct.pack_into("<IHH", whole, 36 + 8 * number, len(whole) - 480_000, 60_000, 0)
    found = gather(bytes(whole), CAB)
    assert len(found.broken) == folders


def test_bombs_and_many_files() -> None:
    bomb = cab((1, mszip(*[bytes(32_768)] * 200), [("a", 0, 200 * 32_768)]))
    assert isinstance(gather(bomb, CAB, Limits(expanded_bytes="1MiB")).error, LimitExceeded)
    many = cab((0, [cab_block(b"")], [(f"{number}", 0, 0) for number in range(20)]))
    assert isinstance(gather(many, CAB, Limits(members=5)).error, LimitExceeded)


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    fuzzed(cab((1, mszip(b"some words " * 9), [("a", 0, 50), ("b", 50, 49)])), CAB)
