"""Measure readers: megabytes per CPU second and peak memory for each format, against a plain call of the underlying library.

It writes bench/readers.json and docs/readers-performance.md. Every case runs in its own process; our readers and the libraries take turns.
"""

from __future__ import annotations

import argparse
import csv
import email
import email.policy
import gzip
import io
import json
import multiprocessing
import os
import pickletools
import platform
import random
import resource
import sqlite3
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3
SECONDS = 0.5  # seconds of reading in each process


def words(count: int, seed: int = 1) -> list[str]:
    """Return words of our own documentation in a seeded order."""
    known = sorted({word for page in sorted((ROOT / "docs").rglob("*.md")) for word in page.read_text().split() if word.isalpha()})
    chosen = random.Random(seed)
    return chosen.choices(known, k=count)


def paragraphs(count: int) -> list[str]:
    """Return paragraphs of sixty words."""
    every = words(count * 60)
    return [" ".join(every[i * 60 : (i + 1) * 60]) for i in range(count)]


def _docx(path: Path) -> None:
    import docx

    document = docx.Document()
    for text in paragraphs(3000):
        document.add_paragraph(text)
    document.save(str(path))


def _read_docx(path: Path) -> int:
    import docx

    return sum(len(p.text) for p in docx.Document(str(path)).paragraphs)


def _pptx(path: Path) -> None:
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    for text in paragraphs(300):
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        slide.shapes.add_textbox(Inches(1), Inches(1), Inches(5), Inches(5)).text_frame.text = text
    deck.save(str(path))


def _read_pptx(path: Path) -> int:
    import pptx

    return sum(len(s.text_frame.text) for slide in pptx.Presentation(str(path)).slides for s in slide.shapes if s.has_text_frame)


def _xlsx(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("data")
    every = words(200_000)
    for i in range(20_000):
        sheet.append([i, *every[i * 10 : i * 10 + 8], i * 1.5])
    book.save(path)


def _read_xlsx(path: Path) -> int:
    import openpyxl

    rows = openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)
    return sum(len(str(cell)) for row in rows for cell in row if cell is not None)


def _odt(path: Path) -> None:
    from odf.opendocument import OpenDocumentText
    from odf.text import P

    document = OpenDocumentText()
    for text in paragraphs(3000):
        document.text.addElement(P(text=text))
    document.save(str(path))


def _read_odt(path: Path) -> int:
    from odf import teletype
    from odf.opendocument import load
    from odf.text import P

    return sum(len(teletype.extractText(p)) for p in load(str(path)).getElementsByType(P))


def _pdf(path: Path) -> None:
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=A4)
    for page in range(200):
        every = words(500, page)
        for line in range(50):
            canvas.drawString(50, 800 - 15 * line, " ".join(every[line * 10 : line * 10 + 10]))
        canvas.showPage()
    canvas.save()


def _read_pdf(path: Path) -> int:
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    return sum(len(document[i].get_textpage().get_text_range()) for i in range(len(document)))


class _Collecting(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def handle_data(self, data: str) -> None:
        self.size += len(data)


def _html(path: Path) -> None:
    body = "\n".join(
        f'<p class="x">{text[:200]} <b>{text[200:220]}</b> {text[220:]} &amp; so on</p><!-- note -->' for text in paragraphs(8000)
    )
    path.write_text(f"<!doctype html><html><head><title>t</title><style>.x {{color: black}}</style></head><body>{body}</body></html>")


def _read_html(path: Path) -> int:
    parser = _Collecting()
    parser.feed(path.read_text())
    return parser.size


def _xml(path: Path) -> None:
    path.write_text("<?xml version='1.0'?><r>" + "\n".join(f'<p id="{i}">{t}</p>' for i, t in enumerate(paragraphs(8000))) + "</r>")


def _read_xml(path: Path) -> int:
    from lxml import etree

    return sum(len(e.text or "") for _, e in etree.iterparse(path, events=("end",)))


def _eml(path: Path) -> None:
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "figures"
    message.set_content("\n".join(paragraphs(3000)))
    message.add_attachment("\n".join(paragraphs(1000)).encode(), maintype="application", subtype="octet-stream", filename="a.txt")
    path.write_bytes(message.as_bytes())


def _read_eml(path: Path) -> int:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    return sum(len(part.get_payload(decode=True) or b"") for part in message.walk() if not part.is_multipart())


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, body TEXT)")
        base.executemany("INSERT INTO notes (title, body) VALUES (?, ?)", [(t[:40], t) for t in paragraphs(15_000)])
    base.close()


def _read_sqlite(path: Path) -> int:
    base = sqlite3.connect(path)
    try:
        return sum(len(a) + len(b) for a, b in base.execute("SELECT title, body FROM notes"))
    finally:
        base.close()


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, text in enumerate(paragraphs(5000)):
            archive.writestr(f"d{i % 50}/{i}.txt", text)


