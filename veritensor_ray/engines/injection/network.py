"""The transformer: loads, scores batches of windows within a budget of tokens; it knows no texts, thresholds or hits."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.engines.injection.windows import TokenWindow, packed
from veritensor_ray.errors import ModelError
from veritensor_ray.models.weights import check_finite

_KNOWN = 1 << 17  # scores of windows seen before: corpora repeat themselves
LABEL = "INJECTION"


class Network:
    """A sequence classifier with a label INJECTION. Scores are log odds of that label against all others."""

    def __init__(self, folder: Path, token_budget: int) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification
        from transformers.utils.logging import disable_progress_bar

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
        except Exception as error:  # noqa: BLE001  # transformers and safetensors raise what they like, and the remedy is the same
            raise ModelError(f"{weights} cannot be loaded: {str(error)[:200]}. Bring the pinned model again") from None
        if report["missing_keys"]:  # transformers goes on with random numbers
            raise ModelError(f"{weights} lacks {sorted(report['missing_keys'])[0]}. Bring the pinned model again")
        check_finite(network.named_parameters(), weights)
        labels = {str(label).upper(): int(index) for index, label in network.config.id2label.items()}
        if LABEL not in labels:
            raise ModelError(f"{folder}/config.json names no label {LABEL}; it has {sorted(labels)}. Bring the pinned model again")
        self._positive = labels[LABEL]
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()
        self._half = half_precision(self._device.type)
        self._pad = network.config.pad_token_id or 0
        self._budget = token_budget
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self.tokens = 0  # that were real, and
        self.computed = 0  # with padding

    def score(self, windows: Sequence[TokenWindow]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Log odds of each window; equal windows are computed once per process."""
        keys = [hashlib.blake2b(np.asarray(window.ids, np.int32).tobytes(), digest_size=16).digest() for window in windows]
        new = {key: window for key, window in zip(keys, windows, strict=True) if key not in self._known}
        for key, value in zip(new, self._batches(list(new.values())), strict=True):
            self._known[key] = value
        scores = np.array([self._known[key] for key in keys])
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return scores

    def alone(self, window: TokenWindow) -> float:
        """The log odds of one window in a batch of its own, unpadded, in full precision: the same wherever it is computed."""
        return float(self._forward([window.ids], half=False)[0])

    def _batches(self, windows: Sequence[TokenWindow]) -> np.ndarray[Any, np.dtype[np.float64]]:
        scores = np.zeros(len(windows))
        for batch in packed(windows, self._budget):
            scores[batch] = self._fitting([windows[i].ids for i in batch])
        return scores

    def _fitting(self, ids: list[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Scores of a batch; where the device runs out of memory, of its halves, and from the next call on with half the budget."""
        try:
            return self._forward(ids, self._half)
        except self._torch.OutOfMemoryError:
            if len(ids) == 1:
                raise
            self._torch.cuda.empty_cache()
            padded = len(ids) * max(map(len, ids))
            self._budget = max(min(self._budget, padded // 2), 512)  # of this batch: later ones of the same call had the old budget too
            half = len(ids) // 2
            return np.concatenate([self._fitting(ids[:half]), self._fitting(ids[half:])])

    def _forward(self, ids: Sequence[Sequence[int]], half: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
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
        scores: np.ndarray[Any, np.dtype[np.float64]] = logits[:, self._positive] - np.log(np.exp(rest).sum(1))
        if np.isnan(scores).any():  # compared with a threshold it would be below, and the text clean
            raise ModelError("the injection model's scores are no numbers. Bring the pinned model again")
        return scores


def half_precision(device: str) -> bool:
    """Whether bfloat16 is the faster arithmetic here."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
