"""RPM packages: texts of the headers, the payload, damage, and headers that lie."""

from __future__ import annotations

import gzip
import struct

import pytest

from tests.formats.archives.ar.test_read import row_of
from tests.formats.archives.gathering import RPM
from tests.formats.archives.packed import cpio, rpm
from tests.formats.reading import reader_source
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.archives.rpm import read as reading
from veritensor_ray.formats.archives.rpm.read import read_rpm
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.testing import ReaderContract, SampleDocument

PAYLOAD = gzip.compress(cpio(("./a.txt", b"words")), mtime=0)
STRING, STRINGS, LANGUAGES, NUMBERS, BYTES = 6, 8, 9, 4, 7
VALUES = (
    (1000, STRING, 1, b"a\0"),
    (1005, LANGUAGES, 1, b"A description.\0"),
    (1026, STRING, 1, b"rm -rf /opt/a\0"),
    (1028, NUMBERS, 2, struct.pack(">II", 1, 2)),
    (1035, STRINGS, 2, b"00" * 16 + b"\0" + b"1f" * 16 + b"\0"),
    (1081, STRINGS, 2, b"A <a@b.example>\0B <b@c.example>\0"),
    (1125, STRING, 1, b"gzip\0"),
    (9999, STRING, 1, b"unheard of\0"),
)
TEXTS = {
    "name": "a",
    "description": "A description.",
    "after removal": "rm -rf /opt/a",
    "changelog names": "A <a@b.example>\nB <b@c.example>",
    "payload compressor": "gzip",
    "tag 9999": "unheard of",
}
WHOLE = rpm(PAYLOAD, *VALUES)


class TestReadingPackages(ReaderContract):
    row = row_of(RPM)
    documents = (SampleDocument(WHOLE, texts=[*TEXTS.values()], members=[PAYLOAD]),)

    @pytest.mark.slow
    def test_large_files_are_not_held(self) -> None:
        super().test_large_files_are_not_held()


class Package:
    """What is read from a package: texts by column, members by name, and what is said of the rest."""

    def __init__(self, data: bytes) -> None:
        self.texts: dict[object, str] = {}
        self.members: dict[str, bytes] = {}
        self.said: list[str] = []
        self.source = reader_source(data, Kind(RPM))
        try:
            for item in read_rpm(self.source):
                if isinstance(item, Block):
                    self.texts[item.column] = str(item.texts[0])
                elif isinstance(item, Member):
                    self.members[item.name] = item.file.read()
                elif isinstance(item, Gap):
                    self.said.append(item.reason)
        except ReadError as error:
            self.said.append(str(error))


def test_texts_and_the_payload() -> None:
    found = Package(WHOLE)
    assert (found.texts, found.members, found.said) == (TEXTS, {"payload.cpio.gz": PAYLOAD}, [])


@pytest.mark.parametrize(("named", "name"), [(b"zstd\0", ".zst"), (b"xz\0", ".xz"), (b"lzma\0", ".lzma"), (b"\xff" * 9, ""), (b"", "")])
def test_the_payload_is_named_after_its_compression(named: bytes, name: str) -> None:
    assert [*Package(rpm(PAYLOAD, (1125, STRING, 1, named))).members] == [f"payload.cpio{name}"]


def test_numbers_are_claimed_as_values_and_the_rest_of_the_lead_by_nobody() -> None:
    source = Package(WHOLE).source
    assert (
        source.account.bytes["values"] == 8 + 66 + 41 + 4
    )  # two numbers and digests of the header, the digest and the size of the signature
    assert next(source.account.unclaimed(len(WHOLE))) == (4, 96)


def header_of(*entries: tuple[int, int, int, int], store: bytes) -> bytes:
    """A package whose header has any entries (tag, type, place, count), and a store."""
    whole = rpm(PAYLOAD, *((tag, kind, count, b"") for tag, kind, _, count in entries), (0, 0, 0, store))
    index = b"".join(struct.pack(">IIII", *entry) for entry in entries)
    at = whole.rindex(b"\x8e\xad\xe8\x01") + 16
    return whole[:at] + index + whole[at + len(index) :]


@pytest.mark.parametrize(
    ("package", "texts"),
    [
        (header_of((1000, STRING, 0, 1), (1001, STRING, 4, 1), store=b"one\0two\0"), ["one", "two"]),
        (header_of((1001, STRING, 4, 1), (1000, STRING, 0, 1), store=b"one\0two\0"), ["one", "two"]),
        (header_of(*((1000, STRING, 0, 1) for _ in range(9)), store=b"one\0two\0"), ["one\ntwo"]),
        (header_of((1000, NUMBERS, 0, 2), (1001, STRING, 0, 1), store=b"one\0two\0"), ["one\ntwo"]),
        (header_of((1000, STRING, 999, 1), (1001, 77, 0, 1), store=b"one\0two\0"), []),
        (header_of((1000, STRINGS, 0, 1 << 31), store=b"one\0two\0"), ["one\ntwo"]),
    ],
    ids=["in order", "out of order", "the same value many times", "a text as numbers", "outside of the store", "more than there are"],
)
def test_headers_that_lie(package: bytes, texts: list[str]) -> None:
    found = Package(package)
    assert ([*found.texts.values()], [*found.members.values()], found.said) == (texts, [PAYLOAD], [])


AT = WHOLE.rindex(b"\x8e\xad\xe8\x01")


@pytest.mark.parametrize(
    ("data", "payload", "said"),
    [
        (WHOLE[:-5], [PAYLOAD[:-5]], "the package ends early: 5 bytes are missing"),
        (WHOLE[:AT], [], f"the package ends before its header at byte {AT} is complete"),
        (WHOLE[: AT + 200], [], f"the package ends before its header at byte {AT} is complete"),
        (WHOLE[:AT] + b"?" + WHOLE[AT + 1 :], [], f"no RPM header at byte {AT}"),
        (WHOLE[: AT + 8] + b"\xff" * 4 + WHOLE[AT + 12 :], [], f"no RPM header at byte {AT}"),
    ],
)
def test_damage_is_told(data: bytes, payload: list[bytes], said: str) -> None:
    found = Package(data)
    assert ([*found.members.values()], found.said) == (payload, [said])


def test_bytes_behind_the_package_are_a_member() -> None:
    assert [*Package(WHOLE + b"more").members.values()] == [PAYLOAD, b"more"]


def test_a_text_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LONGEST", 14)
    assert Package(WHOLE).said == [
        "signature 269 has more than 14 bytes, and was not read",
        "description has more than 14 bytes, and was not read",
        "digests has more than 14 bytes, and was not read",
        "changelog names has more than 14 bytes, and was not read",
    ]


@pytest.mark.slow
def test_damage_anywhere_gives_a_result() -> None:
    for at in range(len(WHOLE)):
        for mask in (0x01, 0x80):
            Package(WHOLE[:at] + bytes([WHOLE[at] ^ mask]) + WHOLE[at + 1 :])
