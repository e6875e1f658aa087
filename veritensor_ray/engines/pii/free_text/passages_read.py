"""Finds the names, addresses and diagnoses that a model sees in passages, reading each passage once.

It uses these settings of the model: `labels` (label text and rule name, in either order), `sinks` (additional labels that attract text
which is not a finding), `thresholds` by rule name (`default` or `medium` for the others) and `window_words`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.engines.pii.pii_rules import FREE_TEXT
from veritensor_ray.models.model_store import ONNX, known_answers
from veritensor_ray.models.shared_answers import ModelAnswers

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings
    from veritensor_ray.models.model_store import Model

NEAR = 0.02  # scores around a threshold; batching and half precision shift them by less

_LINE = re.compile(r"[^\s](?:[^\n]*[^\s])?")

Entity = tuple[int, int, str, float]  # start and end in characters, label, score


class Reader(Protocol):
    """The interface of a model as the engine uses it."""

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        """Return the spans in each text, in order and with offsets in it."""


class Marker(Protocol):
    """Weights in one format and their runtime.

    `exact` means that the result for a text does not depend on the other texts of its batch.
    """

    exact: bool

    def entities(self, texts: Sequence[str], floor: float) -> list[list[Entity]]:
        """Return the entities with the requested labels in each text, without overlaps and with scores above `floor`."""

    def alone(self, text: str, floor: float) -> list[Entity]:
        """Return the entities in one text computed by itself, which is reproducible."""


def labels_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Map label texts to rule names. Raises ModelError for a rule that a model cannot serve."""
    labels: dict[str, str] = {}
    for key, value in dict(settings.get("labels") or {}).items():
        label, rule = (key, value) if value in FREE_TEXT else (value, key)
        if rule not in FREE_TEXT:
            raise ModelError(f"the pii model's label {key!r}: {value!r} does not name one of the rules {', '.join(FREE_TEXT)}")
        labels[str(label)] = rule
    if not labels:
        raise ModelError("the pii model has no labels in its calibration")
    return labels


def thresholds_of(settings: Mapping[str, Any], own: Mapping[str, float]) -> dict[str, float]:
    """Map rule names to thresholds: the configured ones, the calibrated ones or the model's default."""
    calibrated = dict(settings.get("thresholds") or {})
    default: Any = calibrated.get("default", calibrated.get("medium", 0.5))
    return {rule: own.get(rule, float(calibrated.get(rule, default))) for rule in sorted(set(labels_of(settings).values()))}


def window_words_of(settings: Mapping[str, Any]) -> int:
    """Return the number of words in a passage."""
    return int(settings.get("window_words") or min(int(settings.get("max_words", 100)), 100))


class FreeText:
    """A self-tested model with its thresholds, which remembers the passages it has read. It is created in the process that uses it."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._labels = labels_of(model.settings)
        self._thresholds = thresholds_of(model.settings, settings.pii.thresholds)
        self._floor = max(min(self._thresholds.values()) - NEAR, 0.01)
        self._marker = _marker(model.folder, [*self._labels, *model.settings.get("sinks", ())], settings)
        self._known: ModelAnswers[str, list[PiiSpan]] = ModelAnswers(
            "pii",
            lambda spans: [(span.rule, span.start, span.end, span.score) for span in spans],
            lambda packed: [PiiSpan(*one) for one in packed],
        )
        self._self_test(model.folder, known_answers(model))

    def _self_test(self, folder: Path, known: Mapping[str, str]) -> None:
        text, rule, span = known["text"], known["label"], known["span"]
        found = self.read([text])[0]
        if not any(f.rule == rule and text[f.start : f.end] == span for f in found):
            seen = [(f.rule, text[f.start : f.end], f.score) for f in found]
            raise ModelError(
                f"the pii model in {folder} fails its self-test: it does not recognize {span!r} as {rule} but sees {seen}. Reinstall the pinned model"
            )

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        """Return the spans in each text. Equal texts are read once while they are remembered.

        If scores depend on the batch, a text with one near a threshold is read again by itself.
        """
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        return self._known.of(keys, texts, self._read)

    def _read(self, texts: list[str]) -> Iterator[list[PiiSpan]]:
        for text, entities in zip(texts, self._marker.entities(texts, self._floor), strict=True):
            spans = self._spans(entities)
            if not self._marker.exact and any(abs(span.score - self._thresholds[span.rule]) < NEAR for span in spans):
                spans = self._spans(self._marker.alone(text, self._floor))
            yield [part for span in spans if span.score >= self._thresholds[span.rule] for part in _by_line(text, span)]

    def _spans(self, entities: Sequence[Entity]) -> list[PiiSpan]:
        """Return the entities whose label has a rule as spans, in order."""
        found = [
            PiiSpan(self._labels[label], start, end, min(round(score, 4), 1.0))
            for start, end, label, score in entities
            if label in self._labels and end > start
        ]
        return sorted(found, key=lambda f: f.start)


def _by_line(text: str, span: PiiSpan) -> list[PiiSpan]:
    """Split a span at line ends. A name always ends with its line; an address does if each line begins with a number."""
    lines = list(_LINE.finditer(text, span.start, span.end))
    if len(lines) < 2 or (span.rule == "address" and not all(line.group()[0].isdigit() and " " in line.group() for line in lines)):
        return [span]
    return [span._replace(start=line.start(), end=line.end()) for line in lines]


def _marker(folder: Path, labels: Sequence[str], settings: Settings) -> Marker:
    from veritensor_ray.engines.pii.free_text.gliner_onnx import GlinerOnnx
    from veritensor_ray.engines.pii.free_text.gliner_torch import GlinerTorch

    if (folder / ONNX).exists():
        return GlinerOnnx(folder, labels, settings.resources.model_threads)
    return GlinerTorch(folder, labels, settings.pii.token_budget, settings.resources.model_threads)
