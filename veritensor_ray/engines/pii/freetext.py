"""A GLiNER model that reads chunks and marks names, addresses and diagnoses; it knows neither segments nor the gate.

The folder holds `gliner_config.json` with an `encoder_config`, `model.safetensors` and the tokenizer's files. Of the model's settings it
reads `labels` (label text and rule name, either way round), `sinks` (labels asked for so that they draw off what is no finding), `thresholds` by rule name (`default` or `medium` for the others) and
`window_words`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.engines.pii.pii_rules import FREE_TEXT
from veritensor_ray.errors import ModelError
from veritensor_ray.models.model_store import known_answers
from veritensor_ray.models.telemetry import silence
from veritensor_ray.models.weights import check_finite

if TYPE_CHECKING:
    from veritensor_ray.config import Settings
    from veritensor_ray.models.model_store import Model

NEAR = 0.02
_CHARACTERS = 3  # to a token, at least on average
_MOST = 64  # chunks in a batch
_REMEMBERED = 1 << 14  # chunks: corpora repeat their licences and headers


class Reader(Protocol):
    """What the engine asks of a model."""

    window_words: int

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        """What each text holds, with offsets in it, in order."""


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
    """Words of a chunk."""
    return int(settings.get("window_words") or min(int(settings.get("max_words", 100)), 100))


class Gliner:
    """The real one."""

    def __init__(self, model: Model, settings: Settings) -> None:
        silence()  # gliner imports ONNX Runtime where it is installed
        import torch
        from gliner import GLiNER

        self.window_words = window_words_of(model.settings)
        self._labels = labels_of(model.settings)
        self._asked = [*self._labels, *model.settings.get("sinks", ())]
        self._thresholds = thresholds_of(model.settings, settings.pii.thresholds)
        self._floor = max(min(self._thresholds.values()) - NEAR, 0.01)
        self._budget = settings.pii.token_budget
        self._known: OrderedDict[str, list[PiiSpan]] = OrderedDict()
        folder = str(model.folder)
        torch.set_num_threads(settings.resources.model_threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._model: Any = GLiNER.from_pretrained(folder, local_files_only=True, map_location=self._device)
        except Exception as error:  # noqa: BLE001  # gliner, transformers, tokenizers and safetensors raise what they like
            raise ModelError(f"the pii model in {folder} cannot be loaded: {str(error)[:300]}. Bring the pinned model again") from None
        check_finite(self._model.named_parameters(), model.folder / "model.safetensors")
        self._model.eval()
        self._self_test(folder, known_answers(model))

    def _self_test(self, folder: str, known: Mapping[str, str]) -> None:
        text, rule, span = known["text"], known["label"], known["span"]
        found = self.read([text])[0]
        if not any(f.rule == rule and text[f.start : f.end] == span for f in found):
            seen = [(f.rule, text[f.start : f.end], f.score) for f in found]
            raise ModelError(
                f"the pii model in {folder} fails its self-test: {span!r} is no {rule}, it sees {seen}. Bring the pinned model again"
            )

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        """Equal texts are read once per process, in batches of like lengths; near a threshold again alone, in full precision."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for batch in batches(new, self._budget):
            for i, spans in zip(batch, self._forward([new[i] for i in batch], self._fast()), strict=True):
                if any(abs(span.score - self._thresholds[span.rule]) < NEAR for span in spans):
                    spans = self._forward([new[i]], nullcontext())[0]
                self._known[new[i]] = [span for span in spans if span.score >= self._thresholds[span.rule]]
        results = [self._known[text] for text in texts]
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return results

    def _fast(self) -> AbstractContextManager[Any]:
        import torch

        if self._device == "cuda":
            bf16 = torch.cuda.is_bf16_supported()
        else:
            bf16 = any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return torch.autocast(self._device, dtype=torch.bfloat16) if bf16 else nullcontext()

    def _forward(self, texts: Sequence[str], precision: AbstractContextManager[Any]) -> list[list[PiiSpan]]:
        import torch

        with torch.inference_mode(), precision:
            predicted = self._model.inference(
                list(texts), self._asked, flat_ner=True, threshold=self._floor, multi_label=False, batch_size=len(texts)
            )
        return [sorted(self._spans(entities, len(text)), key=lambda f: f.start) for entities, text in zip(predicted, texts, strict=True)]

    def _spans(self, entities: Sequence[Mapping[str, Any]], length: int) -> Iterator[PiiSpan]:
        for entity in entities:
            rule, score = self._labels.get(entity["label"]), float(entity["score"])
            if math.isnan(score):
                raise ModelError("the pii model's scores are no numbers. Bring the pinned model again")
            start, end = max(0, int(entity["start"])), min(length, int(entity["end"]))
            if rule and end > start:
                yield PiiSpan(rule, start, end, min(round(score, 4), 1.0))


def batches(texts: Sequence[str], budget: int) -> Iterator[list[int]]:
    """Indices, like lengths together, at most `budget` tokens with padding."""
    batch: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: (len(texts[i]), i)):
        if batch and ((len(batch) + 1) * (len(texts[i]) // _CHARACTERS + 1) > budget or len(batch) == _MOST):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
