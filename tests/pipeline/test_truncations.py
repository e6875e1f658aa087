"""Nothing is cut off without a word: with each bound made small, a file that is beyond it has a gap with the bound's name."""

from __future__ import annotations

import base64
import io
import struct
import tarfile
from pathlib import Path

import pytest

from tests.formats.mail import ole_builder
from tests.formats.mail.test_outlook import WHOLE
from tests.formats.office.building import FILES, ole, opendocument
from tests.formats.office.opendocument.test_read import BASIC
from tests.formats.pdf.building import pdf, stream
from tests.pipeline.test_budget import macros, png, words
from tests.pipeline.test_extract import alone
from tests.pipeline.test_members import packed

TOKENS = "\n".join(base64.b64encode(f"some words, the {i}. time".encode()).decode() for i in range(9)).encode()
SCRIPT = stream(b"app.launchURL('https://example.org/')")
XMP = stream(b"<x:xmpmeta><dc:title>some words</dc:title></x:xmpmeta>", b"/Type/Metadata")


def sparse(*parts: int) -> bytes:
    """A tar with a sparse file of these places and lengths."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.txt")
        info.size, info.pax_headers = 8, {"GNU.sparse.map": ",".join(map(str, parts)), "GNU.sparse.size": "20"}
        archive.addfile(info, io.BytesIO(b"texttext"))
    return out.getvalue()


def pictured(count: int) -> bytes:
    """An old presentation with pictures."""
    record = struct.pack("<HHI", 0, 0xF01E, len(png()) + 17) + bytes(17) + png()
    return ole({"PowerPoint Document": struct.pack("<HHI", 0, 0x0FBA, 0), "Pictures": record * count})


@pytest.mark.parametrize(
    ("constant", "value", "name", "data", "bound"),
    [
        ("encoded_text._MOST", 3, "a.txt", TOKENS, "layer_texts"),
        ("archives.tar.read._EXTENDED", 9, "a.tar", sparse(0, 8), "tar_header"),
        ("archives.tar.structure._PARTS", 1, "a.tar", sparse(0, 4, 8, 4), "sparse_parts"),
        ("office.ole.vba._LARGEST", 4096, "a.doc", macros(words(9_000)), "macro_bytes"),
        ("office.opendocument.read._MODULE", 9, "a.odt", opendocument("text", "", Basic____M__xml=BASIC), "macro_bytes"),
        ("office.ole.old_pictures._MOST", 2, "a.ppt", pictured(3), "ole_pictures"),
        ("office.ole.biff._MOST", 0, "a.xls", (FILES / "sheets.xls").read_bytes(), "xls_records"),
        ("office.ole.xls._NAMES", -1, "a.xls", (FILES / "sheets.xls").read_bytes(), "xls_names"),
        ("mail.outlook._MOST_RTF", 20, "a.msg", ole_builder.write(WHOLE), "held_bytes"),
        ("pdf.pdf_document._SCRIPT_BYTES", 9, "a.pdf", pdf(b"", SCRIPT, b"<</S/JavaScript/JS 6 0 R>>"), "pdf_stream_bytes"),
        ("pdf.pdf_document._SCRIPT_BYTES", 9, "a.pdf", pdf(b"", XMP), "pdf_stream_bytes"),
    ],
)
def test_a_reader_says_what_it_cuts_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: str, value: int, name: str, data: bytes, bound: str
) -> None:
    assert bound not in {gap["bound"] for gap in alone(tmp_path, name, data, engines=["structure"])["gaps"]}
    monkeypatch.setattr(f"veritensor_ray.formats.{constant}", value)
    row = alone(tmp_path, name, data, engines=["structure"])
    assert (row["status"], bound in {gap["bound"] for gap in row["gaps"]}) == ("partial", True)


def test_data_that_is_shared_too_often_is_a_gap_of_that_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.formats.archives.zip.zip_entries._SHARED", 1000)
    data = bytearray(packed(("a.txt", words(2_000)), ("b.txt", b""), ("c.txt", b"")))
    first = data.index(b"PK\x01\x02")
    for _ in range(2):
        at = data.index(b"PK\x01\x02", first + 4)
        data[at + 16 : at + 28], data[at + 42 : at + 46] = data[first + 16 : first + 28], bytes(4)
        data[at + 10 : at + 12] = data[first + 10 : first + 12]
        first, data[at : at + 4] = first, b"PK\x01\x03"
    data = data.replace(b"PK\x01\x03", b"PK\x01\x02")
    row = alone(tmp_path, "a.zip", bytes(data), engines=["structure"])
    assert "shared_data" in {gap["bound"] for gap in row["gaps"]}


def test_a_configuration_of_too_many_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.engines.modelfiles.configuration.bracket_nodes.NODES", 5)
    row = alone(tmp_path, "config.json", b'{"model_type": "x", "a": [[], [], [], [], [], []]}', engines=["modelfiles"])
    assert [(gap["engine"], gap["bound"]) for gap in row["gaps"]] == [("modelfiles", "config_nodes")]
