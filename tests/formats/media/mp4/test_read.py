"""MPEG-4 and QuickTime: lists of tags, pictures, subtitles of every kind, fragments, tables that lie, damage."""

from __future__ import annotations

import struct

import pytest

from tests.cases import each
from tests.formats.media.building import (
    COVER,
    MediaContract,
    box,
    counted,
    frame,
    heard,
    id3,
    item,
    listed,
    mp4,
    real,
    row_for,
)
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import M4A, M4V, MOBILE, MP4, QUICKTIME
from veritensor_ray.formats.media.mp4 import mp4_samples, structure
from veritensor_ray.testing import SampleDocument

WORDS = {"Evening by the river", "A Singer", "Recorded for jane.doe@gardens.example"}
SPOKEN = ("The first words are spoken.", "Write to sam.roe@gardens.example")
CUES = [("subtitles 2", 1, SPOKEN[0]), ("subtitles 2", 2, SPOKEN[1])]
SUBTITLED = mp4(listed(item(b"\xa9nam", b"A title"), item(b"covr", COVER, 14)), samples=[*map(counted, SPOKEN)])


class TestReadingMpeg4(MediaContract):
    row = row_for(MP4)
    documents = (
        SampleDocument(real("film.mp4"), texts=[*WORDS, "Words of the song", "Main view", "The first chapter"]),
        SampleDocument(SUBTITLED, texts=["A title", *SPOKEN], members=[COVER]),
    )


class TestReadingQuickTime(MediaContract):
    row = row_for(QUICKTIME)
    documents = (SampleDocument(real("film.mov"), texts=[*WORDS, "Main view"]),)


class TestReadingM4a(MediaContract):
    row = row_for(M4A)
    documents = (SampleDocument(real("song.m4a"), texts=[*WORDS]),)


class TestReadingOtherBrands(MediaContract):
    row = row_for(MOBILE)
    documents = (SampleDocument(mp4(listed(item(b"\xa9nam", b"A title")), brand=b"3gp4"), texts=["A title"]),)


class TestReadingM4v(MediaContract):
    row = row_for(M4V)
    documents = (SampleDocument(mp4(listed(item(b"\xa9nam", b"A title")), brand=b"M4V "), texts=["A title"]),)


@pytest.mark.parametrize("name", ["film.mp4", "pieces.mp4", "cover.mp4"])
def test_files_by_ffmpeg(name: str) -> None:
    found = heard(real(name), MP4)
    assert found.words >= {*WORDS, "Words of the song"}
    assert found.said == []
    assert [(one, len(data)) for one, data in found.members] == ([("cover", 77)] if name == "cover.mp4" else [])
    assert found.cues == ([] if name == "cover.mp4" else [("subtitles 2", 1, "The first chapter")])


def quicktime(text: str, language: int = 0x55C4) -> bytes:
    return struct.pack(">HH", len(text.encode()), language) + text.encode()


KEYS = box(b"keys", struct.pack(">II", 0, 2), box(b"mdta", b"com.a.title"), box(b"mdta", b"com.a.place"))
NUMBERED = box(
    b"meta", box(b"hdlr", bytes(8) + b"mdta" + bytes(13)), KEYS, box(b"ilst", item(b"\0\0\0\1", b"A title"), item(b"\0\0\0\2", b"+1+2/"))
)
FREE = box(
    b"----", box(b"mean", bytes(4) + b"com.apple"), box(b"name", bytes(4) + b"MOOD"), box(b"data", struct.pack(">II", 1, 0), b"calm")
)
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x>about</x>"