def _read_zip(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(len(archive.read(info)) for info in archive.infolist())


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for i, text in enumerate(paragraphs(5000)):
            info = tarfile.TarInfo(f"d{i % 50}/{i}.txt")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))


def _read_tar(path: Path) -> int:
    with tarfile.open(path) as archive:
        files = (archive.extractfile(member) for member in archive)
        return sum(len(file.read()) for file in files if file is not None)


def _7z(path: Path) -> None:
    import py7zr

    with py7zr.SevenZipFile(path, "w") as archive:
        for i, text in enumerate(paragraphs(2000)):
            archive.writestr(text, f"{i}.txt")


def _read_7z(path: Path) -> int:
    import py7zr
    from py7zr.io import BytesIOFactory

    factory = BytesIOFactory(1 << 30)
    with py7zr.SevenZipFile(path) as archive:
        archive.extract(factory=factory)
    return sum(file.size() for file in factory.products.values())


def _csv(path: Path) -> None:
    every = words(400_000)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"name{i}" for i in range(8)])
        writer.writerows(every[i * 8 : i * 8 + 8] for i in range(50_000))


def _read_csv(path: Path) -> int:
    with path.open(newline="") as file:
        return sum(len(cell) for row in csv.reader(file) for cell in row)


def _jsonl(path: Path) -> None:
    path.write_text("\n".join(json.dumps({"id": i, "text": t, "meta": {"k": t[:20]}}) for i, t in enumerate(paragraphs(12_000))))


def _read_jsonl(path: Path) -> int:
    return sum(len(json.loads(line)["text"]) for line in path.open())


def _json(path: Path) -> None:
    path.write_text(json.dumps([{"id": i, "text": t, "meta": {"k": t[:20]}} for i, t in enumerate(paragraphs(12_000))]))


def _read_json(path: Path) -> int:
    import ijson

    with path.open("rb") as file:
        return sum(len(value) for _, event, value in ijson.parse(file) if event == "string")


def _parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = paragraphs(12_000)
    pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), path, compression="zstd")


def _read_parquet(path: Path) -> int:
    import pyarrow.parquet as pq

    return sum(batch.nbytes for batch in pq.ParquetFile(path).iter_batches(1024))


def _npy(path: Path) -> None:
    np.save(path.open("wb"), np.array(words(300_000)))


def _read_npy(path: Path) -> int:
    return sum(len(text) for text in np.load(path.open("rb")).tolist())


def _h5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["texts"] = paragraphs(6000)
        file["numbers"] = np.zeros(100_000)


def _read_h5(path: Path) -> int:
    import h5py

    with h5py.File(path) as file:
        return sum(len(text) for text in file["texts"][:])


def _pickle(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps([{"text": t, "n": i} for i, t in enumerate(paragraphs(12_000))]))


def _read_pickle(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(argument) for _, argument, _ in pickletools.genops(file) if isinstance(argument, str))


SMALL = 9  # paragraphs in a file of about four kilobytes: shows the fixed cost of a reader


def _small_html(path: Path) -> None:
    body = "\n".join(f'<p class="x"><a href="/{i}">{text[:40]}</a> {text[40:]} &amp; so on</p>' for i, text in enumerate(paragraphs(SMALL)))
    path.write_text(f"<!doctype html><html><head><title>t</title></head><body>{body}</body></html>")


def _small_json(path: Path) -> None:
    path.write_text(json.dumps([{"id": i, "text": t, "meta": {"k": t[:20]}} for i, t in enumerate(paragraphs(SMALL))]))


def _small_md(path: Path) -> None:
    path.write_text("\n\n".join(["# Title", *paragraphs(SMALL)]))


def _read_text(path: Path) -> int:
    return len(path.read_text())


def _gz(path: Path) -> None:
    path.write_bytes(gzip.compress("\n".join(paragraphs(20_000)).encode()))


def _read_gz(path: Path) -> int:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return sum(len(line) for line in file)


@dataclass(frozen=True)
class Case:
    """A format: a file of some megabytes, and the plain way to get its text from the underlying library."""

    name: str
    make: Callable[[Path], None]
    plain: Callable[[Path], int]
    library: str


CASES = (
    Case("a.html", _html, _read_html, "html.parser"),
    Case("a.xml", _xml, _read_xml, "lxml iterparse"),
    Case("a.pdf", _pdf, _read_pdf, "pypdfium2"),
    Case("a.docx", _docx, _read_docx, "python-docx"),
    Case("a.pptx", _pptx, _read_pptx, "python-pptx"),
    Case("a.xlsx", _xlsx, _read_xlsx, "openpyxl, read only"),
    Case("a.odt", _odt, _read_odt, "odfpy"),
    Case("a.eml", _eml, _read_eml, "email"),
    Case("a.sqlite", _sqlite, _read_sqlite, "sqlite3"),
    Case("a.zip", _zip, _read_zip, "zipfile"),
    Case("a.tar", _tar, _read_tar, "tarfile"),
    Case("a.7z", _7z, _read_7z, "py7zr"),
    Case("a.txt.gz", _gz, _read_gz, "gzip"),
    Case("a.csv", _csv, _read_csv, "csv"),
    Case("a.json", _json, _read_json, "ijson"),
    Case("a.jsonl", _jsonl, _read_jsonl, "json"),
    Case("a.parquet", _parquet, _read_parquet, "pyarrow"),
    Case("a.npy", _npy, _read_npy, "numpy"),
    Case("a.h5", _h5, _read_h5, "h5py"),
    Case("a.pkl", _pickle, _read_pickle, "pickletools"),
    Case("a.small.html", _small_html, _read_html, "html.parser"),
    Case("a.small.json", _small_json, _read_json, "ijson"),
    Case("a.small.md", _small_md, _read_text, "open and decode"),
)


