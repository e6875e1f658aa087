"""For every reader: of a real file that is cut off or damaged either all text still comes out, or something says that it did not."""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import zipfile
from collections.abc import Callable

import h5py
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, PngImagePlugin

from tests.formats.archives.packed import bsd_ar, gnu_ar
from tests.formats.archives.sevenzip.test_read import packed as sevenzip
from tests.formats.archives.tar.test_read import info, tarred
from tests.formats.columnar.arrow import test_read as test_arrow
from tests.formats.columnar.avro import test_read as test_avro
from tests.formats.columnar.orc import test_read as test_orc
from tests.formats.mail.ole_builder import write as ole_file
from tests.formats.mail.test_outlook import message
from tests.formats.mail.test_read import HEADER, PLAIN, multipart
from tests.formats.model_files.building import GGUF_ARRAY, GGUF_STRING, gguf
from tests.formats.model_files.test_read import model, npy
from tests.formats.notebook.test_read import code, notebook
from tests.formats.office.building import docx, flat, ole, opendocument, package, pptx, shape, xlsx
from tests.formats.office.ole.test_read import atom, doc, locked, properties, string
from tests.formats.office.opendocument.test_read import cell as odf_cell
from tests.formats.office.opendocument.test_read import sheet as odf_sheet
from tests.formats.office.word.test_read import run
from tests.formats.pdf.building import PAGE, stream, text, write
from tests.formats.records.test_read import example, file_of
from tests.formats.rtf.test_read import rtf
from tests.formats.sqlite.test_read import database
from tests.formats.web_archives.test_read import record
from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import as_read_error
from veritensor_ray.core.format_table import FORMATS, text_type
from veritensor_ray.core.segments import Gap, one_batch
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.walk import Tools, Walk

pytestmark = pytest.mark.slow

CHANCE = random.Random(7)
WORDS = [f"needle{number:02}" for number in range(40)]
_NEEDLE = re.compile(r"needle\d\d")


def padded(word: str) -> str:
    """The word among others that do not compress."""
    return f"{word} " + " ".join("".join(CHANCE.choices("abcdefghijklmnop", k=9)) for _ in range(40))


LINES = [padded(word) for word in WORDS]
BODY = "\n".join(LINES)
TABLE = pa.table({"text": LINES})
OOXML = "application/vnd.openxmlformats-officedocument"
ODF = "application/vnd.oasis.opendocument"


def paragraphs(tag: str) -> str:
    return "".join(f"<{tag}>{line}</{tag}>" for line in LINES)


def hdf5() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as root:
        for number, line in enumerate(LINES):
            root[f"group/text{number}"] = line
    return out.getvalue()


def picture(kind: str) -> bytes:
    out, noted = io.BytesIO(), PngImagePlugin.PngInfo()
    noted.add_text("Comment", BODY)
    image = Image.frombytes("RGB", (60, 60), CHANCE.randbytes(60 * 60 * 3))
    exif = Image.Exif()
    exif[0x010E] = BODY[:60_000]
    image.save(out, kind, **{"PNG": {"pnginfo": noted}, "GIF": {"comment": b"needle00"}, "BMP": {}}.get(kind, {"exif": exif}))  # type: ignore[arg-type]
    return out.getvalue()


def pdf() -> bytes:
    pages = range(6, 6 + 2 * len(LINES), 2)
    kids = b" ".join(b"%d 0 R" % number for number in pages)
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, len(LINES)), b"null", b"null"]
    objects.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    for number, line in zip(pages, LINES, strict=True):
        objects += [(PAGE % (b"", b"", b"")).replace(b"4 0 R", b"%d 0 R" % (number + 1)), stream(text(line[:30]), packed=True)]
    return write(objects)


def old_workbook() -> bytes:
    """An Excel workbook of version 5: a sheet of labels."""
    label = b"".join(_biff(0x204, row.to_bytes(2, "little") + bytes(4) + _short(line[:200])) for row, line in enumerate(LINES))
    start, end = _biff(0x809, bytes.fromhex("0005050000000000")), _biff(0x0A, b"")
    sheet = _biff(0x809, bytes.fromhex("0005100000000000")) + label + end
    bound = len(start) + 4 + 13 + len(end)
    return ole({"Book": start + _biff(0x85, bound.to_bytes(4, "little") + bytes(2) + b"\x06Sheet1") + end + sheet})