@each(
    ("inside", "texts"),
    [
        (listed(item(b"\xa9nam", "Größe".encode())), [("©nam", "Größe")]),
        (listed(item(b"\xa9nam", "Größe".encode("utf-16-be"), 2)), [("©nam", "Größe")]),
        (listed(item(b"trkn", bytes(8), 0)), []),
        (listed(FREE), [("tag", "com.apple"), ("tag", "MOOD"), ("MOOD", "calm")]),
        (NUMBERED, [("key", "com.a.title"), ("key", "com.a.place"), ("com.a.title", "A title"), ("com.a.place", "+1+2/")]),
        (box(b"udta", box(b"\xa9cmt", quicktime("One") + quicktime("Zwei"))), [("©cmt", "One"), ("©cmt", "Zwei")]),
        (box(b"udta", box(b"\xa9cmt", b"\0\4\0\1caf\x8e")), [("©cmt", "café")]),
        (box(b"udta", box(b"titl", bytes(4) + b"\x15\xc7One\0")), [("titl", "One")]),
        (box(b"udta", box(b"dscp", bytes(6) + "\ufeffZwei".encode("utf-16-be"))), [("dscp", "\ufeffZwei")]),
        (box(b"udta", box(b"name", b"A track")), [("name", "A track")]),
        (box(b"udta", box(b"chpl", b"\1" + bytes(7) + b"\1" + bytes(8) + b"\3one")), [("chapter", "one")]),
        (box(b"meta", bytes(4), box(b"ID32", bytes(6) + id3(frame("TIT2", b"\3One")))), [("TIT2", "One")]),
        (box(b"hdlr", bytes(24) + b"\7Handler"), [("name", "Handler")]),
    ],
)  # fmt: skip
def test_tags(inside: bytes, texts: list[tuple[str, str]]) -> None:
    found = heard(mp4(inside), MP4)
    assert ([one for one in found.texts if one != ("name", "mdta")], found.said) == (texts, [])


@pytest.mark.parametrize(
    ("inside", "members"),
    [
        (listed(item(b"covr", COVER, 14)), [("cover", COVER)]),
        (listed(item(b"covr", COVER, 0)), [("cover", COVER)]),
        (listed(box(b"covr", *(box(b"data", struct.pack(">II", 14, 0), one) for one in (COVER, b"other")))), [("cover", COVER), ("cover", b"other")]),
        (box(b"uuid", XMP), [("XMP", b"<x>about</x>")]),
        (box(b"udta", box(b"XMP_", b"<x>about</x>")), [("XMP", b"<x>about</x>")]),
    ],
)  # fmt: skip
def test_files(inside: bytes, members: list[tuple[str, bytes]]) -> None:
    assert heard(mp4(inside), MP4).members == members


def test_other_boxes_stay_unclaimed() -> None:
    found = heard(mp4(box(b"uuid", b"sixteen bytes of" + b"another kind"), box(b"free", b"left over")), MP4)
    assert b"sixteen bytes ofanother kind" in found.unclaimed
    assert b"left over" in found.unclaimed


@pytest.mark.parametrize(
    ("kind", "samples", "cues"),
    [
        (b"tx3g", [counted("Größe"), counted(""), counted("zwei") + box(b"styl", bytes(4))], ["Größe", "zwei"]),
        (b"tx3g", [struct.pack(">H", 10) + "zwei".encode("utf-16")], ["zwei"]),
        (b"text", [counted("one")], ["one"]),
        (b"wvtt", [box(b"vttc", box(b"iden", b"1"), box(b"payl", b"one")), box(b"vtte"), box(b"vttc", box(b"payl", b"two"))], ["1\none", "two"]),
        (b"stxt", [b"one", b"two"], ["one", "two"]),
        (b"c608", [b"\x14\x20"], []),
    ],
)  # fmt: skip
def test_subtitles(kind: bytes, samples: list[bytes], cues: list[str]) -> None:
    found = heard(mp4(text=kind, samples=samples), MP4)
    assert ([text for _, _, text in found.cues], found.said) == (cues, [])


def test_documents_of_subtitles_are_members() -> None:
    found = heard(mp4(text=b"stpp", samples=[b"<tt>one</tt>"]), MP4)
    assert [data for _, data in found.members] == [b"<tt>one</tt>"]


def test_empty_subtitles_count() -> None:
    assert heard(mp4(samples=[counted("one"), counted(""), counted("three")]), MP4).cues == [
        ("subtitles 2", 1, "one"),
        ("subtitles 2", 3, "three"),
    ]


