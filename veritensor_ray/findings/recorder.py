"""Hits to findings, for all engines: offsets back to the original, evidence cut and redacted, keys, flood control; it knows no engine."""

from __future__ import annotations

import hashlib
import hmac
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa

from veritensor_ray.config import SEVERITIES
from veritensor_ray.findings.redact import mask, visible, without_credentials
from veritensor_ray.hits import FileInfo, Hit, Rule
from veritensor_ray.media_types import is_text_type

EVIDENCE = 240
CONTEXT = 120
_MARGIN = 200  # read around what is shown, so that a secret at its edge is still seen as one
_BYTES_TO_TEXT = "latin-1"
_INNER = re.compile(r"(?<=\w)\w")
_RUN = re.compile(r"[A-Za-z0-9+/=_-]{16,}")


@dataclass(slots=True)
class Tally:
    """A line of the rollup: complete even where rows are not."""

    count: int = 0
    severity: str = "info"
    keys: set[bytes] = field(default_factory=set)

    def add(self, count: int, severity: str, keys: Iterable[bytes]) -> None:
        self.count += count
        self.severity = max(self.severity, severity, key=SEVERITIES.index)
        self.keys.update(keys)


@dataclass(slots=True)
class Recorded:
    """What is known of one artifact after a stage: rows (schema COMMITTED_FINDING) and tallies by column and rule."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    tallies: dict[tuple[str | None, str], Tally] = field(default_factory=dict)
    per_rule: dict[str, int] = field(default_factory=dict)

    def merge(self, other: Recorded, limit: int) -> None:
        """Take over another stage's findings, at most `limit` rows a rule."""
        for row in other.rows:
            self.add_row(row, limit)
        for key, tally in other.tallies.items():
            self.tallies.setdefault(key, Tally()).add(tally.count, tally.severity, tally.keys)

    def add_row(self, row: dict[str, Any], limit: int) -> None:
        """Keep a row unless its rule has its fill."""
        seen = self.per_rule.get(row["rule_id"], 0)
        if seen < limit:
            self.per_rule[row["rule_id"]] = seen + 1
            self.rows.append(row)


class Recorder:
    """Collects the findings of the artifacts of a shard, each in order of place."""

    def __init__(self, rules: Mapping[str, Rule], site_key: bytes, limit: int) -> None:
        self._rules, self._key, self._limit = rules, site_key, limit
        self._seen = _Seen()
        self.by_artifact: dict[int, Recorded] = {}

    def text_hits(self, engine: str, batch: pa.RecordBatch, hits: Iterable[Hit]) -> None:
        """Record an engine's hits in a batch; those in another segment's part of an overlap are left to it."""
        columns = _Columns(batch)
        for hit in sorted(hits, key=lambda h: (h.row or 0, h.start, h.rule, h.end)):
            row = hit.row or 0
            if hit.start >= columns.owned(row) or self._seen.again(columns, row, hit):
                continue
            text = columns.text(row)
            shown, start, end = (text, hit.start, hit.end) if hit.evidence is None else (hit.evidence, 0, len(hit.evidence))
            evidence = _evidence(shown, start, end, self._rules[hit.rule].category)
            place = _Place(columns.artifact[row], columns.value("member", row), columns.value("column", row))
            self._add(engine, hit, place, partial(columns.location, row, hit, text), evidence)

    def file_hits(self, engine: str, artifact: int, file: BinaryIO, about: FileInfo, hits: Iterable[Hit]) -> None:
        """Record an engine's hits in a file; offsets are bytes. In a file of text they get a line too."""
        is_text = is_text_type(about.media_type)
        lines = _Lines(file) if is_text else None
        for hit in sorted(hits, key=lambda h: (h.start, h.rule, h.end)):
            category = self._rules[hit.rule].category
            if hit.evidence is not None:
                evidence = _evidence(hit.evidence, 0, len(hit.evidence), category)
            else:
                evidence = _evidence_in_file(file, hit, category, "utf-8" if is_text else _BYTES_TO_TEXT)
            place = _Place(artifact, about.member, None)
            location = {"byte_offset": about.offset + hit.start, "view": "visible"}
            if lines is not None:
                location["line"] = lines.at(hit.start)
            self._add(engine, hit, place, partial(dict, location), evidence)

    def _add(self, engine: str, hit: Hit, place: _Place, locate: Callable[[], dict[str, Any]], evidence: _Evidence) -> None:
        rule = self._rules[hit.rule]
        severity = hit.severity or rule.severity
        recorded = self.by_artifact.setdefault(place.artifact, Recorded())
        key = evidence_key(self._key, hit.rule, evidence.raw)
        recorded.tallies.setdefault((place.column, hit.rule), Tally()).add(1, severity, (key,))
        if recorded.per_rule.get(hit.rule, 0) >= self._limit:
            return
        recorded.add_row(
            {
                "member": place.member,
                "location": locate(),
                "engine": engine,
                "rule_id": hit.rule,
                "severity": severity,
                "confidence": round(hit.score * (rule.confidence if hit.score == 1.0 else 1.0), 3),
                "evidence": evidence.shown,
                "evidence_before": evidence.before,
                "evidence_after": evidence.after,
                "evidence_key": key,
                "message": visible(without_credentials(mask(hit.message or rule.title))),
            },
            self._limit,
        )


