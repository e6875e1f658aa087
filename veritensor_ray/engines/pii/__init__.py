"""Finds personal data with patterns, checksums and, in free text, models."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule, WithModel
from veritensor_ray.engines.pii import custom, evasion, patterns
from veritensor_ray.engines.pii.free_text.chunks import chunks
from veritensor_ray.engines.pii.free_text.passages_read import FreeText, Reader, labels_of, thresholds_of, window_words_of
from veritensor_ray.engines.pii.free_text.prepared import Read, from_table, to_table
from veritensor_ray.engines.pii.free_text.tagger import FILE, Tagged, Tagger, UnclearPassage
from veritensor_ray.engines.pii.free_text.ties import cells_of, diagnosis, graded, named_rows
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan, names_alone, pieces, unescaped
from veritensor_ray.engines.pii.mail_fields import WRITTEN
from veritensor_ray.engines.pii.merge import merged
from veritensor_ray.engines.pii.pii_rules import all_rules
from veritensor_ray.models.lock import digest
from veritensor_ray.models.model_store import ModelStore

_HIDDEN = 0.95  # factor on the confidence of an obfuscated identifier

__all__ = ["Pii"]


class Pii(WithModel):
    """Runs patterns over joined segments, and again over obfuscated passages. The model reads what the tagger leaves unclear."""

    name = "pii"
    version = "8"
    needs = Needs(model="pii", gpu=True, libraries=("onnxruntime",))

    def __init__(self, settings: Settings) -> None:
        custom.check(settings.pii)
        super().__init__(settings)
        self._tagger: Tagger | None = None
        self._reader: Reader | None = None

    def applies(self, about: FileInfo) -> bool:
        """Return True: text of any file may contain personal data."""
        return True

    def load(self, models: ModelStore) -> None:
        """Load the model if free text is enabled. Raises ModelError."""
        if self._settings.pii.free_text:
            self._model = models.model("pii")
            self._reader = FreeText(self._model, self._settings)
            self._tagged_by(
                window_words_of(self._model.settings)
            )  # this process does not need the tagger, but a broken one should be reported at the start

    def rules(self) -> Sequence[Rule]:
        """Return the built-in and configured rules."""
        return all_rules(self._settings.pii)

    @property
    def model_name(self) -> str | None:
        """The model as `id@revision`, or None if only patterns run."""
        return self._described().name if self._settings.pii.free_text else None

    def fingerprint(self) -> str:
        """Return a digest of the version, numbering plans, settings and, for free text, model and thresholds."""
        parts = [
            self.version,
            self._settings.digest("pii"),
            *(importlib.metadata.version(name) for name in ("phonenumbers", "python-stdnum")),
        ]
        if self._settings.pii.free_text:
            model = self._described()
            embedded = ModelStore("embedded").model("pii")
            parts += [digest(embedded.folder / FILE), str(embedded.settings.get("tagger"))]
            asked = (labels_of(model.settings), model.settings.get("sinks", ()), window_words_of(model.settings))
            parts += [model.name, str(thresholds_of(model.settings, self._settings.pii.thresholds)), str(asked)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return the hits, ordered by segment and offset."""
        return self.scan_prepared(texts, self.prepare(texts))

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        """Return the findings that need no model and the passages that do, schema PREPARED."""
        aside = names_alone(texts) if self._settings.pii.free_text else frozenset()
        return to_table(read for joined in pieces(texts) for read in self._prepared(joined, aside))

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> list[Hit]:
        """Return the hits, ordered by segment and offset, from the result of `prepare` for the same texts."""
        least = self._settings.pii.min_confidence
        answered = self._answered(texts.column("text"), list(from_table(prepared)))
        found = {read.row: [span for span in merged(read.found) if span.score >= least] for read in answered}
        if any(diagnosis(span) for spans in found.values() for span in spans):
            found = graded(found, cells_of(texts, list(found)), set(named_rows(texts)))
        return [self._hit(row, span) for row, spans in found.items() for span in spans]

    def _prepared(self, joined: JoinedBatch, aside: frozenset[int]) -> Iterator[Read]:
        """Yield what is found in the texts, and what a model has to read. Only patterns read the rows `aside`."""
        found = _by_text(joined, [*self._structured(joined), *self._hidden(joined)])
        for i, (row, tagged) in enumerate(zip(joined.rows, self._tagged(joined, aside), strict=True)):
            if found[i] or tagged.settled or tagged.unclear:
                yield Read(row, [*found[i], *tagged.settled], list(tagged.unclear))

    def _structured(self, joined: JoinedBatch) -> Iterator[PiiSpan]:
        yield from patterns.find(joined, self._settings.pii)
        yield from custom.find(joined, self._settings.pii)

    def _hidden(self, joined: JoinedBatch) -> Iterator[PiiSpan]:
        """Yield identifiers in passages that read differently once normalized, except those that were not obfuscated."""
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
                        yield found._replace(start=start + begin, end=start + until, score=round(found.score * _HIDDEN, 3))

    def _tagged(self, joined: JoinedBatch, aside: frozenset[int]) -> list[Tagged]:
        """Return the tagger's verdict on each text. Without the gate, the model reads everything; without free text, nothing."""
        if not self._settings.pii.free_text:
            return [Tagged()] * len(joined.rows)
        fields = [column.name.lower() if column and column.header else "" for column in joined.columns]
        texts = [
            "" if row in aside or (field and field not in WRITTEN) else text
            for row, field, (_, text) in zip(joined.rows, fields, joined.texts(), strict=True)
        ]
        words = window_words_of(self._described().settings)
        if not self._settings.pii.gate:
            tagged = [Tagged((), tuple(UnclearPassage(a, b, ((a, b),)) for a, b in chunks(text, words))) for text in texts]
        else:
            tagged = self._tagged_by(words).read(texts)
        return [_of_header(one) if field else one for field, one in zip(fields, tagged, strict=True)]

    def _tagged_by(self, words: int) -> Tagger:
        if self._tagger is None:
            self._tagger = Tagger.embedded(words, self._settings.profile == "embedded", self._settings.pii.thresholds)
        return self._tagger

    def _answered(self, texts: pa.Array, reads: list[Read]) -> Iterator[Read]:
        """Yield each segment with the model's findings in its passages added."""
        waiting: list[str] = []
        for read in reads:
            if read.passages:
                text = unescaped(texts[read.row].as_py())
                waiting += [text[passage.start : passage.end] for passage in read.passages]
        if waiting and self._reader is None:
            raise ModelError("the pii model is not loaded")
        answers = iter(self._reader.read(waiting) if self._reader else ())
        for read in reads:
            spans = [
                one._replace(start=passage.start + one.start, end=passage.start + one.end)
                for passage in read.passages
                for one in next(answers)
                if passage.asked(passage.start + one.start, passage.start + one.end)
            ]
            yield replace(read, found=read.found + spans, passages=[])

    @staticmethod
    def _hit(row: int, found: PiiSpan) -> Hit:
        score = min(max(found.score, 0.0), 1.0)
        return Hit(f"pii.{found.rule}", found.start, found.end, row, score, found.severity, found.detail or None)


def _of_header(tagged: Tagged) -> Tagged:
    """Keep only names in an email header: each belongs to the address next to it."""
    names = [one._replace(rule="mail-header", detail="name next to an address") for one in tagged.settled if one.rule == "person"]
    return Tagged(tuple(names))


def _by_text(joined: JoinedBatch, found: Sequence[PiiSpan]) -> dict[int, list[PiiSpan]]:
    """Group the spans of a buffer by the number of their text, with offsets in that text. The part beyond its end is cut off."""
    spans = defaultdict(list)
    for one in found:
        i = joined.index(one.start)
        base = joined.starts[i]
        end = min(one.end, joined.ends[i]) - base
        spans[i].append(PiiSpan(one.rule, one.start - base, end, one.score, one.detail, one.severity))
    return spans
