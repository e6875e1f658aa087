"""Write values into images in several ways, clean them, and search the copies for the values.

    python -m bench.image_cleaning [--images 300] [--keep FOLDER]

Every image has lines of text, one of them with a value, in one of the fonts of matplotlib: in different sizes, angles, colors and formats,
some of them on the second page of a TIFF, in a DOCX or on a page of a PDF. In a copy, OCR may read the value at neither of two sizes. Where
nothing was painted, the pixels have to be equal, or almost equal in a JPEG and on a page of a PDF. Exits with 1 if that is not so.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import docx
import matplotlib as mpl
import numpy as np
import pypdfium2
from docx.shared import Inches
from PIL import Image, ImageDraw, ImageFont, ImageOps, ImageSequence
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from bench.cleaning_runs import Manifest, arguments, measure, nothing_found, values
from veritensor_ray.core.config import Settings
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.ocr import Ocr
from veritensor_ray.models.model_store import ModelStore

_ENGINES = "signatures,structure,secrets,pii,ocr"
_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSansMono",
    "STIXGeneral",
    "cmss10",
)
_FORMATS = ("png", "jpeg", "webp", "gif", "bmp", "tiff", "docx", "pdf")
_DOTS = 150  # of a page of a PDF, per inch
_COLORS = (
    ("white", "black"),
    ("black", "white"),
    ("#f4f0e0", "#20306a"),
    ("#ffffff", "#8c8c8c"),
    ("#1b4f72", "#f7dc6f"),
    ("#d8d8d8", "#7a1020"),
)
_ANGLES = (0, 0, 0, 2, -4, 90, 180, 270)
_SIZES = (14, 16, 18, 22, 28)
_TELLING = 6  # characters of a part of a value that does not stand somewhere by chance
_ALMOST = 3.0  # levels of 255 by which pixels of a JPEG or a page may differ where nothing was painted


class Planted(NamedTuple):
    """A file, and the value in it."""

    name: str
    value: str


def draw(number: int) -> tuple[Image.Image, str]:
    """Return an image and the value that is written in it."""
    pick = random.Random(number)
    value = values(number)
    font = ImageFont.truetype(str(Path(mpl.get_data_path(), f"fonts/ttf/{pick.choice(_FONTS)}.ttf")), pick.choice(_SIZES))
    ground, ink = pick.choice(_COLORS)
    lines = ["Statement of the month", f"Paid with {value} today", "Kind regards, the office"]
    pick.shuffle(lines)
    step = int(font.size * 1.9)
    image = Image.new("RGB", (int(max(map(font.getlength, lines))) + 60, step * 3 + 50), ground)
    for at, line in enumerate(lines):
        ImageDraw.Draw(image).text((30, 25 + at * step), line, font=font, fill=ink)
    return image.rotate(pick.choice(_ANGLES), Image.Resampling.BICUBIC, expand=True, fillcolor=ground), value


def build(corpus: Path, count: int) -> Iterator[Planted]:
    """Write the corpus."""
    for number in range(count):
        image, value = draw(number)
        name = f"{number:04}.{_FORMATS[number % len(_FORMATS)]}"
        (corpus / name).write_bytes(written(image, name))
        yield Planted(name, value)


def written(image: Image.Image, name: str) -> bytes:
    """Return an image in the format of a name."""
    out, kind = io.BytesIO(), name.rpartition(".")[2]
    if kind == "docx":
        document = docx.Document()
        document.add_paragraph("A scan:")
        document.add_picture(io.BytesIO(written(image, "scan.png")), width=Inches(6))
        document.save(out)
    elif kind == "pdf":
        width, height = (side * 72 / _DOTS for side in image.size)
        canvas = Canvas(out, (width, height))
        canvas.drawImage(ImageReader(image), 0, 0, width, height)
        canvas.save()
    elif kind == "tiff":
        cover = Image.new("RGB", (240, 80), "white")
        ImageDraw.Draw(cover).text((20, 30), "The first page", font=ImageFont.load_default(20), fill="black")
        cover.save(out, kind, save_all=True, append_images=[image])
    else:
        (image.quantize(64) if kind == "gif" else image).save(out, kind)
    return out.getvalue()


def picture(data: bytes, name: str) -> bytes:
    """Return the image in a file of any of the formats."""
    if name.endswith("docx"):
        with zipfile.ZipFile(io.BytesIO(data)) as document:
            return next(document.read(one) for one in document.namelist() if "/media/" in one)
    if name.endswith("pdf"):
        document = pypdfium2.PdfDocument(data)
        rendered = document[0].render(scale=_DOTS / 72).to_pil()
        document.close()
        return written(rendered, "page.png")
    return data


def letters(text: str) -> str:
    """Return what a reader of text cannot easily mistake for something else."""
    return "".join(one for one in text.lower() if one.isalnum())


class _Reader:
    """Reads images in two sizes."""

    def __init__(self) -> None:
        settings = Settings()
        self._ocr, self._limits = Ocr(settings), settings.limits
        self._ocr.load(ModelStore.of(settings))

    def texts(self, data: bytes) -> Iterator[str]:
        batch = to_batch(Block([""], images=[data]), Identity(0, "image", "image/png"), self._limits)
        for read in (self._ocr.read_images, self._ocr.read_again):
            yield "\n".join(read(batch).column("text").to_pylist())


def looks_alike(before: bytes, after: bytes, lossy: bool) -> bool:
    """Return whether two images are equal, apart from the places that only the second one has black."""
    frames = [[*ImageSequence.all_frames(Image.open(io.BytesIO(data)))] for data in (before, after)]
    return len(frames[0]) == len(frames[1]) and all(_frames_alike(old, new, lossy) for old, new in zip(*frames, strict=True))


def _frames_alike(before: Image.Image, after: Image.Image, lossy: bool) -> bool:
    old, new = (np.array(ImageOps.exif_transpose(one).convert("RGB")).astype(int) for one in (before, after))
    if old.shape != new.shape:
        return False
    differs = np.abs(old - new)
    if lossy:
        same = ~_around(new.max(axis=2) < 40)
        return not same.any() or float(differs[same].mean()) <= _ALMOST
    changed = differs.max(axis=2) > 0
    return not changed.any() or len(np.unique(new[changed], axis=0)) == 1


def _around(mask: Any) -> Any:
    small = Image.fromarray((mask * 255).astype(np.uint8))
    box = small.resize((-(-small.width // 16), -(-small.height // 16)), Image.Resampling.BOX).resize(small.size, Image.Resampling.NEAREST)
    return np.asarray(box) > 0


def main(given: Sequence[str] | None = None) -> None:
    """Build, clean, compare and print."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--images", type=int, default=300, help="How many images. Default: 300.")

    chosen, parts = arguments(__doc__, given, add), _Comparison()
    code = measure(chosen.keep, lambda corpus, _: build(corpus, chosen.images), parts.problems, nothing_found, _ENGINES)
    print(f"{parts.left} with a part of the value left, because OCR took it for a word of its own")
    raise SystemExit(code)


class _Comparison:
    """Reads the copies, and counts those in which a part of a value is left."""

    def __init__(self) -> None:
        self._reader, self.left = _Reader(), 0

    def problems(self, one: Planted, before: bytes, after: bytes, _: Manifest) -> Iterator[str]:
        old, new = (picture(data, one.name) for data in (before, after))
        texts = [letters(text) for text in self._reader.texts(new)]
        yield from ("OCR reads the value" for text in texts if letters(one.value) in text)
        parts = [part for part in re.split(r"\W+", one.value) if len(part) >= _TELLING]
        self.left += any(part in text for part in parts for text in texts)
        if not looks_alike(old, new, lossy=one.name.endswith(("jpeg", "pdf"))):
            yield "looks different"


if __name__ == "__main__":
    main()
