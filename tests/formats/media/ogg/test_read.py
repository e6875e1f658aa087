"""Ogg: comments of every kind of stream, packets over several pages, streams beside each other, damage, and files that are cut off."""

from __future__ import annotations

import base64

import pytest

from tests.formats.media.building import COVER, MediaContract, comments, described, heard, page, pages, real, row_for
from veritensor_ray.core.media_types import OGG
from veritensor_ray.formats.media.ogg import read as module
from veritensor_ray.formats.media.ogg import structure
from veritensor_ray.testing import SampleDocument

WORDS = {"Evening by the river", "A Singer", "Recorded for jane.doe@gardens.example", "Words of the song", "Lavf62.12.102"}
OPUS = b"OpusHead\1\1" + bytes(9)
LONG = comments("TITLE=One", f"METADATA_BLOCK_PICTURE={base64.b64encode(described(COVER + bytes(60_000))).decode()}", "COMMENT=Two")
ABOUT = [("cover type", "image/png"), ("cover description", "The front")]
TEXTS = [("encoder", "a program"), ("TITLE", "One"), *ABOUT, ("COMMENT", "Two")]


class TestReadingOgg(MediaContract):
    row = row_for(OGG)
    documents = (
        SampleDocument(real("song.opus"), texts=[*WORDS]),
        SampleDocument(pages(OPUS, b"OpusTags" + LONG), texts=("One", "Two"), members=[COVER + bytes(60_000)]),
    )


@pytest.mark.parametrize("name", ["song.opus", "flac.ogg"])
def test_files_by_ffmpeg(name: str) -> None:
    found = heard(real(name), OGG)
    assert (found.words, found.said, found.unclaimed) == (WORDS, [], b"")


@pytest.mark.parametrize(
    ("head", "packet"),
    [
        (b"\x01vorbis" + bytes(23), b"\x03vorbis" + LONG + b"\1"),
        (OPUS, b"OpusTags" + LONG),
        (b"\x80theora" + bytes(35), b"\x81theora" + LONG),
        (b"Speex   " + bytes(72), LONG),
    ],
    ids=["vorbis", "opus", "theora", "speex"],
)
def test_comments_over_several_pages(head: bytes, packet: bytes) -> None:
    found = heard(pages(head, packet), OGG)
    assert (found.texts, found.members, found.said) == (TEXTS, [("cover", COVER + bytes(60_000))], [])


def test_flac_has_a_packet_for_each_block() -> None:
    head = b"\x7fFLAC\1\0\0\2fLaC\0\0\0\x22" + bytes(34)
    blocks = b"\4\0\0\0" + comments("TITLE=One", "COMMENT=Two"), b"\x86\0\0\0" + described(COVER)
    found = heard(page(head, flags=2) + page(*blocks) + page(b"sound", flags=4), OGG)
    texts = [("encoder", "a program"), ("TITLE", "One"), ("COMMENT", "Two"), *ABOUT]
    assert (found.texts, found.members, found.said) == (texts, [("cover", COVER)], [])


def test_streams_beside_each_other() -> None:
    film = (
        page(b"\x80theora" + bytes(35), stream=1, flags=2),
        page(b"\x81theora" + comments("TITLE=Film"), stream=1),
        page(b"x", stream=1, flags=4),
    )
    sound = page(OPUS, stream=2, flags=2), page(b"OpusTags" + comments("TITLE=Sound"), stream=2), page(b"y", stream=2, flags=4)
    found = heard(b"".join(one for two in zip(film, sound, strict=True) for one in two), OGG)
    assert [text for column, text in found.texts if column == "TITLE"] == ["Film", "Sound"]
    assert found.said == []


def test_bytes_between_pages_stay_unclaimed() -> None:
    parts = page(OPUS, flags=2), b"between", page(b"OpusTags" + comments("TITLE=One")), page(b"x", flags=4), b"behind"
    found = heard(b"".join(parts), OGG)
    assert (found.words, found.unclaimed, found.said) == ({"a program", "One"}, b"betweenbehind", [])


def test_files_that_were_joined_use_the_same_number_again() -> None:
    one, two = (pages(OPUS, b"OpusTags" + comments(text)) for text in ("TITLE=One", "TITLE=Two"))
    found = heard(one + two, OGG)
    assert ([text for column, text in found.texts if column == "TITLE"], found.said) == (["One", "Two"], [])
    assert heard(one[: -len(page(b"sound" * 9))] + two, OGG).said == [CUT]
    assert heard(page(OPUS, flags=6) + two, OGG).said == [MISSING]


WHOLE = pages(OPUS, b"OpusTags" + comments("TITLE=One"))
MISSING, CUT = "the comments of a stream are missing", "the file ends before the last page of a stream"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (WHOLE[:-3], ["the file ends within a page: 3 bytes are missing"]),
        (WHOLE[: -len(page(b"sound" * 9))], [CUT]),
        (page(OPUS, flags=2), [MISSING, CUT]),
        (pages(OPUS, b"OpusNone" + comments("TITLE=One")), [MISSING]),
        (page(b"unknown", flags=2) + page(b"x", flags=4), []),
        (b"OggS\0", [MISSING, "the file ends within a page: 22 bytes are missing"]),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told(data: bytes, said: list[str]) -> None:
    assert heard(data, OGG).said == said


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", 30)
    assert heard(WHOLE, OGG).said == ["a packet has more than 30 bytes, and was not read"]
    monkeypatch.setattr(structure, "_MOST", 2)
    assert "the file has more than 2 pages; the rest was not read" in heard(WHOLE, OGG).said
    monkeypatch.setattr(module, "_LONGEST", 100)
    assert ("TITLE", "One") in heard(WHOLE, OGG).texts


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    data = real("song.opus")
    for at in range(400):
        for mask in (0x01, 0x80):
            heard(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :], OGG)
