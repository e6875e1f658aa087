"""Assembles files of sound and film from the descriptions of their formats, and reads them as the pipeline does."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.formats.reading import reader_source
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.format_table import format_of
from veritensor_ray.core.media_types import Format
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.media.media_texts import UNHEARD
from veritensor_ray.testing import ReaderContract

FILES = Path(__file__).with_name("files")
COVER = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\2\0\1H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"


def real(name: str) -> bytes:
    """A file that FFmpeg wrote."""
    return (FILES / name).read_bytes()


def row_for(media_type: str) -> Format:
    row = format_of(media_type)
    assert row is not None
    return row


class MediaContract(ReaderContract):
    """The contract of readers, without the gap that every file of sound or film has because nobody hears it."""

    def items(self, source: Source) -> Iterator[Item]:
        return (item for item in super().items(source) if item != UNHEARD)

    @pytest.mark.slow
    def test_large_files_are_not_held(self) -> None:
        super().test_large_files_are_not_held()


@dataclass
class Heard:
    """What is read beside the sound: texts by their columns, subtitles by their tracks, members, and what is said of the rest."""

    source: Source
    texts: list[tuple[str, str]] = field(default_factory=list)
    cues: list[tuple[str, int, str]] = field(default_factory=list)
    members: list[tuple[str, bytes]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def words(self) -> set[str]:
        return {text for _, text in self.texts}

    @property
    def unclaimed(self) -> bytes:
        """The bytes that nobody claims, without zeros."""
        file, data = self.source.file, b""
        size = file.seek(0, 2)
        for start, end in self.source.account.unclaimed(size):
            file.seek(start)
            data += file.read(end - start)
        return data.replace(b"\0", b"")


def heard(data: bytes, media_type: str, limits: Limits | None = None) -> Heard:
    """Read a file to its end."""
    found = Heard(reader_source(data, Kind(media_type), limits))
    reader = reader_for(found.source.kind)
    assert reader is not None
    try:
        for number, item in enumerate(reader(found.source)):
            if isinstance(item, Member):
                found.members.append((item.name, item.file.read()))
            elif isinstance(item, Gap):
                assert (item == UNHEARD) is (number == 0), "that nobody hears it is said once, and first"
                found.said += [item.reason] if number else []
            else:
                _add(item, found)
    except ReadError as error:
        found.said.append(str(error))
    return found


def _add(block: Block, found: Heard) -> None:
    if block.view == "visible":
        assert isinstance(block.row, list)
        found.cues += [(str(block.part), row, str(text)) for row, text in zip(block.row, block.texts, strict=True)]
    elif block.notice is None:
        assert isinstance(block.column, list)
        found.texts += [(str(column), str(text)) for column, text in zip(block.column, block.texts, strict=True)]
    else:
        found.said += [str(kind) for kind in block.notice]


# MP3 and ID3

FRAME = b"\xff\xfb\x90\x44".ljust(417, b"\x55")
SOUND = FRAME * 3


def seven_bits(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name: str, body: bytes, version: int = 4, flags: int = 0) -> bytes:
    """A frame of a tag."""
    if version == 2:
        return name.encode() + len(body).to_bytes(3, "big") + body
    size = seven_bits(len(body)) if version == 4 else struct.pack(">I", len(body))
    return name.encode() + size + bytes([0, flags]) + body


def id3(*frames: bytes, version: int = 4, flags: int = 0, padding: int = 10) -> bytes:
    """A tag."""
    body = b"".join(frames) + bytes(padding)
    return b"ID3" + bytes([version, 0, flags]) + seven_bits(len(body)) + body


def old_id3(title: str, comment: str = "") -> bytes:
    """A tag of version 1."""
    return b"TAG" + title.encode("latin-1").ljust(30, b"\0") + bytes(64) + comment.encode("latin-1").ljust(30, b"\0") + b"\xff"


def mp3(*texts: str) -> bytes:
    """An MP3 with these texts in its tag."""
    return id3(*(frame("TXXX", b"\3note\0" + text.encode()) for text in texts)) + SOUND


# RIFF


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff(form: bytes, *chunks: bytes) -> bytes:
    return chunk(b"RIFF", form + b"".join(chunks))


def info(*texts: str) -> bytes:
    """A list of comments."""
    return chunk(b"LIST", b"INFO" + b"".join(chunk(b"ICMT", text.encode() + b"\0") for text in texts))


def wav(*chunks: bytes, kind: int = 1) -> bytes:
    """A WAV of some numbers."""
    return riff(
        b"WAVE", chunk(b"fmt ", struct.pack("<HHIIHH", kind, 1, 8000, 16000, 2, 16)), *chunks, chunk(b"data", bytes(range(200)) * 2)
    )


def avi(*chunks: bytes) -> bytes:
    return riff(b"AVI ", chunk(b"LIST", b"hdrl" + chunk(b"avih", bytes(56))), *chunks, chunk(b"LIST", b"movi" + chunk(b"00dc", bytes(40))))


# FLAC and Ogg


def comments(*texts: str) -> bytes:
    """Comments of Vorbis."""
    all_of_them = [text.encode() for text in ("a program", *texts)]
    sized = [struct.pack("<I", len(text)) + text for text in all_of_them]
    return sized[0] + struct.pack("<I", len(texts)) + b"".join(sized[1:])


def described(picture: bytes, about: str = "The front") -> bytes:
    """A picture with its description, as FLAC has it."""
    kind, name = b"image/png", about.encode()
    return (
        struct.pack(">II", 3, len(kind))
        + kind
        + struct.pack(">I", len(name))
        + name
        + bytes(16)
        + struct.pack(">I", len(picture))
        + picture
    )


def flac(*blocks: tuple[int, bytes], sound: bytes = b"\xff\xf8\xc9\x18" + bytes(range(60))) -> bytes:
    """A FLAC with blocks of metadata behind the first one, given by their kinds."""
    every = [(0, bytes(34)), *blocks]
    heads = [bytes([kind | (0x80 if number == len(every) else 0)]) for number, (kind, _) in enumerate(every, 1)]
    return b"fLaC" + b"".join(head + len(body).to_bytes(3, "big") + body for head, (_, body) in zip(heads, every, strict=True)) + sound


def page(*packets: bytes, stream: int = 7, flags: int = 0, goes_on: bool = False) -> bytes:
    """A page of Ogg."""
    lengths = b""
    for number, packet in enumerate(packets, 1):
        lengths += b"\xff" * (len(packet) // 255)
        if not (goes_on and number == len(packets)):
            lengths += bytes([len(packet) % 255])
    assert len(lengths) < 256
    return (
        b"OggS\0" + bytes([flags]) + bytes(8) + struct.pack("<I", stream) + bytes(8) + bytes([len(lengths)]) + lengths + b"".join(packets)
    )


def pages(head: bytes, packet: bytes, sound: bytes = b"sound" * 9) -> bytes:
    """An Ogg whose second packet goes over as many pages as it needs."""
    parts = [packet[at : at + 50_000 // 255 * 255] for at in range(0, len(packet), 50_000 // 255 * 255)]
    middle = [page(part, goes_on=True, flags=bool(number)) for number, part in enumerate(parts[:-1])]
    return page(head, flags=2) + b"".join(middle) + page(parts[-1], flags=bool(middle)) + page(sound, flags=4)


# MPEG-4


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def item(kind: bytes, value: bytes, type_of_value: int = 1) -> bytes:
    """An entry of a list of iTunes."""
    return box(kind, box(b"data", struct.pack(">II", type_of_value, 0), value))


def listed(*items: bytes) -> bytes:
    """The list of iTunes where players look for it."""
    return box(b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)), box(b"ilst", *items)))


def track(format_: bytes, at: int, samples: Sequence[bytes], number: int = 1) -> bytes:
    """A track whose samples stand one after the other."""
    sizes = struct.pack(f">III{len(samples)}I", 0, 0, len(samples), *map(len, samples))
    tables = (
        box(b"stsd", struct.pack(">II", 0, 1), box(format_, bytes(8))),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, len(samples), 1)),
        box(b"stsz", sizes),
        box(b"stco", struct.pack(">III", 0, 1, at)),
    )
    return box(b"trak", box(b"tkhd", struct.pack(">IIII", 0, 0, 0, number), bytes(68)), box(b"mdia", box(b"minf", box(b"stbl", *tables))))


def mp4(*inside: bytes, brand: bytes = b"isom", text: bytes = b"tx3g", samples: Sequence[bytes] = (), sound: bytes = b"sound" * 9) -> bytes:
    """A film with a track of sound and, if there are samples, one of texts. `inside` stands in the box with its index."""
    head = box(b"ftyp", brand, bytes(4), brand)
    tracks = [track(b"mp4a", len(head) + 8, [sound])]
    if samples:
        tracks.append(track(text, len(head) + 8 + len(sound), samples, 2))
    return head + box(b"mdat", sound, *samples) + box(b"moov", box(b"mvhd", bytes(100)), *tracks, *inside)


def counted(text: str) -> bytes:
    """A sample of tx3g."""
    return struct.pack(">H", len(text.encode())) + text.encode()


# Matroska


def element(kind: int, *bodies: bytes, size: bytes | None = None) -> bytes:
    body = b"".join(bodies)
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + (size or (1 << 56 | len(body)).to_bytes(8, "big")) + body


def tag(name: str, text: str) -> bytes:
    return element(0x7373, element(0x67C8, element(0x45A3, name.encode()), element(0x4487, text.encode())))


def subtitle_track(*more: bytes, number: int = 2, codec: bytes = b"S_TEXT/UTF8") -> bytes:
    return element(0xAE, element(0xD7, bytes([number])), element(0x83, b"\x11"), element(0x86, codec), *more)


def block(text: bytes, number: int = 2) -> bytes:
    return element(0xA3, bytes([0x80 | number]) + b"\0\0\x80" + text)


def matroska(*parts: bytes, kind: str = "matroska") -> bytes:
    """A film of these parts."""
    return element(0x1A45DFA3, element(0x4282, kind.encode())) + element(0x18538067, *parts)


def subtitled(*texts: str, tracks: bytes = b"", kind: str = "matroska") -> bytes:
    """A film with subtitles."""
    film = element(0xAE, element(0xD7, b"\1"), element(0x83, b"\1"), element(0x86, b"V_VP8"))
    cluster = element(0x1F43B675, element(0xE7, b"\0"), block(bytes(90), 1), *(block(text.encode()) for text in texts))
    return matroska(element(0x1654AE6B, film, tracks or subtitle_track()), cluster, kind=kind)
