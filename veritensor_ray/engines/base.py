"""What an engine is: three protocols over text, files and images; it knows neither Ray nor the schema of findings."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

import pyarrow as pa

from veritensor_ray.detection import CATEGORIES, FileInfo, Hit, Rule
from veritensor_ray.models.model_store import Model, ModelStore
from veritensor_ray.segments import Gap

if TYPE_CHECKING:
    from veritensor_ray.config import Settings

__all__ = [
    "CATEGORIES",
    "Engine",
    "FileEngine",
    "FileInfo",
    "Hit",
    "NameReader",
    "Needs",
    "PreparingEngine",
    "Rule",
    "TextEngine",
    "Transcriber",
    "Volatile",
    "WithModel",
]


@dataclass(frozen=True, slots=True)
class Needs:
    """What an engine needs where it runs. `model` names the catalog's role; without one the engine runs where the bytes are."""

    model: str | None = None
    gpu: bool = False


class WithModel:
    """What engines with a model have in common: their settings, and the model of their role, looked up when it is first asked for."""

    needs: Needs

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: Model | None = None

    def _described(self) -> Model:
        """The verified model. Raises ModelError."""
        if self._model is None:
            self._model = ModelStore.of(self._settings).model(self.needs.model or "")
        return self._model

    @property
    def model_name(self) -> str | None:
        """`id@revision` of the model."""
        return self._described().name


@runtime_checkable
class Engine(Protocol):
    """Common to all engines. Instances are picklable before `load`, and deterministic.

    `version` changes whenever `applies` may give another answer, also where settings decide: a sweep asks an engine only once about a
    file that it does not apply to.
    """

    name: str
    version: str
    needs: Needs

    def applies(self, about: FileInfo) -> bool:
        """Whether this engine has anything to look for in such a file."""

    def load(self, models: ModelStore) -> None:
        """Get ready once per process; raises ModelError naming file and remedy."""

    def rules(self) -> Sequence[Rule]:
        """Every rule whose id a hit may carry."""

    def fingerprint(self) -> str:
        """Changes whenever the same input may give another result."""


@runtime_checkable
class NameReader(Engine, Protocol):
    """An engine that looks at more of a name than its extension: a file that only moved is scanned again where that matters."""

    def role(self, path: str) -> Hashable:
        """Equal for two names with the same extension under which the same bytes have the same findings."""


@runtime_checkable
class Volatile(Engine, Protocol):
    """An engine that may find something else in the same bytes tomorrow, with the same fingerprint."""

    @property
    def volatile(self) -> bool:
        """Whether it does with these settings: a sweep then asks it again about everything that it applies to."""


@runtime_checkable
class TextEngine(Engine, Protocol):
    """Reads extracted text."""

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Hits in a batch of segments (schema `veritensor_ray.segments.SEGMENTS`); null texts have none."""


@runtime_checkable
class PreparingEngine(TextEngine, Protocol):
    """A text engine with a model that splits its work: `scan_text(texts)` equals `scan_prepared(texts, prepare(texts))`."""

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        """What the model has to read, made where the bytes are, without `load`. A table with an ascending column `row` of the texts."""

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> list[Hit]:
        """Hits, as `scan_text` gives them."""


@runtime_checkable
class FileEngine(Engine, Protocol):
    """Reads whole files, as bytes."""

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        """Hits in a seekable file, which is at its start; offsets are bytes. Gaps name what the engine could not check."""


@runtime_checkable
class Transcriber(Engine, Protocol):
    """Turns images into text segments."""

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """Text segments, of the same schema, for the images in a batch. Raises where an image cannot be read."""

    def gaps(self) -> list[tuple[int, Gap]]:
        """What the images of the last call hold beyond what was read, with the row of the image."""
