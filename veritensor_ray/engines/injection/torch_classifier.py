"""Runs safetensors weights with PyTorch on a GPU or the CPU, in batches within a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.word_forms import Array
from veritensor_ray.models.weights import check_finite

LABEL = "INJECTION"


class TorchBackend:
    """A sequence classifier with a label INJECTION. Scores are the log odds of that label against all others.

    They vary slightly with the other windows of a batch and with half precision.
    """

    exact = False

    def __init__(self, folder: Path, token_budget: int, threads: int) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification
        from transformers.utils.logging import disable_progress_bar

        torch.set_num_threads(threads)
        disable_progress_bar()
        self._torch = torch
        weights = folder / "model.safetensors"
        try:
            network, report = AutoModelForSequenceClassification.from_pretrained(
                str(folder),
                use_safetensors=True,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except Exception as error:  # noqa: BLE001  # transformers and safetensors raise many kinds of errors, with the same remedy
            raise ModelError(f"{weights} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None
        if report["missing_keys"]:  # transformers would fill them with random numbers
            raise ModelError(f"{weights} lacks {sorted(report['missing_keys'])[0]}. Reinstall the pinned model")
        check_finite(network.named_parameters(), weights)
        labels = {str(label).upper(): int(index) for index, label in network.config.id2label.items()}
        if LABEL not in labels:
            raise ModelError(f"{folder}/config.json has no label {LABEL}, only {sorted(labels)}. Reinstall the pinned model")
        self._positive = labels[LABEL]
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()
        self._half = half_precision(self._device.type)
        self._pad = network.config.pad_token_id or 0
        self._budget = token_budget
        self.tokens = 0  # computed so far, without padding
        self.computed = 0  # computed so far, with padding

    def scores(self, ids: Sequence[Sequence[int]]) -> Array:
        """Return the log odds of windows, computed in batches of similar length."""
        scores = np.zeros(len(ids))
        for batch in packed([len(one) for one in ids], self._budget):
            scores[batch] = self._fitting([ids[i] for i in batch])
        return scores

    def alone(self, ids: Sequence[int]) -> float:
        """Return the log odds of one window, computed alone, without padding and in full precision."""
        return float(self._forward([ids], half=False)[0])

    def _fitting(self, ids: list[Sequence[int]]) -> Array:
        """Score a batch. If the device runs out of memory, score its halves, and halve the budget from the next call on."""
        try:
            return self._forward(ids, self._half)
        except self._torch.OutOfMemoryError:
            if len(ids) == 1:
                raise
            self._torch.cuda.empty_cache()
            padded = len(ids) * max(map(len, ids))
            self._budget = max(min(self._budget, padded // 2), 512)  # from this batch: later ones of the call still use the old budget
            half = len(ids) // 2
            return np.concatenate([self._fitting(ids[:half]), self._fitting(ids[half:])])

    def _forward(self, ids: Sequence[Sequence[int]], half: bool) -> Array:
        torch = self._torch
        longest = max(len(one) for one in ids)
        tokens = np.full((len(ids), longest), self._pad, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        self.tokens += int(mask.sum())
        self.computed += mask.size
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=half):
            out = self._network(input_ids=torch.from_numpy(tokens).to(self._device), attention_mask=torch.from_numpy(mask).to(self._device))
        logits = torch.log_softmax(out.logits.float(), -1).double().cpu().numpy()
        rest = np.delete(logits, self._positive, axis=1)
        scores: Array = logits[:, self._positive] - np.log(np.exp(rest).sum(1))
        return scores


def half_precision(device: str) -> bool:
    """Return whether bfloat16 is faster on this device."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def packed(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield batches of window indices, grouped by similar length, each with at most `budget` tokens including padding."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[i] > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