@dataclass(frozen=True, slots=True)
class _Place:
    artifact: int
    member: str | None
    column: str | None


@dataclass(frozen=True, slots=True)
class _Evidence:
    raw: str
    shown: str
    before: str
    after: str


def _evidence(text: str, start: int, end: int, category: str) -> _Evidence:
    """The hit and what stands around it, redacted as one text before it is cut.

    Of personal data the initials of words are left, of a secret an eighth and no more than four characters: the prefix of a token.
    """
    shown_end = min(end, start + EVIDENCE)
    left, right = max(0, start - CONTEXT - _MARGIN), min(len(text), shown_end + CONTEXT + _MARGIN)
    masked = mask(text[left:right])
    cut = (
        slice(max(0, start - CONTEXT) - left, start - left),
        slice(start - left, shown_end - left),
        slice(shown_end - left, shown_end + CONTEXT - left),
    )
    if category == "pii":
        masked = masked[: cut[1].start] + _INNER.sub("*", masked[cut[1]]) + masked[cut[1].stop :]
    elif category == "secret":
        masked = _covered(masked, cut[1])
    before, shown, after = (visible(masked[part]) for part in cut)
    return _Evidence(text[start : min(end, start + 4096)], shown[:EVIDENCE], before[-CONTEXT:], after[:CONTEXT])


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
    normal = re.sub(r"\s+", " ", evidence).strip().casefold()
    return hmac.digest(site_key, f"{rule}\0{normal}".encode("utf-8", "surrogatepass"), hashlib.sha256)[:16]


def _evidence_in_file(file: BinaryIO, hit: Hit, category: str, encoding: str) -> _Evidence:
    """What stands at the bytes of a hit, and around them."""
    first = max(0, hit.start - CONTEXT - _MARGIN)
    file.seek(first)
    data = file.read(min(hit.end, hit.start + EVIDENCE) - first + CONTEXT + _MARGIN)
    before, found = data[: hit.start - first], data[hit.start - first : hit.end - first]
    after = data[hit.end - first :]
    texts = [part.decode(encoding, "replace") for part in (before, found, after)]
    return _evidence("".join(texts), len(texts[0]), len(texts[0]) + len(texts[1]), category)


