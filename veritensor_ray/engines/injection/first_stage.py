"""Selects the passages that the transformer reads: the first stage of `injection`.

It works on whole batches of texts as arrays. It reads every text, so a Python loop over windows or texts would be most of its cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.injection.languages import Languages
from veritensor_ray.engines.injection.linear import Linear, Words, words
from veritensor_ray.engines.injection.word_vectors import WordVectors
from veritensor_ray.engines.word_forms import AT_ONCE, Array, JoinedPiece, joined_pieces

ZONE, ZONE_STRIDE = 40, 20  # words that are judged together: among more, a short instruction would be lost
MARGIN = 12  # words on either side of a zone that the transformer also reads
FILES = ("linear.safetensors", "word_vectors.safetensors", "languages.safetensors")
_OVERLAP = 2048  # characters by which parts of a longer text overlap, so that one of them contains the whole instruction
WITH_VECTORS = [0, 1, 3]  # words, pairs and stems
_MEANINGLESS = -10.0  # log odds of a text without words, and the least of any other


@dataclass(frozen=True, slots=True)
class Passages:
    """Overlapping ranges of words: the part of the piece that each is in, its first word, the word behind it, and the parts' bounds in words."""

    of: Array
    first: Array
    last: Array
    bounds: Array


@dataclass(frozen=True, slots=True)
class ScoredPiece:
    """What a first stage says of the passages of a piece: the log odds of each."""

    piece: JoinedPiece
    found: Words
    passages: Passages
    scores: Array


@dataclass(frozen=True)
class FirstStage:
    """A linear model over wording and, if the model has them, vectors for meaning and what is to be added in other languages."""

    linear: Linear
    vectors: WordVectors | None = None
    languages: Languages | None = None

    @classmethod
    def load(cls, folder: Path) -> FirstStage | None:
        """Load the files of a model's folder; None if it has no first stage. Raises ModelError."""
        linear, *others = (folder / name for name in FILES)
        vectors, languages = others
        if not linear.exists():
            if orphans := [path.name for path in others if path.exists()]:
                raise ModelError(f"{linear} is missing, which {orphans[0]} needs. Reinstall the pinned model")
            return None
        return cls(
            Linear.load(linear),
            WordVectors.load(vectors) if vectors.exists() else None,
            Languages.load(languages) if languages.exists() else None,
        )

    def save(self, folder: Path) -> None:
        """Write the files that `load` reads."""
        for part, name in zip((self.linear, self.vectors, self.languages), FILES, strict=True):
            if part is not None:
                part.save(folder / name)

    def scores(self, texts: Sequence[str]) -> Array:
        """Return the log odds of each text: its wording as a whole, and its passage with the most telling meaning."""
        sums = np.zeros((len(texts), 2))
        meaning = np.full(len(texts), _MEANINGLESS)
        spoken = np.zeros((len(texts), len(self.languages.ease) if self.languages else 0), np.int64)
        for piece in joined_pieces(texts, _cut):
            found = words(piece.text)
            parts = np.searchsorted(piece.starts, found.starts, "right") - 1
            np.add.at(sums, piece.owners[parts], self.linear.values(found))
            if self.vectors is not None:
                passages = _passages(piece, found)
                np.maximum.at(meaning, piece.owners[passages.of], _meaning(self.vectors, found, passages))
            if self.languages is not None:
                np.add.at(spoken, piece.owners, self.languages.counts(found.hashes[0], parts, len(piece.starts)))
        mixed = self._mixed(self.linear.score(sums), meaning)
        return mixed if self.languages is None else mixed + self.languages.eased(spoken)

    def zones(self, texts: Sequence[str], gate: float) -> Iterator[tuple[int, int, int]]:
        """Yield (text, start, end), in characters, of passages that score `gate` or more, with margins, in order and merged if they overlap."""
        for one in self.judged(texts):
            yield from _merged(one.piece, one.found, one.passages, np.flatnonzero(one.scores >= gate))

    def judged(self, texts: Sequence[str]) -> Iterator[ScoredPiece]:
        """Yield what the first stage says of all passages of texts, in pieces."""
        for piece in joined_pieces(texts, _cut):
            found = words(piece.text)
            passages = _passages(piece, found)
            total = np.concatenate([np.zeros((1, 2)), np.cumsum(self.linear.values(found), 0, dtype=np.float64)])
            wording = self.linear.score(total[passages.last] - total[passages.first])
            scores = self._mixed(wording, _meaning(self.vectors, found, passages) if self.vectors else wording)
            if self.languages is not None:
                scores += self.languages.eased(spoken_in(passages, found, self.languages))
            yield ScoredPiece(piece, found, passages, scores)

    def _mixed(self, wording: Array, meaning: Array) -> Array:
        if self.vectors is None:
            return wording
        a, b, c = self.vectors.mix.tolist()
        return np.asarray(a * wording + b * meaning + c)


def _meaning(vectors: WordVectors, found: Words, passages: Passages) -> Array:
    return np.maximum(vectors.scores(found.hashes[WITH_VECTORS], passages.first, passages.last), _MEANINGLESS)


def spoken_in(passages: Passages, found: Words, languages: Languages) -> Array:
    """Return the counts of `Languages.counts` of passages: each is its own first words and those of the next passage, if that overlaps it."""
    groups = np.repeat(np.arange(len(passages.first)), np.diff(passages.first, append=len(found.starts)))
    counts = languages.counts(found.hashes[0], groups, len(passages.first))
    follows = np.flatnonzero(passages.of[1:] == passages.of[:-1])
    both = counts.copy()
    both[follows] += counts[follows + 1]
    return both


def _passages(piece: JoinedPiece, found: Words) -> Passages:
    bounds = np.searchsorted(found.starts, np.append(piece.starts, len(piece.text)))
    lengths = np.diff(bounds)
    counts = np.where(lengths > 0, 1 + np.maximum(0, -(-(lengths - ZONE) // ZONE_STRIDE)), 0)
    of = np.repeat(np.arange(len(lengths)), counts)
    first = bounds[of] + ZONE_STRIDE * (np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts))
    return Passages(of, first, np.minimum(first + ZONE, bounds[of + 1]), bounds)


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """Yield a text whole, or in overlapping parts if it is too long."""
    if len(text) <= AT_ONCE:
        if text:
            yield 0, text
        return
    for skipped in range(0, len(text) - _OVERLAP, AT_ONCE - _OVERLAP):
        yield skipped, text[skipped : skipped + AT_ONCE]


def _merged(piece: JoinedPiece, found: Words, passages: Passages, chosen: Array) -> Iterator[tuple[int, int, int]]:
    """Yield chosen passages with their margins as ranges of characters, merging neighbors in one text."""
    of, bounds = passages.of[chosen], passages.bounds
    begins = np.maximum(passages.first[chosen] - MARGIN, bounds[of]).tolist()
    ends = np.minimum(passages.last[chosen] + MARGIN, bounds[of + 1]).tolist()
    at = 0
    while at < len(begins):
        text, begin, end = int(of[at]), begins[at], ends[at]
        while at + 1 < len(begins) and of[at + 1] == text and begins[at + 1] <= end:
            at += 1
            end = ends[at]
        start, skipped = int(piece.starts[text]), int(piece.skipped[text])
        until = piece.end(text)
        lead = start if begin == bounds[text] else int(found.starts[begin])
        tail = until if end == bounds[text + 1] else int(found.ends[end - 1])
        yield int(piece.owners[text]), lead - start + skipped, tail - start + skipped
        at += 1
