"""Words of a text to what is sure without the model, and to the passages that it has to read; it knows no model and no pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veritensor_ray.engines.pii import gate
from veritensor_ray.engines.pii.chunks import chunks
from veritensor_ray.engines.pii.joining import PiiSpan


@dataclass(frozen=True, slots=True)
class Tagged:
    """What is known of a text: spans that are reported as they are, and passages that the model has to read; all offsets are in the text."""

    settled: list[PiiSpan]
    unclear: list[tuple[int, int]]


class Tagger:
    """Reads texts where the bytes are. Unless it `settles`, every passage of at most `window_words` that may hold a name is unclear."""

    def __init__(self, settles: bool, window_words: int) -> None:
        self._settles = settles
        self._window_words = window_words

    def read(self, texts: Sequence[str]) -> list[Tagged]:
        """What is settled and what is unclear, text by text."""
        return [Tagged([], [(a, b) for a, b in chunks(text, self._window_words) if gate.possible(text[a:b])]) for text in texts]
