"""Runs EasyOCR's two networks, with weights from safetensors only, on pictures and single lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.ocr import shapes
from veritensor_ray.engines.ocr.misread_digits import with_digits
from veritensor_ray.engines.ocr.shapes import CHARACTERS
from veritensor_ray.engines.ocr.spaces import settled, spaced
from veritensor_ray.models.weights import check_finite

_HIGH = 64  # height of the lines on which the recognizer was trained
_BATCH_PIXELS = 64 * 6000
_SPACE = 4.0  # factor for spaces, of which the recognizer sees too few; a larger one splits addresses
_MARKS = ".-_"  # what stands within an address instead of a space; a colon or a comma counts as a dot
_MARKED = 5e-4  # least probability of one of them
_MEAN, _SPREAD = np.array((0.485, 0.456, 0.406)) * 255, np.array((0.229, 0.224, 0.225)) * 255

Array = np.ndarray[Any, Any]


class Networks:
    """The detector, which locates characters and the gaps between them, and the recognizer, which reads one line."""

    def __init__(self, folder: Path, detector: str, recognizer: str, bf16: bool) -> None:
        """Load both networks. Raises ModelError, which names the file."""
        os.environ.setdefault("LRU_CACHE_CAPACITY", "1")  # or PyTorch keeps prepared kernels for every picture size
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._bf16 = bf16 and (self.device == "cuda" or _has_bf16())
        with torch.device("meta"):  # avoids seconds of creating random weights that are replaced immediately
            finder: Any = shapes.detector()
            reader: Any = shapes.recogniser()
        for network, name in ((finder, detector), (reader, recognizer)):
            _fill(network.eval(), folder / name)
            with torch.no_grad():
                shapes.fold(network)
        self._finder: Any = finder.to(self.device, memory_format=torch.channels_last)
        self._reader: Any = reader.to(self.device)

    def heat(self, grey: Array) -> tuple[Array, Array]:
        """Return two maps of half the size: how likely each point is the middle of a character, and of a gap within a word."""
        import torch

        height, width = grey.shape
        padded = np.pad(grey, ((0, -height % 32), (0, -width % 32)), mode="edge").astype(np.float32)
        normal = (padded[None] - _MEAN[:, None, None]) / _SPREAD[:, None, None]
        tensor = torch.from_numpy(normal.astype(np.float32))[None].to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self._bf16):
            maps: Array = shapes.heat(self._finder, tensor).float().cpu().numpy()[0]
        half = (slice(0, (height + 1) // 2), slice(0, (width + 1) // 2))
        return maps[..., 0][half], maps[..., 1][half]

    def read(self, crops: Sequence[Array]) -> list[tuple[str, float, list[float]]]:
        """Return, for each picture of one line, its text, its confidence, and the position of each character from 0 (left) to 1."""
        order = sorted(range(len(crops)), key=lambda i: _wide(crops[i]))
        results: list[tuple[str, float, list[float]]] = [("", 0.0, [])] * len(crops)
        for group in _grouped(order, crops):
            for i, result in zip(group, self._read([crops[i] for i in group]), strict=True):
                results[i] = result
        return results

    def _read(self, crops: Sequence[Array]) -> Iterator[tuple[str, float, list[float]]]:
        import torch

        wide = max(_wide(crop) for crop in crops)
        pictures = np.stack([_line(crop, wide) for crop in crops])
        tensor = torch.from_numpy(pictures)[:, None].to(self.device)
        with torch.inference_mode():
            odds = torch.softmax(shapes.answers(self._reader, tensor), 2)
            odds[:, :, CHARACTERS.index(" ") + 1] *= _SPACE
            best, index = (value.cpu().numpy() for value in odds.max(2))
            marks = odds[:, :, [CHARACTERS.index(mark) + 1 for mark in _MARKS]].cpu().numpy()
            marks[:, :, 0] += odds[:, :, [CHARACTERS.index(mark) + 1 for mark in ":,"]].sum(2).cpu().numpy()
        for crop, picture, score, path, mark in zip(crops, pictures, best, index, marks, strict=True):
            own = _wide(crop)
            used = min(len(path), max(1, round(len(path) * own / wide) + 1))  # the rest is padding
            new = np.flatnonzero((path[:used] != 0) & np.concatenate([[True], path[1:used] != path[: used - 1]]))
            text = "".join(CHARACTERS[path[t] - 1] for t in new)
            confidence = float(np.exp(np.log(np.clip(score[new], 1e-6, 1)).mean())) if len(new) else 0.0
            places = [min(1.0, (float(t) + 0.5) / len(path) * wide / own) for t in new]
            instead = [_mark(mark[t:end]) if letter == " " else "" for letter, (t, end) in zip(text, pairwise([*new, used]), strict=True)]
            text, places = settled(text, places, picture[:, :own], instead)
            text, places = spaced(text, places, picture[:, :own])
            yield with_digits(text), confidence, places


def _mark(odds: Array) -> str:
    """Return the likeliest mark of some columns, or nothing."""
    most = odds.max(axis=0)
    return _MARKS[int(most.argmax())] if most.max() >= _MARKED else ""


def _has_bf16() -> bool:
    import torch

    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())


def _fill(network: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        check_finite(tensors.items(), path)
        network.load_state_dict({name.removeprefix("module."): tensor for name, tensor in tensors.items()}, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None


def _wide(crop: Array) -> int:
    return max(_HIGH // 4, int(_HIGH * crop.shape[1] / crop.shape[0] + 0.5))


def _grouped(order: Sequence[int], crops: Sequence[Array]) -> Iterator[list[int]]:
    """Yield groups of similar width, so that little padding is needed."""
    group: list[int] = []
    for i in order:
        if group and ((len(group) + 1) * _wide(crops[i]) * _HIGH > _BATCH_PIXELS or _wide(crops[i]) > 1.25 * _wide(crops[group[0]])):
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _line(crop: Array, wide: int) -> Array:
    """Normalize a line: dark on light, full contrast, 64 pixels high, with the last column repeated up to `wide`."""
    import cv2

    own = _wide(crop)
    shrinks = crop.shape[0] > _HIGH
    line = cv2.resize(crop, (own, _HIGH), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4).astype(np.float32)
    low, high = np.percentile(line, (1, 99))
    line = np.clip((line - low) * (255 / max(high - low, 8)), 0, 255)
    edge = np.concatenate([line[0], line[-1]])
    if np.median(edge) < 100:
        line = 255 - line
    line = np.pad(line, ((0, 0), (0, wide - own)), mode="edge")
    scaled: Array = line / 127.5 - 1
    return scaled.astype(np.float32)
