"""Enhanced metafiles: every record of text, how strings become lines, EMF+, damage, and records that lie."""

from __future__ import annotations

import struct

import pytest

from tests.cases import each
from tests.formats.reading import reader_source
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.format_table import format_of
from veritensor_ray.core.media_types import EMF, Format
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.drawings import drawn as shared
from veritensor_ray.formats.drawings.emf.read import read_emf
from veritensor_ray.testing import ReaderContract, SampleDocument


def record(kind: int, body: bytes = b"") -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, 8 + len(body)) + body


HEAD = record(1, bytes(32) + b" EMF" + bytes(64))
END = record(14, struct.pack("<III", 0, 16, 20))


def emf(*records: bytes) -> bytes:
    """A drawing of these records between the first and the last one."""
    return b"".join((HEAD, *records, END))


def described(text: str, x: int, y: int, at: int, options: int = 0, widths: int = 0) -> bytes:
    """The description of a string whose characters begin `at` bytes behind the start of the record."""
    return struct.pack("<iiIII16xI", x, y, len(text), at, options, widths)


def drawn(text: str, x: int = 0, y: int = 0, wide: bool = True, options: int = 0) -> bytes:
    """A record that draws a string of characters that are ten units wide."""
    data = text.encode("utf-16-le" if wide else "cp1252")
    data += bytes(-len(data) % 4)
    head = described(text, x, y, 76, options, 76 + len(data))
    return record(84 if wide else 83, bytes(28) + head + data + struct.pack("<I", 10) * len(text))


def drawn_many(*texts: str, apart: int = 1) -> bytes:
    at, heads, data = 40 + 40 * len(texts), b"", b""
    for y, text in enumerate(texts):
        heads += described(text, 0, y * apart, at + len(data))
        data += text.encode("utf-16-le")
    return record(97, bytes(28) + struct.pack("<I", len(texts)) + heads + data)


def drawn_small(text: str, narrow: bool = True, rectangle: bool = True) -> bytes:
    options = (0x200 if narrow else 0) | (0 if rectangle else 0x100)
    head = struct.pack("<iiII", 3, 4, len(text), options) + bytes(12 + (16 if rectangle else 0))
    return record(108, head + text.encode("cp1252" if narrow else "utf-16-le"))


def plus(*records: tuple[int, bytes]) -> bytes:
    inner = b"".join(struct.pack("<HHII", kind, 0, 12 + len(body), len(body)) + body for kind, body in records)
    return record(70, struct.pack("<I", 4 + len(inner)) + b"EMF+" + inner)


def plus_string(text: str, length: int | None = None) -> tuple[int, bytes]:
    return 0x401C, struct.pack("<III16x", 0, 0, len(text) if length is None else length) + text.encode("utf-16-le")


def plus_driver_string(text: str, options: int = 1) -> tuple[int, bytes]:
    return 0x4036, struct.pack("<IIII", 0, options, 0, len(text)) + text.encode("utf-16-le")


class Drawing:
    """The lines of a drawing, and what is said of the rest."""

    def __init__(self, data: bytes) -> None:
        self.lines: list[str] = []
        self.rows: list[int] = []
        self.said: list[str] = []
        self.about = ""
        try:
            for item in read_emf(reader_source(data, Kind(EMF))):
                if isinstance(item, Block) and item.view == "metadata":
                    self.about = item.texts[0]
                elif isinstance(item, Block):
                    assert isinstance(item.row, list)
                    self.lines += map(str, item.texts)
                    self.rows += item.row
                elif isinstance(item, Gap):
                    self.said.append(item.reason)
        except ReadError as error:
            self.said.append(str(error))


def emf_row() -> Format:
    row = format_of(EMF)
    assert row is not None
    return row


class TestReadingDrawings(ReaderContract):
    row = emf_row()
    documents = (
        SampleDocument(emf(drawn("Hello"), drawn("wide", y=20), drawn("narrow ü", y=40, wide=False)), texts=("Hello", "wide", "narrow ü")),
        SampleDocument(emf(drawn_many("one", "two"), plus(plus_string("three"))), texts=("one", "two", "three")),
    )