def _biff(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(body).to_bytes(2, "little") + body


def _short(line: str) -> bytes:
    return len(line).to_bytes(2, "little") + line.encode()


def presentation() -> bytes:
    slides = b"".join(atom(0x3EE, atom(0xFA8, line.encode()), 15) for line in LINES)
    return ole({"PowerPoint Document": atom(0x3E8, slides, 15)})


def odf(kind: str, body: str, form: str = "") -> Callable[[], bytes]:
    return lambda: opendocument(kind, body, mimetype=f"{ODF}.{kind}{form}")


def mailbox() -> bytes:
    return b"".join(b"From a@b.c Mon Jan  1 10:00:00 2024\n" + HEADER + b"\r\n" + line.encode() + b"\r\n\r\n" for line in LINES)


def package_of_lines() -> bytes:
    """A Debian package of a text for each word."""
    data = tarred(*((info(f"{number}.txt"), line.encode()) for number, line in enumerate(LINES)))
    return bsd_ar(("debian-binary", b"2.0\n"), ("control.tar", tarred((info("control"), b"Package: a\n"))), ("data.tar", data))


def zipped(**names: bytes | str) -> bytes:
    return package(dict(names), zipfile.ZIP_DEFLATED)


def entries(**more: str | bytes) -> Callable[[], bytes]:
    """A zip of a text for each word."""
    return lambda: package(more | {f"texts/{number}.txt": line for number, line in enumerate(LINES)})


def subtitles(form: str) -> Callable[[], bytes]:
    return lambda: "".join(form.format(n=number, text=line) for number, line in enumerate(LINES, 1)).encode()


PARAGRAPHS = paragraphs("text:p")
# A real file of each kind that has a reader, and a name that promises it.
CASES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "application/json": ("a.json", lambda: json.dumps({"texts": LINES}, indent=1).encode()),
    "application/jsonl": ("a.jsonl", lambda: "\n".join(json.dumps({"text": line}) for line in LINES).encode()),
    "application/x-ipynb+json": ("a.ipynb", lambda: notebook(*(code(source=line) for line in LINES))),
    "text/html": ("a.html", lambda: f"<html><body>{paragraphs('p')}</body></html>".encode()),
    "application/xhtml+xml": ("a.xhtml", lambda: f"<?xml version='1.0'?><html><body>{paragraphs('p')}</body></html>".encode()),
    "image/svg+xml": ("a.svg", lambda: f"<svg>{paragraphs('text')}</svg>".encode()),
    "text/xml": ("a.xml", lambda: f"<?xml version='1.0'?><a>{paragraphs('b')}</a>".encode()),
    "text/x-tex": ("a.tex", lambda: f"\\documentclass{{article}}\\begin{{document}}\n{BODY}\n\\end{{document}}".encode()),
    "application/x-subrip": ("a.srt", subtitles("{n}\n00:00:01,000 --> 00:00:02,000\n{text}\n\n")),
    "text/vtt": ("a.vtt", lambda: b"WEBVTT\n\n" + subtitles("00:00:01.000 --> 00:00:02.000\n{text}\n\n")()),
    "text/x-ssa": ("a.ass", lambda: b"[Script Info]\n[Events]\n" + subtitles("Dialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,{text}\n")()),
    "text/x-microdvd": ("a.sub", subtitles("{{{n}}}{{{n}}}{text}\n")),
    "application/rtf": ("a.rtf", lambda: rtf("\\par ".join(LINES))),
    "application/epub+zip": ("a.epub", entries(mimetype="application/epub+zip")),
    "text/csv": ("a.csv", lambda: ("text,number\n" + "".join(f"{line},1\n" for line in LINES)).encode()),
    "text/tab-separated-values": ("a.tsv", lambda: ("text\tnumber\n" + "".join(f"{line}\t1\n" for line in LINES)).encode()),
    "application/vnd.apache.parquet": ("a.parquet", lambda: test_arrow.written(TABLE, test_arrow.PARQUET, row_group_size=5)),
    "application/vnd.apache.arrow.file": ("a.arrow", lambda: test_arrow.written(TABLE, test_arrow.FILE, max_chunksize=5)),
    "application/vnd.apache.arrow.stream": ("a.arrow", lambda: test_arrow.written(TABLE, test_arrow.STREAM, max_chunksize=5)),
    "application/vnd.apache.avro": (
        "a.avro",
        lambda: test_avro.written(test_avro.record(t="string"), [{"t": line} for line in LINES], "deflate", sync_interval=2000),
    ),
    "application/vnd.apache.orc": ("a.orc", lambda: test_orc.written(TABLE, compression="zlib")),
    "application/vnd.sqlite3": ("a.db", lambda: database("CREATE TABLE t (a TEXT)", ("INSERT INTO t VALUES (?)", [[line] for line in LINES]))),
    "application/warc": ("a.warc", lambda: b"".join(record("conversion", line.encode()) for line in LINES)),
    "application/x-tfrecord": ("a.tfrecord", lambda: file_of(*(example(t=[line]) for line in LINES))),
    "application/zip": ("a.zip", entries()),
    "application/x-pytorch": ("a.pt", entries(**{"a/data.pkl": pickle.dumps("x")})),
    "application/x-npz": ("a.npz", lambda: package({f"{number}.npy": npy(np.array([line])) for number, line in enumerate(LINES)})),
    "application/x-tar": ("a.tar", lambda: tarred(*((info(f"{n}.txt"), line.encode()) for n, line in enumerate(LINES)))),
    "application/x-unix-archive": ("a.ar", lambda: gnu_ar(*((f"{n:016}.txt", line.encode()) for n, line in enumerate(LINES)))),
    "application/x-deb": ("a.deb", package_of_lines),
    "application/x-7z-compressed": ("a.7z", lambda: sevenzip({f"{n}.txt": line.encode() for n, line in enumerate(LINES)})),
    "application/x-pickle": ("a.pkl", lambda: pickle.dumps(LINES)),
    "application/x-safetensors": ("a.safetensors", lambda: _safetensors()),
    "application/x-gguf": ("a.gguf", lambda: gguf([("a", GGUF_STRING, BODY), ("b", GGUF_ARRAY, LINES)])),
    "application/x-onnx": ("a.onnx", lambda: model().replace(b"the model", b"needle000")),
    "application/x-npy": ("a.npy", lambda: npy(np.array(LINES))),
    "application/x-hdf5": ("a.h5", hdf5),
    "application/x-faiss": ("a.faiss", lambda: b"IxF2" + (8).to_bytes(4, "little") + bytes(8) + (1 << 20).to_bytes(8, "little") * 2 + bytes(99)),
    "application/pdf": ("a.pdf", pdf),
    "message/rfc822": ("a.eml", lambda: multipart(*(PLAIN + line.encode() for line in LINES))),
    "application/mbox": ("a.mbox", mailbox),
    "application/vnd.ms-outlook": ("a.msg", lambda: ole_file(message(x1000=BODY))),
    "image/png": ("a.png", lambda: picture("PNG")),
    "image/jpeg": ("a.jpg", lambda: picture("JPEG")),
    "image/gif": ("a.gif", lambda: picture("GIF")),
    "image/webp": ("a.webp", lambda: picture("WEBP")),
    "image/bmp": ("a.bmp", lambda: picture("BMP")),
    "image/tiff": ("a.tiff", lambda: picture("TIFF")),
    f"{OOXML}.wordprocessingml.document": ("a.docx", lambda: docx("".join(f"<w:p>{run(line)}</w:p>" for line in LINES))),
    f"{OOXML}.spreadsheetml.sheet": (
        "a.xlsx",
        lambda: xlsx(
            {"One": "<sheetData>" + "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(len(LINES))) + "</sheetData>"},
            "".join(f"<si><t>{line}</t></si>" for line in LINES),
        ),
    ),
    f"{OOXML}.presentationml.presentation": ("a.pptx", lambda: pptx([shape(line) for line in LINES])),
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": (
        "a.xlsb",
        lambda: package({"[Content_Types].xml": "<Types/>", "xl/workbook.bin": CHANCE.randbytes(9000), "docProps/app.xml": f"<a>{BODY}</a>"}),
    ),
    "application/vnd.apple.iwork": ("a.pages", entries(**{"Index/Document.iwa": CHANCE.randbytes(9000)})),
    **{
        f"{ODF}.{kind}{form}": (f"a.{kind}", odf(kind, PARAGRAPHS, form))
        for kind in ("text", "graphics", "chart", "formula", "image")
        for form in ("", "-template")
    },
    **{f"{ODF}.{kind}": (f"a.{kind}", odf(kind, PARAGRAPHS)) for kind in ("text-master", "text-web", "database")},
    **{
        f"{ODF}.spreadsheet{form}": ("a.ods", odf("spreadsheet", odf_sheet("".join(f"<table:table-row>{odf_cell(line)}</table:table-row>" for line in LINES)), form))
        for form in ("", "-template")
    },
    **{f"{ODF}.presentation{form}": ("a.odp", odf("presentation", f"<draw:page>{PARAGRAPHS}</draw:page>", form)) for form in ("", "-template")},
    f"{ODF}.flat-xml": ("a.fodt", lambda: flat(PARAGRAPHS)),
    "application/msword": ("a.doc", lambda: doc((BODY.replace("\n", "\r"), True))),
    "application/vnd.ms-excel": ("a.xls", old_workbook),
    "application/vnd.ms-powerpoint": ("a.ppt", presentation),
    "application/x-ole-storage": ("a.vsd", lambda: ole({"\x05SummaryInformation": properties((2, string(BODY))), "VisioDocument": b"\x00"})),
    "application/x-ole-encrypted": ("a.docx", lambda: locked("another one")),
}  # fmt: skip


