"""Write values into PDF files in several ways, clean them, and search the copies for the values.

    python -m bench.pdf_cleaning FOLDER [--rounds 10] [--keep FOLDER]

Every PDF file below FOLDER gets one value in each way and round; so do files that reportlab, matplotlib and, if it is installed, Chromium
write. A copy may hold no value, neither in the text that PDFium or pypdf extracts from it nor in a decompressed stream or string of it. Its
pages have to look as they did, except for the line with the value. Exits with 1 if one does not.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pikepdf
import pyarrow.parquet as pq
import pypdf
import pypdfium2
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

_ENGINES = "signatures,structure,secrets,pii"
_SIZE = 11.0
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
Way = Callable[[Any, str, float, float], bytes]  # the document, a line, and its place: returns content that writes the line


class Planted(NamedTuple):
    """A file, the value in it, its page, and where the line with it lies: bottom and top, or None for anywhere on the page."""

    name: str
    value: str
    page: int
    line: tuple[float, float] | None


def values(number: int) -> str:
    """Return a value that an engine finds: an address, a card, an account."""
    draw = random.Random(number)
    kind = number % 3
    if kind == 0:
        return "{}.{}@{}-mail.com".format(*("".join(draw.choices(_LETTERS, k=7)) for _ in range(3)))
    if kind == 1:
        digits = [4, 9, 2, 9, *(draw.randrange(10) for _ in range(11))]
        total = sum(sum(divmod(2 * one, 10)) if at % 2 == 0 else one for at, one in enumerate(digits))
        text = "".join(map(str, [*digits, -total % 10]))
        return " ".join(text[at : at + 4] for at in range(0, 16, 4))
    account = f"37040044{draw.randrange(10**10):010d}"
    check = 98 - int(account + "131400") % 97
    text = f"DE{check:02d}{account}"
    return " ".join(text[at : at + 4] for at in range(0, 22, 4))


def escaped(text: str) -> str:
    """Return a literal string."""
    return "(" + text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") + ")"


def _one_string(_: Any, line: str, x: float, y: float) -> bytes:
    return f"BT /Plant {_SIZE} Tf {x} {y} Td {escaped(line)} Tj ET".encode()


def _kerned(_: Any, line: str, x: float, y: float) -> bytes:
    pieces = [f"{escaped(line[at : at + 2])} {(at * 7) % 60 - 30}" for at in range(0, len(line), 2)]
    return f"BT /Plant {_SIZE} Tf 0.2 Tc 1 0 0 1 {x} {y} Tm [{' '.join(pieces)}] TJ ET".encode()


def _glyphs(_: Any, line: str, x: float, y: float) -> bytes:
    shown, at = [], x
    for one in line:
        shown.append(f"1 0 0 1 {at:.3f} {y} Tm {escaped(one)} Tj")
        at += pdfmetrics.stringWidth(one, "Helvetica", _SIZE)
    return f"BT /Plant {_SIZE} Tf {' '.join(shown)} ET".encode()


def _form(document: Any, line: str, x: float, y: float) -> bytes:
    form = document.make_stream(f"BT /Plant {_SIZE} Tf 0 3 Td {escaped(line)} Tj ET".encode())
    form.update(pikepdf.Dictionary(Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form, BBox=[0, 0, 600, 20]))
    form["/Resources"] = pikepdf.Dictionary(Font=pikepdf.Dictionary(Plant=font(document)))
    document.plant = form
    return f"q 1 0 0 1 {x} {y - 3} cm /PlantForm Do Q".encode()


def _next_line(_: Any, line: str, x: float, y: float) -> bytes:
    half = len(line) // 2
    return (
        f"BT /Plant {_SIZE} Tf 0 TL {x} {y} Td 90 Tz {escaped(line[:half])} Tj {escaped(line[half:])} Tj ET\n"
        f'BT /Plant 1 Tf 14 TL {_SIZE} 0 0 {_SIZE} {x} {y + 28} Tm 0 0 (.) " T* ET'
    ).encode()


def _turned(_: Any, line: str, x: float, y: float) -> bytes:
    c, s = math.cos(0.3), math.sin(0.3)
    return f"q {c:.4f} {s:.4f} {-s:.4f} {c:.4f} {x} {y} cm BT /Plant {_SIZE / 2} Tf 2 0 0 2 0 0 Tm 1 Ts [{escaped(line)}] TJ ET Q".encode()


def _bold(_: Any, line: str, x: float, y: float) -> bytes:
    one = f"BT /Plant {_SIZE} Tf %s {y} Td {escaped(line)} Tj ET"
    return f"{one % x} {one % (x + 0.3)}".encode()


WAYS: dict[str, Way] = {
    "one string": _one_string,
    "kerned": _kerned,
    "glyph by glyph": _glyphs,
    "in a form": _form,
    "narrowed": _next_line,
    "turned": _turned,
    "twice for bold": _bold,
}


def font(document: Any) -> Any:
    """Return Helvetica in a document."""
    about = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    about["/Encoding"] = pikepdf.Name.WinAnsiEncoding
    return document.make_indirect(about)


def plant(data: bytes, way: str, line: str, number: int) -> tuple[bytes, int, tuple[float, float]]:
    """Write a line on a page of a PDF. Returns the file, the page, and the bottom and the top of the line."""
    document: Any = pikepdf.open(io.BytesIO(data))
    index = number % len(document.pages)
    page = document.pages[index]
    box = [float(one) for one in page.mediabox]
    scale = min(1.0, (box[2] - box[0]) / 300)
    x, y = box[0] + 20, box[1] + 30 + number * 37 % max(1, int(box[3] - box[1]) - 60)
    content = f"{scale:.4f} 0 0 {scale:.4f} {x * (1 - scale):.3f} {y * (1 - scale):.3f} cm ".encode() + WAYS[way](document, line, x, y)
    page.contents_add(document.make_stream(b"q\n"), prepend=True)
    page.contents_add(document.make_stream(b"\nQ\nq " + content + b" Q\n"))
    page.add_resource(font(document), pikepdf.Name.Font, pikepdf.Name.Plant)
    if way == "in a form":
        page.add_resource(document.plant, pikepdf.Name.XObject, pikepdf.Name.PlantForm)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue(), index, (y - 6, y + 16)


# Files of libraries


def reportlab_file(line: str, subset: bool) -> bytes:
    """Return a page in Helvetica or in a subset of DejaVu, with a field, a bookmark and a title that hold the line too."""
    out = io.BytesIO()
    canvas = Canvas(out)
    if subset:
        import matplotlib as mpl

        pdfmetrics.registerFont(TTFont("DejaVu", Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf")))
    canvas.setFont("DejaVu" if subset else "Times-Roman", 12)
    canvas.drawString(72, 700, "First lines of a letter, as an office writes it: efficient, final, waffle.")
    canvas.drawString(72, 680, line)
    canvas.drawString(72, 660, "Kind regards")
    canvas.setTitle(line)
    canvas.bookmarkPage("here")
    canvas.addOutlineEntry(line, "here")
    canvas.acroForm.textfield(name="field", value=line, x=72, y=500, width=400, height=24)
    canvas.showPage()
    canvas.drawString(72, 700, "The second page")
    canvas.save()
    return out.getvalue()


def matplotlib_file(line: str, kind: int) -> bytes:
    """Return a drawing whose letters are glyphs of a Type 3 or a Type 42 font."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": kind}):
        figure = Figure(figsize=(7, 3))
        figure.text(0.05, 0.5, line)
        figure.text(0.05, 0.8, "efficient offices")
        figure.savefig(out, format="pdf")
    return out.getvalue()


