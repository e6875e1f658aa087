"""Every way in which a file may become more than it is, against every bound: one account, whatever is inside what."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import lz4.frame
import numpy as np
import pyarrow as pa
import pytest
import zstandard
from PIL import Image, PngImagePlugin
from pyarrow import orc

from tests.formats.archives.sevenzip.test_read import FILTERS
from tests.formats.archives.sevenzip.test_read import packed as sevenzipped
from tests.formats.columnar.avro.test_read import record
from tests.formats.columnar.avro.test_read import written as avro
from tests.formats.office.building import docx, ole, opendocument, xlsx
from tests.formats.pdf.building import FONT, packed_objects, pdf, stream, text, write
from tests.pipeline.test_extract import EVIL, RULE, alone
from tests.pipeline.test_members import packed, taped

BOMB = "structure.archive-bomb"


def zipped(name: str, data: bytes) -> bytes:
    """An archive of one file, stored: nothing is made when it is taken out."""
    return packed((name, data), compression=zipfile.ZIP_STORED)


def paragraphs(content: bytes) -> str:
    """The body of a document."""
    pieces = (content[at : at + 1000].decode() for at in range(0, len(content), 1000))
    return "".join(f"<w:p><w:r><w:t>{piece}</w:t></w:r></w:p>" for piece in pieces)


def rows(content: bytes) -> str:
    """The rows of a sheet."""
    pieces = (content[at : at + 1000].decode() for at in range(0, len(content), 1000))
    return "".join(f'<row><c t="inlineStr"><is><t>{piece}</t></is></c></row>' for piece in pieces)


def png(content: bytes = b"") -> bytes:
    """A picture with compressed texts of at most 4 MB."""
    about, out = PngImagePlugin.PngInfo(), io.BytesIO()
    for at in range(0, len(content), 4_000_000):
        about.add_text(f"text {at}", content[at : at + 4_000_000].decode(), zip=True)
    Image.new("L", (8, 8)).save(out, "PNG", pnginfo=about)
    return out.getvalue()


def warc(body: bytes, coding: str) -> bytes:
    """One response."""
    http = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode() + body
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(http)}\r\n\r\n"
    return head.encode() + http + b"\r\n\r\n"


def mail(name: str, attachment: bytes) -> bytes:
    """A message with a file."""
    message = EmailMessage()
    message["From"] = message["To"] = "a@example.org"
    message.set_content("see the file")
    message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename=name)
    return bytes(message)


def encoded(data: bytes) -> bytes:
    """A file as text in a text."""
    return b"here it is: " + base64.b64encode(data) + b" .\n"


def slides(embedded: bytes) -> bytes:
    """An old presentation with a packed object."""
    body = struct.pack("<I", len(embedded)) + zlib.compress(embedded)
    return ole({"PowerPoint Document": struct.pack("<HHI", 0x10, 0x1011, len(body)) + body})


def macros(content: bytes) -> bytes:
    """A module that is as long as `content`: each chunk is a letter and one copy of 4,098."""
    begin = b"\x01" + struct.pack("<H", 0xB000 | 8) + b"\x00Attribut"
    return ole({"VBA/Module1": begin + (struct.pack("<H", 0xB003) + b"\x02a\xff\x0f") * (len(content) // 4099 + 1)})


def properties(content: bytes) -> bytes:
    """Properties of an OLE file that are all the same bytes; together they are as long as `content`."""
    text = content[:50_000]
    count = len(content) // len(text) + 1
    head = struct.pack("<II", 0, count) + b"".join(struct.pack("<II", 100 + i, 8 + 8 * count) for i in range(count))
    value = struct.pack("<II", 0x1E, len(text)) + text
    begin = struct.pack("<HHI16sI", 0xFFFE, 0, 0, b"", 2) + struct.pack("<16sI", b"", 68) * 2
    return ole({"\x05DocumentSummaryInformation": begin + head + value, "WordDocument": bytes(600)})


def columns(content: bytes) -> bytes:
    """An ORC file of strings."""
    out = io.BytesIO()
    pieces = [content[at : at + 1000].decode() for at in range(0, len(content), 1000)]
    orc.write_table(pa.table({"t": pieces}), out, compression="zlib", dictionary_key_size_threshold=0.0)
    return out.getvalue()


def datasets(content: bytes) -> bytes:
    """An HDF5 file with a packed dataset of strings."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("t", data=np.frombuffer(content[: len(content) // 1000 * 1000], "S1000"), compression="gzip")
    return out.getvalue()


