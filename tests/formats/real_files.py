"""A real file of each kind that has a reader, with given lines of text in it."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
from collections.abc import Callable, Sequence

import h5py
import numpy as np
import pyarrow as pa
from PIL import Image, PngImagePlugin

from tests.engines.modelfiles.graphs.assembling import constant, core_ml, field, graph, node, paddle, paddle_op, saved_model
from tests.formats.archives.packed import bsd_ar, cab, cab_block, cpio, gnu_ar, image, rar, rar_entry, rpm
from tests.formats.archives.sevenzip.test_read import packed as sevenzip
from tests.formats.archives.tar.test_read import info, tarred
from tests.formats.columnar.arrow import test_read as test_arrow
from tests.formats.columnar.avro import test_read as test_avro
from tests.formats.columnar.lance.lance_files import lance_file
from tests.formats.columnar.orc import test_read as test_orc
from tests.formats.drawings.emf.test_read import drawn, emf
from tests.formats.drawings.wmf.test_read import text_out, wmf
from tests.formats.duckdb.making import database as duckdb_file
from tests.formats.mail.ole_builder import write as ole_file
from tests.formats.mail.test_outlook import message
from tests.formats.mail.test_read import HEADER, PLAIN, multipart
from tests.formats.media import building as media
from tests.formats.model_files.building import GGUF_ARRAY, GGUF_STRING, gguf
from tests.formats.model_files.test_read import model, npy
from tests.formats.notebook.test_read import code, notebook
from tests.formats.office.building import docx, flat, ole, opendocument, package, pptx, shape, xlsx
from tests.formats.office.excel.binary_building import row as binary_row
from tests.formats.office.excel.binary_building import shared, xlsb
from tests.formats.office.ole.test_read import atom, doc, locked, properties, string
from tests.formats.office.opendocument.test_read import cell as odf_cell
from tests.formats.office.opendocument.test_read import sheet as odf_sheet
from tests.formats.office.word.test_read import run
from tests.formats.pdf.building import PAGE, stream, text, write
from tests.formats.records.test_read import example, file_of
from tests.formats.rtf.test_read import rtf
from tests.formats.sqlite.test_read import database
from tests.formats.web_archives.test_read import record

OOXML = "application/vnd.openxmlformats-officedocument"
ODF = "application/vnd.oasis.opendocument"
# The name of a file, which promises its kind, and what makes it.
Case = tuple[str, Callable[[], bytes]]


def _biff(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(body).to_bytes(2, "little") + body


def _short(line: str) -> bytes:
    return len(line).to_bytes(2, "little") + line.encode()


class RealFiles:
    """Makes files of these lines. Those that need chance get it from a seed."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines, self.body = list(lines), "\n".join(lines)
        self.table, self._chance = pa.table({"text": self.lines}), random.Random(7)

    def paragraphs(self, tag: str) -> str:
        return "".join(f"<{tag}>{line}</{tag}>" for line in self.lines)

    def hdf5(self) -> bytes:
        out = io.BytesIO()
        with h5py.File(out, "w") as root:
            for number, line in enumerate(self.lines):
                root[f"group/text{number}"] = line
        return out.getvalue()

    def picture(self, kind: str) -> bytes:
        out, noted = io.BytesIO(), PngImagePlugin.PngInfo()
        noted.add_text("Comment", self.body)
        image = Image.frombytes("RGB", (60, 60), self._chance.randbytes(60 * 60 * 3))
        exif = Image.Exif()
        exif[0x010E] = self.body[:60_000]
        image.save(out, kind, **{"PNG": {"pnginfo": noted}, "GIF": {"comment": b"needle00"}, "BMP": {}}.get(kind, {"exif": exif}))  # type: ignore[arg-type]
        return out.getvalue()

    def pdf(self) -> bytes:
        pages = range(6, 6 + 2 * len(self.lines), 2)
        kids = b" ".join(b"%d 0 R" % number for number in pages)
        objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, len(self.lines)), b"null", b"null"]
        objects.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
        for number, line in zip(pages, self.lines, strict=True):
            objects += [(PAGE % (b"", b"", b"")).replace(b"4 0 R", b"%d 0 R" % (number + 1)), stream(text(line[:30]), packed=True)]
        return write(objects)

    def old_workbook(self) -> bytes:
        """An Excel workbook of version 5: a sheet of labels."""
        label = b"".join(_biff(0x204, row.to_bytes(2, "little") + bytes(4) + _short(line[:200])) for row, line in enumerate(self.lines))
        start, end = _biff(0x809, bytes.fromhex("0005050000000000")), _biff(0x0A, b"")
        sheet = _biff(0x809, bytes.fromhex("0005100000000000")) + label + end
        bound = len(start) + 4 + 13 + len(end)
        return ole({"Book": start + _biff(0x85, bound.to_bytes(4, "little") + bytes(2) + b"\x06Sheet1") + end + sheet})

    def presentation(self) -> bytes:
        slides = b"".join(atom(0x3EE, atom(0xFA8, line.encode()), 15) for line in self.lines)
        return ole({"PowerPoint Document": atom(0x3E8, slides, 15)})

    def odf(self, kind: str, body: str, form: str = "") -> Callable[[], bytes]:
        return lambda: opendocument(kind, body, mimetype=f"{ODF}.{kind}{form}")

    def mailbox(self) -> bytes:
        return b"".join(b"From a@b.c Mon Jan  1 10:00:00 2024\n" + HEADER + b"\r\n" + line.encode() + b"\r\n\r\n" for line in self.lines)

    def package_of_lines(self) -> bytes:
        """A Debian package of a text for each word."""
        data = tarred(*((info(f"{number}.txt"), line.encode()) for number, line in enumerate(self.lines)))
        return bsd_ar(("debian-binary", b"2.0\n"), ("control.tar", tarred((info("control"), b"Package: a\n"))), ("data.tar", data))

    def cpio_of_lines(self) -> bytes:
        """A cpio of a text for each word."""
        return cpio(*((f"{number}.txt", line.encode()) for number, line in enumerate(self.lines)))

    def cabinet_of_lines(self) -> bytes:
        """A cabinet of a text for each word."""
        files = [(f"{number}.txt", sum(len(line) for line in self.lines[:number]), len(line)) for number, line in enumerate(self.lines)]
        return cab((0, [cab_block(line.encode()) for line in self.lines], files))

    def entries(self, **more: str | bytes) -> Callable[[], bytes]:
        """A zip of a text for each word."""
        return lambda: package(more | {f"texts/{number}.txt": line for number, line in enumerate(self.lines)})

    def subtitles(self, form: str) -> Callable[[], bytes]:
        return lambda: "".join(form.format(n=number, text=line) for number, line in enumerate(self.lines, 1)).encode()

    def _safetensors(self) -> bytes:
        header = json.dumps({"__metadata__": {"note": self.body}}).encode()
        return len(header).to_bytes(8, "little") + header

    def cases(self) -> dict[str, Case]:
        """A case for each media type."""
        paragraphs = self.paragraphs("text:p")
        return {
        "application/json": ("a.json", lambda: json.dumps({"texts": self.lines}, indent=1).encode()),
        "application/jsonl": ("a.jsonl", lambda: "\n".join(json.dumps({"text": line}) for line in self.lines).encode()),
        "application/x-ipynb+json": ("a.ipynb", lambda: notebook(*(code(source=line) for line in self.lines))),
        "text/html": ("a.html", lambda: f"<html><body>{self.paragraphs('p')}</body></html>".encode()),
        "application/xhtml+xml": ("a.xhtml", lambda: f"<?xml version='1.0'?><html><body>{self.paragraphs('p')}</body></html>".encode()),
        "image/svg+xml": ("a.svg", lambda: f"<svg>{self.paragraphs('text')}</svg>".encode()),
        "text/xml": ("a.xml", lambda: f"<?xml version='1.0'?><a>{self.paragraphs('b')}</a>".encode()),
        "text/x-tex": ("a.tex", lambda: f"\\documentclass{{article}}\\begin{{document}}\n{self.body}\n\\end{{document}}".encode()),
        "application/x-subrip": ("a.srt", self.subtitles("{n}\n00:00:01,000 --> 00:00:02,000\n{text}\n\n")),
        "text/vtt": ("a.vtt", lambda: b"WEBVTT\n\n" + self.subtitles("00:00:01.000 --> 00:00:02.000\n{text}\n\n")()),
        "text/x-ssa": ("a.ass", lambda: b"[Script Info]\n[Events]\n" + self.subtitles("Dialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,{text}\n")()),
        "text/x-microdvd": ("a.sub", self.subtitles("{{{n}}}{{{n}}}{text}\n")),
        "application/rtf": ("a.rtf", lambda: rtf("\\par ".join(self.lines))),
        "application/epub+zip": ("a.epub", self.entries(mimetype="application/epub+zip")),
        "text/csv": ("a.csv", lambda: ("text,number\n" + "".join(f"{line},1\n" for line in self.lines)).encode()),
        "text/tab-separated-values": ("a.tsv", lambda: ("text\tnumber\n" + "".join(f"{line}\t1\n" for line in self.lines)).encode()),
        "application/vnd.apache.parquet": ("a.parquet", lambda: test_arrow.written(self.table, test_arrow.PARQUET, row_group_size=5)),
        "application/vnd.apache.arrow.file": ("a.arrow", lambda: test_arrow.written(self.table, test_arrow.FILE, max_chunksize=5)),
        "application/vnd.apache.arrow.stream": ("a.arrow", lambda: test_arrow.written(self.table, test_arrow.STREAM, max_chunksize=5)),
        "application/vnd.apache.avro": (
            "a.avro",
            lambda: test_avro.written(test_avro.record(t="string"), [{"t": line} for line in self.lines], "deflate", sync_interval=2000),
        ),
        "application/vnd.apache.orc": ("a.orc", lambda: test_orc.written(self.table, compression="zlib")),
        "application/x-lance": ("a.lance", lambda: lance_file(self.table)),
        "application/vnd.sqlite3": ("a.db", lambda: database("CREATE TABLE t (a TEXT)", ("INSERT INTO t VALUES (?)", [[line] for line in self.lines]))),
        "application/x-duckdb": ("a.duckdb", lambda: duckdb_file(f"CREATE TABLE t AS SELECT unnest({self.lines!r}) AS a")),
        "application/warc": ("a.warc", lambda: b"".join(record("conversion", line.encode()) for line in self.lines)),
        "application/x-tfrecord": ("a.tfrecord", lambda: file_of(*(example(t=[line]) for line in self.lines))),
        "application/zip": ("a.zip", self.entries()),
        "application/x-pytorch": ("a.pt", self.entries(**{"a/data.pkl": pickle.dumps("x")})),
        "application/x-npz": ("a.npz", lambda: package({f"{number}.npy": npy(np.array([line])) for number, line in enumerate(self.lines)})),
        "application/x-tar": ("a.tar", lambda: tarred(*((info(f"{n}.txt"), line.encode()) for n, line in enumerate(self.lines)))),
        "application/x-unix-archive": ("a.ar", lambda: gnu_ar(*((f"{n:016}.txt", line.encode()) for n, line in enumerate(self.lines)))),
        "application/x-deb": ("a.deb", self.package_of_lines),
        "application/x-cpio": ("a.cpio", self.cpio_of_lines),
        "application/x-rpm": ("a.rpm", lambda: rpm(gzip.compress(self.cpio_of_lines()), (1000, 6, 1, b"a\0"), (1125, 6, 1, b"gzip\0"))),
        "application/vnd.rar": ("a.rar", lambda: rar(*(rar_entry(f"{n}.txt", line.encode()) for n, line in enumerate(self.lines)))),
        "application/vnd.ms-cab-compressed": ("a.cab", self.cabinet_of_lines),
        "application/x-iso9660-image": ("a.iso", lambda: image(*((f"{n}.TXT", line.encode()) for n, line in enumerate(self.lines)))),
        "application/x-7z-compressed": ("a.7z", lambda: sevenzip({f"{n}.txt": line.encode() for n, line in enumerate(self.lines)})),
        "application/x-pickle": ("a.pkl", lambda: pickle.dumps(self.lines)),
        "application/x-safetensors": ("a.safetensors", self._safetensors),
        "application/x-gguf": ("a.gguf", lambda: gguf([("a", GGUF_STRING, self.body), ("b", GGUF_ARRAY, self.lines)])),
        "application/x-onnx": ("a.onnx", lambda: model().replace(b"the model", b"needle000")),
        "application/x-tensorflow": ("a.pb", lambda: saved_model(graph(node("x", "Placeholder"), constant("texts", *self.lines)))),
        "application/x-paddle": ("a.pdmodel", lambda: paddle(*(paddle_op("relu", {"note": line}) for line in self.lines))),
        "application/x-coreml": ("a.mlmodel", lambda: core_ml(502, field(3, self.body))),
        "application/x-npy": ("a.npy", lambda: npy(np.array(self.lines))),
        "application/x-hdf5": ("a.h5", self.hdf5),
        "application/x-faiss": ("a.faiss", lambda: b"IxF2" + (8).to_bytes(4, "little") + bytes(8) + (1 << 20).to_bytes(8, "little") * 2 + bytes(99)),
        "application/pdf": ("a.pdf", self.pdf),
        "message/rfc822": ("a.eml", lambda: multipart(*(PLAIN + line.encode() for line in self.lines))),
        "application/mbox": ("a.mbox", self.mailbox),
        "application/vnd.ms-outlook": ("a.msg", lambda: ole_file(message(x1000=self.body))),
        "image/png": ("a.png", lambda: self.picture("PNG")),
        "image/jpeg": ("a.jpg", lambda: self.picture("JPEG")),
        "image/gif": ("a.gif", lambda: self.picture("GIF")),
        "image/webp": ("a.webp", lambda: self.picture("WEBP")),
        "image/bmp": ("a.bmp", lambda: self.picture("BMP")),
        "image/tiff": ("a.tiff", lambda: self.picture("TIFF")),
        "audio/mpeg": ("a.mp3", lambda: media.mp3(*self.lines)),
        "audio/mp4": ("a.m4a", lambda: media.mp4(media.listed(*(media.item(b"\xa9cmt", line.encode()) for line in self.lines)), brand=b"M4A ")),
        "audio/ogg": ("a.ogg", lambda: media.pages(b"OpusHead" + bytes(11), b"OpusTags" + media.comments(*self.lines))),
        "audio/x-flac": ("a.flac", lambda: media.flac((4, media.comments(*self.lines)))),
        "audio/x-wav": ("a.wav", lambda: media.wav(media.info(*self.lines))),
        "video/x-m4v": ("a.m4v", lambda: media.mp4(samples=[media.counted(line) for line in self.lines], brand=b"M4V ")),
        "video/3gpp": ("a.3gp", lambda: media.mp4(samples=[media.counted(line) for line in self.lines], brand=b"3gp4")),
        "video/quicktime": ("a.mov", lambda: media.mp4(samples=[media.counted(line) for line in self.lines], brand=b"qt  ", text=b"text")),
        "video/mp4": ("a.mp4", lambda: media.mp4(samples=[media.counted(line) for line in self.lines])),
        "video/webm": ("a.webm", lambda: media.subtitled(*self.lines, kind="webm")),
        "video/x-matroska": ("a.mkv", lambda: media.subtitled(*self.lines)),
        "video/x-msvideo": ("a.avi", lambda: media.avi(media.info(*self.lines))),
        "image/wmf": ("a.wmf", lambda: wmf(*(text_out(line, y=number) for number, line in enumerate(self.lines)))),
        "image/emf": ("a.emf", lambda: emf(*(drawn(line, y=number) for number, line in enumerate(self.lines)))),
        f"{OOXML}.wordprocessingml.document": ("a.docx", lambda: docx("".join(f"<w:p>{run(line)}</w:p>" for line in self.lines))),
        f"{OOXML}.spreadsheetml.sheet": (
            "a.xlsx",
            lambda: xlsx(
                {"One": "<sheetData>" + "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(len(self.lines))) + "</sheetData>"},
                "".join(f"<si><t>{line}</t></si>" for line in self.lines),
            ),
        ),
        f"{OOXML}.presentationml.presentation": ("a.pptx", lambda: pptx([shape(line) for line in self.lines])),
        "application/vnd.ms-excel.sheet.binary.macroenabled.12": (
            "a.xlsb",
            lambda: xlsb({"One": b"".join(binary_row(n) + shared(0, n) for n in range(len(self.lines)))}, self.lines),
        ),
        "application/vnd.apple.iwork": ("a.pages", self.entries(**{"Index/Document.iwa": self._chance.randbytes(9000)})),
        **{
            f"{ODF}.{kind}{form}": (f"a.{kind}", self.odf(kind, paragraphs, form))
            for kind in ("text", "graphics", "chart", "formula", "image")
            for form in ("", "-template")
        },
        **{f"{ODF}.{kind}": (f"a.{kind}", self.odf(kind, paragraphs)) for kind in ("text-master", "text-web", "database")},
        **{
            f"{ODF}.spreadsheet{form}": ("a.ods", self.odf("spreadsheet", odf_sheet("".join(f"<table:table-row>{odf_cell(line)}</table:table-row>" for line in self.lines)), form))
            for form in ("", "-template")
        },
        **{f"{ODF}.presentation{form}": ("a.odp", self.odf("presentation", f"<draw:page>{paragraphs}</draw:page>", form)) for form in ("", "-template")},
        f"{ODF}.flat-xml": ("a.fodt", lambda: flat(paragraphs)),
        "application/msword": ("a.doc", lambda: doc((self.body.replace("\n", "\r"), True))),
        "application/vnd.ms-excel": ("a.xls", self.old_workbook),
        "application/vnd.ms-powerpoint": ("a.ppt", self.presentation),
        "application/x-ole-storage": ("a.vsd", lambda: ole({"\x05SummaryInformation": properties((2, string(self.body))), "VisioDocument": b"\x00"})),
        "application/x-ole-encrypted": ("a.docx", lambda: locked("another one")),
    }  # fmt: skip
