"""Hits to findings, for all engines: offsets back to the original, evidence cut and redacted, keys; it knows no engine."""

from __future__ import annotations

import hashlib
import hmac
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa

from veritensor_ray.detection import FileInfo, Hit, Rule
from veritensor_ray.findings.concealment import CONTEXT, EVIDENCE, Shown
from veritensor_ray.findings.positions import Columns, Place
from veritensor_ray.findings.recorded import Recorded, ranked
from veritensor_ray.findings.redact import INNER, PERSONAL, SECRET, Note, mask, stars, visible
from veritensor_ray.media_types import is_text_type
from veritensor_ray.secret_kinds.uris import without_credentials

MARGIN = 200  # read around what is shown, so that a secret at its edge is still seen as one
_BYTES_TO_TEXT = "latin-1"
_INSIDE = re.compile(rf"[\w+/=.*-]{{{MARGIN},}}", re.ASCII)  # what begins before it, without a break, may be the inside of any key or token
_INSIDE_WIDE = re.compile(
    rf"[\w+/=.*-]{{{MARGIN // 4},}}", re.ASCII
)  # the same of two or four bytes a character, of which NULs were taken out
_SPACES = re.compile(r"\s+")
_RUN = re.compile(r"[A-Za-z0-9+/=_-]{16,}")


class Recorder:
    """Collects the findings of the artifacts of a shard, each in order of place."""

    def __init__(self, rules: Mapping[str, Rule], site_key: bytes, limit: int) -> None:
        self._rules, self._key, self._limit = rules, site_key, limit
        self._seen = _KeyCounts()
        self.by_artifact: dict[int, Recorded] = {}

    def text_hits(self, engine: str, batch: pa.RecordBatch, hits: Iterable[Hit]) -> None:
        """Record an engine's hits in a batch; those in another segment's part of an overlap are left to it."""
        columns = Columns(batch)
        for hit in sorted(hits, key=lambda h: (h.row or 0, h.start, h.rule, h.end)):
            row = hit.row or 0
            at = columns.at(row)
            if hit.start >= at.owned or (columns.repeats and self._seen.again(columns.artifact[row], at, hit)):
                continue
            shown, start, end = (at.text, hit.start, hit.end) if hit.evidence is None else (hit.evidence, 0, len(hit.evidence))
            evidence = self._evidence(columns.artifact[row], shown, start, end, hit.rule)
            place = _HitPlace(columns.artifact[row], at.values["member"], at.values["column"])
            self._add(engine, hit, place, partial(self._in_text, at, hit), evidence)

    def file_hits(self, engine: str, artifact: int, file: BinaryIO, about: FileInfo, hits: Iterable[Hit]) -> None:
        """Record an engine's hits in a file; offsets are bytes. In a file of text they get a line too."""
        is_text = is_text_type(about.media_type)
        lines = _LineNumbers(file) if is_text else None
        for hit in sorted(hits, key=lambda h: (h.start, h.rule, h.end)):
            category = self._rules[hit.rule].category
            if hit.evidence is not None:
                evidence = self._evidence(artifact, hit.evidence, 0, len(hit.evidence), hit.rule)
            else:
                text, start, end = text_in_file(file, hit, "utf-8" if is_text else _BYTES_TO_TEXT)
                evidence = self._evidence(artifact, text, start, end, hit.rule, hit.start > start)
            place = _HitPlace(artifact, about.member, None)
            location = {"byte_offset": about.offset + hit.start, "view": "visible"}
            if lines is not None:
                location["line"] = lines.at(hit.start)
            shown = Shown(category, hit.evidence is None, byte_end=about.offset + max(hit.end, hit.start))
            self._add(engine, hit, place, partial(dict, location=location, shown=shown), evidence)

    def _recorded(self, artifact: int) -> Recorded:
        found = self.by_artifact.get(artifact)
        if found is None:
            found = self.by_artifact[artifact] = Recorded()
        return found

    def _evidence(self, artifact: int, text: str, start: int, end: int, rule: str, is_cut: bool = False) -> Evidence:
        """What is shown of a hit; what must not be shown anywhere else is remembered. `is_cut` says that there is more before the text."""
        category, note = self._rules[rule].category, self._recorded(artifact).values.note
        evidence = evidence_of(text, start, end, category, note, is_cut)
        if category in (SECRET, PERSONAL):
            note(category, evidence.raw)
        return evidence

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

    def _add(self, engine: str, hit: Hit, place: _HitPlace, locate: Callable[[], dict[str, Any]], evidence: Evidence) -> None:
        rule = self._rules[hit.rule]
        severity, hides = hit.severity or rule.severity, rule.category in (SECRET, PERSONAL)
        confidence = round(hit.score * (rule.confidence if hit.score == 1.0 else 1.0), 3)
        recorded = self._recorded(place.artifact)
        key = evidence_key(self._key, hit.rule, evidence.raw)
        recorded.tally(place.column, hit.rule, severity).add(1, (key,))
        fact = place.member, key
        if recorded.counted(fact, hit.rule, severity, confidence, hides, self._limit):
            return
        located = locate()
        if hides:
            recorded.covered.add(hit.rule, place.member, located["location"], located["shown"])
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
            "message": visible(without_credentials(mask(hit.message, recorded.values.note)) if hit.message else rule.title),
            "counts": ranked({severity: 1}),
            "places": [],
        }
        recorded.keep(fact, row, self._limit)


