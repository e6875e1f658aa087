"""Turn hits of all engines into findings: map offsets to the original, cut and redact evidence, compute keys.

It does not depend on any engine.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from veritensor_ray.core.detection import CONTEXT, EVIDENCE, FileInfo, Hit, Rule
from veritensor_ray.core.format_table import is_text_type
from veritensor_ray.core.text_positions import Columns, Place
from veritensor_ray.findings.located import PlaceTexts
from veritensor_ray.findings.recorded import Fact, Recorded, ranked
from veritensor_ray.formats.editing.marks import REFERENCE, bytes_mark, text_mark
from veritensor_ray.masking.concealment import Shown
from veritensor_ray.masking.evidence import KEYED, MARGIN, EvidenceAhead, Masks, SharedMasks, around
from veritensor_ray.masking.redaction import PERSONAL, SECRET, Note, masked_with_values, visible
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials

_BYTES_TO_TEXT = "latin-1"
_SPACES = re.compile(r"\s+")


class Recorder:
    """Collects the findings of the artifacts of a shard, each in order of location.

    With `marking`, it keeps every single place as `clean` needs it, and with `locating` as the table `locations` has it.
    """

    _showing = True  # whether rows are kept, and not only marks

    def __init__(self, rules: Mapping[str, Rule], site_key: bytes, limit: int, marking: bool = False, locating: bool = False) -> None:
        self._rules, self._key, self._limit, self._marking, self._locating = rules, site_key, limit, marking, locating
        self._seen = _KeyCounts()
        self.by_artifact: dict[int, Recorded] = {}

    def text_hits(self, engine: str, batch: pa.RecordBatch, hits: Iterable[Hit]) -> None:
        """Record an engine's hits in a batch. A hit in the part of an overlap that another segment owns is left to that segment."""
        in_order = sorted(hits, key=lambda h: (h.row or 0, h.start, h.rule, h.end))
        if not in_order:
            return
        columns = Columns(batch, (hit.row or 0 for hit in in_order))
        for row, some in groupby(in_order, key=lambda h: h.row or 0):
            self._row_hits(engine, columns, columns.at(row), list(some))

    def _row_hits(self, engine: str, columns: Columns, at: Place, hits: Sequence[Hit]) -> None:
        artifact = columns.artifact(at.row)
        place = _HitPlace(artifact, at.values["member"], at.values["column"])
        shared = SharedMasks(at.text, [around(len(at.text), hit.start, hit.end) for hit in hits])
        seen = self._seen.of(artifact, at)
        full: dict[tuple[Any, ...], Callable[[], None]] = {}  # functions that only count further hits like these
        for number, (hit, span) in enumerate(zip(hits, at.spans(hits), strict=True)):
            if hit.start >= at.owned:
                continue
            again = seen.again(hit.rule, *span)
            if hit.rule == REFERENCE:  # only something to change
                if self._marking and not again:
                    self._recorded(artifact).marks.append(text_mark(at, hit, "info", *span))
                continue
            # texts may share a name, as items of a JSON array do, so what seems to be counted already may be elsewhere
            if self._marking and (self._showing or not again):
                self._recorded(artifact).marks.append(text_mark(at, hit, hit.severity or self._rules[hit.rule].severity, *span))
            if again or not self._showing:
                continue
            if hit.evidence is not None:
                self._add(
                    engine, hit, place, partial(self._in_text, at, hit), self._shown(artifact, hit.evidence, 0, len(hit.evidence), hit.rule)
                )
                continue
            like = hit.rule, hit.severity, hit.score, at.text[hit.start : min(hit.end, hit.start + KEYED)]
            if (count := full.get(like)) and shared.ready(number):
                count()
                continue
            if not self._locating and not shared.may_be_wide and (more := self._tallied(hit, place, like[-1])):
                shared.note(number, self._recorded(artifact).values.note)
                full[like] = more
                continue
            show = self._shown(artifact, at.text, hit.start, hit.end, hit.rule, masks=partial(shared.of, number))
            if more := self._add(engine, hit, place, partial(self._in_text, at, hit), show):
                full[like] = more

    def file_hits(self, engine: str, artifact: int, file: BinaryIO, about: FileInfo, hits: Iterable[Hit]) -> None:
        """Record an engine's hits in a file. Offsets are bytes; in a text file, hits also get a line."""
        is_text = is_text_type(about.media_type)
        lines = _LineNumbers(file) if is_text else None
        for hit in sorted(hits, key=lambda h: (h.start, h.rule, h.end)):
            category = self._rules[hit.rule].category
            if self._marking:
                self._recorded(artifact).marks.append(bytes_mark(about, hit, hit.severity or self._rules[hit.rule].severity))
            if hit.evidence is not None:
                show = self._shown(artifact, hit.evidence, 0, len(hit.evidence), hit.rule)
            else:
                text, start, end = text_in_file(file, hit, "utf-8" if is_text else _BYTES_TO_TEXT)
                show = self._shown(artifact, text, start, end, hit.rule, hit.start > start)
            place = _HitPlace(artifact, about.member, None)
            location = {"byte_offset": about.offset + hit.start, "view": "visible"}
            if lines is not None:
                location["line"] = lines.at(hit.start)
            shown = Shown(category, hit.evidence is None, byte_end=about.offset + max(hit.end, hit.start))
            self._add(engine, hit, place, partial(dict, location=location, shown=shown), show)

    def _tallied(self, hit: Hit, place: _HitPlace, raw: str) -> Callable[[], None] | None:
        """Count a hit that gets no row, because its rule has all the facts it may have. Returns a function that counts one more like it."""
        recorded, rule = self._recorded(place.artifact), self._rules[hit.rule]
        if not recorded.is_full_of(hit.rule, self._limit):
            return None
        key, severity = evidence_key(self._key, hit.rule, raw), hit.severity or rule.severity
        fact = self._fact(place.member, key)
        if fact in recorded.facts:
            return None
        if rule.category in (SECRET, PERSONAL):
            recorded.values.note(rule.category, raw)
        tally = recorded.tally(place.column, hit.rule, severity)
        tally.add(1, (key,))
        return partial(recorded.count, tally, fact, severity)

    def _fact(self, member: str | None, key: bytes) -> Fact:
        """Return the fact that a hit belongs to."""
        return member, key

    def _recorded(self, artifact: int) -> Recorded:
        found = self.by_artifact.get(artifact)
        if found is None:
            found = self.by_artifact[artifact] = Recorded()
        return found

    def _shown(
        self, artifact: int, text: str, start: int, end: int, rule: str, is_cut: bool = False, masks: Masks | None = None
    ) -> EvidenceAhead:
        """Prepare what is shown of a hit, and remember the values that must not be shown elsewhere.

        `is_cut` means that more text precedes this one.
        """
        category, note = self._rules[rule].category, self._recorded(artifact).values.note
        found = EvidenceAhead(text, start, end, category, note, is_cut, masks)
        if category in (SECRET, PERSONAL):
            note(category, found.raw)
        return found

    def _in_text(self, place: Place, hit: Hit) -> dict[str, Any]:
        location, text = place.location(hit), place.text
        at = location["byte_offset"]
        shown = Shown(
            self._rules[hit.rule].category,
            hit.evidence is None,
            **place.derived(hit),
            byte_end=None if at is None else at + len(text[hit.start : hit.end].encode("utf-8", "replace")),
        )
        return {"location": location, "shown": shown}

    def _add(
        self, engine: str, hit: Hit, place: _HitPlace, locate: Callable[[], dict[str, Any]], show: EvidenceAhead
    ) -> Callable[[], None] | None:
        """Record a hit. If all further hits like it only need counting, return a function that counts one."""
        rule = self._rules[hit.rule]
        severity, hides = hit.severity or rule.severity, rule.category in (SECRET, PERSONAL)
        confidence = round(hit.score * (rule.confidence if hit.score == 1.0 else 1.0), 3)
        recorded = self._recorded(place.artifact)
        key = evidence_key(self._key, hit.rule, show.raw)
        tally = recorded.tally(place.column, hit.rule, severity)
        tally.add(1, (key,))
        fact = self._fact(place.member, key)
        located = locate() if self._locating else None
        if located is not None:
            at = located["location"]
            spot = PlaceTexts(hit.rule, severity, place.member, at.get("column"), at.get("part"), at.get("view"))
            recorded.locate(fact, spot, at, self._limit)
        if recorded.counted(fact, hit.rule, severity, confidence, hides, self._limit):
            return None if self._locating else partial(recorded.count, tally, fact, severity)
        located = located or locate()
        if hides:
            recorded.covered.add(hit.rule, place.member, located["location"], located["shown"])
        if recorded.known_enough(fact, hit.rule, severity, confidence, located["location"]):
            return None
        evidence = show.evidence()
        row = {
            "member": place.member,
            **located,
            "engine": engine,
            "rule_id": hit.rule,
            "severity": severity,
            "confidence": confidence,
            "evidence": evidence.shown,
            "evidence_before": evidence.before,
            "evidence_after": evidence.after,
            "evidence_key": key,
            "message": _message(hit.message, recorded.values.note) if hit.message else visible(rule.title),
            "counts": ranked({severity: 1}),
            "places": [],
        }
        recorded.keep(fact, row, self._limit)
        return None


