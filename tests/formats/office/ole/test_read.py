"""Old formats in OLE files: texts, macros, embedded files, and what is encrypted."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from functools import reduce
from typing import Any

import msoffcrypto
import pytest

from tests.formats.office.building import FILES, OLE, ole
from tests.formats.reading import flat, members, read, reader_source, reasons, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.office.ole import vba
from veritensor_ray.formats.office.ole.default_password import unlocked

SOURCE = b'Attribute VB_Name = "ThisDocument"\r\nSub Document_Open()\r\n  Shell "calc.exe"\r\nEnd Sub\r\n'


def texts(data: bytes, *fields: str) -> list[Any]:
    return flat(read(data, OLE)[0], *fields)


def compressed(data: bytes) -> bytes:
    """A container of [MS-OVBA] 2.4.1 without a single copy in it."""
    out = b"\x01"
    for at in range(0, len(data), 3000):
        piece = data[at : at + 3000]
        body = b"".join(b"\x00" + piece[i : i + 8] for i in range(0, len(piece), 8))
        out += struct.pack("<H", (len(body) - 1) | 0xB000) + body
    return out


def directory(*modules: tuple[str, int]) -> bytes:
    """A `dir` stream: codepage, version, and name, stream and offset of each module."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HI", kind, len(body)) + body

    out = record(3, struct.pack("<H", 1252)) + struct.pack("<HIIH", 9, 4, 1, 1)
    for name, offset in modules:
        out += record(0x19, name.encode()) + record(0x1A, name.encode()) + record(0x31, struct.pack("<I", offset))
    return out


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (compressed(b"abc" * 3000), b"abc" * 3000),
        (b"\x01" + struct.pack("<H", 0x3FFF) + b"x" * 4096, b"x" * 4096),
        (bytes.fromhex("0103b002614500"), b"a" * 73),
        (compressed(b"whole") + b"\x00", b"whole"),
        (b"\x01\x05\xb0\x02a", b"a"),
        (b"\x01\x05\xb0\x01\x45\x00", b""),
    ],
)
def test_decompression(data: bytes, expected: bytes) -> None:
    assert vba.decompress(data, 0, Budget(Limits(), len(data))) == expected


def project(source: bytes = SOURCE, listed: bool = True) -> dict[str, bytes]:
    return {
        "Macros/VBA/dir": compressed(directory(("ThisDocument", 100)) if listed else b""),
        "Macros/VBA/ThisDocument": b"p" * 100 + compressed(source),
        "Macros/VBA/_VBA_PROJECT": b"\xcc\x61",
        "Macros/PROJECT": b"ID=1",
    }


@pytest.mark.parametrize("listed", [True, False])
def test_macros(listed: bool) -> None:
    found = texts(ole(project(listed=listed)), "part", "notice")
    assert [(row[0].rstrip("\0"), row[2]) for row in found] == [(SOURCE.decode(), "macro-suspicious")]
    assert found[0][1].lower() == "macro thisdocument"


@pytest.mark.parametrize(
    ("source", "notices"),
    [
        ("Sub Hello()\nMsgBox 1\nEnd Sub", ["macro"]),
        ("Sub AutoOpen()\nMsgBox 1\nEnd Sub", ["macro"]),
        ('Sub Tidy()\nSet d = CreateObject("Scripting.Dictionary")\nEnd Sub\nSub Workbook_Open()\nEnd Sub', ["macro"]),
        ('Sub Workbook_Open()\nCreateObject("WScript.Shell").Run x\nEnd Sub', ["macro-suspicious"]),
        ("Sub AutoOpen()\nCreateObject(Chr(87) & x)\nEnd Sub", ["macro-suspicious"]),
        ("Private Declare PtrSafe Function URLDownloadToFileA Lib \"urlmon\" ()\nSub Auto_Open()\nEnd Sub", ["macro-suspicious"]),
        ('Attribute VB_Name = "Sheet1"\nOption Explicit\n\' nothing here', []),
        ("Sub AutoOpen()\nShell x\nEnd Sub\n" + "' padding\n" * 1000, ["macro-suspicious", None]),
    ],
)  # fmt: skip
def test_what_makes_a_macro_suspicious(source: str, notices: list[str | None]) -> None:
    found = texts(ole(project(source.encode())), "notice", "start")
    assert [row[1] for row in found] == notices
    assert "".join(row[0] for row in found).rstrip("\0") == (source if notices else "")


