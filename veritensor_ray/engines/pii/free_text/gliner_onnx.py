"""Runs a GLiNER model as an ONNX graph, from words, labels and tokens to spans.

The folder contains `model.onnx`, which `training/pii_export.py` creates, and `tokenizer.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.free_text.passages_read import Entity
from veritensor_ray.models.model_store import ONNX
from veritensor_ray.models.onnx_graph import Numbers, OnnxGraph, Tokens

_IDS, _LABELS, _WORDS, _SCORES = "input_ids", "label_tokens", "word_tokens", "scores"
_WORD = re.compile(r"\w+(?:[-_]\w+)*|\S|\n")  # GLiNER's way of splitting, plus line ends
_LINE_END = ","  # stands for a line end, which GLiNER ignores: it would treat a list of addresses as one
_START, _LABEL, _SEPARATOR, _END = "[CLS]", "<<ENT>>", "<<SEP>>", "[SEP]"
_LONGEST = 512  # tokens that have a position
_KNOWN = 1 << 17  # words whose tokens are remembered


@dataclass(frozen=True, slots=True)
class WordWindow:
    """Words of a text that are read at once: their offsets, their tokens, and the index of each word's last token."""

    places: list[tuple[int, int]]
    ids: list[int]
    ends: list[int]


class GlinerOnnx:
    """A model for certain labels. Their names precede each window, so that the model sees what to look for."""

    exact = True

    def __init__(self, folder: Path, labels: Sequence[str], at_once: int = 1) -> None:
        self._graph = OnnxGraph(folder / ONNX, (_IDS, _LABELS, _WORDS), _SCORES, at_once)
        self._labels = list(labels)
        self._words = WordTokens(folder / "tokenizer.json")
        self._prompt = [self._words.special(_START)]
        self._asked: list[int] = []
        for label in labels:
            self._asked.append(len(self._prompt))
            self._prompt += [self._words.special(_LABEL), *self._words.tokens(label)]
        self._prompt.append(self._words.special(_SEPARATOR))

    def entities(self, texts: Sequence[str], floor: float) -> list[list[Entity]]:
        """Return the entities in each text, computed window by window."""
        windows = [(i, window) for i, text in enumerate(texts) for window in self._windows(text)]
        found: list[list[Entity]] = [[] for _ in texts]
        for (i, window), scores in zip(windows, self._graph.answers([self._fed(window) for _, window in windows]), strict=True):
            found[i] += [
                (window.places[a][0], window.places[b][1], self._labels[label], score) for a, b, label, score in spans(scores, floor)
            ]
        return found

    def alone(self, text: str, floor: float) -> list[Entity]:
        """Return the entities in one text. Each window is always computed by itself."""
        return self.entities([text], floor)[0]

    def _windows(self, text: str) -> Iterator[WordWindow]:
        """Yield the words of a text in as many windows as their tokens need, nearly always one. Words without tokens are skipped."""
        first = len(self._prompt)
        window = WordWindow([], [], [])
        for match in _WORD.finditer(text):
            tokens = self._words.tokens(_LINE_END if match.group() == "\n" else match.group())[: _LONGEST - first - 1]
            if first + len(window.ids) + len(tokens) >= _LONGEST:
                yield window
                window = WordWindow([], [], [])
            if tokens:
                window.ids.extend(tokens)
                window.places.append(match.span())
                window.ends.append(first + len(window.ids) - 1)
        if window.ids:
            yield window

    def _fed(self, window: WordWindow) -> Mapping[str, Tokens]:
        ids = [*self._prompt, *window.ids, self._words.special(_END)]
        return {name: np.array(values, np.int64) for name, values in ((_IDS, ids), (_LABELS, self._asked), (_WORDS, window.ends))}


class WordTokens:
    """Converts words to tokens. Each word is tokenized by itself, so that a known one only needs a lookup."""

    def __init__(self, file: Path) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001  # the library raises nothing more specific
            raise ModelError(f"{file} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._file = file
        self._known: dict[str, list[int]] = {}

    def special(self, name: str) -> int:
        """Return the id of a special token. Raises ModelError if there is none of that name."""
        found = self._tokenizer.token_to_id(name)
        if found is None:
            raise ModelError(f"{self._file} cannot be used: it has no token {name}. Reinstall the pinned model")
        return int(found)

    def tokens(self, word: str) -> list[int]:
        """Return the token ids of one word."""
        found = self._known.get(word)
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = self._known[word] = self._tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).ids
        return found


def spans(scores: Numbers, floor: float) -> list[tuple[int, int, int, float]]:
    """Return the first and last word, label and score of likely spans, the likeliest first and without overlaps.

    `scores`, shape (3, labels, words), gives the likelihood that each label begins at a word, ends there and continues there. A span has
    the score of its least likely part.
    """
    starts, ends, inside = scores
    found = []
    for label, first in np.argwhere(starts > floor).tolist():
        least = starts[label, first]
        for last in range(first, scores.shape[2]):
            least = min(least, inside[label, last])
            if least <= floor:
                break
            if ends[label, last] > floor:
                found.append((first, last, label, float(min(least, ends[label, last]))))
    kept: list[tuple[int, int, int, float]] = []
    for one in sorted(found, key=lambda span: -span[3]):
        if not any(one[0] <= other[1] and other[0] <= one[1] for other in kept):
            kept.append(one)
    return kept
