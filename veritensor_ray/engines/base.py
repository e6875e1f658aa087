"""Defines an engine: protocols for text, files and images. It does not depend on Ray or the schema of findings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from veritensor_ray.core.detection import (
    CATEGORIES,
    VERDICTS,
    Category,
    Effect,
    EffectKind,
    FileInfo,
    FileVerdict,
    Hit,
    Judged,
    Rule,
    unknown_value,
    worse,
)
from veritensor_ray.core.segments import Gap
from veritensor_ray.models.model_store import Model, ModelStore

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings

__all__ = [
    "CATEGORIES",
    "VERDICTS",
    "Category",
    "Effect",
    "EffectKind",
    "Engine",
    "FileEngine",
    "FileInfo",
    "FileVerdict",
    "Hit",
    "Judged",
    "NameReader",
    "Needs",
    "Onlooker",
    "PreparingEngine",
    "Rule",
    "TextEngine",
    "Transcriber",
    "Volatile",
    "WithModel",
    "unknown_value",
    "until_failure",
    "worse",
]


@dataclass(frozen=True, slots=True)
class Needs:
    """The resources an engine needs. `model` names a role of the catalog; without one, the engine runs where the bytes are.

    `libraries` are modules that a client's installation leaves out and that the engine needs: without them it counts as missing.
    """

    model: str | None = None
    gpu: bool = False
    libraries: tuple[str, ...] = ()


class WithModel:
    """Base of engines with a model: holds their settings, and looks up the model of their role when it is first needed."""

    needs: Needs

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: Model | None = None

    def _described(self) -> Model:
        """Return the verified model. Raises ModelError."""
        if self._model is None:
            self._model = ModelStore.of(self._settings).model(self.needs.model or "")
        return self._model

    @property
    def model_name(self) -> str | None:
        """The model as `id@revision`."""
        return self._described().name


class Onlooker:
    """Base of engines that look at everything and report nothing of their own: they have no model and no rules."""

    version = "1"
    needs = Needs()

    def applies(self, about: FileInfo) -> bool:
        """Return True."""
        return True

    def load(self, models: ModelStore) -> None:
        """Do nothing."""

    def rules(self) -> Sequence[Rule]:
        """Return nothing."""
        return ()

    def fingerprint(self) -> str:
        """Return the version."""
        return self.version


@runtime_checkable
class Engine(Protocol):
    """The interface of every engine. Instances are deterministic, and can be pickled before `load`.

    `version` must change whenever `applies` may give a different answer, even if settings cause the change: a sweep asks an engine only
    once about a file to which it does not apply.
    """

    name: str
    version: str
    needs: Needs

    def applies(self, about: FileInfo) -> bool:
        """Return whether this engine has anything to look for in such a file."""

    def load(self, models: ModelStore) -> None:
        """Prepare the engine, once per process. Raises ModelError, which names the file and the remedy."""

    def rules(self) -> Sequence[Rule]:
        """Return every rule whose id a hit may carry."""

    def fingerprint(self) -> str:
        """Return a digest that changes whenever the same input may give a different result."""


@runtime_checkable
class NameReader(Engine, Protocol):
    """An engine that considers more of a name than its extension. A file that was only renamed is scanned again if its role changed."""

    def role(self, path: str) -> Hashable:
        """Return a value that is equal for two names (with the same extension) under which the same bytes have the same findings."""


@runtime_checkable
class Volatile(Engine, Protocol):
    """An engine whose findings in the same bytes may change from day to day, although its fingerprint does not."""

    @property
    def volatile(self) -> bool:
        """Whether its findings may change with these settings. A sweep then asks the engine again about every file to which it applies."""


@runtime_checkable
class TextEngine(Engine, Protocol):
    """An engine that reads extracted text."""

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return the hits in a batch of segments (schema `veritensor_ray.core.segments.SEGMENTS`). A null text has none."""


@runtime_checkable
class PreparingEngine(TextEngine, Protocol):
    """A text engine with a model that works in two steps: `scan_text(texts)` equals `scan_prepared(texts, prepare(texts))`."""

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        """Return the model's input as a table whose ascending column `row` refers to `texts`.

        It is computed where the bytes are, without `load`.
        """

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> list[Hit]:
        """Return the hits, as `scan_text` would."""


@runtime_checkable
class FileEngine(Engine, Protocol):
    """An engine that reads whole files as bytes."""

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap | Judged]:
        """Yield the hits in a seekable file that is at its start. Offsets are in bytes. Gaps record the parts that could not be checked.

        An engine may also pass a verdict on the file as a whole. Hits that it has yielded count even if it raises an error later.
        """


@runtime_checkable
class Transcriber(Engine, Protocol):
    """An engine that turns images into text segments."""

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """Return text segments, of the same schema, for the images in a batch. Raises if an image cannot be read."""

    def gaps(self) -> list[tuple[int, Gap]]:
        """Return the parts of the last call's images that were not read, each with the row of its image."""


@runtime_checkable
class RereadingTranscriber(Transcriber, Protocol):
    """A transcriber that can read the same images another time in another way, which proves that nothing is left in them."""

    def read_again(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """Return what `read_images` returns, but as read in the other way."""


@runtime_checkable
class ForeseeingTranscriber(Transcriber, Protocol):
    """A transcriber that can tell, without its model, how long it takes for images: some take a thousand times as long as others."""

    def foreseen(self, image: bytes) -> float:
        """Return about how many CPU seconds an image takes. Only proportions matter. Raises if it cannot be read."""


_Found = TypeVar("_Found")


def until_failure(engine: str, scan: Callable[[], Iterable[_Found]]) -> Iterator[_Found | Gap]:
    """Yield what an engine finds. If it fails, a gap follows what it has found until then."""
    try:
        yield from scan()
    except Exception as error:  # noqa: BLE001  # the boundary of a file: hostile input may raise anything, and the other engines still run
        yield Gap.failed(engine, error)
