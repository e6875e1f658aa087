"""Matroska and WebM: names and tags, attached files, subtitles that are packed or not, sizes that are not known, damage."""

from __future__ import annotations

import zlib

import pytest

from tests.formats.media.building import (
    COVER,
    MediaContract,
    block,
    element,
    heard,
    matroska,
    real,
    row_for,
    subtitle_track,
    subtitled,
    tag,
)
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import MATROSKA, WEBM
from veritensor_ray.formats.media.matroska import structure
from veritensor_ray.testing import SampleDocument

WORDS = {"Evening by the river", "A Singer", "Recorded for jane.doe@gardens.example", "Words of the song", "Main view"}
CUES = [("subtitles 2", 1, "The first words are spoken."), ("subtitles 2", 2, "Write to sam.roe@gardens.example")]
SPOKEN = [text for _, _, text in CUES]
CLUSTER, TRACKS, UNKNOWN = 0x1F43B675, 0x1654AE6B, b"\x01" + b"\xff" * 7


FILM = real("film.mkv")
AT = FILM.index(b"\x89PNG")
FILES = [("front.png", FILM[AT : AT + 77]), ("notes.txt", b"Notes that came with the film.")]


class TestReadingMatroska(MediaContract):
    row = row_for(MATROSKA)
    documents = (
        SampleDocument(FILM, texts=[*WORDS, *SPOKEN], members=[data for _, data in FILES]),
        SampleDocument(subtitled(*SPOKEN), texts=SPOKEN),
    )


class TestReadingWebm(MediaContract):
    row = row_for(WEBM)
    documents = (SampleDocument(real("film.webm"), texts=[*WORDS, "The first chapter"]),)


def test_files_by_ffmpeg() -> None:
    found, live = heard(FILM, MATROSKA), heard(real("live.mkv"), MATROSKA)
    assert found.words >= WORDS
    assert (found.cues, found.members, found.said) == (CUES, FILES, [])
    assert live.words >= {*WORDS, "The first chapter"}
    assert (live.cues, live.members, live.said) == (CUES, [], [])


def tracks(*more: bytes, codec: bytes = b"S_TEXT/UTF8") -> bytes:
    return subtitle_track(*more, codec=codec)


def packed(algorithm: bytes, *more: bytes) -> bytes:
    return element(0x6D80, element(0x6240, element(0x5034, algorithm, *more)))


def algorithm(number: int) -> bytes:
    return element(0x4254, bytes([number]))


@pytest.mark.parametrize(
    ("track", "data"),
    [
        (tracks(), b"spoken words"),
        (tracks(codec=b"S_TEXT/ASS"), b"spoken words"),
        (tracks(packed(b"")), zlib.compress(b"spoken words")),
        (tracks(packed(algorithm(0))), zlib.compress(b"spoken words")),
        (tracks(packed(algorithm(3), element(0x4255, b"spoken "))), b"words"),
        (subtitle_track(number=2), b"spoken words\0"),
    ],
)
def test_subtitles(track: bytes, data: bytes) -> None:
    film = matroska(element(TRACKS, track), element(CLUSTER, element(0xE7, b"\0"), element(0xA0, element(0xA1, b"\x82\0\0\0" + data))))
    found = heard(film, MATROSKA)
    assert (found.cues, found.said) == ([("subtitles 2", 1, "spoken words")], [])


def test_the_styles_of_subtitles_are_read() -> None:
    track = tracks(element(0x63A2, b"[Script Info]\nTitle: A script"), codec=b"S_TEXT/ASS")
    assert ("styles of subtitles", "[Script Info]\nTitle: A script") in heard(subtitled(tracks=track), MATROSKA).texts


def test_a_track_with_a_number_of_two_bytes() -> None:
    track = element(0xAE, element(0xD7, b"\x01\x2c"), element(0x83, b"\x11"), element(0x86, b"S_TEXT/UTF8"))
    film = matroska(element(TRACKS, track), element(CLUSTER, element(0xA3, b"\x41\x2c\0\0\x80spoken")))
    assert heard(film, MATROSKA).cues == [("subtitles 300", 1, "spoken")]


@pytest.mark.parametrize("more", [packed(algorithm(2)), element(0x6D80, element(0x6240, element(0x5035)))])
def test_subtitles_that_are_locked_are_told_once(more: bytes) -> None:
    found = heard(subtitled("one", "two", tracks=tracks(more)), MATROSKA)
    assert (found.cues, found.said) == ([], ["the subtitles are encrypted, or compressed in a way that is not supported"])


def test_what_cannot_be_unpacked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = heard(subtitled("not packed at all", tracks=tracks(packed(b""))), MATROSKA)
    assert (found.cues, found.said) == ([], ["a subtitle cannot be decompressed"])


def test_a_bomb_is_cut_off() -> None:
    bomb = zlib.compress(bytes(64 << 20))
    film = matroska(element(TRACKS, tracks(packed(b""))), element(CLUSTER, *(block(bomb) for _ in range(40))))
    assert "expand to more than" in heard(film, MATROSKA, Limits(expanded_bytes="20MiB")).said[-1]


