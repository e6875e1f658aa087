"""FLAC: comments, pictures beside and in them, cue sheets, and metadata that is cut off."""

from __future__ import annotations

import base64
import struct

import pytest

from tests.formats.media.building import COVER, MediaContract, comments, described, flac, heard, row_for
from veritensor_ray.core.media_types import FLAC
from veritensor_ray.formats.media.flac import read
from veritensor_ray.testing import SampleDocument

COMMENTS, SHEET, PICTURE = 4, 5, 6
TEXTS = (COMMENTS, comments("TITLE=Evening by the river", "COMMENT=jane.doe@gardens.example"))


class TestReadingFlac(MediaContract):
    row = row_for(FLAC)
    documents = (
        SampleDocument(
            flac(TEXTS, (PICTURE, described(COVER))),
            texts=("Evening by the river", "jane.doe@gardens.example", "The front"),
            members=[COVER],
        ),
    )


def in_comments(key: str, data: bytes) -> tuple[int, bytes]:
    return COMMENTS, comments(f"{key}={base64.b64encode(data).decode()}")


@pytest.mark.parametrize(
    ("block", "texts", "members"),
    [
        (TEXTS, [("encoder", "a program"), ("TITLE", "Evening by the river"), ("COMMENT", "jane.doe@gardens.example")], []),
        ((COMMENTS, comments("no equals sign")), [("encoder", "a program"), ("no equals sign", "no equals sign")], []),
        ((PICTURE, described(COVER, "Grüße")), [("cover type", "image/png"), ("cover description", "Grüße")], [COVER]),
        (in_comments("METADATA_BLOCK_PICTURE", described(COVER)), [("encoder", "a program"), ("cover type", "image/png"), ("cover description", "The front")], [COVER]),
        (in_comments("coverart", COVER), [("encoder", "a program")], [COVER]),
        ((COMMENTS, comments("COVERART=not base64!")), [("encoder", "a program"), ("COVERART", "not base64!")], []),
        ((COMMENTS, comments("COVERART=call 4111 1111 1111 1111")), [("encoder", "a program"), ("COVERART", "call 4111 1111 1111 1111")], []),
        ((COMMENTS, comments("COVERART=4111111111111111")), [("encoder", "a program"), ("COVERART", "4111111111111111")], []),
        ((SHEET, b"1234567890123".ljust(128, b"\0") + bytes(268)), [("catalog number", "1234567890123")], []),
    ],
)  # fmt: skip
def test_blocks(block: tuple[int, bytes], texts: list[tuple[str, str]], members: list[bytes]) -> None:
    found = heard(flac(block), FLAC)
    assert (found.texts, [data for _, data in found.members], found.said) == (texts, members, [])
    assert found.unclaimed == b""


def test_other_blocks_stay_unclaimed() -> None:
    assert heard(flac((2, b"data of a program"), TEXTS), FLAC).unclaimed == b"data of a program"


def test_more_blocks_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_MOST", 10)
    found = heard(flac(TEXTS, *[(1, b"")] * 20), FLAC)
    assert ("TITLE", "Evening by the river") in found.texts
    assert found.said == ["the file has more than 10 blocks of metadata; the rest was not read"]


LYING = struct.pack("<I", 9) + b"a program" + struct.pack("<I", 2)
DAMAGED = "the comments of the sound are damaged or cut off, and not all of them were read"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (flac(TEXTS, sound=b""), ["the file ends after its metadata and has no sound"]),
        (flac(TEXTS, sound=b"")[:-5], [DAMAGED, "the file ends within its metadata: 5 bytes are missing"]),
        (flac(TEXTS)[:44], ["the file ends within its metadata"]),
        (flac((COMMENTS, LYING)), [DAMAGED]),
        (flac((COMMENTS, LYING + struct.pack("<I", 99) + b"A=1")), [DAMAGED]),
        (flac((COMMENTS, struct.pack("<I", 99) + b"A=1")), [DAMAGED]),
        (flac((COMMENTS, LYING[:-4] + b"\xff" * 4)), [DAMAGED]),
        (flac((COMMENTS, b"")), [DAMAGED]),
        (flac((PICTURE, b"\0\0\0\3\xff\xff\xff\xff")), []),
    ],
)
def test_what_is_cut_off_is_told(data: bytes, said: list[str]) -> None:
    assert heard(data, FLAC).said == said
