"""Cuts texts into the windows that the model reads: selects the passages worth reading, and adds token ids and offsets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from tokenizers import Tokenizer

from veritensor_ray.engines.injection.first_stage import FirstStage
from veritensor_ray.engines.injection.orders import can_be_an_order

_ZONES, _CHARS = 2048, 1 << 18  # most zones and characters tokenized at once: a tokenizer's output takes 100 times the text's memory
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|(?<=[。！？])|\n+|-->|<[^<>]{1,40}>")

# What `prepare` passes to the model: a range of characters in a segment, its tokens, and the first stage's score.
WINDOWS = pa.schema(
    [
        ("row", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("first", pa.float32()),
        ("ids", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True, slots=True)
class TokenWindow:
    """A piece of a segment that the model reads at once: its characters, the first stage's log odds and its token ids."""

    row: int
    start: int
    end: int
    first: float
    ids: Sequence[int]


class Zone(NamedTuple):
    """A range of characters, in the text of a row, that is worth reading."""

    row: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts texts into overlapping windows of `size` tokens, one every `stride`; with a `gate`, only where the first stage reaches it.

    The tokenizer is that of the Rust library. It needs neither PyTorch nor the weights, so it can run where the bytes are.
    """

    tokenizer: Tokenizer
    size: int
    stride: int
    first_stage: FirstStage | None = None
    gate: float | None = None

    def windows(self, texts: Sequence[str | None]) -> list[TokenWindow]:
        """Return the windows of all texts, in order."""
        readable = [(row, text) for row, text in enumerate(texts) if text and can_be_an_order(text)]
        return [window for zones in _groups(self._zones(readable)) for window in self._tokenised(zones)]

    def table(self, texts: Sequence[str | None]) -> pa.RecordBatch:
        """Return the windows of all texts as a table, schema WINDOWS."""
        found = self.windows(texts)
        columns = [[getattr(window, name) for window in found] for name in WINDOWS.names]
        return pa.RecordBatch.from_arrays([pa.array(c, f.type) for c, f in zip(columns, WINDOWS, strict=True)], schema=WINDOWS)

    def _zones(self, texts: Sequence[tuple[int, str]]) -> Iterator[Zone]:
        """Yield the zones that the model has to read in some texts, given with their rows."""
        if self.first_stage is None or self.gate is None:
            yield from (Zone(row, text, 0, len(text)) for row, text in texts)
            return
        for index, start, end in self.first_stage.zones([text for _, text in texts], self.gate):
            yield Zone(*texts[index], start, end)

    def _tokenised(self, zones: Sequence[Zone]) -> list[TokenWindow]:
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.size, stride=self.size - self.stride - 2)  # the overlap; two tokens frame a window
        encoded = self.tokenizer.encode_batch([zone.text[zone.start : zone.end] for zone in zones])
        pieces = [(zone, piece) for zone, first in zip(zones, encoded, strict=True) for piece in (first, *first.overflowing)]
        framed = [(zone, piece.ids, piece.offsets) for zone, piece in pieces if len(piece.ids) > 2]
        places = [(zone, zone.start + offsets[1][0], zone.start + offsets[-2][1]) for zone, _, offsets in framed]
        read = [zone.text[start:end] for zone, start, end in places]
        says = self.first_stage.scores(read).tolist() if self.first_stage else [0.0] * len(read)
        return [
            TokenWindow(zone.row, start, end, score, ids)
            for (zone, start, end), (_, ids, _), score in zip(places, framed, says, strict=True)
        ]


def _groups(zones: Iterable[Zone]) -> Iterator[list[Zone]]:
    """Yield groups of zones to tokenize at once."""
    group: list[Zone] = []
    size = 0
    for zone in zones:
        if group and (len(group) == _ZONES or size + zone.end - zone.start > _CHARS):
            yield group
            group, size = [], 0
        group.append(zone)
        size += zone.end - zone.start
    if group:
        yield group


def from_table(table: pa.RecordBatch) -> list[TokenWindow]:
    """Return the windows in a table of schema WINDOWS."""
    return [TokenWindow(*values) for values in zip(*(table.column(name).to_pylist() for name in WINDOWS.names), strict=True)]


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the sentences, and pairs of neighboring ones, as character ranges: the possible locations of an injection in a window."""
    cuts = [0, *(m.end() for m in _SENTENCE.finditer(text)), len(text)]
    single = [(a, b) for a, b in itertools.pairwise(cuts) if can_be_an_order(text[a:b])]
    pairs = [(a[0], b[1]) for a, b in itertools.pairwise(single)]
    return [*single, *pairs]