def read_with_ours(path: Path) -> int:
    """Return the size of everything our reader yields: texts, and the bytes of members."""
    from veritensor_ray.core.config import Limits
    from veritensor_ray.core.format_table import COMPRESSED
    from veritensor_ray.core.segments import Block
    from veritensor_ray.formats.common.budget import Budget
    from veritensor_ray.formats.common.kind import HEAD_BYTES
    from veritensor_ray.formats.common.source import Member, Source
    from veritensor_ray.formats.common.streams import decompressed
    from veritensor_ray.formats.format_registry import reader_for
    from veritensor_ray.formats.recognition import recognise, sniff

    size = 0
    with path.open("rb") as file:
        found = recognise(file, path.suffix)
        stream: Any = file
        kind, via = found.kind, None
        if kind.media_type in COMPRESSED:
            stream, via = decompressed(file, kind.media_type, Budget(Limits(), path.stat().st_size))
            kind = sniff(stream.peek(HEAD_BYTES)[:HEAD_BYTES], ".txt", whole=False)
        reader = reader_for(kind)
        if reader is None:
            raise SystemExit(f"no reader for {kind.media_type}")
        for item in reader(Source(stream, kind, Limits(), path.suffix, via, name=path.name, directory=found.directory)):
            if isinstance(item, Member):
                while data := item.file.read(1 << 20):
                    size += len(data)
            elif isinstance(item, Block):
                size += sum(map(len, item.texts)) if isinstance(item.texts, list) else getattr(item.texts, "nbytes", 0)
    return size


def _child(function: Callable[[Path], int], path: Path, pipe: Any) -> None:
    function(path)  # imports, and whatever a library creates on its first call
    base, best, spent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, float("inf"), 0.0
    while spent < SECONDS:
        began = time.process_time()
        function(path)
        best = min(best, time.process_time() - began)
        spent += time.process_time() - began
    pipe.send((best, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024))


def measured(functions: Sequence[Callable[[Path], int]], path: Path) -> list[tuple[float, int]]:
    """Return the CPU seconds of each function and the growth of the peak memory in MB.

    The best of all rounds counts; functions take turns, because the speed of the machine changes.
    """
    context = multiprocessing.get_context("spawn")
    results: list[list[tuple[float, int]]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, into in zip(functions, results, strict=True):
            mine, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_child, args=(function, path, theirs))
            process.start()
            theirs.close()
            into.append(mine.recv())
            process.join()
    return [min(found) for found in results]


def processor() -> str:
    """Return the processor's name and the number of cores."""
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| format | file MB | MB per CPU s | library | its MB per CPU s | ratio |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        lines.append(
            f"| {row['name'][2:]} | {row['mb']:.{1 if row['mb'] > 0.1 else 3}f} | {row['mb'] / row['ours']:.1f} | {row['library']} | "
            f"{row['mb'] / row['plain']:.1f} | {row['plain'] / row['ours']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the cases and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="Formats to measure, such as pdf html.")
    only = parser.parse_args().only
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if only and case.name[2:] not in only:
                continue
            path = Path(folder) / case.name
            case.make(path)
            (ours, peak), (plain, plain_peak) = measured((read_with_ours, case.plain), path)
            row = {"name": case.name, "mb": path.stat().st_size / 1e6, "ours": ours, "peak": peak, "library": case.library}
            rows.append(row | {"plain": plain, "plain_peak": plain_peak})
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    if only:
        return
    (ROOT / "bench" / "readers.json").write_text(json.dumps(rows, indent=1) + "\n")
    (ROOT / "docs" / "readers-performance.md").write_text(
        "# Speed of readers\n\nThis page compares our readers with plain calls of the underlying libraries. `make bench-readers` writes it.\n\n"
        "Each file is read in its own process, and a first reading is not counted. Only the extraction of text is measured,\n"
        "without engines. A ratio above one means that our reader is faster than the plain call of the library. Our readers\n"
        f"added at most {max(row['peak'] for row in rows)} MB to the peak memory of the process, and the libraries at most {max(row['plain_peak'] for row in rows)} MB.\n\n"
        f"Machine: {processor()}, Python {platform.python_version()}.\n\n{table(rows)}\n"
    )


if __name__ == "__main__":
    main()
