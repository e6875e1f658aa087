"""Texts to the windows that a model reads: which stretches are worth it, token ids, places; it knows no scores but the linear model's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from veritensor_ray.engines.injection.linear import Linear

ZONE, ZONE_STRIDE = 320, 160  # characters that the linear model judges at once: in longer ones a short order drowns
MARGIN = 80  # characters around them that the transformer reads too
_CHUNK_CHARS = 1 << 20
_CHUNK_ROWS = 2048
_LETTER = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"[A-Za-z]+")
_ONE_WORD = 64  # characters
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|(?<=[。！？])|\n+|-->|<[^<>]{1,40}>")

# What `prepare` hands to the model: characters of a segment, its tokens, and what the linear model says of them.
WINDOWS = pa.schema(
    [
        ("row", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("linear", pa.float32()),
        ("ids", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True, slots=True)
class TokenWindow:
    """A piece of a segment that the model reads at once: character range, log odds of the linear model, token ids."""

    row: int
    start: int
    end: int
    linear: float
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts texts into overlapping windows of `size` tokens, one each `stride`; with a `gate`, only where the linear model sees reason.

    The tokenizer is the Rust library's own: it needs neither PyTorch nor the weights, so that it can work where the bytes are.
    """

    tokenizer: Tokenizer
    size: int
    stride: int
    linear: Linear | None = None
    gate: float | None = None

    def windows(self, texts: Sequence[str | None]) -> list[TokenWindow]:
        """Windows of all texts, in order."""
        found: list[TokenWindow] = []
        zones = [(row, text, start, end) for row, text in enumerate(texts) if text for start, end in self._zones(text)]
        for chunk in _chunks(zones):
            found += self._tokenised(chunk)
        return found

    def table(self, texts: Sequence[str | None]) -> pa.RecordBatch:
        """The same, schema WINDOWS."""
        found = self.windows(texts)
        columns = [[getattr(window, name) for window in found] for name in WINDOWS.names]
        return pa.RecordBatch.from_arrays([pa.array(c, f.type) for c, f in zip(columns, WINDOWS, strict=True)], schema=WINDOWS)

    def _zones(self, text: str) -> list[tuple[int, int]]:
        """Ranges of characters that the model has to read; a text without a letter, or of one word (a role, a name), holds no order."""
        if not _LETTER.search(text) or (len(text) < _ONE_WORD and text.isascii() and len(_WORDS.findall(text)) < 2):
            return []
        if self.linear is None or self.gate is None:
            return [(0, len(text))]
        starts = np.arange(0, max(1, len(text) - ZONE_STRIDE), ZONE_STRIDE)
        passed = np.flatnonzero(self.linear.scores(text, starts, np.minimum(starts + ZONE, len(text))) >= self.gate)
        zones: list[tuple[int, int]] = []
        for start in starts[passed].tolist():
            start, end = max(0, start - MARGIN), min(start + ZONE + MARGIN, len(text))
            if zones and start <= zones[-1][1]:
                zones[-1] = (zones[-1][0], end)
            else:
                zones.append((start, end))
        return [(_word_start(text, start), end) for start, end in zones]

    def _tokenised(self, zones: Sequence[tuple[int, str, int, int]]) -> Iterator[TokenWindow]:
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.size, stride=self.size - self.stride - 2)  # the overlap; two tokens frame a window
        encoded = self.tokenizer.encode_batch([text[start:end] for _, text, start, end in zones])
        for (row, text, start, _), first in zip(zones, encoded, strict=True):
            for piece in (first, *first.overflowing):
                offsets = piece.offsets
                if len(offsets) > 2:
                    begin, end = start + offsets[1][0], start + offsets[-2][1]
                    says = float(self.linear.scores(text[begin:end], [0], [end - begin])[0]) if self.linear else 0.0
                    yield TokenWindow(row, begin, end, says, piece.ids)


def _word_start(text: str, at: int) -> int:
    """The beginning of the word that `at` stands in, if it is near."""
    space = max(text.rfind(" ", max(0, at - 40), at), text.rfind("\n", max(0, at - 40), at))
    return at if at == 0 or space < 0 else space + 1


def from_table(table: pa.RecordBatch) -> list[TokenWindow]:
    """Windows of a table of schema WINDOWS."""
    return [TokenWindow(*values) for values in zip(*(table.column(name).to_pylist() for name in WINDOWS.names), strict=True)]


def sentences(text: str) -> list[tuple[int, int]]:
    """Sentences, and neighbours of them together, as character ranges: where in a window an order may stand."""
    cuts = [0, *(m.end() for m in _SENTENCE.finditer(text)), len(text)]
    single = [(a, b) for a, b in pairwise(cuts) if len(text[a:b].split()) > 2 or b - a > 12]
    pairs = [(a[0], b[1]) for a, b in pairwise(single)]
    return [*single, *pairs]


def packed(windows: Sequence[TokenWindow], budget: int) -> Iterator[list[int]]:
    """Indices of windows in batches: like lengths together, at most `budget` tokens with padding."""
    batch: list[int] = []
    for i in sorted(range(len(windows)), key=lambda i: len(windows[i].ids)):
        if batch and (len(batch) + 1) * len(windows[i].ids) > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _chunks(zones: list[tuple[int, str, int, int]]) -> Iterator[list[tuple[int, str, int, int]]]:
    """Zones in groups that the tokenizer takes at once."""
    chunk: list[tuple[int, str, int, int]] = []
    size = 0
    for zone in zones:
        chunk.append(zone)
        size += zone[3] - zone[2]
        if size >= _CHUNK_CHARS or len(chunk) >= _CHUNK_ROWS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