def fragmented(kind: bytes = b"tx3g", flags: int = 0x201) -> bytes:
    samples = [*map(counted, SPOKEN)]
    index = mp4(samples=[b""], text=kind, sound=b"")
    sizes = struct.pack(f">{len(samples)}I", *map(len, samples)) if flags & 0x200 else b""

    def piece(offset: int) -> bytes:
        run = box(b"trun", struct.pack(">III", flags, len(samples), offset), sizes)
        return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", box(b"tfhd", struct.pack(">II", 0x20000, 2)), run))

    return index + piece(len(piece(0)) + 8) + box(b"mdat", *samples)


def test_subtitles_in_fragments() -> None:
    found = heard(fragmented(), MP4)
    assert ([text for _, _, text in found.cues], found.said) == ([*SPOKEN], [])


def test_fragments_that_lie_do_not_count_less_than_nothing() -> None:
    def moved(base: int, size: int, runs: int) -> bytes:
        head = box(b"tfhd", struct.pack(">IIQI", 0x11, 2, base, size))
        return box(b"traf", head, *[box(b"trun", struct.pack(">II", 0, MOST if runs > 1 else 1))] * runs)

    film = mp4(samples=[b""], text=b"stxt", sound=b"") + box(b"moof", moved(1 << 60, MOST, 7))
    film += box(b"moof", *[moved(0, 60_000, 1)] * 1000) + box(b"mdat", b"x" * 60_000)
    found = heard(film, MP4, Limits(expanded_bytes="20MiB"))
    assert len(found.cues) < 1000
    assert "expand to more than" in found.said[-1]


def test_a_list_of_samples_that_is_shorter_than_it_says_is_none() -> None:
    run = box(b"moof", box(b"traf", box(b"tfhd", bytes(8)), box(b"trun", struct.pack(">II", 0x301, 1))))
    found = heard(WHOLE + run, MP4)
    assert ("©nam", "A title") in found.texts
    assert found.said == []


def test_chunks_before_the_first_that_has_samples_are_empty() -> None:
    sample = counted("one")
    tables = (
        box(b"stsd", struct.pack(">II", 0, 1), box(b"tx3g", bytes(8))),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 2, 1, 1)),
        box(b"stsz", struct.pack(">IIII", 0, 0, 1, len(sample))),
        box(b"stco", struct.pack(">IIII", 0, 2, 0, 8)),
    )
    film = box(b"mdat", sample) + box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", *tables)))))
    assert heard(film, MP4).cues == [("subtitles 1", 1, "one")]


@pytest.mark.parametrize(
    ("bits", "sizes"), [(4, b"\x56\x70"), (8, b"\5\6\7"), (16, b"\0\5\0\6\0\7"), (4, b"\x56\x70" + bytes(9)), (16, b"\0\5\0\6\0\7" * 9)]
)
def test_small_sizes(bits: int, sizes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp4_samples, "_MOST", 6)
    samples = [counted("one"), counted("four"), counted("seven")]
    data = mp4(samples=samples)
    at = data.rindex(b"stsz")
    new = box(b"stz2", bytes(7), bytes([bits]), struct.pack(">I", 3), sizes)
    old = data[at - 4 : at + 28]
    film = data.replace(old, new)
    for parent in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        place = film.rindex(parent) - 4
        film = film[:place] + struct.pack(">I", int.from_bytes(film[place : place + 4], "big") + len(new) - len(old)) + film[place + 4 :]
    found = heard(film, MP4)
    assert [text for _, _, text in found.cues][:3] == ["one", "four", "seven"]
    assert found.said == ["a track has more than 5000000 samples; the rest was not read"] * (len(sizes) > 6)


def test_bytes_of_the_content_that_no_track_names_stay_unclaimed() -> None:
    data = mp4(sound=b"sound" * 9 + b"hidden behind the sound")
    at = data.index(b"stsz") + 16
    found = heard(data[:at] + struct.pack(">I", 45) + data[at + 4 :], MP4)
    assert b"hidden behind the sound" in found.unclaimed
    assert b"soundsound" not in found.unclaimed


