"""Texts to the windows that a model reads: which stretches are worth it, token ids, places; it knows no scores but the linear model's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from veritensor_ray.engines.injection.linear import Array, Linear
from veritensor_ray.engines.injection.orders import can_be_an_order

ZONE, ZONE_STRIDE = 320, 160  # characters that the linear model judges at once: in longer ones a short order drowns
MARGIN = 80  # characters around them that the transformer reads too
_CHUNK_CHARS = 1 << 18
_CHUNK_ROWS = 4096
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


class Zone(NamedTuple):
    """A range of characters of a text, in a row, that is worth reading."""

    row: int
    text: str
    start: int
    end: int


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
        readable = [(row, text) for row, text in enumerate(texts) if text and can_be_an_order(text)]
        return [window for chunk in _chunks(readable) for window in self._tokenised(list(self._zones(chunk)))]

    def table(self, texts: Sequence[str | None]) -> pa.RecordBatch:
        """The same, schema WINDOWS."""
        found = self.windows(texts)
        columns = [[getattr(window, name) for window in found] for name in WINDOWS.names]
        return pa.RecordBatch.from_arrays([pa.array(c, f.type) for c, f in zip(columns, WINDOWS, strict=True)], schema=WINDOWS)

    def _zones(self, texts: Sequence[tuple[int, str]]) -> Iterator[Zone]:
        """What the model has to read of some texts with their rows."""
        if self.linear is None or self.gate is None:
            yield from (Zone(row, text, 0, len(text)) for row, text in texts)
            return
        owner, start, end = _stretches([len(text) for _, text in texts])
        passed = np.flatnonzero(_scores(self.linear, [text for _, text in texts], owner, start, end) >= self.gate)
        for index, found in groupby(zip(owner[passed].tolist(), start[passed].tolist(), strict=True), key=itemgetter(0)):
            row, text = texts[index]
            for first, last in _merged((max(0, at - MARGIN), min(at + ZONE + MARGIN, len(text))) for _, at in found):
                yield Zone(row, text, _word_start(text, first), last)

    def _tokenised(self, zones: Sequence[Zone]) -> list[TokenWindow]:
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.size, stride=self.size - self.stride - 2)  # the overlap; two tokens frame a window
        encoded = self.tokenizer.encode_batch([zone.text[zone.start : zone.end] for zone in zones])
        pieces = [(zone, piece) for zone, first in zip(zones, encoded, strict=True) for piece in (first, *first.overflowing)]
        framed = [(zone, piece.ids, piece.offsets) for zone, piece in pieces if len(piece.ids) > 2]
        places = [(zone, zone.start + offsets[1][0], zone.start + offsets[-2][1]) for zone, _, offsets in framed]
        says = self._linear([zone.text[start:end] for zone, start, end in places])
        return [
            TokenWindow(zone.row, start, end, score, ids)
            for (zone, start, end), (_, ids, _), score in zip(places, framed, says, strict=True)
        ]

    def _linear(self, texts: Sequence[str]) -> list[float]:
        """What the linear model says of whole texts."""
        if self.linear is None or not texts:
            return [0.0] * len(texts)
        each = np.arange(len(texts))
        scores: list[float] = _scores(self.linear, texts, each, np.zeros_like(each), np.array([len(text) for text in texts])).tolist()
        return scores


def _stretches(lengths: Sequence[int]) -> tuple[Array, Array, Array]:
    """Stretches of ZONE characters, one each ZONE_STRIDE, of texts of some lengths: which text, and where in it they start and end."""
    count = np.maximum(1, -(-(np.array(lengths) - ZONE_STRIDE) // ZONE_STRIDE))
    owner = np.repeat(np.arange(len(lengths)), count)
    start = (np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)) * ZONE_STRIDE
    return owner, start, np.minimum(start + ZONE, np.array(lengths)[owner])


def _scores(linear: Linear, texts: Sequence[str], owner: Array, start: Array, end: Array) -> Array:
    """What the linear model says of pieces of texts: all of them hashed in one go, as one text, since most are as short as a cell."""
    sizes = np.array([len(text) + 1 for text in texts])
    shift = (np.cumsum(sizes) - sizes)[owner]
    return linear.scores("\n".join(texts), start + shift, end + shift)


def _merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ascending ranges, those that touch as one."""
    here: tuple[int, int] | None = None
    for start, end in ranges:
        if here and start > here[1]:
            yield here
            here = None
        here = (here[0] if here else start, end)
    if here:
        yield here


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
    single = [(a, b) for a, b in pairwise(cuts) if can_be_an_order(text[a:b])]
    pairs = [(a[0], b[1]) for a, b in pairwise(single)]
    return [*single, *pairs]


def _chunks(texts: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Texts in groups that are hashed and tokenised at once."""
    chunk: list[tuple[int, str]] = []
    size = 0
    for row, text in texts:
        chunk.append((row, text))
        size += len(text)
        if size >= _CHUNK_CHARS or len(chunk) >= _CHUNK_ROWS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