def native(name: str, data: bytes) -> bytes:
    body = b"\x02\x00" + name.encode() + b"\0C:\\" + name.encode() + b"\0\0\0\x03\0" + struct.pack("<I", 5) + b"C:\\t\0"
    body += struct.pack("<I", len(data)) + data
    return struct.pack("<I", len(body)) + body


def test_packages() -> None:
    stream = native("plan.txt", b"burn it")
    assert members(ole({"\x01Ole10Native": stream}), OLE) == {"plan.txt": b"burn it"}
    assert texts(ole({"\x01Ole10Native": stream}), "view", "notice")[0] == ("plan.txt", "metadata", None)
    assert texts(ole({"\x01Ole10Native": native("invoice.pdf.exe", b"MZ")}), "notice")[0] == ("invoice.pdf.exe", "embedded-program")
    link = struct.pack("<I", 60) + b"\x02\x00calc\0C:\\calc\0\0\0\x01\0\x01\0C:\\Windows\\calc.exe\0"
    assert texts(ole({"\x01Ole10Native": link}), "notice") == [("C:\\Windows\\calc.exe", "embedded-program")]
    assert members(ole({"Package": b"PK\x03\x04"}), OLE)["Package"].startswith(b"PK\x03\x04")


@pytest.mark.parametrize(
    ("streams", "word"),
    [
        ({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}, "document"),
        ({"WordDocument": struct.pack("<HHHHHH", 0xA5EC, 0xC1, 0, 0, 0, 0x0100)}, "document"),
        ({"Workbook": struct.pack("<HHHH", 0x809, 4, 0x600, 5) + struct.pack("<HH", 0x2F, 2) + b"\0\0"}, "workbook"),
        ({"PowerPoint Document": b"x", "Current User": b"\0" * 12 + b"\xdf\xc4\xd1\xf3"}, "presentation"),
    ],
)
def test_encrypted_documents(streams: dict[str, bytes], word: str) -> None:
    blocks, gaps = read(ole(streams), OLE)
    reason = f"the {word} is encrypted: its text cannot be read"
    assert (flat(blocks, "notice"), reasons(gaps)) == ([(reason, "encrypted-document")], [reason])


def doc(*pieces: tuple[str, bool], counts: tuple[int, ...] = ()) -> bytes:
    """A Word document of pieces in one byte a character or two; `counts` of its parts."""
    text, table = b"", b""
    place, ends, places = 0x800, [0], b""
    for piece, narrow in pieces:
        data = piece.encode("cp1252" if narrow else "utf-16-le")
        places += struct.pack("<HIH", 0, (place * 2 | 0x40000000) if narrow else place, 0)
        text += data
        place += len(data)
        ends.append(ends[-1] + len(piece))
    plc = struct.pack(f"<{len(ends)}I", *ends) + places
    table = b"\x01\x02\x00ab\x02" + struct.pack("<I", len(plc)) + plc
    head = bytearray(0x800)
    struct.pack_into("<HH", head, 0, 0xA5EC, 0xC1)
    struct.pack_into("<H", head, 0x0A, 0x0200)
    struct.pack_into("<8i", head, 0x4C, *(counts or (ends[-1],)), *[0] * (8 - len(counts or (1,))))
    struct.pack_into("<II", head, 0x1A2, 0, len(table))
    return ole({"WordDocument": bytes(head) + text, "1Table": table})


