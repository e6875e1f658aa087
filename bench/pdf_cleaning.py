"""Write values into PDF files in several ways, clean them, and search the copies for the values.

    python -m bench.pdf_cleaning FOLDER [--rounds 7] [--keep FOLDER]

Every PDF file below FOLDER gets a value in each round, each time in another way; so do files that reportlab, matplotlib and, if it is
installed, Chromium write. A copy may hold no value, neither in the text that PDFium or pypdf extracts from it nor in a decompressed stream or
string of it. Its pages have to look as they did, except where their text changed. Exits with 1 if one does not.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import difflib
import io
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pikepdf
import pypdf
import pypdfium2
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from bench.cleaning_runs import Manifest, arguments, measure, nothing_found, values

_SIZE = 11.0
_SCALE = 1.5  # pixels per point
_INK, _ALMOST = 40, 8.0  # of 255: what is black, and the mean difference of a page that became a picture
Way = Callable[[Any, str, float, float], bytes]  # the document, a line, and its place: returns content that writes the line


class Planted(NamedTuple):
    """A file and the value in it."""

    name: str
    value: str


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


def plant(data: bytes, way: str, line: str, number: int) -> tuple[bytes, int]:
    """Write a line on a page of a PDF. Returns the file and the page."""
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
    return out.getvalue(), index


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
            number += 1
            way, value = [*WAYS][(at + turn) % len(WAYS)], values(number)
            try:
                data, _ = plant(file.read_bytes(), way, f"Paid with {value} today", number)
            except (pikepdf.PdfError, ArithmeticError, LookupError, TypeError, ValueError):
                continue  # damaged in a way in which nobody can add a line to it
            name = f"{turn}-{at}-{way.replace(' ', '-')}-{file.stem}.pdf"
            (corpus / name).write_bytes(data)
            yield Planted(name, value)
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
                yield Planted(f"{turn}-{name}.pdf", value)


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
    if bare in _text_of_pypdf(data):
        found.append("text of pypdf")
    with pikepdf.open(io.BytesIO(data)) as opened:
        for one in opened.objects:
            if isinstance(one, pikepdf.Stream):
                whole = one.read_raw_bytes() + one.stream_dict.unparse(resolved=True)
                with contextlib.suppress(pikepdf.PdfError):
                    whole += one.read_bytes()
            else:
                whole = one.unparse(resolved=True) if isinstance(one, pikepdf.Object) else str(one).encode()
            forms = (value, bare, value.encode("utf-16-be").hex(), value.encode().hex())
            if any(form.encode() in whole or form.encode("utf-16-be") in whole for form in forms):
                found.append("an object")
    return found


def _text_of_pypdf(data: bytes) -> str:
    """Return the text that pypdf extracts, without spaces. Pages that it cannot read have none."""
    found = ""
    with contextlib.suppress(Exception):
        for page in pypdf.PdfReader(io.BytesIO(data)).pages:
            with contextlib.suppress(Exception):
                found += "".join((page.extract_text() or "").split())
    return found


def looks_alike(before: bytes, after: bytes, pictures: int = 0) -> bool:
    """Return whether all pages look as they did, except where their text changed, and so many that became pictures almost as they did."""
    documents = [pypdfium2.PdfDocument(data) for data in (before, after)]
    unlike = [pair for pair in zip(*documents, strict=False) if not _pages_alike(*pair)]
    alike = len(documents[0]) == len(documents[1]) and len(unlike) <= pictures and all(_pages_almost_alike(*pair) for pair in unlike)
    for one in documents:
        one.close()
    return alike


def _pages_almost_alike(one: Any, other: Any) -> bool:
    old, new = (page.render(scale=_SCALE).to_numpy()[:, :, :3].astype(int) for page in (one, other))
    if old.shape != new.shape:
        return False
    painted = (new.max(axis=2) < _INK) & (old.max(axis=2) >= _INK)
    return float(np.abs(old - new).max(axis=2)[~painted].mean()) <= _ALMOST


def _pages_alike(one: Any, other: Any) -> bool:
    old, new = (page.render(scale=_SCALE).to_numpy() for page in (one, other))
    if old.shape != new.shape:
        return False
    differs = (old != new).any(axis=2)
    if differs.any():
        for left, top, right, bottom in _changed_boxes(one, other):
            differs[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = False
    return not differs.any()


def _changed_boxes(one: Any, other: Any) -> Iterator[tuple[int, int, int, int]]:
    """Yield the places, in pixels, of letters that only one of two pages has, or that moved by less than a point.

    PDFium rounds the widths of letters, so what follows a changed text may stand a fraction of a pixel further on.
    """
    old, new = (_letters(page) for page in (one, other))
    same = difflib.SequenceMatcher(None, [letter for letter, _ in old], [letter for letter, _ in new], autojunk=False)
    for kind, first, last, begin, end in same.get_opcodes():
        if kind != "equal":
            yield from (_around(page, box) for page, some in ((one, old[first:last]), (other, new[begin:end])) for _, box in some)
            continue
        for (_, before), (_, after) in zip(old[first:last], new[begin:end], strict=True):
            if 0 < max(abs(a - b) for a, b in zip(before, after, strict=True)) < 1:
                yield _around(one, before)


def _around(page: Any, box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    left, bottom, right, top = box
    wide = 0.6 * max(abs(top - bottom), abs(right - left)) + 2
    corners = [_pixel(page, x, y) for x in (left - wide, right + wide) for y in (bottom - wide, top + wide)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _letters(page: Any) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Return the codes and places of the letters of a page; damaged fonts yield some that are not characters."""
    text = page.get_textpage()
    found = [(pypdfium2.raw.FPDFText_GetUnicode(text, at), text.get_charbox(at, loose=True)) for at in range(text.count_chars())]
    return [(code, box) for code, box in found if code > sys.maxunicode or not chr(code).isspace()]


def _pixel(page: Any, x: float, y: float) -> tuple[int, int]:
    width, height = (math.ceil(side * _SCALE) for side in page.get_size())
    at = ctypes.c_int(), ctypes.c_int()
    pypdfium2.raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, *map(ctypes.byref, at))
    return at[0].value, at[1].value


def main(given: Sequence[str] | None = None) -> None:
    """Build, clean, compare and print."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="Folder with PDF files.")
        parser.add_argument("--rounds", type=int, default=7, help="How often each file gets a value. Default: 7.")

    chosen, parts = arguments(__doc__, given, add), _Comparison()
    code = measure(chosen.keep, lambda corpus, base: build(chosen.folder, corpus, chosen.rounds, base), parts.problems, nothing_found)
    print(f"{parts.pictures} pages became pictures")
    raise SystemExit(code)


class _Comparison:
    """Compares files with their copies, and counts the pages that became pictures."""

    def __init__(self) -> None:
        self.pictures = 0

    def problems(self, one: Planted, before: bytes, after: bytes, row: Manifest) -> Iterator[str]:
        pictures = sum(action["count"] for action in row["actions"] if action["rule"] == "clean.page")
        self.pictures += pictures
        yield from left_in(after, one.value)
        if not looks_alike(before, after, pictures):
            yield "looks different"


if __name__ == "__main__":
    main()