def shared(content: bytes) -> bytes:
    """A workbook of ten sheets whose cells all show one text; together they show as much as `content` has."""
    sheet = "<row>" + '<c t="s"><v>0</v></c>' * (len(content) // 10_000) + "</row>"
    return xlsx({f"Sheet {i}": sheet for i in range(10)}, f"<si><t>{content[:1000].decode()}</t></si>")


def shared_of_old(content: bytes) -> bytes:
    """The same as a workbook of Excel 97, whose sheets are all the same records."""
    table = struct.pack("<IIHB", 1, 1, 1000, 0) + content[:1000]
    begin, end = biff(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 6)), biff(0x0A, b"")
    names = [f"Sheet {i}".encode() for i in range(10)]
    length = len(begin) + sum(4 + 8 + len(name) for name in names) + 4 + len(table) + len(end)
    sheets = b"".join(biff(0x85, struct.pack("<IHBB", length, 0, len(name), 0) + name) for name in names)
    cells = b"".join(biff(0xFD, struct.pack("<HHHI", i, 0, 0, 0)) for i in range(len(content) // 10_000))
    sheet = biff(0x809, struct.pack("<HHHHII", 0x600, 16, 0, 0, 0, 6)) + cells + end
    return ole({"Workbook": begin + sheets + biff(0xFC, table) + end + sheet})


def biff(kind: int, body: bytes) -> bytes:
    """A record of an old workbook."""
    return struct.pack("<HH", kind, len(body)) + body


class Road(NamedTuple):
    """A name, a file that `made` packs a text into so that much comes out of little, and one that `holds` another file."""

    name: str
    made: Callable[[bytes], bytes]
    holds: Callable[[bytes], bytes] | None = None


def squeezed(name: str, compress: Callable[[bytes], bytes]) -> Road:
    """A compression: of a text, or of a file."""
    return Road(name, compress, compress)


ATTACHED = b"/Type/EmbeddedFile"
TEXT = record(t="string")
BYTES = record(b="bytes")
ROADS = {
    "gz": squeezed("a.txt.gz", gzip.compress),
    "bz2": squeezed("a.txt.bz2", bz2.compress),
    "xz": squeezed("a.txt.xz", lzma.compress),
    "lzma": squeezed("a.txt.lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    "zst": squeezed("a.txt.zst", zstandard.compress),
    "lz4": squeezed("a.txt.lz4", lz4.frame.compress),
    "zlib": squeezed("a.txt.zlib", zlib.compress),
    "gz in gz": squeezed("a.txt.gz.gz", lambda data: gzip.compress(gzip.compress(data, mtime=0), mtime=0)),
    "gz in zip": squeezed("a.zip", lambda data: zipped("a.txt.gz", gzip.compress(data, mtime=0))),
    "xz in tar": squeezed("a.tar", lambda data: taped(("a.txt.xz", lzma.compress(data)))),
    "gz in 7z": squeezed("a.7z", lambda data: sevenzipped({"a.txt.gz": gzip.compress(data, mtime=0)})),
    "zip": squeezed("a.zip", lambda data: packed(("a", data))),
    "tar.gz": squeezed("a.tar.gz", lambda data: gzip.compress(taped(("a", data)), mtime=0)),
    "7z": squeezed("a.7z", lambda data: sevenzipped({"a": data})),
    "7z, two coders": squeezed("a.7z", lambda data: sevenzipped({"a": data}, FILTERS["x86 lzma"])),
    "zip in zip": squeezed("a.zip", lambda data: packed(("b.zip", packed(("a", data))))),
    "zip behind a program": squeezed("a.exe", lambda data: b"MZ" + bytes(2000) + packed(("a", data))),
    "docx": Road("a.docx", lambda data: docx(paragraphs(data)), lambda file: docx("", embeddings____a=file)),
    "docx in zip": Road("a.zip", lambda data: zipped("a.docx", docx(paragraphs(data)))),
    "xlsx": Road("a.xlsx", lambda data: xlsx({"One": rows(data)})),
    "XLSX, shared strings": Road("a.xlsx", shared),
    "XLS, shared strings": Road("a.xls", shared_of_old),
    "odt": Road("a.odt", lambda data: opendocument("text", f"<text:p>{data.decode()}</text:p>")),
    "epub": squeezed("a.epub", lambda data: packed(("mimetype", b"application/epub+zip"), ("a", data))),
    "ppt": squeezed("a.ppt", slides),
    "VBA": Road("a.doc", macros),
    "OLE properties": Road("a.doc", properties),
    "PDF attachment": squeezed("a.pdf", lambda data: pdf(b"", stream(data, ATTACHED, packed=True))),
    "PDF objects": Road("a.pdf", lambda data: pdf(b"", packed_objects([9], [b"<</Contents(%b)>>" % data]))),
    "base64": Road("a.txt", lambda data: encoded(gzip.compress(data, mtime=0)), encoded),
    "PNG": Road("a.png", png, lambda file: png() + file),
    "Avro": Road("a.avro", lambda data: avro(TEXT, [{"t": data.decode()}], "deflate"), lambda file: avro(BYTES, [{"b": file}], "deflate")),
    "ORC": Road("a.orc", columns),
    "HDF5": Road("a.h5", datasets),
    "WARC, gzip": squeezed("a.warc", lambda data: warc(gzip.compress(data, mtime=0), "gzip")),
    "WARC, deflate": squeezed("a.warc", lambda data: warc(zlib.compress(data), "deflate")),
    "mail": Road("a.eml", lambda data: mail("a.txt.gz", gzip.compress(data, mtime=0)), lambda file: mail("a.bin", file)),
}
roads = pytest.mark.parametrize("road", ROADS)
holders = pytest.mark.parametrize("road", [name for name, road in ROADS.items() if road.holds])


def words(size: int) -> bytes:
    """A text of so many bytes."""
    return (b"some words of text " * (size // 19 + 1))[:size]


def ended(row: dict[str, Any], bound: str) -> None:
    """Said where the status, the gaps and, for the ratio, a finding are looked at."""
    assert row["status"] == "partial"
    assert bound in {gap["bound"] for gap in row["gaps"]}
    assert [one["rule_id"] for one in row["findings"]].count(BOMB) == (bound == "expanded_ratio")


def seen(tmp_path: Path, road: str, data: bytes, **limits: Any) -> dict[str, Any]:
    """What a file came to."""
    return alone(tmp_path, ROADS[road].name, data, engines=["structure"], limits=limits)


@roads
def test_what_comes_out_is_bounded(tmp_path: Path, road: str) -> None:
    data = ROADS[road].made(words(2_000_000))
    ended(seen(tmp_path, road, data, expanded_bytes=1_000_000), "expanded_bytes")
    row = seen(tmp_path, road, data, expanded_bytes=9_000_000)
    assert not {gap["bound"] for gap in row["gaps"]} & {"expanded_bytes", "expanded_ratio"}


@roads
def test_a_little_that_becomes_much_is_a_bomb(tmp_path: Path, road: str) -> None:
    ended(seen(tmp_path, road, ROADS[road].made(words(11_000_000)), expanded_ratio=1), "expanded_ratio")


def unread(row: dict[str, Any]) -> set[str]:
    """Reasons of gaps; that no reader understands the program itself is one that stays."""
    return {gap["reason"] for gap in row["gaps"]} - {"no reader for application/vnd.microsoft.portable-executable"}


@holders
def test_files_are_counted(tmp_path: Path, road: str) -> None:
    holds = ROADS[road].holds
    assert holds
    data = holds(packed(*((f"{i}.txt", b"some words") for i in range(9))))
    ended(seen(tmp_path, road, data, members=8), "members")
    assert unread(seen(tmp_path, road, data, members=20)) == set()


@holders
def test_files_in_files_end_at_a_depth(tmp_path: Path, road: str) -> None:
    holds = ROADS[road].holds
    assert holds
    file = b"some words"
    for name in ("a.txt", "b.zip", "c.zip", "d.zip"):
        file = packed((name, file))
    ended(seen(tmp_path, road, holds(file), depth=3), "depth")
    assert unread(seen(tmp_path, road, holds(file), depth=8)) == set()


def repeated(times: int, extension: str, data: bytes) -> bytes:
    """A zip with so many files that are all the same."""
    return packed(*((f"{i}.{extension}", data) for i in range(times)))


NOISE = random.Random(1).randbytes(30_000).hex().encode()
PART = "<p>" + "some words of text " * 520_000 + "</p>"


@pytest.mark.parametrize(
    ("name", "made", "limits", "bound"),
    [
        ("a.zip", lambda: repeated(40, "txt.gz", gzip.compress(b" " * 9_900_000, mtime=0)), {}, "expanded_ratio"),
        ("a.zip", lambda: repeated(6, "xml", PART.encode()), {"expanded_bytes": "20MB"}, "expanded_bytes"),
        ("a.docx", lambda: docx("", **{f"part{i}__xml": PART for i in range(6)}), {"expanded_bytes": "20MB"}, "expanded_bytes"),
        (
            "a.zip",
            lambda: repeated(6, "txt.gz", gzip.compress(PART.encode() + NOISE, mtime=0)),
            {"expanded_bytes": "20MB"},
            "expanded_bytes",
        ),
    ],
    ids=["spaces in gzip", "parts", "parts of a document", "parts in gzip"],
)
def test_many_files_that_are_each_within_the_bounds(
    tmp_path: Path, name: str, made: Callable[[], bytes], limits: dict[str, Any], bound: str
) -> None:
    ended(alone(tmp_path, name, made(), engines=["structure"], limits=limits), bound)


SIZE = 1_000_000


@cache
def gzipped() -> bytes:
    """A text in gzip."""
    return gzip.compress(words(SIZE), mtime=0)


@pytest.mark.parametrize(
    ("name", "made", "expanded"),
    [
        ("a.tar.xz", lambda: lzma.compress(taped(("a.txt.gz", gzipped()))), lambda: SIZE + len(taped(("a.txt.gz", gzipped())))),
        ("a.tar.gz", lambda: gzip.compress(taped(("a.txt", words(SIZE))), mtime=0), lambda: len(taped(("a.txt", words(SIZE))))),
        ("a.zip", lambda: zipped("b.zip", zipped("c.tar", taped(("a.txt", words(SIZE))))), lambda: 0),
        ("a.zip", lambda: zipped("b.zip", packed(("a.txt", words(SIZE)))), lambda: SIZE),
        ("a.7z", lambda: sevenzipped({"a.txt": words(SIZE), "b.txt": words(SIZE)}), lambda: 2 * SIZE),
        ("a.zip", lambda: zipped("a.docx", docx("", a__txt=words(SIZE))), lambda: SIZE),
        ("a.eml", lambda: mail("a.zip", zipped("a.txt.gz", gzipped())), lambda: SIZE),
    ],
    ids=["gzip in tar.xz", "text in tar.gz", "tar in zips", "zip in zip", "7z", "docx in zip", "gzip in a mail"],
)
def test_what_passes_several_is_counted_once(tmp_path: Path, name: str, made: Callable[[], bytes], expanded: Callable[[], int]) -> None:
    data, size = made(), expanded()
    row = alone(tmp_path, name, data, engines=["structure"], limits={"expanded_bytes": size + 2_000})
    assert (row["status"], row["gaps"]) == ("scanned", [])
    if size:
        ended(alone(tmp_path, name, data, engines=["structure"], limits={"expanded_bytes": size - 1}), "expanded_bytes")


@pytest.mark.parametrize("name", ["a.tar.gz", "b.txt.gz"])
def test_what_came_out_before_the_bound_is_read(tmp_path: Path, name: str) -> None:
    evil, rest = EVIL.encode(), words(3_000_000)
    data = taped(("a.txt", evil), ("b.txt", rest)) if name == "a.tar.gz" else evil + b"\n" + rest
    row = alone(tmp_path, name, gzip.compress(data, mtime=0), limits={"expanded_bytes": 1_000_000})
    assert RULE in {one["rule_id"] for one in row["findings"]}
    ended(row, "expanded_bytes")


def test_pages_that_share_what_they_show(tmp_path: Path) -> None:
    pages = 40
    kids = b" ".join(b"%d 0 R" % (4 + i) for i in range(pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 900 900]/Contents 3 0 R/Resources<</Font<</F1 %d 0 R>>>>>>" % (4 + pages)
    content = stream(b"".join(text("some words of text " * 4, y=800 - 8 * i, size=6) for i in range(90)), packed=True)
    data = write([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, pages), content, *[page] * pages, FONT])
    ended(alone(tmp_path, "a.pdf", data, engines=["structure"], limits={"expanded_bytes": 100_000}), "expanded_bytes")


LINES = b"0 0 m 9 9 l S\n" * 2_500
PAGES = {
    "one page listed again": (b"[%b]" % (b"3 0 R " * 40), b"/Contents 4 0 R", LINES),
    "pages that share their content": (b"[%b]" % b" ".join(b"%d 0 R" % (6 + i) for i in range(40)), b"/Contents 4 0 R", LINES),
    "pages that draw one form": (
        b"[%b]" % b" ".join(b"%d 0 R" % (6 + i) for i in range(40)),
        b"/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>",
        b"/X Do",
    ),
    "a list elsewhere": (b"46 0 R", b"/Contents 4 0 R", LINES),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_that_draw_the_same_without_a_text(tmp_path: Path, name: str) -> None:
    kids, page, content = PAGES[name]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 900 900]%b>>" % page
    tree = b"<</Type/Pages/Kids %b/Count 40>>" % kids
    form = stream(LINES, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]", packed=True)
    data = write(
        [b"<</Type/Catalog/Pages 2 0 R>>", tree, page, stream(content, packed=True), form, *[page] * 40, b"[%b]" % (b"3 0 R " * 40)]
    )
    ended(alone(tmp_path, "a.pdf", data, engines=["structure"], limits={"expanded_bytes": 500_000}), "expanded_bytes")
    assert alone(tmp_path, "a.pdf", data, engines=["structure"], limits={"expanded_bytes": 4_000_000})["gaps"] == []


@pytest.mark.parametrize("size", [20_000_000, 10**18])
def test_the_holes_of_a_sparse_file_are_made(tmp_path: Path, size: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.txt")
        info.size, info.pax_headers = 4, {"GNU.sparse.map": "0,4", "GNU.sparse.size": str(size)}
        archive.addfile(info, io.BytesIO(b"text"))
    ended(alone(tmp_path, "a.tar", out.getvalue(), engines=["structure"]), "expanded_ratio")


def test_entries_that_share_their_data_are_more_than_the_archive(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(30):
            archive.writestr(f"{i:02}.txt", words(40_000) if not i else b"")
        first = archive.infolist()[0]
        for info in archive.infolist():
            info.header_offset, info.CRC, info.compress_size, info.file_size = 0, first.CRC, first.compress_size, first.file_size
    row = alone(tmp_path, "a.zip", out.getvalue(), engines=["structure"], limits={"expanded_bytes": 100_000})
    assert "expanded_bytes" in {gap["bound"] for gap in row["gaps"]}