@pytest.mark.parametrize(
    ("data", "cues", "said", "unclaimed"),
    [
        (zlib.compress(b"spoken") + b"behind", ["spoken"], [], b"behind"),
        (zlib.compress(b"spoken")[:-4], ["spoken"], ["a subtitle is cut off"], b""),
    ],
)
def test_what_is_behind_packed_bytes_stays_unclaimed_and_what_lacks_is_told(
    data: bytes, cues: list[str], said: list[str], unclaimed: bytes
) -> None:
    found = heard(matroska(element(TRACKS, tracks(packed(b""))), element(CLUSTER, block(data))), MATROSKA)
    assert ([text for _, _, text in found.cues], found.said, found.unclaimed) == (cues, said, unclaimed)


def prefixed(prefix: bytes, *texts: bytes) -> bytes:
    return matroska(element(TRACKS, tracks(packed(algorithm(3), element(0x4255, prefix)))), element(CLUSTER, *map(block, texts)))


def test_what_blocks_begin_with_counts_as_expanded_and_is_short() -> None:
    found = heard(prefixed(b"x" * 1024, *[b"y"] * 9), MATROSKA, Limits(expanded_bytes=4096))
    assert ([text for _, _, text in found.cues], len(found.said)) == (["x" * 1024 + "y"] * 4, 1)
    found = heard(prefixed(b"x" * 1025, b"y"), MATROSKA)
    assert ([text for _, _, text in found.cues], found.said) == (
        ["y"],
        ["a setting of compression has more than 1024 bytes, and was not used"],
    )


def test_pictures_and_blocks_of_unknown_tracks() -> None:
    picture_track = element(0xAE, element(0xD7, b"\2"), element(0x83, b"\x11"), element(0x86, b"S_HDMV/PGS"))
    film = matroska(element(TRACKS, picture_track), element(CLUSTER, block(b"pixels" * 9), block(b"of a track that nobody describes", 9)))
    found = heard(film, MATROSKA)
    assert (found.cues, found.said) == ([], [])
    assert b"of a track that nobody describes" in found.unclaimed
    assert b"pixels" not in found.unclaimed


def attached(name: str, data: bytes) -> bytes:
    return element(0x61A7, element(0x465C, data), element(0x466E, name.encode()), element(0x4660, b"image/png"))


def test_attached_files() -> None:
    found = heard(matroska(element(0x1941A469, attached("cover.png", COVER), attached("../../a.ttf", b"font"))), MATROSKA)
    assert (found.members, found.said) == ([("cover.png", COVER), ("../../a.ttf", b"font")], ["unsafe-path"])


def test_tags_in_tags() -> None:
    inner = element(0x67C8, element(0x45A3, b"URL"), element(0x4487, b"https://a.example"))
    film = matroska(
        element(
            0x1254C367, element(0x7373, element(0x67C8, element(0x45A3, b"ARTIST"), element(0x4487, b"A Singer"), inner)), tag("A", "b")
        )
    )
    assert {("ARTIST", "A Singer"), ("URL", "https://a.example"), ("A", "b")} <= set(heard(film, MATROSKA).texts)


def test_sizes_that_are_not_known() -> None:
    clusters = b"".join(element(CLUSTER, element(0xE7, b"\0"), block(text), size=UNKNOWN) for text in (b"one", b"two"))
    film = element(0x1A45DFA3, element(0x4282, b"webm")) + element(0x18538067, element(TRACKS, tracks()), clusters, size=UNKNOWN)
    found = heard(film, MATROSKA)
    assert ([text for _, _, text in found.cues], found.said) == (["one", "two"], [])


NO_FILM = "the file ends before its film begins"
NO_ELEMENT = "there is no valid element of the film, and what follows up to the next cluster was not read"
DAMAGED = matroska(element(TRACKS, tracks()), element(CLUSTER, block(b"one")), b"\0\0rubbish", element(CLUSTER, block(b"two")))


@pytest.mark.parametrize(
    ("data", "cues", "said"),
    [
        (DAMAGED, ["one", "two"], [NO_ELEMENT]),
        (subtitled("one", "two")[:-1], ["one", "tw"], ["the file ends early: 1 bytes are missing"]),
        (subtitled("one", "two")[:-16], ["one"], ["the file ends early: 16 bytes are missing"]),
        (subtitled("one")[:3], [], [NO_FILM]),
        (element(0x1A45DFA3, b"\xec\xff"), [], [NO_FILM]),
    ],
)
def test_what_is_not_read_is_told(data: bytes, cues: list[str], said: list[str]) -> None:
    found = heard(data, MATROSKA)
    assert ([text for _, _, text in found.cues], found.said[-1:]) == (cues, said)


def test_what_follows_the_film_is_a_member() -> None:
    assert [data for _, data in heard(subtitled("one") + b"behind it", MATROSKA).members] == [b"behind it"]


def test_more_elements_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_MOST", 10)
    found = heard(subtitled("one"), MATROSKA)
    assert (found.texts[:1], found.said) == ([("document type", "matroska")], ["the file has more than 10 elements; the rest was not read"])


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    for at in range(len(FILM)):
        for mask in (0x01, 0x80):
            heard(FILM[:at] + bytes([FILM[at] ^ mask]) + FILM[at + 1 :], MATROSKA)
