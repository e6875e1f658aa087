"""Passages to the names, addresses and diagnoses that a model sees in them, each passage read once; it knows neither segments nor weights.

Of the model's settings it reads `labels` (label text and rule name, either way round), `sinks` (labels asked for so that they draw off what
is no finding), `thresholds` by rule name (`default` or `medium` for the others) and `window_words`.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.engines.pii.pii_rules import FREE_TEXT
from veritensor_ray.errors import ModelError
from veritensor_ray.models.model_store import ONNX, known_answers

if TYPE_CHECKING:
    from veritensor_ray.config import Settings
    from veritensor_ray.models.model_store import Model

NEAR = 0.02  # scores around a threshold; batches and half precision moved them by less
_KNOWN = 1 << 17  # passages seen before: corpora repeat their licences and headers

_LINE = re.compile(r"[^\s](?:[^\n]*[^\s])?")

Entity = tuple[int, int, str, float]  # characters, label, score


class Reader(Protocol):
    """What the engine asks of a model."""

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        """What each text holds, with offsets in it, in order."""


class Marker(Protocol):
    """Weights of one format, and what runs them.

    `exact`: what is found in a text is the same whatever it is computed with.
    """

    exact: bool

    def entities(self, texts: Sequence[str], floor: float) -> list[list[Entity]]:
        """What each text holds of the labels asked for, not overlapping, with scores above `floor`."""

    def alone(self, text: str, floor: float) -> list[Entity]:
        """The same of one text by itself, the same wherever it is computed."""


def labels_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Label text to rule name. Raises ModelError for a rule that a model cannot have."""
    labels: dict[str, str] = {}
    for key, value in dict(settings.get("labels") or {}).items():
        label, rule = (key, value) if value in FREE_TEXT else (value, key)
        if rule not in FREE_TEXT:
            raise ModelError(f"the pii model's label {key!r}: {value!r} names no rule of {', '.join(FREE_TEXT)}")
        labels[str(label)] = rule
    if not labels:
        raise ModelError("the pii model has no labels in its calibration")
    return labels


def thresholds_of(settings: Mapping[str, Any], own: Mapping[str, float]) -> dict[str, float]:
    """Rule name to threshold: configured, calibrated, or the model's default."""
    calibrated = dict(settings.get("thresholds") or {})
    default: Any = calibrated.get("default", calibrated.get("medium", 0.5))
    return {rule: own.get(rule, float(calibrated.get(rule, default))) for rule in sorted(set(labels_of(settings).values()))}


def window_words_of(settings: Mapping[str, Any]) -> int:
    """Words of a passage."""
    return int(settings.get("window_words") or min(int(settings.get("max_words", 100)), 100))


class FreeText:
    """A model with its thresholds, self-tested, and a memory of what it has read. It is made in the process that uses it."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._labels = labels_of(model.settings)
        self._thresholds = thresholds_of(model.settings, settings.pii.thresholds)
        self._floor = max(min(self._thresholds.values()) - NEAR, 0.01)
        self._marker = _marker(model.folder, [*self._labels, *model.settings.get("sinks", ())], settings)
        self._known: OrderedDict[bytes, list[PiiSpan]] = OrderedDict()
        self._self_test(model.folder, known_answers(model))

    def _self_test(self, folder: Path, known: Mapping[str, str]) -> None:
        text, rule, span = known["text"], known["label"], known["span"]
        found = self.read([text])[0]
        if not any(f.rule == rule and text[f.start : f.end] == span for f in found):
            seen = [(f.rule, text[f.start : f.end], f.score) for f in found]
            raise ModelError(
                f"the pii model in {folder} fails its self-test: {span!r} is no {rule}, it sees {seen}. Bring the pinned model again"
            )

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        """Equal texts are read once while they are remembered; where scores move with their batch, one near a threshold is read again alone."""
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        for (key, text), entities in zip(new.items(), self._marker.entities(list(new.values()), self._floor), strict=True):
            spans = self._spans(entities)
            if not self._marker.exact and any(abs(span.score - self._thresholds[span.rule]) < NEAR for span in spans):
                spans = self._spans(self._marker.alone(text, self._floor))
            self._known[key] = [part for span in spans if span.score >= self._thresholds[span.rule] for part in _by_line(text, span)]
        for key in keys:
            self._known.move_to_end(key)
        results = [self._known[key] for key in keys]
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return results

    def _spans(self, entities: Sequence[Entity]) -> list[PiiSpan]:
        """Those of the labels that have a rule, in order of place."""
        found = [
            PiiSpan(self._labels[label], start, end, min(round(score, 4), 1.0))
            for start, end, label, score in entities
            if label in self._labels and end > start
        ]
        return sorted(found, key=lambda f: f.start)


def _by_line(text: str, span: PiiSpan) -> list[PiiSpan]:
    """What the model takes for one span though lines part it: a name ends with its line, and an address where each line begins with a number."""
    lines = list(_LINE.finditer(text, span.start, span.end))
    if len(lines) < 2 or (span.rule == "address" and not all(line.group()[0].isdigit() and " " in line.group() for line in lines)):
        return [span]
    return [replace(span, start=line.start(), end=line.end()) for line in lines]


def _marker(folder: Path, labels: Sequence[str], settings: Settings) -> Marker:
    from veritensor_ray.engines.pii.onnx_backend import GlinerOnnx
    from veritensor_ray.engines.pii.torch_backend import GlinerTorch

    if (folder / ONNX).exists():
        return GlinerOnnx(folder, labels, settings.resources.model_threads)
    return GlinerTorch(folder, labels, settings.pii.token_budget, settings.resources.model_threads)
