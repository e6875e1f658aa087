"""Outlook messages: properties, bodies, recipients, attachments and messages in messages."""

from __future__ import annotations

import io
import random
import struct

import pytest

from tests.formats.mail import ole_builder
from tests.formats.reading import flat, members, read, reader_source, reasons
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.mail.outlook import read_outlook, unpacked_rtf
from veritensor_ray.formats.recognition import recognise, sniff

KIND = Kind("application/vnd.ms-outlook")
# The example of the specification.
PACKED = bytes.fromhex("2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0")
RTF = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def prop(number: str, text: str) -> dict[str, bytes]:
    """A stream of a Unicode property."""
    return {f"__substg1.0_{number}001F": text.encode("utf-16-le")}


def table(header: int, **values: int) -> dict[str, bytes]:
    """The table of short properties."""
    rows = b"".join(struct.pack("<HHIQ", 3, int(number[1:], 16), 6, value) for number, value in values.items())
    return {"__properties_version1.0": bytes(header) + rows}


def within(name: str, streams: dict[str, bytes]) -> dict[str, bytes]:
    """Streams in a storage."""
    return {f"{name}/{key}": data for key, data in streams.items()}


def message(header: int = 32, **more: str) -> dict[str, bytes]:
    """The streams of a message."""
    texts = {"0037": "Größe — 数据", "0C1A": "Ann", "0E04": "Bob", "1000": "The plain body.", "007D": "Received: by x", "001A": "IPM.Note"}
    streams = table(header, x3FDE=65001)
    for number, text in {**texts, **more}.items():
        streams |= prop(number.lstrip("x"), text)
    return streams


ATTACHMENT = prop("3707", "list.csv") | prop("3704", "LIST~1.CSV") | {"__substg1.0_37010102": b"a,b\n1,2\n"}
WHOLE = (
    message()
    | {"__substg1.0_10130102": "<p>Grüße</p>".encode(), "__substg1.0_10090102": PACKED}
    | within("__recip_version1.0_#00000000", prop("3001", "Bob") | prop("39FE", "bob@example.org"))
    | within("__attach_version1.0_#00000000", ATTACHMENT)
    | within("__attach_version1.0_#00000001", within("__substg1.0_3701000D", message(24, x0037="Inner", x1000="inner body")))
    | within("__attach_version1.0_#00000002", within("__substg1.0_3701000D", {"CONTENTS": b"object"}))
)


def test_a_message() -> None:
    data = ole_builder.write(WHOLE)
    assert sniff(data, "").media_type == "application/x-ole-storage"
    assert recognise(io.BytesIO(data), "").kind.media_type == KIND.media_type
    blocks, gaps = read(data, KIND)
    rows = flat(blocks, "part", "column", "view")
    assert gaps == []
    for row in (
        ("Größe — 数据", None, "subject", "visible"),
        ("The plain body.", None, "body", "visible"),
        ("Received: by x", None, "headers", "metadata"),
        ("bob@example.org", None, "recipient", "metadata"),
        ("Inner", "attachment 2", "subject", "visible"),
        ("inner body", "attachment 2", "body", "visible"),
        ("LIST~1.CSV", "attachment 1", "property 3704", "metadata"),
    ):
        assert row in rows
    found = members(data, KIND)
    assert found == {
        "body.html": b"\xef\xbb\xbf<p>Gr\xc3\xbc\xc3\x9fe</p>",
        "body.rtf": RTF,
        "list.csv": b"a,b\n1,2\n",
        "attachment 3/CONTENTS": b"object",
    }


def test_strings_in_a_code_page() -> None:
    data = ole_builder.write(table(32, x3FFD=1251) | {"__substg1.0_0037001E": "Привет".encode("cp1251")})
    assert flat(read(data, KIND)[0], "column") == [("Привет", "subject")]


def test_large_streams() -> None:
    data = ole_builder.write(message(x1000="x" * 5000 + "end"))
    assert "x" * 5000 + "end" in flat(read(data, KIND)[0])


@pytest.mark.parametrize(
    ("streams", "reason"),
    [
        (message(x001A="IPM.Note.SMIME"), "the message is encrypted"),
        (message() | within("__attach_version1.0_#00000000", ATTACHMENT | prop("3707", "message.rpmsg")), "the message is encrypted"),
        (message() | {"__substg1.0_10090102": b"x" * 50}, "the formatted text is not compressed as the format requires"),
    ],
)
def test_what_cannot_be_read_is_said(streams: dict[str, bytes], reason: str) -> None:
    assert reason in reasons(read(ole_builder.write(streams), KIND)[1])


def test_messages_in_messages_are_bounded() -> None:
    streams = message(24, x1000="bottom")
    for _ in range(25):
        streams = message(24) | within("__attach_version1.0_#00000000", within("__substg1.0_3701000D", streams))
    assert [gap.bound for gap in read(ole_builder.write(streams), KIND)[1]] == ["mail_depth"]


@pytest.mark.parametrize(
    ("data", "rtf"),
    [
        (PACKED, RTF),
        (PACKED[:32], b"{\\rtf1\\ansi\\ansicpg1252\\pard "),
        (PACKED[:10], None),
        (PACKED.replace(b"LZFu", b"none"), None),
        (struct.pack("<II4sI", 20, 5, b"MELA", 0) + b"{\\rtf and more", b"{\\rtf"),
        (struct.pack("<II4sI", 0, 17, b"LZFu", 0) + b"\x02X\x0d\x00Y", b"X"),
        (struct.pack("<II4sI", 0, 3, b"LZFu", 0) + b"\x00abcdefgh", b"abc"),
    ],
)
def test_formatted_text(data: bytes, rtf: bytes | None) -> None:
    assert unpacked_rtf(data) == rtf


def test_damage_raises_nothing_else() -> None:
    data, chance = ole_builder.write(WHOLE), random.Random(5)
    reader = reader_for(KIND)
    assert reader is read_outlook
    damaged = [data[:i] for i in range(0, len(data), 331)]
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 10, 50))):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        damaged.append(bytes(changed))
    for some in damaged:
        try:
            for item in read_outlook(reader_source(some, KIND)):
                assert isinstance(item, (Block, Gap, Member))
        except ReadError:
            pass
