"""MP3 and its tags: every frame that holds text, pictures, tags of every version, what was stuffed, damage, and sound that is cut off."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest

from tests.cases import each
from tests.formats.media.building import (
    COVER,
    FRAME,
    SOUND,
    Heard,
    MediaContract,
    frame,
    heard,
    id3,
    mp3,
    old_id3,
    real,
    row_for,
    seven_bits,
)
from veritensor_ray.core.media_types import MP3
from veritensor_ray.formats.media import media_texts
from veritensor_ray.formats.media.mp3.structure import frame_size
from veritensor_ray.testing import SampleDocument

WORDS = ("Evening by the river", "A Singer", "comment\nRecorded for jane.doe@gardens.example", "USLT\nWords of the song", "The front")


def tagged(*frames: bytes, version: int = 4, flags: int = 0) -> Heard:
    return heard(id3(*frames, version=version, flags=flags) + SOUND, MP3)


class TestReadingMp3(MediaContract):
    row = row_for(MP3)
    documents = (
        SampleDocument(real("song.mp3"), texts=WORDS),
        SampleDocument(real("old.mp3"), texts=WORDS),
        SampleDocument(id3(frame("TIT2", b"\3One"), frame("APIC", b"\0image/png\0\3\0" + COVER)) + SOUND, texts=["One"], members=[COVER]),
    )


@pytest.mark.parametrize("name", ["song.mp3", "old.mp3"])
def test_files_by_ffmpeg(name: str) -> None:
    found = heard(real(name), MP3)
    assert set(WORDS) <= found.words
    assert ([(one, data[:4], len(data)) for one, data in found.members], found.said) == ([("cover", b"\x89PNG", 77)], [])
    assert found.unclaimed == b""


@each(
    ("name", "body", "texts"),
    [
        ("TIT2", b"\0plain", ["plain"]),
        ("TIT2", b"\0Caf\xe9", ["Café"]),
        ("TIT2", b"\1" + "Größe".encode("utf-16"), ["Größe"]),
        ("TIT2", b"\1\xfe\xff" + "Größe".encode("utf-16-be"), ["Größe"]),
        ("TIT2", b"\2" + "Größe".encode("utf-16-be"), ["Größe"]),
        ("TIT2", "\3Größe €\0zwei".encode(), ["Größe €\nzwei"]),
        ("TIT2", b"\x09odd encoding", ["odd encoding"]),
        ("TXXX", b"\3name\0value", ["name\nvalue"]),
        ("TXXX", b"\1" + "name\0".encode("utf-16") + "value".encode("utf-16"), ["name\nvalue"]),
        ("COMM", b"\3engabout\0a comment", ["about\na comment"]),
        ("USLT", b"\3eng\0line one\nline two", ["line one\nline two"]),
        ("USER", b"\3engterms of use", ["terms of use"]),
        ("IPLS", b"\3role\0name", ["role\nname"]),
        ("WOAR", b"https://a.example/x", ["https://a.example/x"]),
        ("WXXX", b"\3about\0https://a.example/x", ["about", "https://a.example/x"]),
        ("SYLT", b"\3eng\2\1about\0first\0\0\0\0\1 second\0\0\0\0\2", ["about", "first  second"]),
        ("APIC", b"\0-->\0\3\0https://a.example/cover.png", ["https://a.example/cover.png"]),
        ("APIC", b"\3odd/kind\0\3the front\0" + COVER, ["odd/kind", "the front"]),
        ("GEOB", b"\3text/plain\0notes.txt\0about\0content", ["text/plain", "notes.txt", "about"]),
        ("CHAP", b"c1\0" + bytes(16) + frame("TIT2", b"\3A chapter"), ["c1", "A chapter"]),
        ("CTOC", b"toc\0\3\2c1\0c2\0" + frame("TIT2", b"\3Chapters"), ["toc", "c1", "c2", "Chapters"]),
        ("TIT2", b"", []),
    ],
)  # fmt: skip
def test_frames(name: str, body: bytes, texts: list[str]) -> None:
    found = tagged(frame(name, body))
    assert ([text for _, text in found.texts], found.said) == (texts, [])


@pytest.mark.parametrize(
    ("frames", "members"),
    [
        ([frame("APIC", b"\1image/jpeg\0\3" + "über".encode("utf-16") + b"\0\0" + COVER)], [("cover", COVER)]),
        ([frame("GEOB", b"\3\0notes.txt\0\0content")], [("file", b"content")]),
    ],
)
def test_files(frames: list[bytes], members: list[tuple[str, bytes]]) -> None:
    assert tagged(*frames).members == members


@pytest.mark.parametrize(
    ("frames", "version", "flags"),
    [
        ([frame("TT2", b"\0One", 2), frame("COM", b"\0eng\0Two", 2), frame("PIC", b"\0PNG\3\0" + COVER, 2)], 2, 0),
        ([frame("TIT2", b"\0One", 3), frame("COMM", b"\0eng\0Two", 3), frame("APIC", b"\0image/png\0\3\0" + COVER, 3)], 3, 0),
        ([frame("TIT2", b"g\0One", flags=0x40), frame("COMM", b"\0eng\0Two"), frame("APIC", b"\0\0\3\0" + COVER)], 4, 0),
        (
            [
                struct.pack(">IHI", 6, 0, 10),
                frame("TIT2", b"\0One", 3),
                frame("COMM", b"\0eng\0Two", 3),
                frame("APIC", b"\0\0\3\0" + COVER, 3),
            ],
            3,
            0x40,
        ),
        ([seven_bits(6) + b"\1\0", frame("TIT2", b"\0One"), frame("COMM", b"\0eng\0Two"), frame("APIC", b"\0\0\3\0" + COVER)], 4, 0x40),
        ([frame("TIT2", b"\0One"), frame("COMM", b"\0eng\0Two"), frame("APIC", b"\0\0\3\0" + COVER, 3)], 4, 0),
    ],
    ids=["2.2", "2.3", "a group", "extended, 2.3", "extended, 2.4", "a plain size in 2.4"],
)
def test_versions(frames: list[bytes], version: int, flags: int) -> None:
    found = tagged(*frames, version=version, flags=flags)
    assert ([text for _, text in found.texts], found.members, found.said) == (["One", "Two"], [("cover", COVER)], [])


def stuffed(data: bytes) -> bytes:
    return data.replace(b"\xff", b"\xff\0")


def test_zeros_that_were_stuffed_are_taken_out_and_places_are_those_of_the_file() -> None:
    wide, picture = frame("TIT2", b"\1\xff\xfeO\0n\0e\0", 3), frame("APIC", b"\0\0\3\0\x89PNG\xff\xff", 3)
    body = stuffed(wide + picture + frame("PRIV", b"nobody knows", 3))
    data = b"ID3\3\0\x80" + seven_bits(len(body)) + body + SOUND
    found = heard(data, MP3)
    assert ([text for _, text in found.texts], found.members, found.said) == (["One"], [("cover", b"\x89PNG\xff\xff")], [])
    assert found.unclaimed == b"nobody knows"


def test_places_of_many_zeros_are_held_in_few_bytes() -> None:
    body = b"\xff\0" * (1 << 18)
    data = b"ID3\3\0\x80" + seven_bits(len(body)) + body + SOUND
    tracemalloc.start()
    try:
        heard(data, MP3)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(body)
    finally:
        tracemalloc.stop()


def test_a_frame_of_the_last_version_is_stuffed_by_itself() -> None:
    whole = struct.pack(">I", 9) + stuffed(b"\1\xff\xfeO\0n\0e\0")
    found = tagged(frame("TIT2", whole, flags=0x03), frame("TALB", b"\3Two"))
    assert ([text for _, text in found.texts], found.said) == (["One", "Two"], [])


def test_compressed_and_unknown_frames_stay_unclaimed_for_the_residue() -> None:
    packed = zlib.compress(b"\3hidden words" * 9)
    found = tagged(frame("TIT2", bytes(4) + packed, flags=0x09), frame("PRIV", b"owner\0secret of nobody"))
    assert (found.texts, found.said) == ([], [])
    assert packed.replace(b"\0", b"") in found.unclaimed
    assert b"secret of nobody" in found.unclaimed


def test_a_tag_of_version_one() -> None:
    found = heard(SOUND + old_id3("Old title", "Old comment"), MP3)
    assert (found.texts, found.said) == ([("title", "Old title"), ("comment", "Old comment")], [])


def test_several_tags_in_front() -> None:
    found = heard(id3(frame("TIT2", b"\3One")) + id3(frame("TIT2", b"\3Two")) + SOUND, MP3)
    assert ([text for _, text in found.texts], found.said) == (["One", "Two"], [])


COUNTED = FRAME[:36] + b"Xing" + struct.pack(">III", 3, 3, 3 * 417) + FRAME[52:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (mp3("words")[:-417], []),
        (mp3("words")[:-400], ["the sound ends early: 400 bytes are missing"]),
        (mp3("words") + SOUND[:200], ["the sound ends early: 217 bytes are missing"]),
        (COUNTED + FRAME * 2, []),
        (COUNTED + FRAME, ["the sound ends early: 417 bytes are missing"]),
        (mp3("words")[:30], ["the file ends within a tag: 11 bytes are missing"]),
        (id3(frame("TIT2", b"\3words")), ["there is no frame of sound in the file"]),
        (id3(frame("TIT2", b"\3words"), b"\1rubbish") + SOUND, ["a tag is damaged, and not all of it was read"]),
        (id3(frame("TIT2", b"\3words", flags=4)) + SOUND, ["the frame TIT2 is encrypted"]),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told(data: bytes, said: list[str]) -> None:
    assert heard(data, MP3).said == said


def test_bytes_between_frames_are_no_sound() -> None:
    found = heard(SOUND + b"between the frames" + SOUND + b"behind" + old_id3(""), MP3)
    assert found.unclaimed == b"between the framesbehind"


@each(
    ("header", "size"),
    [
        (b"\xff\xfb\x90\x44", 417),  # version 1, layer III, 128 kbit/s, 44.1 kHz
        (b"\xff\xfb\x92\x44", 418),  # with a padding byte
        (b"\xff\xf3\x84\xc4", 192),  # version 2, layer III, 64 kbit/s, 24 kHz
        (b"\xff\xe3\x84\xc4", 384),  # version 2.5, 12 kHz
        (b"\xff\xfd\x84\xc4", 384),  # version 1, layer II, 128 kbit/s, 48 kHz
        (b"\xff\xff\x88\xc4", 384),  # version 1, layer I, 256 kbit/s, 32 kHz
        (b"\xff\xfb\x00\x44", 0),  # a rate that is not told
        (b"\xff\xfb\x9c\x44", 0),
        (b"\xff\xeb\x90\x44", 0),
        (b"\xff\xf9\x90\x44", 0),
        (b"\xff\xfb", 0),
    ],
)
def test_sizes_of_frames(header: bytes, size: int) -> None:
    assert frame_size(header) == size


def test_a_tag_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_texts, "_LONGEST", 20)
    assert heard(mp3("longer than twenty bytes"), MP3).said == ["a tag has more than 20 bytes, and was not read"]


def test_noise_with_marks_of_frames_takes_time_in_proportion() -> None:
    found = heard(id3() + b"\xff\xfb" * 200_000, MP3)
    assert found.said == ["there is no frame of sound in the file"]


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    data = real("old.mp3")
    for at in range(430):
        for mask in (0x01, 0x80):
            heard(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :], MP3)
