"""A sector belongs to one stream, so that streams which begin at the same one are not all followed."""

from __future__ import annotations

import io

import olefile

from tests.formats.mail.ole_builder import write
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.office.ole.sectors import claim_sectors

LONG, SHORT = b"\x80\xff" * 50_000, b"\x80\xff" * 1000


class _Table(list[int]):
    """A table of sectors that counts how often one is followed."""

    followed = 0

    def __getitem__(self, number: int) -> int:  # type: ignore[override]
        self.followed += 1
        return super().__getitem__(number)


def _claimed(ole: olefile.OleFileIO, size: int) -> int:
    account = ByteAccount()
    claim_sectors(ole, account)
    return size - sum(end - start for start, end in account.unclaimed(size))


def test_streams_that_begin_at_the_same_sector() -> None:
    data = write({"a long stream": LONG, "a short one": SHORT, **{f"other {i}": b"x" for i in range(500)}})
    expected = _claimed(olefile.OleFileIO(io.BytesIO(data)), len(data))
    assert expected > len(LONG) + len(SHORT)
    ole = olefile.OleFileIO(io.BytesIO(data))
    ole.loadminifat()
    long, short = (next(one for one in ole.direntries if one and one.name == name) for name in ("a long stream", "a short one"))
    for entry in [one for one in ole.direntries if one and one.name.startswith("other")]:
        like = long if entry.name.endswith("1") else short
        entry.isectStart, entry.size = like.isectStart, like.size
    ole.fat, ole.minifat = _Table(ole.fat), _Table(ole.minifat)
    ole.loadminifat = lambda: None
    assert (
        _claimed(ole, len(data)) == expected - 500 - 4 * 500
    )  # of the short streams, nothing else is left, nor are their numbers in a table
    assert ole.fat.followed <= len(ole.fat) * 2
    assert ole.minifat.followed <= len(ole.minifat) * 2


def test_an_empty_stream_takes_no_sector() -> None:
    data = write({"an empty one": b"", "a short one": SHORT})
    ole = olefile.OleFileIO(io.BytesIO(data))
    before = _claimed(ole, len(data))
    next(one for one in ole.direntries if one and one.name == "an empty one").isectStart = 0
    assert _claimed(ole, len(data)) == before
