"""Runs a GLiNER model from safetensors with the package `gliner` and PyTorch, on a GPU or the CPU.

The folder contains `gliner_config.json` with an `encoder_config`, `model.safetensors` and the tokenizer's files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.free_text.passages_read import Entity
from veritensor_ray.models.model_store import SAFETENSORS
from veritensor_ray.models.telemetry import silence
from veritensor_ray.models.weights import check_finite

_CHARACTERS = 3  # least average length of a token
_MOST = 64  # most texts in a batch


class GlinerTorch:
    """A model for certain labels. Scores vary slightly with the other texts of a batch and with half precision."""

    exact = False

    def __init__(self, folder: Path, labels: Sequence[str], token_budget: int, threads: int) -> None:
        silence()  # gliner imports ONNX Runtime if it is installed
        import torch
        from gliner import GLiNER

        self._labels = list(labels)
        self._budget = token_budget
        torch.set_num_threads(threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._model: Any = GLiNER.from_pretrained(
                str(folder),
                local_files_only=True,
                map_location=self._device,
                low_cpu_mem_usage=self._device == "cpu",  # maps the file, so that the actors on a node share one copy
            )
        except Exception as error:  # noqa: BLE001  # gliner, transformers, tokenizers and safetensors raise many kinds of errors
            raise ModelError(f"the pii model in {folder} cannot be loaded: {str(error)[:300]}. Reinstall the pinned model") from None
        check_finite(self._model.named_parameters(), folder / SAFETENSORS)
        self._model.eval()

    def entities(self, texts: Sequence[str], floor: float) -> list[list[Entity]]:
        """Return the entities in each text, computed in batches of similar length and in half precision if the hardware supports it."""
        found: list[list[Entity]] = [[] for _ in texts]
        for batch in batches(texts, self._budget):
            for i, entities in zip(batch, self._forward([texts[i] for i in batch], floor, self._fast()), strict=True):
                found[i] = entities
        return found

    def alone(self, text: str, floor: float) -> list[Entity]:
        """Return the entities in one text, computed in full precision."""
        return self._forward([text], floor, nullcontext())[0]

    def _fast(self) -> AbstractContextManager[Any]:
        import torch

        if self._device == "cuda":
            bf16 = torch.cuda.is_bf16_supported()
        else:
            bf16 = any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return torch.autocast(self._device, dtype=torch.bfloat16) if bf16 else nullcontext()

    def _forward(self, texts: Sequence[str], floor: float, precision: AbstractContextManager[Any]) -> list[list[Entity]]:
        import torch

        with torch.inference_mode(), precision:
            predicted = self._model.inference(
                list(texts), self._labels, flat_ner=True, threshold=floor, multi_label=False, batch_size=len(texts)
            )
        return [[_entity(found, len(text)) for found in entities] for entities, text in zip(predicted, texts, strict=True)]


def _entity(found: dict[str, Any], length: int) -> Entity:
    score = float(found["score"])
    if math.isnan(score):
        raise ModelError("the pii model returned scores that are not numbers. Reinstall the pinned model")
    return max(0, int(found["start"])), min(length, int(found["end"])), str(found["label"]), score


def batches(texts: Sequence[str], budget: int) -> Iterator[list[int]]:
    """Yield batches of text indices, grouped by similar length, each with at most `budget` tokens including padding."""
    batch: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: (len(texts[i]), i)):
        if batch and ((len(batch) + 1) * (len(texts[i]) // _CHARACTERS + 1) > budget or len(batch) == _MOST):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