def _safetensors() -> bytes:
    header = json.dumps({"__metadata__": {"note": BODY}}).encode()
    return len(header).to_bytes(8, "little") + header


def visited(name: str, data: bytes, media_type: str | None = None) -> tuple[str, str, Outcome]:
    """What a walk makes of a file: its media type, all texts, and the outcome."""
    outcome = Outcome(name, 0, 0)
    tools = Tools(Workbench((), {}), (), frozenset(), True, Recorder({}, b"key", 10), Limits(), lambda: None)
    walk, found = Walk(tools, outcome, len(data)), list[str]()
    source, about = walk.recognised(io.BytesIO(data), FileInfo(name, len(data), ""))
    try:
        for placed in walk.artifact(source, about):
            found += filter(None, one_batch([(placed.block, placed.identity)]).column("text").to_pylist())
    except Exception as error:  # noqa: BLE001  # as the boundary of an artifact does it
        outcome.add_gap(Gap.of(as_read_error(error, "the file cannot be read")))
    outcome.settle()
    return about.media_type, "\n".join(found), outcome


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(max(0, length))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "the last byte is missing": lambda data: data[:-1],
    "a tenth is cut off": lambda data: data[: len(data) * 9 // 10 - 7],
    "half is cut off": lambda data: data[: len(data) // 2 - 7],
    "nearly all is cut off": lambda data: data[: max(600, len(data) // 8 - 7)],
    "the middle is zeros": lambda data: data[: len(data) // 3] + bytes(len(data) // 3) + data[len(data) // 3 * 2 :],
    "the middle is noise": lambda data: data[: len(data) // 3] + noise(len(data) // 3) + data[len(data) // 3 * 2 :],
    "the middle is gone": lambda data: data[: len(data) // 3] + data[len(data) // 3 * 2 :],
    "behind its head is noise": lambda data: data[:512] + noise(len(data) - 512),
}
ENOUGH = 0.4  # of the text: where formats have no checksums other bytes are other text, and have been read
# Text has no structure that could be damaged: what stands there is what there is.
AS_IT_STANDS = (
    "application/xhtml+xml",
    "image/svg+xml",
    "application/rtf",
    "message/rfc822",
    "application/mbox",
    f"{ODF}.flat-xml",
    "application/x-subrip",
    "application/x-ssa",
    "application/json",
    "application/jsonl",
    "application/x-ipynb+json",
)
ODD_NAMES = re.compile(r"\b(ValueError|struct\.error|Exceeds the limit|malloc)\b:?")


def test_every_reader_has_a_case() -> None:
    assert set(CASES) == {one.media_type for one in FORMATS if one.read}, "give the new reader a real file here"


@pytest.mark.parametrize("media_type", CASES)
def test_a_whole_file_is_read(media_type: str) -> None:
    name, build = CASES[media_type]
    data = build()
    kind, read, outcome = visited(name, data)
    assert kind == media_type
    expected = {"application/x-faiss": 0, "image/bmp": 0, "application/x-ole-encrypted": 0, "image/gif": 1, "application/x-onnx": 1}
    assert len(set(_NEEDLE.findall(read))) == expected.get(media_type, len(WORDS))
    bodiless = media_type in ("application/x-ole-storage", "application/vnd.apple.iwork") or "binary" in media_type
    assert outcome.status == ("partial" if media_type.endswith("encrypted") else "skipped" if bodiless else "scanned")
    assert bool(outcome.gaps) == (bodiless or media_type.endswith("encrypted"))


@pytest.mark.parametrize("media_type", CASES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_lost_is_told(media_type: str, damage: str) -> None:
    name, build = CASES[media_type]
    whole = build()
    data = DAMAGES[damage](whole)
    _, before, _ = visited(name, whole)
    kind, after, outcome = visited(name, data)
    assert not any(ODD_NAMES.match(gap.reason) for gap in outcome.gaps), "a reason is a sentence about the file"
    told = bool(outcome.gaps) or outcome.status != "scanned"
    if told or set(_NEEDLE.findall(after)) >= set(_NEEDLE.findall(before)):
        return
    there = set(_NEEDLE.findall(data.decode("latin-1")))
    if kind.startswith("text/") or kind in AS_IT_STANDS or text_type(f".{name.partition('.')[2]}") != "text/plain":
        assert set(_NEEDLE.findall(after)) >= there, "what there is of a text is read"
    elif damage.endswith(("missing", "cut off")):
        raise AssertionError("text is lost and nobody says so")
    else:
        assert len(after) >= ENOUGH * len(before), "text is lost and nobody says so"