def test_a_table_that_names_other_places_claims_nothing_there() -> None:
    data = mp4(box(b"free", b"hidden in another box"))
    at = data.index(b"stco") + 12
    found = heard(data[:at] + struct.pack(">I", data.index(b"hidden") - 5) + data[at + 4 :], MP4)
    assert b"hidden in another box" in found.unclaimed


def lying(table: bytes, *numbers: int, at: int = 4) -> bytes:
    """A film whose last table of this kind has other numbers."""
    place = SUBTITLED.rindex(table) + 4 + at
    return SUBTITLED[:place] + struct.pack(f">{len(numbers)}I", *numbers) + SUBTITLED[place + 4 * len(numbers) :]


MOST = 0xFFFFFFFF


@pytest.mark.parametrize(
    "data",
    [
        lying(b"stsz", MOST, MOST),
        lying(b"stsz", 0, MOST),
        lying(b"stsz", 1, MOST),
        lying(b"stsc", MOST, MOST, MOST),
        lying(b"stsc", 1, 1, MOST),
        lying(b"stsc", 1, 0, 0),
        lying(b"stsc", 1, MOST, MOST),
        lying(b"stco", MOST, MOST),
        lying(b"stco", 1, MOST),
        lying(b"stco", 0, 0),
    ],
)
def test_tables_that_lie_give_a_result(data: bytes) -> None:
    assert "A title" in heard(data, MP4).words


def test_the_same_samples_again_and_again_are_cut_off() -> None:
    sample, count = counted("x" * 60_000), 1000
    sizes = box(b"stsz", struct.pack(">III", 0, len(sample), count))
    chunks = box(b"stco", struct.pack(f">II{count}I", 0, count, *[8] * count))
    runs = box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1))
    table = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), box(b"tx3g")), runs, sizes, chunks)
    film = box(b"mdat", sample) + box(b"moov", box(b"trak", box(b"mdia", box(b"minf", table))))
    found = heard(film, MP4, Limits(expanded_bytes="20MiB"))
    assert 0 < len(found.cues) < count
    assert "expand to more than" in found.said[-1]


def test_boxes_in_boxes_end_at_some_depth() -> None:
    data = b""
    for _ in range(200):
        data = box(b"udta", data)
    assert heard(mp4(data), MP4).said == []


WHOLE = mp4(listed(item(b"\xa9nam", b"A title")))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (SUBTITLED[:-5], ["a box extends beyond the one around it, and was read up to there", "the file ends early: 5 bytes are missing"]),
        (SUBTITLED[:60], [f"the file ends early: {SUBTITLED.index(b'moov') - 4 - 60} bytes are missing"]),
        (box(b"ftyp", b"isom") + box(b"mdat", b"sound"), ["the file has no index of its contents, which may have been cut off"]),
        (box(b"ftyp", b"isom") + struct.pack(">I", 3) + b"moov", ["the file has no index of its contents, which may have been cut off"]),
        (WHOLE.replace(b"\0\0\0\x17data", b"\0\0\x01\x17data"), ["a box extends beyond the one around it, and was read up to there"]),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told(data: bytes, said: list[str]) -> None:
    assert heard(data, MP4).said == said


def test_what_follows_the_file_is_a_member() -> None:
    found = heard(WHOLE + b"\xff\xff\xff\xff\xff\xff\xff\xff behind it", MP4)
    assert [data for _, data in found.members] == [b"\xff\xff\xff\xff\xff\xff\xff\xff behind it"]


def test_more_boxes_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_MOST", 10)
    found = heard(box(b"moov", box(b"udta", box(b"name", b"A track"))) + WHOLE, MP4)
    assert (found.texts, found.said) == ([("name", "A track")], ["the file has more than 10 boxes; the rest was not read"])


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    for data in (SUBTITLED, real("pieces.mp4")):
        for at in range(0, len(data), 2):
            for mask in (0x01, 0x80):
                heard(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :], MP4)