def test_pieces_and_parts_of_a_word_document() -> None:
    data = doc(("Caf\xe9 \u201cone\u201d\r", True), ("две\x07x\r", False), ("note\rhead\rwhy?\r", True), counts=(17, 5, 5, 0, 5))
    assert texts(data, "part", "view", "start") == [
        ("Café “one”", "body", "visible", 0),
        ("две", "body", "visible", 11),
        ("x", "body", "visible", 15),
        ("note", "footnotes", "visible", 0),
        ("head", "headers", "visible", 0),
        ("why?", "comments", "comment", 0),
    ]


def test_fields_of_a_word_document() -> None:
    data = doc(('see \x13 DDEAUTO cmd "/c calc" \x14shown\x15 now\r', True))
    assert texts(data, "view", "notice") == [(' DDEAUTO cmd "/c calc" ', "metadata", "dde"), ("see shown  now", "visible", None)]


def test_text_that_no_part_claims_is_hidden() -> None:
    assert texts(doc(("body\rghost\r", True), counts=(5,)), "part", "view") == [("body", "body", "visible"), ("ghost", "rest", "hidden")]


def atom(kind: int, body: bytes, version: int = 0) -> bytes:
    return struct.pack("<HHI", version, kind, len(body)) + body


def test_records_of_a_presentation() -> None:
    slide = atom(0x3EE, atom(0x3F9, b"\0" * 10 + b"\x04\0" + b"\0" * 4) + atom(0xFA8, b"hidden slide"), 15)
    outline = atom(0xFF0, atom(0x3F3, b"\0" * 20) + atom(0xFA0, "title\rbody".encode("utf-16-le")), 15)
    notes = atom(0x3F0, atom(0xFA8, b"say hello"), 15)
    comment = atom(0x2EE0, atom(0xFBA, "really?".encode("utf-16-le")), 15)
    inner = ole({"\x01Ole10Native": native("a.txt", b"inside")})
    embedded = atom(0x1011, struct.pack("<I", len(inner)) + zlib.compress(inner), 0x10)
    data = ole({"PowerPoint Document": outline + slide + notes + comment + embedded})
    assert texts(data, "part", "view") == [
        ("title", "outline of slide 1", "visible"),
        ("body", "outline of slide 1", "visible"),
        ("hidden slide", "slide 1", "hidden"),
        ("say hello", "notes 1", "comment"),
        ("really?", None, "comment"),
    ]
    assert members(data, OLE)["object 1"] == inner


def slides(second: bytes) -> bytes:
    """Three slides in a document, the second of which has `second` between two texts."""
    said = [atom(0xFA8, text) for text in (b"first", b"before", b"behind", b"third")]
    inside = [said[0], said[1] + second + said[2], said[3]]
    return ole({"PowerPoint Document": atom(0x3E8, b"".join(atom(0x3EE, one, 15) for one in inside), 15), "Pictures": picture(PNG)})


PNG = b"\x89PNG\r\n\x1a\nimage"
WRONG = "records claim to be longer than their container"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (atom(0xFA9, b"style"), None),
        (struct.pack("<HHI", 0, 0xFA9, 5000), f"1 {WRONG}: 14 bytes may not have been read"),
        (struct.pack("<HHI", 0, 0xFA9, 0xFFFFFFFF), f"1 {WRONG}: 14 bytes may not have been read"),
        (struct.pack("<HHI", 15, 0xF00D, 5000), f"1 {WRONG}: 0 bytes may not have been read"),
        (struct.pack("<HHI", 0, 0xFA8, 5000), f"1 {WRONG}: 14 bytes may not have been read"),
        (struct.pack("<HHI", 0, 0xFA9, 8), f"1 {WRONG}: 6 bytes may not have been read"),
        (reduce(lambda inner, _: atom(0xF00D, inner, 15), range(300), atom(0xFA8, b"deep")), None),
    ],
)
def test_a_record_of_a_wrong_length_costs_no_more_than_its_slide(record: bytes, reason: str | None) -> None:
    data = slides(record)
    found = texts(data, "part")
    assert {("first", "slide 1"), ("before", "slide 2"), ("third", "slide 3")} <= set(found)
    told = reasons(read(data, OLE)[1])
    assert told == ([reason] if reason else [])
    assert ("behind" in "".join(text for text, _ in found)) or "slide 2" in str([gap.location for gap in read(data, OLE)[1]])
    assert members(data, OLE)["picture 1.png"] == PNG