class HitRecorder(Recorder):
    """Keeps a row and a mark for every single hit, in the same order, however many are equal. It is for texts, which are small.

    Without `showing` it keeps only the marks, which takes a tenth of the time.
    """

    def __init__(self, rules: Mapping[str, Rule], site_key: bytes, showing: bool) -> None:
        super().__init__(rules, site_key, sys.maxsize, marking=True)
        self._showing = showing
        self._number = 0

    def _fact(self, member: str | None, key: bytes) -> Fact:
        self._number += 1
        return member, key + self._number.to_bytes(8)


class _HitPlace(NamedTuple):
    artifact: int
    member: str | None
    column: str | None


def _message(message: str, note: Note) -> str:
    """Return what is shown of an engine's message, and note the values that must not be shown elsewhere."""
    shown, values = _masked_message(message)
    for kind, value in values:
        note(kind, value)
    return shown


@lru_cache(1024)  # most are equal for all hits of a rule
def _masked_message(message: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    masked, values = masked_with_values(message)
    return visible(without_credentials(masked)), values


def evidence_key(site_key: bytes, rule: str, evidence: str) -> bytes:
    """Return a keyed hash of the evidence, ignoring white space and case. A plain hash could be reversed by trying values."""
    normal = _SPACES.sub(" ", evidence).strip().casefold()
    return hmac.digest(site_key, f"{rule}\0{normal}".encode("utf-8", "surrogatepass"), hashlib.sha256)[:16]


def text_in_file(file: BinaryIO, hit: Hit, encoding: str) -> tuple[str, int, int]:
    """Return the text at and around the bytes of a hit, and where the hit is in it."""
    first = max(0, hit.start - CONTEXT - MARGIN)
    file.seek(first)
    data = file.read(min(hit.end, hit.start + EVIDENCE) - first + CONTEXT + MARGIN)
    before, found = data[: hit.start - first], data[hit.start - first : hit.end - first]
    after = data[hit.end - first :]
    texts = [part.decode(encoding, "replace") for part in (before, found, after)]
    return "".join(texts), len(texts[0]), len(texts[0]) + len(texts[1])


class _LineNumbers:
    """Line numbers of rising offsets in a text file, which is read once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at, self._line = file, 0, 1

    def at(self, offset: int) -> int:
        self._file.seek(self._at)
        while self._at < offset and (data := self._file.read(min(1 << 20, offset - self._at))):
            self._at += len(data)
            self._line += data.count(b"\n")
        return self._line


class _KeyCounts:
    """Where hits were, so that a repeated hit counts once.

    The same evidence may be found again in the decoded text, or in a notice about it, both of which come later.
    """

    _MOST = 20_000

    def __init__(self) -> None:
        self._spans: dict[tuple[Any, ...], _DisjointSpans] = {}
        self._decoded: dict[tuple[Any, ...], dict[int, int]] = {}

    def of(self, artifact: int, place: Place) -> _Seen:
        """Return what is known about the text of a place."""
        values = place.values
        # characters of a file with lines are counted from its beginning, those of a cell from the cell's
        names = ("member", "part", "row", "page", *(() if place.of_file else ("column",)))
        unit = (artifact, *(values[name] for name in names))
        return _Seen(self, (*unit, self._namesake(unit, place)), place)

    def _namesake(self, unit: tuple[Any, ...], place: Place) -> int:
        """Return the number of a decoded text among different ones that were decoded in the same way and begin at the same character.

        They are of different items of a JSON array, which share a name, and in which characters are counted from the item's beginning.
        """
        if place.values["view"] != "decoded":
            return 0
        if len(self._decoded) > self._MOST:
            self._decoded.clear()
        known = self._decoded.setdefault((*unit, place.values["decoded_via"], place.first), {})
        if len(known) > self._MOST:
            known.clear()
        return known.setdefault(place.number, len(known))

    def spans(self, unit: tuple[Any, ...], rule: str) -> _DisjointSpans:
        """Return where hits of a rule were."""
        if len(self._spans) > self._MOST:
            self._spans.clear()
        return self._spans.setdefault((*unit, rule), _DisjointSpans())


class _Seen:
    """The same for the hits in one text."""

    def __init__(self, counts: _KeyCounts, unit: tuple[Any, ...], place: Place) -> None:
        self._counts, self._unit = counts, unit
        self._derived = place.values["view"] == "decoded" or place.values["notice"] is not None
        self._by_rule: dict[str, _DisjointSpans] = {}

    def again(self, rule: str, start: int, end: int) -> bool:
        """Return whether its rule already had a hit there. Remembers the hit if not."""
        spans = self._by_rule.get(rule)
        if spans is None:
            spans = self._by_rule[rule] = self._counts.spans(self._unit, rule)
        if self._derived and spans.meets(start, end):
            return True
        spans.add(start, end)
        return False


class _DisjointSpans:
    """Sorted ranges. Overlapping ranges are merged, so that each question takes one lookup."""

    _MOST = 20_000

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def meets(self, start: int, end: int) -> bool:
        """Return whether one of the ranges overlaps `[start, end)`."""
        at = bisect_left(self._starts, end) - 1
        return at >= 0 and self._ends[at] > start

    def add(self, start: int, end: int) -> None:
        """Add a range. Once there are too many, all of them are forgotten."""
        if len(self._starts) > self._MOST:
            self._starts, self._ends = [], []
        if not self._ends or start >= self._ends[-1]:
            self._starts.append(start)
            self._ends.append(end)
            return
        last = bisect_left(self._starts, end)
        first = bisect_right(self._ends, start, 0, last)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]
