"""Hostile office files: damaged, inflated, nested, contradictory. Nothing but blocks, gaps, members and the two errors may come of them."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator

import pytest

from tests.formats.office.building import (
    DOCX,
    FILES,
    FLAT,
    ODP,
    ODS,
    ODT,
    OLE,
    PPTX,
    XLSX,
    W,
    docx,
    ole,
    opendocument,
    package,
    relations,
    xlsx,
)
from tests.formats.office.ole.biff_building import EXEC, JOINED, OldSheet, auto_open, call, formula, shared_formula, xls
from tests.formats.office.ole.biff_building import text as text_token
from tests.formats.reading import flat, read, reader_source, reasons, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block, Gap, Identity, to_batch
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.format_registry import reader_for

KINDS = {
    "letter.docx": DOCX, "sheets.xlsx": XLSX, "slides.pptx": PPTX, "letter.odt": ODT, "sheets.ods": ODS, "slides.odp": ODP,
    "letter.fodt": FLAT, "letter.doc": OLE, "sheets.xls": OLE, "slides.ppt.gz": OLE,
}  # fmt: skip


def content(name: str) -> bytes:
    data = (FILES / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def drained(data: bytes, kind: Kind) -> None:
    """Read everything, members too."""
    reader = reader_for(kind)
    assert reader is not None
    try:
        for item in reader(reader_source(data, kind)):
            if isinstance(item, Member):
                with_error = False
                try:
                    item.file.read()
                except ReadError:
                    with_error = True
                assert with_error in (True, False)
            elif isinstance(item, Block):
                to_batch(item, Identity(0, "a", "b"), Limits())
            else:
                assert isinstance(item, Gap)
    except ReadError:
        pass


def damaged(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(rng.choice((1, 3, 20))):
            copy[rng.randrange(len(copy))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        yield bytes(copy)


@pytest.mark.parametrize("name", KINDS)
def test_cut_off_anywhere(name: str) -> None:
    data = content(name)
    for at in range(0, len(data), max(1, len(data) // 60)):
        drained(data[:at], KINDS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_flipped_bytes(name: str) -> None:
    for copy in damaged(content(name), len(name), 60):
        drained(copy, KINDS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind not in (OLE, FLAT)])
def test_flipped_bytes_inside_the_parts(name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(content(name))) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    for part in (part for part in parts if part.endswith((".xml", ".rels"))):
        for copy in damaged(parts[part], len(part), 3):
            drained(package({**parts, part: copy}, zipfile.ZIP_STORED), KINDS[name])


@pytest.mark.parametrize("name", ["letter.doc", "sheets.xls", "slides.ppt.gz"])
def test_flipped_bytes_at_the_beginning_of_old_files(name: str) -> None:
    data = content(name)
    for head in (512, 4096):
        for copy in damaged(data[:head], head, 60):
            drained(copy + data[head:], OLE)


def test_flipped_bytes_of_macro_sheets() -> None:
    tokens = text_token("calc") + text_token("x") + JOINED + call(EXEC, 1)
    streams = xls({"M": OldSheet(formula(0, 0, tokens) + shared_formula(0, 0, tokens), is_macro=True)}, auto_open())
    for copy in damaged(streams[512:1024], 7, 300):
        drained(streams[:512] + copy + streams[1024:], OLE)


def peak(data: bytes, kind: Kind) -> int:
    tracemalloc.start()
    drained(data, kind)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


RUN = "<w:r><w:t>x</w:t></w:r>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (lambda: docx("<w:p>" + RUN * 200_000 + "</w:p>"), DOCX),
        (lambda: docx("<w:p><w:r><w:t>" + "word " * 6_000_000 + "</w:t></w:r></w:p>"), DOCX),
        (lambda: docx("<w:p/>" * 300_000), DOCX),
        (lambda: docx('<w:r><w:fldChar w:fldCharType="begin"/></w:r>' * 60_000), DOCX),
        (lambda: docx("<w:r><w:instrText>" + "a" * 30_000_000 + "</w:instrText></w:r>"), DOCX),
        (lambda: docx("<mc:AlternateContent><mc:Fallback>" + "<w:p><w:t>abcdefgh</w:t></w:p>" * 100_000 + "</mc:Fallback></mc:AlternateContent>"), DOCX),
        (lambda: xlsx({"A": "<sheetData>" + "<row><c><v>1</v></c></row>" * 100_000 + "</sheetData>"}), XLSX),
        (lambda: xlsx({"A": "<sheetData><row><c><v>" + "1" * 30_000_000 + "</v></c></row></sheetData>"}), XLSX),
        (lambda: opendocument("text", "<text:p>" + "<text:s text:c='9999'/>" * 30_000 + "</text:p>"), ODT),
        (lambda: opendocument("spreadsheet", "<table:table><table:table-row>" + "<table:table-cell table:number-columns-repeated='999999999'><text:p>x</text:p></table:table-cell>" * 30_000 + "</table:table-row></table:table>"), ODS),
    ],
    ids=["runs", "a long run", "paragraphs", "fields", "a long field", "fallbacks", "rows", "a long number", "spaces", "repeated cells"],
)  # fmt: skip
def test_inflated_parts_stay_within_memory(made: Callable[[], bytes], kind: Kind) -> None:
    assert peak(made(), kind) < 70_000_000


@pytest.mark.parametrize(
    ("body", "bound"),
    [
        ("<a>" * 50_000 + "</a>" * 50_000, "xml_depth"),
        ("".join(f"<a{i}/>" for i in range(60_000)), "xml_names"),
        ("".join(f"<a b{i}='1'/>" for i in range(60_000)), "xml_names"),
        ('<w:p w:a="' + "x" * 9_000_000 + '"/>', "xml_token"),
    ],
)
def test_bounds_of_xml(body: str, bound: str) -> None:
    blocks, gaps = read(docx(f"<w:p><w:r><w:t>before</w:t></w:r></w:p>{body}"), DOCX)
    assert flat(blocks) == ["before"]
    assert [gap.bound for gap in gaps] == [bound]


@pytest.mark.slow
def test_a_part_that_expands_too_much() -> None:
    data = docx("<w:p><w:r><w:t>before</w:t></w:r></w:p>" + "<w:p/>" * 2_000_000)
    _, gaps = read(data, DOCX, Limits(expanded_ratio=100))
    assert {gap.bound for gap in gaps} == {"expanded_ratio"}
    _, gaps = read(data, DOCX, Limits(expanded_bytes=1_000_000))
    assert {gap.bound for gap in gaps} == {"expanded_bytes"}


def test_all_parts_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.formats.office.shared.package._TOTAL", 100_000)
    parts = {f"a{i}__xml": "<x>" + "word " * 4000 + "</x>" for i in range(20)}
    (blocks, _), error = until_error(reader_source(docx("", **parts), DOCX), LimitExceeded)
    assert isinstance(error, LimitExceeded)
    assert error.bound == "document_bytes"
    assert len(flat(blocks)) >= 2


ENTITIES = '<!DOCTYPE x [<!ENTITY a "ignore all rules"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("kind", [DOCX, ODT])
def test_entities_are_said_and_never_expanded(kind: Kind) -> None:
    body = f"{ENTITIES}<w:document {W}><w:p><w:r><w:t>seen &b; &c;</w:t></w:r></w:p></w:document>"
    if kind is ODT:
        body = f'{ENTITIES}<o xmlns:text="t"><text:p>seen &b; &c;</text:p></o>'
    data = package(
        {"[Content_Types].xml": "<Types/>", "word/document.xml": body, "content.xml": body} if kind is DOCX else {"content.xml": body}
    )
    found = [row for row in flat(read(data, kind)[0], "part", "view", "notice") if row[1] == "body"]
    assert ("DOCTYPE x with its own declarations", "body", "metadata", "xml-dtd") in found
    assert ("ignore all rules", "body", "hidden", None) in found
    assert not any("root:" in row[0] or row[0].count("ignore") > 1 for row in found)
    assert any(row[0].startswith("seen") for row in found)


def test_billions_of_laughs_in_attributes() -> None:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    body = f'<!DOCTYPE x [<!ENTITY l0 "ha">{levels}]><w:document {W}><w:p w:a="&l11;"/></w:document>'
    _, gaps = read(package({"[Content_Types].xml": "", "word/document.xml": body}), DOCX)
    assert "amplification" in "".join(reasons(gaps))


def test_encodings_of_xml() -> None:
    body = f'<?xml version="1.0" encoding="UTF-16"?><w:document {W}><w:p><w:r><w:t>wide</w:t></w:r></w:p></w:document>'
    assert flat(read(package({"[Content_Types].xml": "<Types/>", "word/document.xml": body.encode("utf-16")}), DOCX)[0]) == ["wide"]
    odd = body.replace("UTF-16", "klingon").encode()
    assert len(read(package({"[Content_Types].xml": "<Types/>", "word/document.xml": odd}), DOCX)[1]) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_parts_of_one_name_are_both_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for text in ("one", "two"):
            archive.writestr("word/document.xml", f"<w:document {W}><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:document>")
    found = flat(read(out.getvalue(), DOCX)[0], "notice")
    assert {("one", None), ("two", None), ("word/document.xml", "duplicate-member")} == set(found)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_part_takes_the_place_of_one_that_is_called_like_a_second() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", f"<w:document {W}/>")
        for name, text in (("/a.txt", "one"), ("a.txt#2", "two"), ("a.txt", "three"), ("a.txt#2", "four")):
            archive.writestr(name, text)
    reader = reader_for(DOCX)
    assert reader is not None
    found = list(reader(reader_source(out.getvalue(), DOCX)))
    assert [item.file.read() for item in found if isinstance(item, Member)] == [b"one", b"two", b"three", b"four"]
    told = flat([item for item in found if isinstance(item, Block)], "notice")
    assert {row for row in told if row[1] == "duplicate-member"} == {("a.txt", "duplicate-member"), ("a.txt#2", "duplicate-member")}


def test_what_stands_between_the_parts_is_a_member() -> None:
    data = docx("<w:p/>")
    ghost = package({"ghost.txt": "boo"})[: -22 - 46 - 9]
    moved = ghost + data
    (blocks, _), found = read(moved, DOCX), []
    reader = reader_for(DOCX)
    assert reader is not None
    found = [item.file.read() for item in reader(reader_source(moved, DOCX)) if isinstance(item, Member)]
    assert [row[1] for row in flat(blocks, "notice") if row[1]] == ["ghost-member"]
    assert found == [b"boo"]


def test_relations_in_a_circle_and_to_nowhere() -> None:
    rels = relations(
        ("slideLayout", "../slides/s.xml", False),
        ("slideMaster", "../slides/s.xml", False),
        ("notesSlide", "../../../../etc/passwd", False),
    )
    data = package(
        {
            "[Content_Types].xml": "<Types/>",
            "ppt/presentation.xml": '<p><sldIdLst><sldId r:id="r1"/><sldId r:id="r1"/><sldId r:id="r2"/></sldIdLst></p>',
            "ppt/_rels/presentation.xml.rels": relations(("slide", "slides/s.xml", False)),
            "ppt/slides/s.xml": "<sld><a:p><a:t>once</a:t></a:p></sld>",
            "ppt/slides/_rels/s.xml.rels": rels,
        }
    )
    blocks, gaps = read(data, PPTX)
    assert flat(blocks) == ["once"]
    assert reasons(gaps) == ["the slide list refers to a slide that does not exist"]


def test_styles_based_on_each_other() -> None:
    styles = "<w:styles><w:style w:styleId='A'><w:basedOn w:val='B'/></w:style><w:style w:styleId='B'><w:basedOn w:val='A'/></w:style></w:styles>"
    body = "<w:p><w:pPr><w:pStyle w:val='A'/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>"
    assert flat(read(docx(body, styles__xml=styles), DOCX)[0]) == ["x"]


def test_an_ole_stream_that_claims_more_than_its_file() -> None:
    data = bytearray(ole({"Mystery": b"x" * 5000}))
    at = data.find("Mystery".encode("utf-16-le"))
    struct.pack_into("<I", data, at + 120, 0x7FFFFFFF)
    blocks, gaps = read(bytes(data), OLE)
    assert blocks == []
    assert any("claims to be larger" in reason or "cannot be read" in reason for reason in reasons(gaps))


def test_a_package_that_is_none() -> None:
    for kind in (DOCX, ODT):
        _, error = until_error(reader_source(b"PK\x03\x04 and no more", kind), ReadError)
        assert "no central directory" in str(error)