def test_a_presentation_that_is_cut_off_says_so() -> None:
    whole = atom(0x3E8, atom(0x3EE, atom(0xFA8, b"first"), 15) + atom(0x3EE, atom(0xFA8, b"second" * 1000), 15), 15)
    blocks, gaps = read(ole({"PowerPoint Document": whole[:-500]}), OLE)
    assert (flat(blocks)[0], [gap.location for gap in gaps]) == ("first", ["slide 2"])


def picture(data: bytes) -> bytes:
    return struct.pack("<HHI", 0x6E00, 0xF01E, len(data) + 17) + b"d" * 16 + b"\xff" + data


def test_pictures_in_records() -> None:
    data = b"\x89PNG\r\n\x1a\nimage"
    found = members(ole({"PowerPoint Document": atom(0xFA8, b"x"), "Pictures": picture(data) + picture(b"\xff\xd8\xffjpeg")}), OLE)
    assert found == {"picture 1.png": data, "picture 2.jpg": b"\xff\xd8\xffjpeg"}


def test_forms_of_a_macro_project_and_streams_that_nobody_knows() -> None:
    data = ole(project() | {"Macros/Form1/o": b"\x01\x02powershell -enc AAAA\x00"})
    assert ("powershell -enc AAAA", "hidden", "form") in texts(data, "view", "column")
    _, gaps = read(ole({"Mystery": b"data"}), OLE)
    assert [(gap.reason, gap.coverage) for gap in gaps] == [("no reader for this kind of OLE file: 1 streams", "no-reader")]
    assert members(ole({"Mystery": b"data"}), OLE)["Mystery"].rstrip(b"\0") == b"data"


def test_a_word_document_of_libreoffice() -> None:
    blocks, gaps = read((FILES / "letter.doc").read_bytes(), OLE)
    found = flat(blocks, "part", "view")
    assert gaps == []
    assert {
        ("A letter about boats", "properties", "metadata"),
        ("Fees for moorings", "body", "visible"),
        ("Dear captain, the mooring fee is due (hidden by style) in May.", "body", "visible"),
        ("Twelve", "body", "visible"),
        ("Harbour office of Southport", "headers", "visible"),
        (" \tOpen from nine to five.", "footnotes", "visible"),
        (" Is this number right?", "comments", "comment"),
        ("Text in a box.", "textboxes", "visible"),
        (' HYPERLINK "https://example.org/pay" ', "body", "metadata"),
    } <= set(found)


def test_a_workbook_of_libreoffice() -> None:
    blocks, gaps = read((FILES / "sheets.xls").read_bytes(), OLE)
    found = flat(blocks, "part", "row", "column", "view")
    assert gaps == []
    assert [row for row in found if row[1] in ("Berths", "Secret")] == [
        ("Captain", "Berths", 0, "A", "visible"),
        ("Card", "Berths", 0, "C", "visible"),
        ("Ada Example", "Berths", 1, "A", "visible"),
        ("4111111111111111", "Berths", 1, "C", "visible"),
        ("Hidden column", "Berths", 0, "B", "hidden"),
        ("White in a cell", "Berths", 1, "D", "hidden"),
        ("Hidden row", "Berths", 2, "A", "hidden"),
        ("He never pays.", "Berths", 1, "A", "comment"),
        ("On a hidden sheet", "Secret", 0, "A", "hidden"),
    ]


def test_a_presentation_of_libreoffice() -> None:
    found = flat(read(gzip.decompress((FILES / "slides.ppt.gz").read_bytes()), OLE)[0], "part", "view")
    assert {
        ("Boats of the year", "slide 1", "visible"),
        ("A hidden slide", "slide 2", "hidden"),
        ("Say hello first.", "notes 2", "comment"),
    } <= set(found)


