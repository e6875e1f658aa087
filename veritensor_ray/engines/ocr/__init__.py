"""Reads text in images with EasyOCR's networks and our own preprocessing."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core.config import OcrSettings as OcrSettings
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import LimitExceeded, ModelError, UsageError
from veritensor_ray.core.segments import SEGMENTS, Gap
from veritensor_ray.engines.base import FileInfo, Needs, Rule, WithModel
from veritensor_ray.models.model_store import ModelStore, known_answers

if TYPE_CHECKING:
    from PIL import Image

    from veritensor_ray.engines.ocr.networks import Networks
    from veritensor_ray.engines.ocr.reader import Line

_LANGUAGES = ("en",)
_FRAME, _PIXEL = 0.03, 14e-6  # CPU seconds for each frame, and for each pixel at which the detector looks
_ANOTHER_SIZE = 1.5  # of the second reading, or its inverse if the image would become too large
# Columns that are replaced in the image's row. All others give its location and are kept.
_OWN = ("start", "owned", "line", "byte_offset", "view", "decoded_via", "text", "image", "boxes")


class Ocr(WithModel):
    """Reads every image of a batch. Each image with text becomes one segment."""

    name = "ocr"
    version = "2"
    needs = Needs(model="ocr", gpu=True, libraries=("torch", "cv2"))

    def __init__(self, settings: Settings) -> None:
        unknown = sorted(set(settings.ocr.languages) - set(_LANGUAGES))
        if unknown:
            raise UsageError(f"ocr.languages: no model for {', '.join(unknown)}; available: {', '.join(_LANGUAGES)}")
        super().__init__(settings)
        self._networks: Networks | None = None
        self._gaps: list[tuple[int, Gap]] = []

    def applies(self, about: FileInfo) -> bool:
        """Return True for images."""
        return about.media_type.startswith("image/")

    def rules(self) -> Sequence[Rule]:
        """Return no rules: this engine only produces text for the others."""
        return []

    def fingerprint(self) -> str:
        """Return a digest of the weights and all settings that affect how an image is read."""
        parts = (self.version, self._described().name, self._settings.digest("ocr"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def load(self, models: ModelStore) -> None:
        """Load the weights and run the self-test. Raises ModelError."""
        import cv2
        import torch

        from veritensor_ray.engines.ocr.networks import Networks

        self._model = models.model("ocr")
        torch.set_num_threads(self._settings.resources.model_threads)
        cv2.setNumThreads(self._settings.resources.model_threads)
        detector, recognizer = (
            str(self._model.settings.get(key, usual))
            for key, usual in (("detector", "craft_mlt_25k.safetensors"), ("recognizer", "english_g2.safetensors"))
        )
        self._networks = Networks(self._model.folder, detector, recognizer, self._settings.ocr.bf16)
        self._self_test()

    def _self_test(self) -> None:
        model = self._described()
        expected = known_answers(model)["line"]
        usual = OcrSettings()  # the run's limits may be too small for the test image
        found = "\n".join(line.text for _, line in self._lines(_rendered(expected), usual))
        if _letters(found) != _letters(expected):
            raise ModelError(
                f"the model in {model.folder} fails its self-test: it reads {found[:80]!r} instead of {expected!r}. "
                "Reinstall the pinned model"
            )

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """Return one segment for each image that contains text.

        Raises if any image of the batch cannot be read; the caller then narrows it down to the row. An image that was read in part does not
        raise: its segment has the text that was read, and `gaps` records the missing part.
        """
        return self._read(images, again=False)

    def read_again(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """Return the same for the images in another size, in which other letters are easy to read. Places are those in the image itself."""
        return self._read(images, again=True)

    def foreseen(self, image: bytes) -> float:
        """Return about how many CPU seconds an image takes on an ordinary core. Raises if it cannot be read."""
        from veritensor_ray.engines.ocr import picture, reader

        settings = self._settings.ocr
        frames = itertools.islice(picture.decode(image, settings), settings.frames)
        large = (frame for _, frame in frames if min(frame.size) >= settings.min_side)
        return sum(_FRAME + _PIXEL * reader.looked_at(picture.readable(frame), settings) for frame in large)

    def _read(self, images: pa.RecordBatch, again: bool) -> pa.RecordBatch:
        self._gaps = []
        rows, texts, boxes = [], [], []
        for row, data in enumerate(images.column("image")):
            if not data.is_valid:
                continue
            found: list[tuple[int, Line]] = []
            try:
                for line in self._lines(data.as_buffer(), self._settings.ocr, again):
                    found.append(line)
            except LimitExceeded as error:
                if not found:
                    raise
                self._gaps.append((row, Gap(str(error), engine=self.name, bound=error.bound)))
            if found:
                text, places = _joined(found)
                rows.append(row)
                texts.append(text)
                boxes.append(places)
        return _segments(images.take(pa.array(rows, pa.int32())), texts, boxes)

    def gaps(self) -> list[tuple[int, Gap]]:
        """Return the parts of the last batch's images that were not read, each with the row of its image in that batch."""
        return self._gaps

    def _lines(self, data: Any, settings: OcrSettings, again: bool = False) -> Iterator[tuple[int, Line]]:
        """Yield the lines of an image, frame by frame and in reading order, each with the number of its frame."""
        from veritensor_ray.engines.ocr import picture, reader

        if self._networks is None:
            raise RuntimeError("the engine ocr is not loaded")
        clock = reader.Clock(settings.seconds)
        for count, (number, frame) in enumerate(picture.decode(bytes(data), settings)):
            if count == settings.frames:
                raise LimitExceeded("ocr.frames", f"image has more than {settings.frames} different frames")
            clock.check()
            if min(frame.size) >= settings.min_side:
                seen = _resized(frame, settings) if again else frame
                across, down = frame.width / seen.width, frame.height / seen.height
                for line in reader.read(picture.readable(seen), self._networks, settings, clock):
                    yield number, line.scaled(across, down) if again else line