def chromium_file(line: str, folder: Path) -> bytes | None:
    """Return a page that Chromium prints, or None if it is not there."""
    program = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if program is None:
        return None
    page, out = folder / "page.html", folder / "page.pdf"
    page.write_text(f"<meta charset=utf-8><p>Before it.<p><b>{line}</b><p style='font-family:serif'>After it, in an efficient office.")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder / 'profile'}"]
    subprocess.run([program, *flags, f"--print-to-pdf={out}", page.as_uri()], capture_output=True, check=True, timeout=120)
    return out.read_bytes()


def build(real: Path, corpus: Path, rounds: int, folder: Path) -> Iterator[Planted]:
    """Write the corpus."""
    files = [one for one in sorted(real.rglob("*.pdf")) if not _is_locked(one)]
    number = 0
    for turn in range(rounds):
        for at, file in enumerate(files):
            for way in WAYS:
                number += 1
                value = values(number)
                try:
                    data, page, line = plant(file.read_bytes(), way, f"Paid with {value} today", number)
                except pikepdf.PdfError:
                    continue
                name = f"{turn}-{at}-{way.replace(' ', '-')}.pdf"
                (corpus / name).write_bytes(data)
                yield Planted(name, value, page, None if way == "turned" else line)
        made: dict[str, Callable[[str], bytes | None]] = {
            "reportlab": lambda line: reportlab_file(line, False),
            "reportlab-subset": lambda line: reportlab_file(line, True),
            "matplotlib-3": lambda line: matplotlib_file(line, 3),
            "matplotlib-42": lambda line: matplotlib_file(line, 42),
            "chromium": lambda line: chromium_file(line, folder),
        }
        for name, make in made.items():
            number += 1
            value = values(number)
            if (content := make(f"Paid with {value} today")) is not None:
                (corpus / f"{turn}-{name}.pdf").write_bytes(content)
                yield Planted(f"{turn}-{name}.pdf", value, 0, None)