def properties(*values: tuple[int, bytes]) -> bytes:
    """A property set of one section."""
    at = 8 + 8 * len(values)
    index, body = b"", b""
    for key, value in values:
        index += struct.pack("<II", key, at + len(body))
        body += value + b"\0" * (-len(value) % 4)
    section = struct.pack("<II", at + len(body), len(values)) + index + body
    return struct.pack("<HHI16sI", 0xFFFE, 0, 0, b"", 1) + b"f" * 16 + struct.pack("<I", 48) + section


def string(text: str) -> bytes:
    return struct.pack("<II", 0x1E, len(text) + 1) + text.encode("cp1252") + b"\0"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(2, string("A plan")), (4, string("Ada"))], [("A plan", "title", None), ("Ada", "author", None)]),
        ([(7, string("Normal.dotm"))], [("Normal.dotm", "template", None)]),
        ([(7, string("http://evil.example/t.dotm"))], [("http://evil.example/t.dotm", "template", "remote-template")]),
        ([(2, struct.pack("<II", 0x1F, 2) + "Ж".encode("utf-16-le") + b"\0\0")], [("Ж", "title", None)]),
        ([(2, struct.pack("<II", 0x101E, 0xFFFFFFFF))], []),
        ([(2, struct.pack("<II", 0x1E, 0xFFFFFFFF) + b"long")], [("long", "title", None)]),
        ([(0x7FFFFFFF, b"\xff" * 8)], []),
    ],
)
def test_properties(values: list[tuple[int, bytes]], expected: list[Any]) -> None:
    assert texts(ole({"\x05SummaryInformation": properties(*values)}), "column", "notice") == expected


def test_what_is_no_ole_file() -> None:
    _, error = until_error(reader_source(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and no more", OLE), ReadError)
    assert str(error).startswith("not a complete OLE file")


def test_a_macro_project_that_is_damaged_is_noticed_all_the_same() -> None:
    (blocks, _), error = until_error(reader_source(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 701, OLE, name="vbaProject.bin"), ReadError)
    assert (flat(blocks, "notice"), str(error)) == ([("vbaProject.bin", "macro")], "the macro project is damaged")


@pytest.mark.parametrize(
    ("streams", "shown"),
    [
        ({"\x01Ole10Native": native("plan.txt", b"MZ\x90\x00\x03\x00")}, "plan.txt"),
        ({"\x01Ole10Native": native("", b"\x7fELF\x02\x01\x01\x00")}, "C:\\"),
        ({"CONTENTS": b"MZ\x90\x00\x03\x00"}, "CONTENTS"),
    ],
)
def test_programs_are_known_by_their_bytes(streams: dict[str, bytes], shown: str) -> None:
    assert (shown, "embedded-program") in texts(ole(streams), "notice")


LETTER = next(path for path in sorted(FILES.iterdir()) if path.suffix == ".docx")


def locked(password: str) -> bytes:
    """A real document, encrypted as Office does."""
    out = io.BytesIO()
    with LETTER.open("rb") as file:
        msoffcrypto.OfficeFile(file).encrypt(password, out)
    return out.getvalue()


def test_the_password_that_office_tries_by_itself_is_tried() -> None:
    assert members(locked("VelvetSweatshop"), OLE) == {"decrypted": LETTER.read_bytes()}
    blocks, gaps = read(locked("VelvetSweatshop"), OLE)
    assert ([block.notice for block in blocks], gaps) == (["default-password"], [])


def test_another_password_is_a_gap() -> None:
    blocks, gaps = read(locked("other"), OLE)
    assert [block.notice for block in blocks] == ["encrypted-document"]
    assert reasons(gaps) == ["the document is encrypted: its text cannot be read"]


def test_a_key_that_takes_hours_is_not_derived() -> None:
    data = locked("VelvetSweatshop")
    assert unlocked(io.BytesIO(data), b'spinCount="4000000000"') is None
    assert unlocked(io.BytesIO(data), b'spinCount="100000"') is not None
