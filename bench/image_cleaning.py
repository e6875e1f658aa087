"""Write values into images in several ways, clean them, and search the copies for the values.

    python -m bench.image_cleaning [--images 300] [--keep FOLDER]

Every image has lines of text, one of them with a value, in one of the fonts of matplotlib: in different sizes, angles, colors and formats.
In a copy, OCR may read the value at neither of two sizes. Where nothing was painted, the pixels have to be equal, or almost equal in a
JPEG. Exits with 1 if that is not so.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bench.pdf_cleaning import run, values
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
_FORMATS = ("png", "jpeg", "webp", "gif", "bmp", "tiff")
_COLORS = (
    ("white", "black"),
    ("black", "white"),
    ("#f4f0e0", "#20306a"),
    ("#ffffff", "#8c8c8c"),
    ("#1b4f72", "#f7dc6f"),
    ("#d8d8d8", "#7a1020"),
)
_ANGLES = (0, 0, 0, 2, -4, 90, 180, 270)
_SIZES = (14, 18, 24, 32, 48)
_TELLING = 6  # characters of a part of a value that does not stand somewhere by chance
_ALMOST = 3.0  # levels of 255 by which pixels of a JPEG may differ where nothing was painted


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
        kind = _FORMATS[number % len(_FORMATS)]
        name = f"{number:04}.{kind}"
        (image.quantize(64) if kind == "gif" else image).save(corpus / name)
        yield Planted(name, value)


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
    """Return whether two images are equal outside of what is black in the second one alone."""
    old, new = (np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")).astype(int) for data in (before, after))
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, clean, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=300, help="How many images. Default: 300.")
    parser.add_argument("--keep", type=Path, help="New folder for the corpus and the copy. Default: a temporary one.")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = given.keep or Path(folder)
        corpus = base / "corpus"
        corpus.mkdir(parents=True)
        planted = list(build(corpus, given.images))
        (base / "config.yaml").write_text(json.dumps({"pii": {"free_text": False}}))
        commands = {
            "audit": ("submit", str(corpus), "--output", str(base / "audit")),
            "clean": ("clean", str(corpus), "--to", str(base / "copy")),
        }
        seconds = {name: run(base, *command, engines=_ENGINES) for name, command in commands.items()}
        raise SystemExit(_compared(base, planted, seconds))


def _compared(base: Path, planted: Sequence[Planted], seconds: dict[str, float]) -> int:
    rows = {row["artifact"]: row for row in pq.read_table(base / "copy" / "manifest.parquet").to_pylist()}
    results: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    reader = _Reader()
    for one in planted:
        row = rows[one.name]
        results[row["result"]] += 1
        if row["result"] != "cleaned":
            reasons[row["reason"] or "nothing was found in it"] += 1
            continue
        before, after = (base / "corpus" / one.name).read_bytes(), (base / "copy" / row["path"]).read_bytes()
        texts = [letters(text) for text in reader.texts(after)]
        failures += [f"{one.name}: OCR reads the value" for text in texts if letters(one.value) in text]
        parts = [part for part in re.split(r"\W+", one.value) if len(part) >= _TELLING]
        if any(part in text for part in parts for text in texts):
            reasons["a part of the value is left, because OCR took it for a word of its own"] += 1
        if not looks_alike(before, after, lossy=one.name.endswith("jpeg")):
            failures.append(f"{one.name}: looks different")
    print(f"{len(planted)} images: {dict(results)}; seconds: { {name: round(one) for name, one in seconds.items()} }")
    for reason, count in reasons.most_common():
        print(f"  {count} {reason}")
    print(f"{len(failures)} failures", *failures[:50], sep="\n  ")
    return int(bool(failures))


if __name__ == "__main__":
    main()