@dataclass(frozen=True, slots=True)
class _HitPlace:
    artifact: int
    member: str | None
    column: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A hit as it stands there, and what is shown of it and around it."""

    raw: str
    shown: str
    before: str
    after: str


def evidence_of(text: str, start: int, end: int, category: str, note: Note, is_cut: bool) -> Evidence:
    """The hit and what stands around it, redacted as one text before it is cut.

    Of personal data the initials of words are left, of a secret an eighth and no more than four characters: the prefix of a token.
    """
    shown_end = min(end, start + EVIDENCE)
    left, right = max(0, start - CONTEXT - MARGIN), min(len(text), shown_end + CONTEXT + MARGIN)
    masked = masked_around(text[left:right], start - left, shown_end - left, category, note, bool(left) or is_cut)
    cut = (
        slice(max(0, start - CONTEXT) - left, start - left),
        slice(start - left, shown_end - left),
        slice(shown_end - left, shown_end + CONTEXT - left),
    )
    before, shown, after = (visible(masked[part]) for part in cut)
    return Evidence(text[start : min(end, start + 4096)], shown[:EVIDENCE], before[-CONTEXT:], after[:CONTEXT])


def masked_around(text: str, start: int, end: int, category: str, note: Note, is_cut: bool) -> str:
    """A text with a hit `[start, end)` of that category in it, redacted as one; as long as it was. `is_cut` says that there is more before it."""
    inside, wide = _INSIDE if is_cut else None, text.count("\0") * 3 > len(text)
    masked = _masked(text, start, end, note, inside)
    if wide:
        masked = _masked_wide(text, masked, start, end, note, inside and _INSIDE_WIDE)
    if category == PERSONAL:
        return masked[:start] + (stars(masked[start:end]) if wide else INNER.sub("*", masked[start:end])) + masked[end:]
    return _covered(masked, slice(start, end)) if category == SECRET else masked


def _masked(text: str, start: int, end: int, note: Note, inside: re.Pattern[str] | None) -> str:
    masked = mask(text, note)
    return _without_inside(masked, start, end, inside) if inside else masked


def _masked_wide(text: str, masked: str, start: int, end: int, note: Note, inside: re.Pattern[str] | None) -> str:
    """Bytes that are a text of two or four bytes a character, masked by what they say without their NULs as well."""
    places = [at for at, character in enumerate(text) if character != "\0"]
    said = "".join(text[at] for at in places)
    shown = list(masked)
    for at, character in zip(places, _masked(said, bisect_left(places, start), bisect_left(places, end), note, inside), strict=True):
        if character == "*":
            shown[at] = character
    return "".join(shown)


def _without_inside(text: str, start: int, end: int, inside: re.Pattern[str]) -> str:
    """Around the hit `[start, end)`: what begins before the text, without a break, and looks drawn by chance may be the inside of any key."""
    run = inside.match(text)
    if run is None or not (_has_digit(run.group()) and any(map(str.isupper, run.group())) and any(map(str.islower, run.group()))):
        return text
    size = run.end()
    return stars(text[: min(size, start)]) + text[min(size, start) : end] + stars(text[end : max(end, size)]) + text[max(end, size) :]


def _covered(text: str, hit: slice) -> str:
    """A secret behind stars; whatever looks random beside it may be the other half of a pair."""
    keep = min(4, (hit.stop - hit.start) // 8)
    inside = text[hit][:keep] + "".join(c if c.isspace() else "*" for c in text[hit][keep:])
    before, after = (
        _RUN.sub(lambda run: "*" * len(run.group()) if _has_digit(run.group()) else run.group(), text[part]) for part in _around(hit)
    )
    return before + inside + after


def _around(hit: slice) -> tuple[slice, slice]:
    return slice(None, hit.start), slice(hit.stop, None)


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def evidence_key(site_key: bytes, rule: str, evidence: str) -> bytes:
    """Keyed hash of what was found, white space and case aside; a plain hash could be reversed by trying."""
    normal = _SPACES.sub(" ", evidence).strip().casefold()
    return hmac.digest(site_key, f"{rule}\0{normal}".encode("utf-8", "surrogatepass"), hashlib.sha256)[:16]


def text_in_file(file: BinaryIO, hit: Hit, encoding: str) -> tuple[str, int, int]:
    """What stands at the bytes of a hit and around them, and where in it the hit is."""
    first = max(0, hit.start - CONTEXT - MARGIN)
    file.seek(first)
    data = file.read(min(hit.end, hit.start + EVIDENCE) - first + CONTEXT + MARGIN)
    before, found = data[: hit.start - first], data[hit.start - first : hit.end - first]
    after = data[hit.end - first :]
    texts = [part.decode(encoding, "replace") for part in (before, found, after)]
    return "".join(texts), len(texts[0]), len(texts[0]) + len(texts[1])


class _LineNumbers:
    """Lines of offsets in a file of text, asked in rising order; the file is read once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at, self._line = file, 0, 1

    def at(self, offset: int) -> int:
        self._file.seek(self._at)
        while self._at < offset and (data := self._file.read(min(1 << 20, offset - self._at))):
            self._at += len(data)
            self._line += data.count(b"\n")
        return self._line


