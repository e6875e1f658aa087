"""Personal data: patterns with checksums, and a GLiNER model for free text behind a gate; it knows neither Ray nor where texts come from."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from veritensor_ray.config import Settings
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule, WithModel
from veritensor_ray.engines.pii import chunks, custom, evasion, gate, patterns
from veritensor_ray.engines.pii.freetext import Gliner, Reader, thresholds_of, window_words_of
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan, pieces
from veritensor_ray.engines.pii.merge import merged
from veritensor_ray.engines.pii.pii_rules import all_rules
from veritensor_ray.models.model_store import ModelStore

_HIDDEN = 0.95  # confidence of what was hidden, in parts of what it would be in the open
_GROUP = 4096  # chunks that wait for the model at once

__all__ = ["Pii"]


class Pii(WithModel):
    """Patterns run over joined segments, a second time over what evasions hide; the model reads what the gate lets through."""

    name = "pii"
    version = "2"
    needs = Needs(model="pii", gpu=True)

    def __init__(self, settings: Settings) -> None:
        custom.check(settings.pii)
        super().__init__(settings)
        self._reader: Reader | None = None

    def applies(self, about: FileInfo) -> bool:
        """To everything that text comes out of."""
        return True

    def load(self, models: ModelStore) -> None:
        """The model, if free text is wanted. Raises ModelError."""
        gate.first_names()
        if self._settings.pii.free_text:
            self._model = models.model("pii")
            self._reader = Gliner(self._model, self._settings)

    def rules(self) -> Sequence[Rule]:
        """Built in and configured."""
        return all_rules(self._settings.pii)

    @property
    def model_name(self) -> str | None:
        """`id@revision` of the model; None where only patterns run."""
        return self._described().name if self._settings.pii.free_text else None

    def fingerprint(self) -> str:
        """Version, number plans, settings and, for free text, model and thresholds."""
        parts = [
            self.version,
            self._settings.digest("pii"),
            *(importlib.metadata.version(name) for name in ("phonenumbers", "python-stdnum")),
        ]
        if self._settings.pii.free_text:
            model = self._described()
            parts += [model.name, str(thresholds_of(model.settings, self._settings.pii.thresholds)), str(window_words_of(model.settings))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Hits by segment and place."""
        hits: list[Hit] = []
        for joined in pieces(texts):
            found = [*self._structured(joined), *self._hidden(joined), *self._free(joined)]
            hits += self._hits(joined, merged(found))
        return hits

    def _structured(self, joined: JoinedBatch) -> Iterator[PiiSpan]:
        yield from patterns.find(joined, self._settings.pii)
        yield from custom.find(joined, self._settings.pii)

    def _hidden(self, joined: JoinedBatch) -> Iterator[PiiSpan]:
        """The same over passages that read differently once normalised. What stood in the open as well was found there."""
        for first, last in evasion.places(joined.text, joined.digits):
            for i in range(joined.index(first), joined.index(last) + 1):
                start, end = max(first, joined.starts[i]), min(last, joined.ends[i])
                text = joined.text[start:end]
                mapped = evasion.normalised(text)
                if mapped is None:
                    continue
                for found in self._structured(JoinedBatch.of(mapped.text, joined.columns[i])):
                    begin, until = mapped.original(found.start, found.end)
                    if text[begin:until] != mapped.text[found.start : found.end]:
                        score = round(found.score * _HIDDEN, 3)
                        yield PiiSpan(found.rule, start + begin, start + until, score, found.detail, found.severity)

    def _free(self, joined: JoinedBatch) -> Iterator[PiiSpan]:
        if self._reader is None:
            return
        waiting: list[tuple[int, str]] = []
        for chunk in self._chunks(joined, self._reader.window_words):
            waiting.append(chunk)
            if len(waiting) == _GROUP:
                yield from self._read(self._reader, waiting)
                waiting = []
        yield from self._read(self._reader, waiting)

    def _chunks(self, joined: JoinedBatch, words: int) -> Iterator[tuple[int, str]]:
        for start, text in joined.texts():
            for first, last in chunks.chunks(text, words):
                if not self._settings.pii.gate or gate.possible(text[first:last]):
                    yield start + first, text[first:last]

    @staticmethod
    def _read(reader: Reader, waiting: Sequence[tuple[int, str]]) -> Iterator[PiiSpan]:
        if waiting:
            for (start, _), spans in zip(waiting, reader.read([text for _, text in waiting]), strict=True):
                for found in spans:
                    yield PiiSpan(found.rule, start + found.start, start + found.end, found.score, found.detail)

    def _hits(self, joined: JoinedBatch, found: Iterable[PiiSpan]) -> Iterator[Hit]:
        for one in found:
            if one.score >= self._settings.pii.min_confidence:
                i = joined.index(one.start)
                base = joined.starts[i]
                end = min(one.end, joined.ends[i]) - base
                score = min(max(one.score, 0.0), 1.0)
                yield Hit(f"pii.{one.rule}", one.start - base, end, joined.rows[i], score, one.severity, one.detail or None)
