"""One loaded engine for all tests of the folder, and pictures that are drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image, ImageDraw, ImageFont

from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.ocr import Ocr
from veritensor_ray.models.model_store import ModelStore

SETTINGS = Settings.model_validate({"ocr": {"seconds": 60}})


@pytest.fixture(scope="package")
def ocr() -> Ocr:
    engine = Ocr(SETTINGS)
    engine.load(ModelStore("embedded"))
    return engine


def drawn(text: str, size: int = 20, ink: Any = "black", paper: Any = "white", mode: str = "RGB") -> Image.Image:
    """Some lines on a page that just holds them, in the font that Pillow brings."""
    font = ImageFont.load_default(size)
    rows = text.split("\n")
    image = Image.new(mode, (int(max(font.getlength(row) for row in rows)) + 60, round(size * 1.5) * len(rows) + 50), paper)
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        draw.text((30, 25 + number * round(size * 1.5)), row, font=font, fill=ink)
    return image


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def batch(*images: bytes, **block: Any) -> pa.RecordBatch:
    return to_batch(Block([""] * len(images), images=images, **block), Identity(7, "scan.png", "image/png", "in.zip"), Limits())


@pytest.fixture
def read(ocr: Ocr) -> Callable[[bytes], str]:
    """A file's text; empty where there is none."""
    return lambda data: "".join(ocr.read_images(batch(data)).column("text").to_pylist())
