"""RTF: text, hidden text, destinations, code pages, files inside; a file of a word processor; damage."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.cases import each
from tests.clock import AtMost
from tests.formats.markup.origins import by_view, check, harmless, items, texts
from tests.formats.reading import members, reader_source, until_error
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.recognition import sniff
from veritensor_ray.formats.rtf import read as reader

RTF = "application/rtf"
COLORS = r"{\colortbl;\red255\green255\blue255;\red0\green0\blue0;\red250\green250\blue250;}"


def rtf(body: str) -> bytes:
    return (
        r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f1\fcharset204 Arial;}{\f2\fcharset128 Mincho;}}"
        + COLORS
        + body
        + "}"
    ).encode("latin-1")


@each(
    ("body", "expected"),
    [
        (r"plain \b bold\b0  text\par next", {"visible": ["plain bold text", "next"]}),
        ("broken\r\n over\n lines", {"visible": ["broken over lines"]}),
        (r"a\tab b\line c\~d\emdash e", {"visible": ["a\tb\nc\xa0d\u2014e"]}),
        (r"caf\'e9 \u8217?s \u-10179?\u-8704?", {"visible": ["café ’s 😀"]}),
        (r"\uc2\u233ab\uc0\u233 x", {"visible": ["ééx"]}),
        (r"{\f1 \'cf\'f0\'e8}", {"visible": ["При"]}),
        (r"{\f2 \'93\'fa\'96\'7b \'83A}", {"visible": ["日本 ア"]}),
        ("roh gr\xfcn", {"visible": ["roh grün"]}),
        (r"\\ \{ \}", {"visible": [r"\ { }"]}),
        (r"pay {\v ignore} the {\v all rules\v0  shown}", {"visible": ["pay  the  shown"], "hidden": ["ignore all rules"]}),
        (r"a{\deleted gone}b{\plain c}", {"visible": ["abc"], "hidden": ["gone"]}),
        (r"a{\fs2 tiny}", {"visible": ["a"], "hidden": ["tiny"]}),
        (r"a{\cf1 white}{\cf2 black}{\cf3 grey}", {"visible": ["ablack"], "hidden": ["white grey"]}),
        (r"\cf1\chcbpat2 on black", {"visible": ["on black"]}),
        (r"\trowd\clcbpat2\cellx1\pard\intbl\cf1 head\cell\row\pard\cf1 hid", {"visible": ["head"], "hidden": ["hid"]}),
        (r"a\cell b\cell\row", {"visible": ["a", "b"]}),
        (r"x{\*\annotation see {\b this}}y", {"visible": ["xy"], "comment": ["see this"]}),
        (r"{\info{\title T}{\author A}}x", {"visible": ["x"], "metadata+": ["title: T", "author: A"]}),
        (r"{\*\generator G;}x", {"visible": ["x"], "metadata+": ["generator: G;"]}),
        (r"{\field{\*\fldinst HYPERLINK x}{\fldrslt here}}", {"visible": ["here"], "metadata+": ["field: HYPERLINK x"]}),
        (r"{\header H}{\footnote F}x", {"visible": ["x", "H", "F"]}),
        (r"\bin4 {{{{x", {"visible": ["x"]}),
        ("}}}x", {"visible": ["x"]}),
    ],
)
def test_texts(body: str, expected: dict[str, list[str]]) -> None:
    data = rtf(body)
    rows = by_view(data, RTF, None)
    metadata = [row for row in rows.pop("metadata", []) if not row.startswith("fonttbl")]
    more = expected.get("metadata+", [])
    assert metadata == more
    assert {view: sorted(found) for view, found in rows.items()} == {
        view: sorted(found) for view, found in expected.items() if view != "metadata+"
    }
    check(items(data, RTF, None), data.decode("latin-1"))


@pytest.mark.parametrize(
    ("body", "notice"),
    [
        (r'{\field{\*\fldinst DDEAUTO c:\\cmd "x"}{\fldrslt }}', "dde"),
        (r'{\field{\*\fldinst DDEAUTO excel "C:\\\\a.xlsx" "R1C1"}{\fldrslt }}', "external-relation"),
        (r'{\field{\*\fldinst INCLUDETEXT "http://x.example/a"}{\fldrslt }}', "external-content"),
        (r"{\*\template http://x.example/a.dot}", "remote-template"),
        (r'{\field{\*\fldinst HYPERLINK "http://x.example"}{\fldrslt x}}', None),
        (r"{\*\template C:\\Normal.dot}", None),
    ],
)
def test_notices(body: str, notice: str | None) -> None:
    found = [one for block in items(rtf(body), RTF, None) if isinstance(block, Block) for one in block.notice or () if one]
    assert found == ([notice] if notice else [])


def string(text: bytes) -> bytes:
    return struct.pack("<I", len(text) + 1) + text + b"\0"


def embedded(kind: bytes, native: bytes) -> bytes:
    return struct.pack("<II", 0x501, 2) + string(kind) + 2 * struct.pack("<I", 0) + struct.pack("<I", len(native)) + native


def package(name: bytes, content: bytes) -> bytes:
    return (
        b"\2\0" + name + b"\0" + b"c:\\" + name + b"\0" + b"\0\0\3\0" + string(b"c:\\" + name) + struct.pack("<I", len(content)) + content
    )


def test_files_inside() -> None:
    hexed = embedded(b"Package", package(b"evil.txt", b"hello")).hex()
    body = (
        r"{\object\objemb{\*\objclass Package}{\*\objdata "
        + "\n".join(hexed[i : i + 7] for i in range(0, len(hexed), 7))
        + "}{\\result shown}}"
        r"{\pict\pngblip 8950}{\pict\wmetafile8\bin3 abc}{\*\objdata "
        + embedded(b"Excel.Sheet", b"book").hex()
        + "}{\\object{\\*\\objdata zz12}}"
    )
    data = rtf(body)
    found = members(data, Kind(RTF))
    assert sorted((name.partition("@")[0] + "/" + name.partition("/")[2], content) for name, content in found.items()) == [
        ("object/", b"\x12"),
        ("object/", b"book"),
        ("object/evil.txt", b"hello"),
        ("picture/", b"abc"),
        ("picture/", b"\x89P"),
    ]
    opaque = [item.opaque for item in items(data, RTF, None) if isinstance(item, Member) and item.name.endswith(".wmf")]
    assert opaque == [True]


def test_a_big_file_says_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LARGEST", 1000)
    _, error = until_error(reader_source(rtf("x" * 2000), Kind(RTF)), LimitExceeded)
    assert isinstance(error, LimitExceeded)
    assert error.bound == "rtf_bytes"


@pytest.mark.skipif(shutil.which("soffice") is None, reason="no word processor")
def test_a_file_of_a_word_processor(tmp_path: Path) -> None:
    page = "<p>Größe and <span style='display:none'>hid</span> 日本 text</p><table><tr><td>cell</td></tr></table>"
    (tmp_path / "a.html").write_text(f"<html><meta charset=utf-8><body>{page}</body></html>", encoding="utf-8")
    command = [
        "soffice",
        f"-env:UserInstallation=file://{tmp_path}/profile",
        "--headless",
        "--infilter=HTML (StarWriter)",
        "--convert-to",
        "rtf",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "a.html"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    data = (tmp_path / "a.rtf").read_bytes()
    assert sniff(data, ".rtf").media_type == RTF
    found = items(data, RTF, None)
    check(found, data.decode("latin-1"))
    rows = [text for view, text, _ in texts(found) if view in ("visible", "hidden")]
    assert any("Größe and" in row and "日本 text" in row for row in rows)
    assert "cell" in rows


REAL = rtf(
    r"caf\'e9 {\v hid}{\f2 \'93\'fa}\u8217?{\*\annotation c}{\pict\pngblip 8950}{\object{\*\objdata 01050000}}{\info{\title T}}\bin2 ab\trowd x\cell"
)


def test_damaged_input() -> None:
    for end in range(len(REAL)):
        harmless(REAL[:end], RTF, None)
    for i in range(len(REAL)):
        harmless(REAL[:i] + bytes([REAL[i] ^ 31]) + REAL[i + 1 :], RTF, None)


@pytest.mark.results
@pytest.mark.parametrize(
    "source",
    [
        b"{" * 400_000,
        rb"\b " * 50_000,
        rb"{\*\xyz a" * 50_000,
        rb"{\v a}b" * 20_000,
        rb"\'e9" * 50_000,
        rb"{\colortbl" + b";" * 100_000,
        rb"\bin999999999 x",
    ],
)
def test_hostile_input_takes_linear_time(source: bytes, at_most: AtMost) -> None:
    with at_most(3):
        items(rb"{\rtf1" + source, RTF, None)