def _resized(frame: Image.Image, settings: OcrSettings) -> Image.Image:
    from PIL.Image import Resampling

    large = max(frame.size) * _ANOTHER_SIZE <= settings.max_side and frame.width * frame.height * _ANOTHER_SIZE**2 <= settings.pixels
    factor = _ANOTHER_SIZE if large else 1 / _ANOTHER_SIZE
    width, height = (max(settings.min_side, round(side * factor)) for side in frame.size)
    return frame.resize((width, height), Resampling.BICUBIC)


def _joined(found: Sequence[tuple[int, Line]]) -> tuple[str, list[dict[str, int]]]:
    """Join lines with newlines, and return the text and the boxes of its words. A word's box also covers the space or newline before it."""
    places: list[dict[str, int]] = []
    end = 0
    for frame, line in found:
        for word in line.words:
            end += len(word.text) + (1 if places else 0)
            left, top, right, bottom = word.box.left, word.box.top, word.box.right, word.box.bottom
            edges = {"left": int(left), "top": int(top), "right": int(np.ceil(right)), "bottom": int(np.ceil(bottom))}
            places.append({"end": end, **edges, "frame": frame})
    return "\n".join(line.text for _, line in found), places


def _segments(images: pa.RecordBatch, texts: list[str], boxes: list[list[dict[str, int]]]) -> pa.RecordBatch:
    count = len(texts)
    own = {name: pa.nulls(count, SEGMENTS.field(name).type) for name in _OWN} | {
        "start": pa.array([0] * count, pa.int64()),
        "view": pa.array(["ocr"] * count, pa.string()).dictionary_encode(),
        "decoded_via": pa.array(["ocr"] * count, pa.string()).dictionary_encode(),
        "text": pa.array(texts, pa.string()),
        "boxes": pa.array(boxes, SEGMENTS.field("boxes").type),
    }
    return pa.RecordBatch.from_arrays([own.get(name, images.column(name)) for name in SEGMENTS.names], schema=SEGMENTS)


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _rendered(line: str) -> bytes:
    """Return an image of one line, in Pillow's default font."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(24)
    image = Image.new("RGB", (int(font.getlength(line)) + 40, 64), "white")
    ImageDraw.Draw(image).text((20, 16), line, font=font, fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
