"""Tags names, organizations, addresses and diagnoses with a small network that reads every word.

Each word becomes the sum of five table rows (`features.py`), and four convolutions cover seven words on either side. Findings of which
the network is sure are settled; a doubtful one becomes a passage for the large model to read. It runs where the bytes are, in NumPy, over
whole buffers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.free_text import word_features
from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.engines.word_forms import AT_ONCE, Array, JoinedPiece, joined_pieces, points_of
from veritensor_ray.models.model_store import ModelStore

KINDS = ("person", "organization", "address", "medical", "location")  # the last is a sink: learned, but never reported
TAGS = ("O", *(f"{part}-{kind}" for kind in KINDS for part in "BI"))
DILATIONS = (1, 1, 2, 3)  # of the convolutions, each over three words
REACH = sum(DILATIONS)  # words on either side that affect a verdict
FILE = "tagger.safetensors"
_BLOCK = 2048  # words computed at once, so that intermediate results stay in the cache
_REMEMBERED = 1 << 23  # characters of texts whose verdicts are remembered, including the overhead of each
_ENTRY = 200
_LOOK_BACK = 4096  # characters that are searched for a good end when a long text is cut
_SEEN = 0.15  # least probability for a word to belong to a run
_AROUND = 8  # words on either side of a doubt that the large model reads
_SIGNS = 3  # characters after its last word: a period, a bracket
_MEDICAL = KINDS.index("medical")
_CLINICAL = 2, 60  # a text is clinical if it has so many certain diagnoses, and one in so many words
_CLINICAL_LOW = 0.15  # there, ordinary words are symptoms too ("cysts", "coughing"), and the tagger alone would drop every third


@dataclass(frozen=True, slots=True)
class UnclearPassage:
    """Characters [start, end) that the large model reads. Only its findings at one of `doubts` count."""

    start: int
    end: int
    doubts: tuple[tuple[int, int], ...]

    def asked(self, start: int, end: int) -> bool:
        """Return whether characters [start, end) are in doubt."""
        return any(start < last and first < end for first, last in self.doubts)


@dataclass(frozen=True, slots=True)
class Tagged:
    """The verdict on a text: the certain findings, and the passages that the large model still has to read."""

    settled: tuple[PiiSpan, ...] = ()
    unclear: tuple[UnclearPassage, ...] = ()


@dataclass(frozen=True, slots=True)
class Verge:
    """Limits for the mean probability of a run of words: it is certain from `high` on, ignored below `low` and doubtful in between."""

    low: float
    high: float


def verges_of(settings: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Verge]:
    """Read the limits of each kind from a calibration's `tagger`. Raises ModelError if a kind is missing: it would never be found."""
    try:
        found = {kind: Verge(*map(float, settings["tagger"][kind])) for kind in KINDS[:-1]}
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the calibration of the embedded pii model has no limits for the tagger: {error!r}. Reinstall veritensor-ray"
        ) from None
    if not all(0 < one.low <= one.high < math.inf for one in found.values()):
        raise ModelError(f"the calibration of the embedded pii model has invalid limits for the tagger: {found}. Reinstall veritensor-ray")
    return {kind: Verge(one.low, max(one.high, thresholds.get(kind, 0.0))) for kind, one in found.items()}