class _Lines:
    """Lines of offsets in a file of text, asked in rising order; the file is read once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at, self._line = file, 0, 1

    def at(self, offset: int) -> int:
        self._file.seek(self._at)
        while self._at < offset and (data := self._file.read(min(1 << 20, offset - self._at))):
            self._at += len(data)
            self._line += data.count(b"\n")
        return self._line


class _Seen:
    """Where hits were, so that what is found in a text and again in what it decodes to, or in a notice of it, counts once: those come later."""

    _MOST = 20_000

    def __init__(self) -> None:
        self._spans: dict[tuple[Any, ...], list[tuple[int, int]]] = {}

    def again(self, columns: _Columns, row: int, hit: Hit) -> bool:
        """Whether a hit in such a text stands where its rule had one already; remembers all others."""
        if not columns.repeats:
            return False
        derived = columns.value("view", row) == "decoded" or columns.value("notice", row) is not None
        # characters of a file with lines are counted from its beginning, those of a cell from the cell's
        names = ("member", "part", "row", "page", *(() if columns.of_file(row) else ("column",)))
        start, end = columns.span(row, hit)
        key = (columns.artifact[row], hit.rule, *(columns.value(name, row) for name in names))
        spans = self._spans.setdefault(key, [])
        if derived and any(start < other_end and other_start < end for other_start, other_end in spans):
            return True
        if len(self._spans) > self._MOST or len(spans) > self._MOST:
            self._spans.clear()
        else:
            spans.append((start, end))
        return False


class _Columns:
    """Location columns of a batch, fetched when a hit first asks for them: most batches have none."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._cache: dict[str, Any] = {}
        self._lines: dict[int, list[int]] = {}
        self._texts: dict[int, str] = {}

    def _column(self, name: str) -> Any:
        if name not in self._cache:
            self._cache[name] = self._batch.column(name)
        return self._cache[name]

    @property
    def artifact(self) -> Any:
        if "artifacts" not in self._cache:
            self._cache["artifacts"] = self._batch.column("artifact").to_pylist()
        return self._cache["artifacts"]

    def text(self, row: int) -> str:
        if row not in self._texts:
            self._texts = {row: self._column("text")[row].as_py() or ""}  # hits come sorted: one at a time is enough
        return self._texts[row]

    def value(self, name: str, row: int) -> str | None:
        value: str | None = self._column(name)[row].as_py()
        return value

    def owned(self, row: int) -> int:
        value = self._column("owned")[row].as_py()
        return 1 << 62 if value is None else int(value)

    @property
    def repeats(self) -> bool:
        """Whether some texts of the batch are decoded or notices: what is in them may be in others, too."""
        if "repeats" not in self._cache:
            views, notices = self._batch.column("view").dictionary, self._batch.column("notice")
            self._cache["repeats"] = "decoded" in views.to_pylist() or notices.null_count < len(notices)
        return bool(self._cache["repeats"])

    def of_file(self, row: int) -> bool:
        """Whether characters are counted from the beginning of a file of lines."""
        origins = self._column("origins")[row].as_py()
        line = origins[0]["line"] if origins else self._column("line")[row].as_py()
        return line is not None and self._column("row")[row].as_py() is None

    def span(self, row: int, hit: Hit) -> tuple[int, int]:
        """The characters of the original that a hit stands for."""
        origins = self._column("origins")[row].as_py()
        if origins:
            first, last = _origin(origins, hit.start), _origin(origins, max(hit.start, hit.end - 1))
            length = len(self.text(row))
            return _back(origins, first, length, hit.start)[0], _back(origins, last, length, max(hit.start, hit.end - 1))[1]
        start = self._column("start")[row].as_py() or 0
        return start + hit.start, start + hit.end

    def location(self, row: int, hit: Hit, text: str) -> dict[str, Any]:
        """Where a hit stands in the original: lines, characters and bytes counted from the beginning of its unit."""
        names = ("row", "column", "page", "part", "view", "decoded_via", "line", "byte_offset")
        found = {name: self._column(name)[row].as_py() for name in names}
        found["start"], found["end"] = self.span(row, hit)
        origins = self._column("origins")[row].as_py()
        if origins:
            origin = origins[_origin(origins, hit.start)]
            same = _straight(origins, _origin(origins, hit.start), len(text))
            below = text.count("\n", origin["at"], hit.start) if same else 0
            return found | {"line": None if origin["line"] is None else origin["line"] + below, "byte_offset": None}
        if found["line"] is not None:
            if row not in self._lines:
                self._lines = {row: [i for i, c in enumerate(text) if c == "\n"]}
            found["line"] += bisect_right(self._lines[row], hit.start - 1)
        if found["byte_offset"] is not None:
            found["byte_offset"] += len(text[: hit.start].encode("utf-8", "replace"))
        boxes = self._column("boxes")[row].as_py()
        if boxes:
            found["box"] = _union(boxes, hit)
        return found


def _origin(origins: Sequence[Mapping[str, int]], at: int) -> int:
    """Index of the origin that a character belongs to."""
    return max(0, bisect_right(origins, at, key=lambda origin: origin["at"]) - 1)


def _straight(origins: Sequence[Mapping[str, int]], index: int, length: int) -> bool:
    """Whether its characters are the original's, one by one."""
    until = origins[index + 1]["at"] if index + 1 < len(origins) else length
    return until - origins[index]["at"] == origins[index]["end"] - origins[index]["start"]


def _back(origins: Sequence[Mapping[str, int]], index: int, length: int, at: int) -> tuple[int, int]:
    """Start and end in the original of one character of a text of that length."""
    origin = origins[index]
    if not _straight(origins, index, length):
        return origin["start"], origin["end"]
    start = origin["start"] + at - origin["at"]
    return start, start + 1


def _union(boxes: Sequence[Mapping[str, int]], hit: Hit) -> list[int]:
    """Left, top, right and bottom of the picture's part that holds a hit."""
    begins = [0, *(box["end"] for box in boxes)]
    inside = [
        box for box, begin in zip(boxes, begins, strict=False) if begin < max(hit.end, hit.start + 1) and hit.start < box["end"]
    ] or boxes
    edges = ((min, "left"), (min, "top"), (max, "right"), (max, "bottom"))
    return [int(pick(box[edge] for box in inside)) for pick, edge in edges]