def _is_locked(file: Path) -> bool:
    try:
        with pikepdf.open(file) as document:
            return bool(document.is_encrypted)
    except (pikepdf.PdfError, pikepdf.PasswordError):
        return True


# The comparison


def left_in(data: bytes, value: str) -> list[str]:
    """Return where a value still is."""
    bare, found = "".join(value.split()), []
    document = pypdfium2.PdfDocument(data)
    if bare in "".join("".join(page.get_textpage().get_text_bounded().split()) for page in document):
        found.append("text of PDFium")
    document.close()
    if bare in "".join("".join((page.extract_text() or "").split()) for page in pypdf.PdfReader(io.BytesIO(data)).pages):
        found.append("text of pypdf")
    with pikepdf.open(io.BytesIO(data)) as opened:
        for one in opened.objects:
            whole = one.unparse(resolved=True) if not isinstance(one, pikepdf.Stream) else one.read_raw_bytes()
            if isinstance(one, pikepdf.Stream):
                with contextlib.suppress(pikepdf.PdfError):
                    whole += one.read_bytes()
            forms = (value, bare, value.encode("utf-16-be").hex(), value.encode().hex())
            if any(form.encode() in whole or form.encode("utf-16-be") in whole for form in forms):
                found.append("an object")
    return found


def looks_alike(before: bytes, after: bytes, planted: Planted) -> bool:
    """Return whether all pages look as they did, except for the line with the value."""
    one, other = pypdfium2.PdfDocument(before), pypdfium2.PdfDocument(after)
    alike = len(one) == len(other)
    for index in range(len(one)):
        if index == planted.page and planted.line is None:
            continue
        old, new = (document[index].render(scale=1.5).to_numpy() for document in (one, other))
        differs = (old != new).any(axis=2) if old.shape == new.shape else np.ones((1, 1), bool)
        if index == planted.page and planted.line is not None:
            bottom = one[index].get_mediabox()[1]
            height = differs.shape[0]
            low, high = ((edge - bottom) * 1.5 for edge in planted.line)
            differs[max(0, int(height - high) - 2) : max(0, int(height - low) + 2)] = False
            if one[index].get_rotation():
                differs[:] = False
        alike &= not differs.any()
    one.close()
    other.close()
    return alike


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, clean, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="Folder with PDF files.")
    parser.add_argument("--rounds", type=int, default=10, help="How often each file gets values. Default: 10.")
    parser.add_argument("--keep", type=Path, help="New folder for the corpus and the copy. Default: a temporary one.")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = given.keep or Path(folder)
        corpus = base / "corpus"
        corpus.mkdir(parents=True)
        planted = list(build(given.folder, corpus, given.rounds, base))
        (base / "config.yaml").write_text(json.dumps({"pii": {"free_text": False}}))
        seconds = {
            name: _run(base, *command)
            for name, command in {
                "audit": ("submit", str(corpus), "--output", str(base / "audit")),
                "clean": ("clean", str(corpus), "--to", str(base / "copy")),
            }.items()
        }
        raise SystemExit(_compared(base, planted, seconds))


def _run(base: Path, *command: str) -> float:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "veritensor_ray", *command, "--engines", _ENGINES, "--config", str(base / "config.yaml")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - began


def _compared(base: Path, planted: Sequence[Planted], seconds: dict[str, float]) -> int:
    rows = {row["artifact"]: row for row in pq.read_table(base / "copy" / "manifest.parquet").to_pylist()}
    results: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    for one in planted:
        row = rows[one.name]
        results[row["result"]] += 1
        if row["result"] == "copied":
            reasons["nothing was found in it"] += 1
            continue
        if row["result"] != "cleaned":
            reasons[f"{row['reason']} ({one.name.partition('-')[2]})" if len(planted) < 100 else row["reason"]] += 1
            continue
        before, after = (base / "corpus" / one.name).read_bytes(), (base / "copy" / row["path"]).read_bytes()
        failures += [f"{one.name}: {place}" for place in left_in(after, one.value)]
        if not looks_alike(before, after, one):
            failures.append(f"{one.name}: looks different")
    print(f"{len(planted)} files: {dict(results)}; seconds: { {name: round(one) for name, one in seconds.items()} }")
    for reason, count in reasons.most_common():
        print(f"  {count} {reason}")
    print(f"{len(failures)} failures", *failures[:50], sep="\n  ")
    return int(bool(failures))


if __name__ == "__main__":
    main()