@each(
    ("records", "lines"),
    [
        ([drawn("Hello")], ["Hello"]),
        ([drawn("Straße €", wide=False)], ["Straße €"]),
        ([drawn("j", 0), drawn("o", 10), drawn("hn", 20), drawn("@", 41)], ["john@"]),
        ([drawn("Name", 0), drawn("Value", 300)], ["Name Value"]),
        ([drawn("two ", 0), drawn("words", 43)], ["two  words"]),
        ([drawn("at "), drawn("the pen")], ["at the pen"]),
        ([drawn("one", y=1), drawn("two", y=20)], ["one", "two"]),
        ([drawn_many("one", "two")], ["one", "two"]),
        ([drawn_small("narrow")], ["narrow"]),
        ([drawn_small("wide", narrow=False)], ["wide"]),
        ([drawn_small("no rectangle", rectangle=False)], ["no rectangle"]),
        ([plus(plus_string("of a string"), (0x4001, b""), plus_driver_string("of a driver"))], ["of a string", "of a driver"]),
        ([record(70, b"\x10\0\0\0another comment.")], []),
    ],
)  # fmt: skip
def test_lines(records: list[bytes], lines: list[str]) -> None:
    found = Drawing(emf(*records))
    assert (found.lines, found.said) == (lines, [])


def test_a_line_has_the_number_of_its_first_record() -> None:
    assert Drawing(emf(record(27), drawn("a", 0, 1), drawn("b", 10, 1), record(27), drawn("c", 0, 2))).rows == [3, 6]


OVERLAPPING = drawn_many("one", "two")
OVERLAPPING = OVERLAPPING[:80] + OVERLAPPING[40:80] + OVERLAPPING[120:]


def test_the_description_is_metadata() -> None:
    about = "A program\0The title\0\0"
    head = record(
        1, bytes(32) + b" EMF" + bytes(8) + bytes(8) + struct.pack("<II", len(about), 100) + bytes(32) + about.encode("utf-16-le")
    )
    assert Drawing(head + END).about == "A program\nThe title"


@each(
    ("data", "lines", "said"),
    [
        (emf(drawn("Hello"))[:-4], ["Hello"], ["the drawing ends early: its last record is missing"]),
        (HEAD + drawn("Hello"), ["Hello"], ["the drawing ends early: its last record is missing"]),
        (HEAD + drawn("one") + struct.pack("<II", 2, 3) + END, ["one"], [f"no valid record of the drawing at byte {len(HEAD + drawn('one'))}"]),
        (HEAD + struct.pack("<II", 2, 0) + END, [], [f"no valid record of the drawing at byte {len(HEAD)}"]),
        (emf(drawn("Hello").replace(b"\x05\0\0\0\x4c", b"\xff\xff\xff\x0f\x4c")), [], ["the text of record 2 extends beyond it"]),
        (emf(OVERLAPPING), ["one"], ["the text of record 2 extends beyond it"]),
        (emf(plus(plus_string("one", 99), plus_string("two"))), ["two"], ["the text of record 2 extends beyond it"]),
        (emf(drawn("Hello", options=0x10)), [], ["the text of record 2 consists of glyph numbers"]),
        (emf(plus(plus_driver_string("ab", options=0))), [], ["the text of record 2 consists of glyph numbers"]),
        (emf(record(81, bytes(200)), record(76, bytes(92))), [], ["bitmaps in a drawing are not read"]),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told(data: bytes, lines: list[str], said: list[str]) -> None:
    found = Drawing(data)
    assert (found.lines, found.said) == (lines, said)


def test_a_text_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_LONGEST", 8)
    found = Drawing(emf(drawn("Hello"), drawn("four", y=1)))
    assert (found.lines, found.said) == (["four"], ["the text of record 2 has more than 8 bytes"])


def test_lines_are_given_off_before_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "BATCH", 4)
    assert Drawing(emf(drawn("Hello"), drawn("same height", 50))).lines == ["Hello", "same height"]
    assert Drawing(emf(drawn_many("Hello", "same record", apart=0))).lines == ["Hello", "same record"]
