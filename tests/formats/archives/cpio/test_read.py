"""cpio archives: every form, links and devices, what follows the end marker, damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.formats.archives.ar.test_read import row_of
from tests.formats.archives.gathering import CPIO, fuzzed, gather
from tests.formats.archives.packed import cpio, cpio_entry, run
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.testing import ReaderContract, SampleDocument

FILES = (("./a.txt", b"some words " * 50), ("d/odd", b"odd"), ("ü.md", b"even"), ("empty", b""))
FORMS = (b"070701", b"070702", b"070707")
END = cpio()
LINK, FOLDER, DEVICE = 0o120777, 0o040755, 0o020644


class TestReadingArchives(ReaderContract):
    row = row_of(CPIO)
    documents = tuple(SampleDocument(cpio(*FILES, form=form), members=[data for _, data in FILES]) for form in FORMS[::2])

    @pytest.mark.slow
    def test_large_files_are_not_held(self) -> None:
        super().test_large_files_are_not_held()


@pytest.mark.parametrize("form", FORMS)
def test_members_in_order(form: bytes) -> None:
    found = gather(cpio(*FILES, form=form) + bytes(400), CPIO)
    assert (found.members, found.notices, found.gaps, found.error) == ([*FILES], [], [], None)


@pytest.mark.parametrize("form", ["newc", "crc", "odc"])
def test_archives_by_gnu_cpio(tmp_path: Path, form: str) -> None:
    (tmp_path / "d").mkdir()
    for name, data in FILES:
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link").symlink_to("a.txt")
    names = "\n".join(("d", "link", *(name for name, _ in FILES)))
    found = gather(run(tmp_path, "cpio", "-o", "-H", form, "--quiet", stdin=names.encode()), CPIO)
    assert ([*map(_plain, found.members)], found.notices, found.gaps, found.error) == ([*map(_plain, FILES)], [], [], None)


def _plain(member: tuple[str, bytes]) -> tuple[str, bytes]:
    return member[0].removeprefix("./"), member[1]


@pytest.mark.parametrize(
    ("entry", "members", "kinds"),
    [
        (cpio_entry("d", mode=FOLDER), [], set()),
        (cpio_entry("d", b"in a folder", FOLDER), [b"in a folder"], set()),
        (cpio_entry("sda", mode=DEVICE), [], {"device-file"}),
        (cpio_entry("sda", b"in a device", DEVICE), [b"in a device"], {"device-file"}),
        (cpio_entry("l", b"a.txt", LINK), [], set()),
        (cpio_entry("l", b"/etc/shadow", LINK), [], {"unsafe-link"}),
        (cpio_entry("l", b"x" * 5000, LINK), [b"x" * 5000], set()),
        (cpio_entry("../a", b"x"), [b"x"], {"unsafe-path"}),
        (cpio_entry("TRAILER!!!", b"x"), [b"x"], set()),
    ],
)  # fmt: skip
def test_entries(entry: bytes, members: list[bytes], kinds: set[str]) -> None:
    found = gather(entry + END, CPIO)
    assert ([data for _, data in found.members], found.kinds, found.gaps, found.error) == (members, kinds, [], None)


TWO = (cpio_entry("a", b"words"), cpio_entry("b", b"more"))


@pytest.mark.parametrize(
    ("data", "members", "said"),
    [
        (TWO[0] + TWO[1], [b"words", b"more"], "no end marker"),
        (TWO[0] + TWO[1][:-2], [b"words", b"mo"], "in the middle of b"),
        (TWO[0] + b"rubbish!" + TWO[1] + END, [b"words", b"rubbish!", b"more"], f"no cpio header at byte {len(TWO[0])}"),
        (b"0" + TWO[0][1:] + TWO[1] + END, [b"words", b"more"], ""),
        (b"1" + TWO[0][1:] + TWO[1] + END, [b"1" + TWO[0][1:], b"more"], "no cpio header at byte 0"),
        (TWO[0].replace(b"00000002\0"[:8] + b"00000000a", b"0000FFFF00000000a") + END, [], "no cpio header at byte 0"),
    ],
)  # fmt: skip
def test_damage_is_told(data: bytes, members: list[bytes], said: str) -> None:
    found = gather(data, CPIO)
    assert [data for _, data in found.members][: len(members)] == members
    reasons = [reason for _, reason in found.gaps] + [str(found.error or "")]
    assert any(said in reason for reason in reasons) if said else reasons == [""]


def test_what_follows_the_end_marker_is_a_member() -> None:
    second = cpio(("b", b"more"))
    found = gather(cpio(("a", b"words")) + bytes(300) + second, CPIO)
    assert [data for _, data in found.members] == [b"words", second]


def test_more_entries_than_members_allows() -> None:
    found = gather(cpio(*((f"{number}", b"") for number in range(20))), CPIO, Limits(members=5))
    assert isinstance(found.error, LimitExceeded)


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    fuzzed(cpio(*FILES[1:]), CPIO)