class _KeyCounts:
    """Where hits were, so that what is found in a text and again in what it decodes to, or in a notice of it, counts once: those come later."""

    _MOST = 20_000

    def __init__(self) -> None:
        self._spans: dict[tuple[Any, ...], _DisjointSpans] = {}

    def again(self, artifact: int, place: Place, hit: Hit) -> bool:
        """Whether a hit in such a text stands where its rule had one already; remembers all others."""
        values = place.values
        derived = values["view"] == "decoded" or values["notice"] is not None
        # characters of a file with lines are counted from its beginning, those of a cell from the cell's
        names = ("member", "part", "row", "page", *(() if place.of_file else ("column",)))
        start, end = place.span(hit)
        spans = self._spans.setdefault((artifact, hit.rule, *(values[name] for name in names)), _DisjointSpans())
        if derived and spans.meets(start, end):
            return True
        if len(self._spans) > self._MOST or len(spans) > self._MOST:
            self._spans.clear()
        else:
            spans.add(start, end)
        return False


class _DisjointSpans:
    """Ranges in order, those that share a place made one, so that each question is answered by looking at one of them."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def meets(self, start: int, end: int) -> bool:
        """Whether one of them shares a place with `[start, end)`."""
        at = bisect_left(self._starts, end) - 1
        return at >= 0 and self._ends[at] > start

    def add(self, start: int, end: int) -> None:
        """One more."""
        last = bisect_left(self._starts, end)
        first = bisect_right(self._ends, start, 0, last)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]
