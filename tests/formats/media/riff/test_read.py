"""WAV and AVI: every chunk that holds text, large files, subtitles, damage, and what follows the file."""

from __future__ import annotations

import struct

import pytest

from tests.cases import each
from tests.formats.media.building import MediaContract, avi, chunk, frame, heard, id3, info, real, riff, row_for, wav
from veritensor_ray.core.media_types import AVI, WAV
from veritensor_ray.formats.media.riff import structure
from veritensor_ray.testing import SampleDocument

WORDS = {"Evening by the river", "A Singer", "Recorded for jane.doe@gardens.example", "Lavf62.12.102"}
SRT = b"1\n00:00:01,000 --> 00:00:02,000\nThe first words are spoken.\n"


class TestReadingWav(MediaContract):
    row = row_for(WAV)
    documents = (
        SampleDocument(real("song.wav"), texts=[*WORDS]),
        SampleDocument(wav(info("One text", "Another"), chunk(b"iXML", b"<a>b</a>")), texts=("One text", "Another"), members=[b"<a>b</a>"]),
    )


class TestReadingAvi(MediaContract):
    row = row_for(AVI)
    documents = (SampleDocument(avi(info("One text", "Another")), texts=("One text", "Another")),)


def test_a_file_by_ffmpeg() -> None:
    found = heard(real("song.wav"), WAV)
    assert (found.words, found.said, found.unclaimed) == (WORDS, [], b"")


BROADCAST = (
    b"About it".ljust(256, b"\0") + b"A station".ljust(32, b"\0") + b"REF1".ljust(32, b"\0") + b"2026-01-0112:00:00" + bytes(264) + b"A=PCM"
)


@each(
    ("part", "texts"),
    [
        (chunk(b"LIST", b"INFO" + chunk(b"INAM", "Größe\0".encode())), [("INAM", "Größe")]),
        (chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Gr\xf6\xdfe\0")), [("INAM", "Größe")]),
        (chunk(b"LIST", b"adtl" + chunk(b"labl", b"\1\0\0\0a label\0") + chunk(b"note", b"\1\0\0\0a note\0")), [("labl", "a label"), ("note", "a note")]),
        (chunk(b"LIST", b"adtl" + chunk(b"ltxt", bytes(20) + b"a region\0")), [("ltxt", "a region")]),
        (chunk(b"id3 ", id3(frame("TIT2", b"\3A title"))), [("TIT2", "A title")]),
        (chunk(b"ID3 ", id3(frame("TIT2", b"\3A title"))), [("TIT2", "A title")]),
        (chunk(b"bext", BROADCAST), [("description", "About it"), ("originator", "A station"), ("originator reference", "REF1"), ("coding history", "A=PCM")]),
        (chunk(b"bext", BROADCAST[:200]), [("description", "About it")]),
        (chunk(b"cue ", bytes(28)), []),
        (chunk(b"LIST", b"INFO"), []),
        (chunk(b"LIST", b""), []),
    ],
)  # fmt: skip
def test_chunks(part: bytes, texts: list[tuple[str, str]]) -> None:
    found = heard(wav(part), WAV)
    assert (found.texts, found.said) == (texts, [])


def test_other_chunks_stay_unclaimed() -> None:
    assert heard(wav(chunk(b"note", b"of a program of its own")), WAV).unclaimed == b"of a program of its own"


@pytest.mark.parametrize(("kind", "reading"), [(1, "values"), (3, "values"), (0xFFFE, "values"), (2, "packed"), (0x55, "packed")])
def test_sound_is_numbers_unless_it_is_compressed(kind: int, reading: str) -> None:
    account = heard(wav(kind=kind), WAV).source.account
    assert account.bytes[reading] >= 400  # type: ignore[index]


def test_a_file_larger_than_its_header_can_say() -> None:
    data = wav(info("One text"))
    sound = bytes(400)
    sizes = chunk(b"ds64", struct.pack("<QQQ", len(data) - 8 + 36, 400, 0) + bytes(4))
    large = b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + data[12:-408] + b"data" + b"\xff" * 4 + sound
    found = heard(large, WAV)
    assert ([text for _, text in found.texts], found.said) == (["One text"], [])


def test_subtitles_of_a_film() -> None:
    name = "Deutsch\0".encode("utf-16-le")
    held = b"GAB2\0" + struct.pack("<HI", 2, len(name)) + name + struct.pack("<HI", 4, len(SRT)) + SRT
    found = heard(avi(chunk(b"LIST", b"movi" + chunk(b"02tx", held))), AVI)
    assert (found.texts, found.members, found.said) == ([("subtitles", "Deutsch")], [("subtitles 02", SRT)], [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wav(info("One text"))[:-9], ["the file ends early: 9 bytes are missing"]),
        (riff(b"WAVE", info("One text"))[:-2], ["the file ends early: 2 bytes are missing"]),
        (wav(chunk(b"LIST", b"INFO" + b"INAM\xff\xff\0\0text")), []),
    ],
)
def test_what_is_cut_off_is_told(data: bytes, said: list[str]) -> None:
    assert heard(data, WAV).said == said


def test_what_follows_the_file_is_a_member() -> None:
    assert heard(wav() + b"behind it", WAV).members == [(f"bytes {len(wav())}-{len(wav()) + 9}", b"behind it")]


def test_more_chunks_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_MOST", 10)
    found = heard(wav(info("One text"), *(chunk(b"note", b"") for _ in range(20))), WAV)
    assert (found.texts, found.said) == ([("ICMT", "One text")], ["the file has more than 10 chunks; the rest was not read"])


def test_a_large_film_has_further_parts() -> None:
    more = riff(b"AVIX", chunk(b"LIST", b"movi" + chunk(b"00dc", b"film" * 9)), info("One text"))
    found = heard(avi() + more + more + b"behind", AVI)
    assert (found.texts, found.said, found.unclaimed) == ([("ICMT", "One text")] * 2, [], b"")
    assert [data for _, data in found.members] == [b"behind"]
    assert heard(avi() + more[:-4], AVI).said == ["the file ends early: 4 bytes are missing"]


def test_lists_in_lists_end_at_some_depth() -> None:
    data = b""
    for _ in range(200):
        data = chunk(b"LIST", b"INFO" + data)
    assert heard(wav(data), WAV).said == []


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    data = wav(chunk(b"bext", BROADCAST), info("One text"), chunk(b"id3 ", id3(frame("TIT2", b"\3A title"))))
    for at in range(len(data)):
        for mask in (0x01, 0x80):
            heard(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :], WAV)
