"""Windows metafiles: both records of text, lines, headers, damage, and records that lie."""

from __future__ import annotations

import struct

import pytest

from tests.cases import each
from tests.formats.archives.ar.test_read import row_of
from tests.formats.reading import reader_source
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import WMF
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.drawings import drawn as shared
from veritensor_ray.formats.drawings.wmf.read import read_wmf
from veritensor_ray.testing import ReaderContract, SampleDocument

HEAD = struct.pack("<HHHIHIH", 1, 9, 0x300, 0, 0, 0, 0)
PLACED = b"\xd7\xcd\xc6\x9a" + bytes(18)


def wmf_record(kind: int, body: bytes = b"") -> bytes:
    body += bytes(len(body) % 2)
    return struct.pack("<IH", 3 + len(body) // 2, kind) + body


END = wmf_record(0)


def wmf(*records: bytes, head: bytes = HEAD) -> bytes:
    """A drawing of these records."""
    return b"".join((head, *records, END))


def text_out(text: str, x: int = 0, y: int = 0) -> bytes:
    data = text.encode("cp1252")
    return wmf_record(0x0521, struct.pack("<H", len(data)) + data + bytes(len(data) % 2) + struct.pack("<hh", y, x))


def long_text(text: str, x: int = 0, y: int = 0, options: int = 0, widths: bool = True) -> bytes:
    data = text.encode("cp1252")
    rectangle = bytes(8) if options & 6 else b""
    spaces = struct.pack("<h", 10) * len(data) if widths else b""
    return wmf_record(0x0A32, struct.pack("<hhHH", y, x, len(data), options) + rectangle + data + bytes(len(data) % 2) + spaces)


class Metafile:
    """The lines of a drawing, and what is said of the rest."""

    def __init__(self, data: bytes) -> None:
        self.lines: list[str] = []
        self.rows: list[int] = []
        self.said: list[str] = []
        try:
            for item in read_wmf(reader_source(data, Kind(WMF))):
                if isinstance(item, Block):
                    assert isinstance(item.row, list)
                    self.lines += map(str, item.texts)
                    self.rows += item.row
                elif isinstance(item, Gap):
                    self.said.append(item.reason)
        except ReadError as error:
            self.said.append(str(error))


class TestReadingMetafiles(ReaderContract):
    row = row_of(WMF)
    documents = (
        SampleDocument(wmf(text_out("Hello"), long_text("wide", y=20), text_out("narrow ü", y=40)), texts=("Hello", "wide", "narrow ü")),
        SampleDocument(wmf(text_out("Hello"), head=PLACED + HEAD), texts=["Hello"]),
    )


@each(
    ("records", "lines"),
    [
        ([text_out("Hello")], ["Hello"]),
        ([text_out("odd")], ["odd"]),
        ([long_text("Straße €")], ["Straße €"]),
        ([long_text("odd", options=2)], ["odd"]),
        ([long_text("no widths", widths=False)], ["no widths"]),
        ([long_text("j", 0), long_text("o", 10), long_text("hn", 20), long_text("@", 41)], ["john@"]),
        ([long_text("Name", 0), long_text("Value", 300)], ["Name Value"]),
        ([text_out("Name", 10), text_out("Value", 300)], ["Name Value"]),
        ([text_out("one", y=1), text_out("two", y=20)], ["one", "two"]),
        ([wmf_record(0x0626, b"\x0f\0\4\0none")], []),
    ],
)  # fmt: skip
def test_lines(records: list[bytes], lines: list[str]) -> None:
    found = Metafile(wmf(*records))
    assert (found.lines, found.said) == (lines, [])


def test_a_line_has_the_number_of_its_first_record() -> None:
    assert Metafile(wmf(wmf_record(0x0103), text_out("a", y=1), wmf_record(0x0103), text_out("c", y=2))).rows == [2, 4]


def lying(count: int) -> bytes:
    return text_out("Hello").replace(b"\5\0Hello", struct.pack("<H", count) + b"Hello")


@pytest.mark.parametrize(
    ("data", "lines", "said"),
    [
        (wmf(text_out("Hello"))[:-2], ["Hello"], ["the drawing ends early: its last record is missing"]),
        (HEAD + text_out("Hello"), ["Hello"], ["the drawing ends early: its last record is missing"]),
        (HEAD + text_out("one") + bytes(6), ["one"], [f"no valid record of the drawing at byte {len(HEAD + text_out('one'))}"]),
        (wmf(lying(0xFFFF)), [], ["the text of record 1 extends beyond it"]),
        (wmf(long_text("Hello", options=0x10)), [], ["the text of record 1 consists of glyph numbers"]),
        (wmf(wmf_record(0x0F43, bytes(200))), [], ["bitmaps in a drawing are not read"]),
        (HEAD[:10], [], ["the drawing has no valid header"]),
        (PLACED, [], ["the drawing has no valid header"]),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told(data: bytes, lines: list[str], said: list[str]) -> None:
    found = Metafile(data)
    assert (found.lines, found.said) == (lines, said)


def test_a_text_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_LONGEST", 4)
    found = Metafile(wmf(text_out("Hello"), text_out("four", y=1)))
    assert (found.lines, found.said) == (["four"], ["the text of record 1 has more than 4 bytes"])
