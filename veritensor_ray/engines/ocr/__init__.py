"""Text in images, by EasyOCR's networks behind our own preprocessing; it knows neither Ray nor where images come from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from veritensor_ray.config import OcrSettings as OcrSettings
from veritensor_ray.config import Settings
from veritensor_ray.engines.base import FileInfo, Needs, Rule, WithModel
from veritensor_ray.errors import LimitExceeded, ModelError, UsageError
from veritensor_ray.models.model_store import ModelStore, known_answers
from veritensor_ray.segments import SEGMENTS, Gap

if TYPE_CHECKING:
    from veritensor_ray.engines.ocr.networks import Networks
    from veritensor_ray.engines.ocr.reader import Line

_LANGUAGES = ("en",)
# Replaced in the image's row; every other column is its location and stays.
_OWN = ("start", "owned", "line", "byte_offset", "view", "decoded_via", "text", "image", "boxes")


class Ocr(WithModel):
    """Reads every image of a batch; each that holds text becomes one segment."""

    name = "ocr"
    version = "1"
    needs = Needs(model="ocr", gpu=True)

    def __init__(self, settings: Settings) -> None:
        unknown = sorted(set(settings.ocr.languages) - set(_LANGUAGES))
        if unknown:
            raise UsageError(f"ocr.languages: no model for {', '.join(unknown)}; there is: {', '.join(_LANGUAGES)}")
        super().__init__(settings)
        self._networks: Networks | None = None
        self._gaps: list[tuple[int, Gap]] = []

    def applies(self, about: FileInfo) -> bool:
        """To images."""
        return about.media_type.startswith("image/")

    def rules(self) -> Sequence[Rule]:
        """None: it finds nothing, it makes text for the others."""
        return []

    def fingerprint(self) -> str:
        """Weights and everything that decides how an image is read."""
        parts = (self.version, self._described().name, self._settings.digest("ocr"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def load(self, models: ModelStore) -> None:
        """Weights and self-test. Raises ModelError."""
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
        usual = OcrSettings()  # the run's bounds may be narrower than the test's picture
        found = "\n".join(line.text for line in self._lines(_rendered(expected), usual))
        if _letters(found) != _letters(expected):
            raise ModelError(
                f"the model in {model.folder} fails its self-test: it reads {found[:80]!r} where {expected!r} is written. "
                "Bring the pinned model again"
            )

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """One segment for each image that holds text. Raises where an image of the batch cannot be read: narrow it down to the row.

        An image that was read in part raises nothing: its segment has what was read, and `gaps` says what is missing.
        """
        self._gaps = []
        rows, texts, boxes = [], [], []
        for row, data in enumerate(images.column("image")):
            if not data.is_valid:
                continue
            found: list[Line] = []
            try:
                for line in self._lines(data.as_buffer(), self._settings.ocr):
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
        """What the last batch's images hold beyond what was read, with the row of the image in that batch."""
        return self._gaps

    def _lines(self, data: Any, settings: OcrSettings) -> Iterator[Line]:
        """Frame by frame, in reading order."""
        from veritensor_ray.engines.ocr import picture, reader

        if self._networks is None:
            raise RuntimeError("the engine ocr is not loaded")
        clock = reader.Clock(settings.seconds)
        for number, frame in enumerate(picture.decode(bytes(data), settings)):
            if number == settings.frames:
                raise LimitExceeded("ocr.frames", f"image has more than {settings.frames} different frames")
            clock.check()
            if min(frame.size) >= settings.min_side:
                yield from reader.read(picture.readable(frame), self._networks, settings, clock)


def _joined(found: Sequence[Line]) -> tuple[str, list[dict[str, int]]]:
    """Lines joined by newlines; a word's box holds the space or newline before it too."""
    places: list[dict[str, int]] = []
    end = 0
    for line in found:
        for word in line.words:
            end += len(word.text) + (1 if places else 0)
            left, top, right, bottom = word.box.left, word.box.top, word.box.right, word.box.bottom
            places.append({"end": end, "left": int(left), "top": int(top), "right": int(np.ceil(right)), "bottom": int(np.ceil(bottom))})
    return "\n".join(line.text for line in found), places


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
    """A picture of one line, in the font that Pillow brings."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(24)
    image = Image.new("RGB", (int(font.getlength(line)) + 40, 64), "white")
    ImageDraw.Draw(image).text((20, 16), line, font=font, fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
