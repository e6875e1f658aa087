"""ISO 9660: images with and without Joliet and Rock Ridge, links, UDF, folders that lie, images that are cut off."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.formats.archives.ar.test_read import row_of
from tests.formats.archives.gathering import ISO, gather
from tests.formats.reading import flat, read, reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.iso.read import read_iso
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.testing import ReaderContract, SampleDocument

FOLDER = Path(__file__).with_name("files")
IMAGES = {name: gzip.decompress((FOLDER / f"{name}.iso.gz").read_bytes()) for name in ("both", "joliet", "rock", "plain", "udf")}
NOTE, WORDS = b"Write to jane.doe@gardens.example\n", b"Words in a folder.\n"
LONG = [("A note with a long name.txt", NOTE), ("folder/ünïcode.txt", WORDS)]
SHORT = [("A_NOTE_W.TXT", NOTE), ("FOLDER/__N__COD.TXT", WORDS)]
LINK = ("unsafe-link", "link -> /etc/shadow")
UDF = "the image also has a file system in UDF, which was not read"
TEXTS = ("LINUX", "GARDENS", "A Publisher")


class TestReadingImages(ReaderContract):
    row = row_of(ISO)
    documents = (
        SampleDocument(IMAGES["both"], texts=TEXTS, members=[NOTE, WORDS]),
        SampleDocument(IMAGES["plain"], texts=TEXTS, members=[NOTE, WORDS]),
    )

    @pytest.mark.slow
    def test_large_files_are_not_held(self) -> None:
        super().test_large_files_are_not_held()


@pytest.mark.parametrize(
    ("name", "members", "notices", "gaps"),
    [
        ("both", LONG, [LINK], []),
        ("joliet", LONG, [], []),
        ("rock", LONG, [LINK], []),
        ("plain", SHORT, [], []),
        ("udf", LONG, [LINK], [(None, UDF)]),
    ],
)
def test_images_by_genisoimage(name: str, members: list[tuple[str, bytes]], notices: list[tuple[str, str]], gaps: list[object]) -> None:
    found = gather(IMAGES[name], ISO)
    assert (found.members, found.notices, found.gaps, found.error) == (members, notices, gaps, None)


def changed(name: str, old: bytes, new: bytes, which: int = 0) -> bytes:
    """An image with other bytes at one of the places of some."""
    data, at = IMAGES[name], -1
    for _ in range(which + 1):
        at = data.index(old, at + 1)
    assert len(old) == len(new)
    return data[:at] + new + data[at + len(new) :]


def test_a_file_that_only_one_of_the_trees_has_is_read() -> None:
    data = IMAGES["both"]
    name = "A note with a long name.txt".encode("utf-16-be")
    at = data.index(name) - 33
    other = int.from_bytes(data[at + 2 : at + 6], "little") - 3
    forged = data[: at + 2] + other.to_bytes(4, "little") + data[at + 6 :]
    assert [one for one, _ in gather(forged, ISO).members].count("A note with a long name.txt") == 2


def record(data: bytes, name: bytes) -> int:
    """Where the record of a file with this name begins."""
    return data.rindex(name) - 33  # behind the tables of paths


def with_field(name: bytes, at: int, value: bytes) -> bytes:
    data = IMAGES["plain"]
    place = record(data, name) + at
    return data[:place] + value + data[place + len(value) :]


FAR = (1 << 28).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("data", "members", "said"),
    [
        (with_field(b"FOLDER", 2, FAR), [NOTE], "a folder is not in the image, and was not read"),
        (with_field(b"FOLDER", 10, b"\xff\xff\xff\x7f"), [NOTE], "a folder has more than 67108864 bytes, and was not read"),
        (with_field(b"A_NOTE_W.TXT", 32, b"\xff"), [], "a folder is damaged, and the rest of it was not read"),
        (with_field(b"A_NOTE_W.TXT", 26, b"\1\1"), [WORDS], "a file whose content is interleaved was not read"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told(data: bytes, members: list[bytes], said: str) -> None:
    found = gather(data, ISO)
    assert [one for _, one in found.members] == members
    assert said in [reason for _, reason in found.gaps]


PLAIN_SECTORS = len(IMAGES["plain"]) // 2048


def folder(name: bytes, sector: int, size: int = 2048, fields: bytes = b"") -> bytes:
    """A record of a folder, filled up to a sector."""
    numbers = b"".join(value.to_bytes(4, order) for value in (sector, size) for order in ("little", "big"))
    body = numbers + bytes(7) + b"\2" + bytes(6) + bytes([len(name)]) + name + bytes(1 - len(name) % 2) + fields
    return (bytes([len(body) + 2, 0]) + body).ljust(2048, b"\0")


def grown(count: int, sectors: list[bytes]) -> bytes:
    """An image with more sectors, the first of which are its folder."""
    plain, place = IMAGES["plain"], record(IMAGES["plain"], b"FOLDER")
    moved = folder(b"", PLAIN_SECTORS, 2048 * count)[2:18]
    return plain[: place + 2] + moved + plain[place + 18 :] + b"".join(sectors)


def onward(sector: int) -> bytes:
    """A field of Rock Ridge that says where more of them are."""
    return b"CE\x1c\1" + b"".join(value.to_bytes(4, order) for value in (sector, 0, 2048) for order in ("little", "big"))


@pytest.mark.parametrize(
    ("count", "sectors", "said"),
    [
        (1, [folder(b"%0200d" % level, PLAIN_SECTORS + level + 1) for level in range(30)], "a path has more than 4096 characters, and what is there was not read"),
        (4, [folder(b"%d" % number, PLAIN_SECTORS + 4 + number, 200 * 2048) for number in range(4)] + [bytes(2048)] * 204, "the folders of the image overlap"),
        (9, [folder(b"%d" % number, 0, 0, onward(PLAIN_SECTORS + 9)) for number in range(9)] + [onward(PLAIN_SECTORS + 9).ljust(2048, b"\0")], "the folders of the image overlap"),
    ],
)  # fmt: skip
def test_folders_are_no_more_work_than_their_bytes(count: int, sectors: list[bytes], said: str) -> None:
    found = gather(grown(count, sectors), ISO)
    assert said in [reason for _, reason in found.gaps] + [str(found.error)]
    assert all(len(member or "") <= 4096 for member, _ in found.gaps)


def test_targets_of_links_are_texts() -> None:
    blocks, _ = read(changed("rock", b"\x03etc\0\x06shadow", b"\x0bjo@acme.org"), Kind(ISO))
    assert [text for text, column in flat(blocks, "column") if column == "names"] == ["/jo@acme.org"]


def test_a_file_that_is_not_in_the_image_is_broken() -> None:
    found = gather(with_field(b"A_NOTE_W.TXT", 2, FAR), ISO)
    assert found.broken == ["A_NOTE_W.TXT"]


def test_a_folder_that_is_in_itself_is_read_once() -> None:
    data = IMAGES["plain"]
    root = data[16 * 2048 + 158 : 16 * 2048 + 162]
    found = gather(with_field(b"FOLDER", 2, root), ISO)
    assert [one for one, _ in found.members] == ["A_NOTE_W.TXT"]


def test_parts_of_a_large_file_are_one() -> None:
    data = with_field(b"A_NOTE_W.TXT", 25, b"\x80")
    found = gather(data, ISO)
    assert ("A_NOTE_W.TXT", NOTE) in found.members


@pytest.mark.parametrize("size", [32_774, 40_000, 53_000])
def test_images_that_are_cut_off(size: int) -> None:
    found = gather(IMAGES["plain"][:size], ISO)
    assert "the image ends" in str(found.error)


def test_more_files_than_members_allows() -> None:
    with pytest.raises(LimitExceeded):
        list(read_iso(reader_source(IMAGES["both"], Kind(ISO), Limits(members=1))))


@pytest.mark.slow
def test_damage_in_descriptors_and_folders_gives_a_result() -> None:
    data = IMAGES["both"]
    for at in (*range(32_768, 32_960), *range(data.index(b"RRIP") - 400, data.index(b"RRIP"))):
        for mask in (0x01, 0x80, 0xFF):
            try:
                list(read_iso(reader_source(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :], Kind(ISO))))
            except ReadError:
                continue