class TaggerNetwork:
    """The network's weights, which give the probability of each tag for each word."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        tables = [arrays[f"table.{i}"] for i in range(len(word_features.SIZES))]
        scales = arrays["scales"].astype(np.float32)
        self._tables = [table.astype(np.float32) * scale for table, scale in zip(tables, scales, strict=True)]
        self._layers = [
            (arrays[f"layer.{i}.weight"].astype(np.float32), arrays[f"layer.{i}.bias"].astype(np.float32)) for i in range(len(DILATIONS))
        ]
        self._out = arrays["out.weight"].astype(np.float32), arrays["out.bias"].astype(np.float32)

    @classmethod
    def load(cls, path: Path) -> TaggerNetwork:
        """Load a safetensors file. Raises ModelError.

        It contains `table.N` (int8, a row per bucket), `scales`, `layer.N.weight` (3, in, out) and `out.weight`.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            network = cls(arrays := load_file(path))
            known = network.probabilities(np.zeros((len(word_features.SIZES), 1), np.uint32), np.zeros(1, np.int64))
        except (OSError, SafetensorError, LookupError, ValueError) as error:
            raise ModelError(f"{path} cannot be loaded: {str(error)[:200]}. Reinstall veritensor-ray") from None
        sizes = tuple(len(arrays[f"table.{i}"]) for i in range(len(word_features.SIZES)))
        if (
            sizes != word_features.SIZES
            or {len(network._out[1]), network._out[0].shape[-1]} != {len(TAGS)}
            or not all(np.isfinite(a).all() for a in (known, *arrays.values()))
        ):
            raise ModelError(f"{path} does not contain the tables and tags of this version. Reinstall veritensor-ray")
        return network

    def probabilities(self, rows: Array, texts: Array) -> Array:
        """Return the probability of every tag, shape (words, tags). `rows` is (5, words), `texts` has the number of each word's text, ascending.

        No word sees another text.
        """
        count = rows.shape[1]
        found = np.empty((count, len(TAGS)), np.float32)
        for start in range(0, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            found[start:stop] = self._block(rows, texts, start, stop)
        return found

    def _block(self, rows: Array, texts: Array, start: int, stop: int) -> Array:
        first, last = max(start - REACH, 0), min(stop + REACH, rows.shape[1])
        texts = texts[first:last]
        state = np.zeros((last - first, self._tables[0].shape[1]), np.float32)
        for table, row in zip(self._tables, rows, strict=True):
            state += np.take(table, row[first:last], axis=0)
        for number, ((weight, bias), reach) in enumerate(zip(self._layers, DILATIONS, strict=True)):
            new = state @ weight[1]
            together = texts[reach:] == texts[:-reach]
            _add_product(new[reach:], state[:-reach], weight[0], together)
            _add_product(new[:-reach], state[reach:], weight[2], together)
            new += bias
            np.maximum(new, 0, out=new)
            if number:
                new += state
            state = new
        odds = state[start - first : stop - first] @ self._out[0]
        odds += self._out[1]
        odds -= odds.max(1, keepdims=True)
        np.exp(odds, out=odds)
        odds /= odds.sum(1, keepdims=True)
        return np.asarray(odds)


def _add_product(to: Array, of: Array, weight: Array, where: Array) -> None:
    """Add `of @ weight` to some rows of an array, in place. Few rows are computed by themselves: cells of tables have few words."""
    if 2 * np.count_nonzero(where) < len(where):
        to[where] += of[where] @ weight
    else:
        product = of @ weight
        product[~where] = 0
        to += product


class Tagger:
    """Gives verdicts on texts. If it does not settle anything, every run that it would not ignore is a doubt."""

    @classmethod
    def embedded(cls, window_words: int, settles: bool, thresholds: Mapping[str, float]) -> Tagger:
        """Load the shipped tagger, regardless of the profile. The user's `thresholds` raise the limits for certainty. Raises ModelError."""
        model = ModelStore("embedded").model("pii")
        return cls(TaggerNetwork.load(model.folder / FILE), verges_of(model.settings, thresholds), window_words, settles)

    def __init__(self, network: TaggerNetwork, verges: Mapping[str, Verge], window_words: int, settles: bool = True) -> None:
        self._network, self._window = network, window_words
        never = Verge(2.0, 2.0)  # no probability reaches it
        self._low, self._high = (
            np.array([getattr(verges.get(kind, never), name) for kind in KINDS], np.float32) for name in ("low", "high")
        )
        self._certain = float(self._high[_MEDICAL])  # also if nothing is settled
        if not settles:
            self._high[:] = 2.0
        self._known: dict[str, Tagged] = {}
        self._size = 0

    def read(self, texts: Sequence[str]) -> list[Tagged]:
        """Return a verdict on each text, independent of the others. Equal texts are read once: corpora repeat licenses and cells."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._read(new), strict=True))
        found = [self._known[text] for text in texts]
        self._size += sum(map(len, new)) + _ENTRY * len(new)
        if self._size > _REMEMBERED:
            self._known.clear()
            self._size = 0
        return found

    def _read(self, texts: Sequence[str]) -> Iterator[Tagged]:
        settled: list[list[PiiSpan]] = [[] for _ in texts]
        unclear: list[list[UnclearPassage]] = [[] for _ in texts]
        for piece in joined_pieces(texts, _cut):
            found = word_features.words(piece.text, piece.starts)
            runs = list(self._runs(piece, found))
            clinical = self._clinical(piece, found, runs)
            for run in runs:
                text = int(piece.owners[run.part])
                move = int(piece.skipped[run.part] - piece.starts[run.part])
                if run.score >= self._high[run.kind]:
                    begin, end = int(found.starts[run.core[0]]), int(found.ends[run.core[1] - 1])
                    settled[text].append(PiiSpan(KINDS[run.kind], begin + move, end + move, round(run.score, 3)))
                elif run.score >= (_CLINICAL_LOW if run.kind == _MEDICAL and run.part in clinical else self._low[run.kind]):
                    self._doubt(piece, found, run, move, unclear[text])
        for sure, doubts in zip(settled, unclear, strict=True):
            yield Tagged(tuple(sure), tuple(doubts))

    def _clinical(self, piece: JoinedPiece, found: word_features.WordRows, runs: Sequence[_Run]) -> set[int]:
        """Return the parts of a piece that are about diagnoses."""
        certain = Counter(run.part for run in runs if run.kind == _MEDICAL and run.score >= self._certain)
        enough, words = _CLINICAL
        several = sorted(part for part, count in certain.items() if count >= enough)
        firsts = np.searchsorted(found.starts, [piece.starts[part] for part in several])
        lasts = np.searchsorted(found.starts, [piece.end(part) for part in several])
        return {part for part, first, last in zip(several, firsts, lasts, strict=True) if words * certain[part] >= last - first}

    def probabilities(self, text: str) -> tuple[word_features.WordRows, Array]:
        """Return the words of one text of at most `AT_ONCE` characters, and the probability of every tag for each."""
        found = word_features.words(text)
        return found, self._network.probabilities(found.rows, np.zeros(len(found.starts), np.int64))

    def _runs(self, piece: JoinedPiece, found: word_features.WordRows) -> Iterator[_Run]:
        """Yield runs of consecutive words of one kind, in order."""
        count = len(found.starts)
        if not count:
            return
        parts = np.searchsorted(piece.starts, found.starts, "right") - 1
        tags = self._network.probabilities(found.rows, parts)
        mass = tags[:, 1::2] + tags[:, 2::2]
        kinds = mass.argmax(1)
        top = mass[np.arange(count), kinds]
        seen = np.flatnonzero((top >= _SEEN) & (self._low[kinds] <= 1))
        if not len(seen):
            return
        kinds, top, parts = kinds[seen], top[seen], parts[seen]
        opens = 2 * tags[seen, 1 + 2 * kinds] > top
        points = points_of(piece.text)
        lines = np.cumsum(points == 0x0A, dtype=np.int32)[found.starts]  # line number of each word
        before = np.maximum(seen - 1, 0)
        broken = lines[seen] != lines[before]
        number = (points[found.starts] >= 0x30) & (points[found.starts] <= 0x39)
        listed = number[np.searchsorted(lines, lines[seen])] & number[np.searchsorted(lines, lines[before])]
        broken &= listed | (
            kinds != KINDS.index("address")
        )  # an address continues across a line end, unless both lines begin with a number
        new = np.ones(len(seen), bool)
        new[1:] = (np.diff(seen) != 1) | (np.diff(kinds) != 0) | (np.diff(parts) != 0) | opens[1:] | broken[1:]
        firsts = np.flatnonzero(new)
        for first, last in zip(firsts.tolist(), [*firsts[1:].tolist(), len(seen)], strict=True):
            sure = np.flatnonzero(top[first:last] >= 0.5)
            begin, end = (first + int(sure[0]), first + int(sure[-1]) + 1) if len(sure) else (first, last)
            yield _Run(
                int(parts[first]),
                int(kinds[first]),
                (int(seen[first]), int(seen[last - 1]) + 1),
                (int(seen[begin]), int(seen[end - 1]) + 1),
                float(top[begin:end].mean()),
            )

    def _doubt(self, piece: JoinedPiece, found: word_features.WordRows, run: _Run, move: int, unclear: list[UnclearPassage]) -> None:
        """Add a run's surroundings as a passage, merged with the previous passage if both fit into one window."""
        own = found.starts[max(0, run.whole[0] - _AROUND) : run.whole[1] + _AROUND]
        begin = max(int(own[0]), int(piece.starts[run.part]))
        last = min(run.whole[1] + _AROUND, len(found.ends))
        end = min(
            int(found.ends[last - 1]) + _SIGNS,
            piece.end(run.part),
            int(found.starts[last]) if last < len(found.starts) else len(piece.text),
        )
        doubt = (int(found.starts[run.whole[0]]) + move, int(found.ends[run.whole[1] - 1]) + move)
        begin, end = begin + move, end + move
        if unclear and begin <= unclear[-1].end:
            previous = unclear[-1]
            words = int(np.searchsorted(found.starts, end - move) - np.searchsorted(found.starts, previous.start - move))
            if words <= self._window:
                unclear[-1] = UnclearPassage(previous.start, max(end, previous.end), (*previous.doubts, doubt))
                return
        unclear.append(UnclearPassage(begin, end, (doubt,)))


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of words: `whole` is its range, `core` the part that is more likely than not, and `score` that part's mean probability."""

    part: int
    kind: int
    whole: tuple[int, int]
    core: tuple[int, int]
    score: float


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """Yield a text in parts of less than `AT_ONCE` characters, cut at the end of a line or word if possible."""
    at = 0
    while len(text) - at >= AT_ONCE:
        stop = at + AT_ONCE - 1
        end = next((e for sign in "\n " if (e := text.rfind(sign, stop - _LOOK_BACK, stop)) > 0), stop)
        yield at, text[at:end]
        at = end
    if at < len(text):
        yield at, text[at:]
